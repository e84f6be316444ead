import Calls
import Telemetry
import Wire

/// A process in small: one registry, one table of labels, some workers.
struct Bench {
    let registry = OperationRegistry(capacity: 2000)
    let labels = SeriesLabels()
    var recorders: [Recorder]

    init(workers: Int = 1) {
        let labels = labels
        recorders = (0..<workers).map { _ in Recorder(labels: labels) }
    }

    var recorder: Recorder { recorders[0] }

    func operation(
        _ method: String,
        interface: String = "com.x.S",
        version: String = "",
        group: String = "",
        in callProtocol: CallProtocol = .dubbo
    ) -> OperationID {
        registry.intern(
            Operation(
                callProtocol: callProtocol,
                interface: interface,
                version: version,
                group: group,
                method: method
            )
        )
    }

    func snapshot() -> MetricsSnapshot {
        MetricsSnapshot(merging: recorders.map { $0.snapshot() }, registry: registry, labels: labels)
    }

    func page(
        _ format: ExpositionFormat = .text,
        process: ProcessReadings? = nil,
        offset: Int64? = nil,
        additions: MetricsAdditions = MetricsAdditions()
    ) -> String {
        String(decoding: bytes(format, process: process, offset: offset, additions: additions), as: UTF8.self)
    }

    func bytes(
        _ format: ExpositionFormat,
        process: ProcessReadings? = nil,
        offset: Int64? = nil,
        additions: MetricsAdditions = MetricsAdditions()
    ) -> [UInt8] {
        var page = MetricsPage(startNanoseconds: 0)
        var context = Self.context(process)
        context.nowNanoseconds = 10_000_000_000
        context.wallClockOffsetNanoseconds = offset
        context.additions = additions
        return page.render(snapshot(), context, format: format)
    }

    static func context(_ process: ProcessReadings? = nil) -> MetricsPage.Context {
        MetricsPage.Context(build: BuildInfo(version: "1.0", revision: "abc"), process: process, staleWorkers: 3)
    }

    static let readings = ProcessReadings(
        cpuSeconds: 1.25,
        residentBytes: 20 << 20,
        virtualBytes: 90 << 20,
        openFileDescriptors: 12,
        maxFileDescriptors: 1024,
        startTimeSeconds: 1_700_000_000.5
    )
}

/// A finished call with the facts that a test cares about.
func call(
    _ operation: OperationID,
    _ outcome: Outcome = .ok,
    code: Int32 = 20,
    side: Side = .provider,
    nanoseconds: UInt64 = 1_000_000,
    request: UInt64 = 100,
    response: UInt64 = 50,
    start: UInt64 = 0,
    caller: UInt8 = 0
) -> FinishedCall {
    FinishedCall(
        operation: operation,
        side: side,
        outcome: outcome,
        code: code,
        startNanoseconds: start,
        durationNanoseconds: nanoseconds,
        requestBytes: request,
        responseBytes: response,
        caller: caller
    )
}

extension Recorder {
    func exception(_ operation: OperationID, side: Side = .provider, _ className: String) {
        let bytes = Array(className.utf8)
        exception(operation, side: side, className: bytes.span.bytes)
    }
}

/// The samples of a text page: name with labels → value.
func samples(_ page: String) -> [String: Double] {
    var samples: [String: Double] = [:]
    for line in page.split(separator: "\n") where !line.hasPrefix("#") {
        guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
            continue
        }
        samples[String(line[..<space])] = value
    }
    return samples
}
