internal import ArgumentParser
internal import CLinux
internal import Calls
internal import Capture
internal import Clocks
internal import Glibc
internal import Inspection
internal import Telemetry

/// `weir read`: what was said in captured traffic.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read",
        abstract: "Reads capture files (pcap, pcapng) and prints the calls in them.",
        discussion: """
            A damaged or truncated file is read as far as it goes; then the exit code is 65. What comes through a pipe
            may have no end: lines are printed as packets come, and SIGINT and SIGTERM end it as the end of a file does.
            """
    )

    enum Form: String, ExpressibleByArgument, CaseIterable {
        case messages
        case calls
        case summary
    }

    enum ReportedSide: String, ExpressibleByArgument, CaseIterable {
        case provider
        case consumer

        var side: Side { self == .provider ? .provider : .consumer }
    }

    @Argument(help: "Capture files; - is standard input.")
    var files: [String]

    @Option(help: "messages, calls (JSON lines) or summary; the default is summary on a terminal, calls otherwise.")
    var output: Form?

    @Option(help: "Only packets that match this expression, as tcpdump takes it.")
    var filter = ""

    @Option(help: "On which side of the services the capture was taken.")
    var side = ReportedSide.provider

    @Option(help: "Seconds after which a call without a deadline of its own counts as a timeout.")
    var callTimeout = Double(Defaults.callTimeoutSeconds)

    @Option(help: "Attachments whose values are not shown, separated by commas.")
    var redact = Defaults.redactedNames.joined(separator: ",")

    func validate() throws {
        guard callTimeout > 0, callTimeout <= 86_400 else {
            throw ValidationError("--call-timeout takes a number of seconds above 0 and up to 86400")
        }
        guard !files.isEmpty else { throw ValidationError("no capture file was named") }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let reading = CaptureReading(
            form: output ?? (Output.isTerminal ? .summary : .calls),
            stop: weir_stop_on_signals(),
            side: side.side,
            callTimeoutNanoseconds: UInt64(callTimeout * 1e9),
            redacted: redact.split(separator: ",").map(String.init)
        )
        var worst: ExitCode?
        for file in files {
            do throws(CaptureError) {
                if try reading.read(file, filter: filter) == .unreadable { worst = Self.worse(worst, ExitStatus.data) }
            } catch {
                Output.error(error.message)
                worst = Self.worse(worst, Self.status(of: error))
            }
            if reading.isOver { break }
        }
        reading.finish()
        if reading.outputFailure != 0 {
            Output.error("standard output: \(Output.text(of: reading.outputFailure))")
            worst = Self.worse(worst, ExitStatus.output)
        }
        if let worst { throw worst }
    }

    private static func status(of error: CaptureError) -> ExitCode {
        switch error {
        case .cannotOpen: ExitStatus.noInput
        case .notACapture, .broken: ExitStatus.data
        case .badFilter: ExitStatus.usage
        }
    }

    /// The exit code of several files: that of the first error.
    private static func worse(_ old: ExitCode?, _ new: ExitCode) -> ExitCode { old ?? new }
}

/// One run over one or more captures.
private final class CaptureReading {
    private static let flushBytes = 65_536

    private let form: ReadCommand.Form
    private let side: Side
    private let registry = OperationRegistry(capacity: 100_000)
    private let labels = SeriesLabels()
    private let core: InspectionCore
    private let progress = Progress()
    private var messages: MessageLines?
    private var calls: CallLines?
    private let stop: Int32
    private var isReaderGone = false
    /// The `errno` of a failed write; 0 if there was none, or if the reader has gone.
    private(set) var outputFailure: Int32 = 0
    private var isStopped = false
    /// True if reading is to end: the reader of the output has gone, or a signal came.
    var isOver: Bool { isReaderGone || isStopped }
    private var remarks: [String] = []

    /// The result of reading a file.
    enum Result {
        case read
        /// All its packets are of link types that are not read.
        case unreadable
    }

    init(form: ReadCommand.Form, stop: Int32, side: Side, callTimeoutNanoseconds: UInt64, redacted: [String]) {
        self.form = form
        self.stop = stop
        self.side = side
        var configuration = InspectionCore.Configuration(registry: registry, labels: labels)
        configuration.clock = .wall
        configuration.limits = Inspector.Limits(callTimeoutNanoseconds: callTimeoutNanoseconds, maxCalls: 1_000_000)
        core = InspectionCore(configuration)
        switch form {
        case .messages:
            let lines = MessageLines(redacted: Redaction(names: redacted)) { [unowned self] in
                if $0.json.bytes.count >= Self.flushBytes { flush() }
            }
            messages = lines
            core.inspector.messageObserver = lines
        case .calls:
            let lines = CallLines(registry: registry) { [unowned self] in
                if $0.json.bytes.count >= Self.flushBytes { flush() }
            }
            calls = lines
            core.inspector.callObserver = lines
        case .summary: break
        }
    }

    func read(_ path: String, filter: String) throws(CaptureError) -> Result {
        let waits = CaptureWaits(stop: stop) { [unowned self] in flush() }
        var file = try CaptureFile(path: path, filter: filter, waits: waits)
        let reader = CaptureReader(core: core, side: side)
        progress.begin(path)
        defer {
            reader.finish()
            progress.end()
            remarks += Self.remarks(reader.counters)
            isStopped = file.isStopped
        }
        do throws(CaptureError) {
            packets: while !isReaderGone {
                switch try reader.step(&file) {
                case .packet(let byteCount): progress.add(byteCount)
                case .timeout: continue
                case .end: break packets
                }
            }
        } catch {
            _ = note(path, reader.counters, filter: file.counts)
            throw error
        }
        return note(path, reader.counters, filter: file.counts)
    }

    /// Says on standard error what was not read.
    private func note(_ path: String, _ counters: CaptureCounters, filter: FilterCounts) -> Result {
        let name = path == "-" ? "standard input" : path
        let notes = ReadNotes(name: name, counters: counters, filter: filter)
        if !isReaderGone {
            for line in notes.lines { Output.error(line) }
        }
        return notes.isUnreadable ? .unreadable : .read
    }

    func flush() {
        if let messages, !messages.json.bytes.isEmpty {
            write(messages.json.bytes)
            messages.removeAll()
        }
        if let calls, !calls.json.bytes.isEmpty {
            write(calls.json.bytes)
            calls.removeAll()
        }
    }

    func finish() {
        flush()
        guard form == .summary else { return }
        let snapshot = MetricsSnapshot(merging: [core.recorder.snapshot()], registry: registry, labels: labels)
        let table = SummaryTable.render(snapshot, remarks: remarks, columns: Output.size.columns)
        write(Array(table.utf8))
    }

    private func write(_ bytes: [UInt8]) {
        guard !isReaderGone else { return }
        let reason = Output.writeOrReason(bytes)
        guard reason != 0 else { return }
        isReaderGone = true
        if reason != EPIPE { outputFailure = reason }
    }

    /// Remarks about unusual packets of a capture.
    private static func remarks(_ counters: CaptureCounters) -> [String] {
        [
            ("IP fragments passed over", counters.fragments), ("packets cut by the snap length", counters.truncated),
            ("holes in streams", counters.holes), ("malformed packets", counters.malformedTotal),
            ("connections forgotten for want of room", counters.evictedConnections),
        ].compactMap { $1 > 0 ? "\($0) \($1)" : nil }
    }
}

/// The progress of reading a large file, on a terminal's standard error.
private final class Progress {
    private static let stepBytes = 16 << 20

    private let isShown = Output.isErrorTerminal
    private var path = ""
    private var bytes = 0
    private var next = 0
    private var start: UInt64 = 0

    func begin(_ path: String) {
        self.path = path
        bytes = 0
        next = Self.stepBytes
        start = SystemClock.now()
    }

    func add(_ count: Int) {
        bytes += count
        guard isShown, bytes >= next else { return }
        next += Self.stepBytes
        let seconds = Double(SystemClock.now() - start) / 1e9
        Output.note("\r\(path): \(bytes >> 20) MiB, \(Int(Double(bytes) / 1e6 / max(seconds, 0.001))) MB/s ")
    }

    func end() {
        if isShown, bytes >= Self.stepBytes { Output.note("\r\u{1b}[K") }
    }
}
