import Calls
import Telemetry
import TestSupport
import Testing

/// What processes tell each other of their numbers.
@Suite struct ReportTests {
    /// A process with calls of three operations, some of them of callers, and what else can be counted.
    private static func busy(_ seed: UInt64, callers: CallerRegistry? = nil) -> (Bench, MetricsReport) {
        let bench = Bench(workers: 2)
        var random = SeededRandom(seed: seed)
        let names = ["shop", "cart", "search"].map { Array($0.utf8) }
        for number in 0..<200 {
            let protocols: [CallProtocol] = [.dubbo, .triple, .jsonrpc]
            let kind = Int.random(in: 0..<3, using: &random)
            let operation = bench.operation("m\(kind)", version: "1.\(kind)", in: protocols[kind])
            let recorder = bench.recorders[number % 2]
            let name = names[Int.random(in: 0..<3, using: &random)]
            let place = callers?.place(of: name.span.bytes) ?? 0
            let outcome: Outcome = [.ok, .serverError, .lost].randomElement(using: &random) ?? .ok
            let code = outcome == .lost ? ResultCode.none : [0, 5, 20, 70, 100].randomElement(using: &random) ?? 0
            recorder.callStarted(operation, side: .provider)
            let nanoseconds = UInt64.random(in: 0...20_000_000_000, using: &random)
            recorder.callFinished(
                call(operation, outcome, code: code, nanoseconds: nanoseconds, caller: place),
                wasInFlight: number % 10 > 0
            )
            if number % 7 == 0 { recorder.exception(operation, "java.lang.E\(number % 11)") }
        }
        var additions = MetricsAdditions()
        additions.callers = callers?.names
        additions.limits = [LimitReadings(name: "l", allowed: seed, rejected: 2, wouldReject: 3)]
        additions.drains = DrainReadings(states: [], signals: [("readonly", seed)])
        additions.adminCuts = [("idle", 4)]
        additions.tapLinesDropped = 5
        additions.operation = ProcessOperation(reloads: 6, failedReloads: seed, logLinesDropped: 7)
        additions.tracing = TracingCounters.Readings()
        additions.consumers = [ConsumerConnection(side: .provider, consumer: "shop", calls: 9)]
        let report = MetricsReport(
            snapshot: bench.snapshot(),
            additions: additions,
            staleWorkers: seed,
            cpuNanoseconds: 1_500_000_000
        )
        return (bench, report)
    }

    private static func page(_ report: MetricsReport, _ format: ExpositionFormat = .text) -> [UInt8] {
        var page = MetricsPage(startNanoseconds: 0)
        var context = Bench.context(Bench.readings)
        context.staleWorkers = report.staleWorkers
        context.additions = report.additions
        context.additions.names = [.weir, .dubbo]
        context.nowNanoseconds = 10_000_000_000
        return page.render(report.snapshot, context, format: format)
    }

    private static func samples(_ report: MetricsReport) -> [String: Double] {
        TelemetryTests.samples(String(decoding: page(report), as: UTF8.self))
    }

    private static func nothing(callers: CallerRegistry? = nil) -> MetricsReport {
        var additions = MetricsAdditions()
        additions.callers = callers?.names
        additions.limits = []
        additions.drains = DrainReadings(states: [], signals: [])
        additions.adminCuts = []
        additions.tapLinesDropped = 0
        additions.operation = ProcessOperation(reloads: 0, failedReloads: 0, logLinesDropped: 0)
        additions.tracing = TracingCounters.Readings()
        additions.consumers = []
        return MetricsReport(snapshot: MetricsSnapshot(), additions: additions)
    }

    private static func read(_ report: MetricsReport, into bench: Bench) throws -> MetricsReport {
        try MetricsReport(bytes: report.bytes[...], registry: bench.registry, labels: bench.labels)
    }

    @Test("a process that has counted nothing shows another's page to the sample", arguments: [false, true])
    func roundTrip(_ tellsCallers: Bool) throws {
        let (theirs, ours) = (tellsCallers ? CallerRegistry() : nil, tellsCallers ? CallerRegistry() : nil)
        // Whoever is known here already has another place than there.
        _ = ours?.place(of: Array("search".utf8).span.bytes)
        let (_, report) = Self.busy(1, callers: theirs)
        var merged = Self.nothing(callers: ours)
        merged.merge(try Self.read(report, into: Bench()), callers: ours)
        let (before, after) = (Self.samples(report), Self.samples(merged))
        // How many operations are told apart says the registry of whoever shows the page.
        for (name, value) in before where name != "weir_operations" { #expect(after[name] == value, "\(name)") }
        #expect(merged.cpuNanoseconds == 1_500_000_000)
    }

    @Test("merged, every counter is the sum, and gauges of processes that have gone are left out")
    func sums() throws {
        let (bench, own) = Self.busy(1)
        let (_, other) = Self.busy(2)
        for isGone in [false, true] {
            let read = try Self.read(other, into: bench)
            var merged = own
            merged.merge(isGone ? read.ofGoneProcess : read, callers: nil)
            let (left, right, sum) = (Self.samples(own), Self.samples(other), Self.samples(merged))
            let isCounted = { (name: String) in
                ["_total", "_bucket", "_count"].contains { (name.split(separator: "{").first ?? "").hasSuffix($0) }
                    && name.hasPrefix("weir_")
            }
            for name in Set(left.keys).union(right.keys) where isCounted(name) {
                #expect(sum[name] == (left[name] ?? 0) + (right[name] ?? 0), "\(name)")
            }
            for (name, value) in sum where name.hasPrefix("weir_calls_in_flight{") {
                #expect(value == (left[name] ?? 0) + (isGone ? 0 : right[name] ?? 0), "\(name)")
            }
            #expect(sum["weir_consumer_connections{side=\"provider\",consumer=\"shop\"}"] == (isGone ? 1 : 2))
        }
    }

    @Test("an operation that finds no room is the overflow operation, and no overflow is counted for it")
    func overflow() throws {
        let (_, report) = Self.busy(3)
        let registry = OperationRegistry(capacity: 1)
        let read = try MetricsReport(bytes: report.bytes[...], registry: registry, labels: SeriesLabels())
        #expect(registry.overflowed == 0 && registry.count == 1)
        var merged = MetricsReport(snapshot: MetricsSnapshot())
        merged.merge(read, callers: nil)
        let calls = { (report: MetricsReport) in report.snapshot.operations.reduce(0) { $0 + $1.calls } }
        #expect(calls(merged) == calls(report) && calls(report) == 200)
        #expect(merged.snapshot.operations.contains { $0.operation.interface == "_other" })
    }

    // MARK: Bytes

    private static func ledgerBytes() -> [UInt8] {
        let own = ReportLedger.Entry(process: 7, time: 1, report: busy(4).1.bytes)
        return ReportLedger().bytes(own: own)
    }

    @Test("every prefix and every changed byte is refused")
    func refused() {
        let bytes = Self.ledgerBytes()
        let (registry, labels) = (OperationRegistry(capacity: 10), SeriesLabels())
        func read(_ bytes: [UInt8]) -> Bool {
            (try? ReportLedger.entries(of: bytes, registry: registry, labels: labels)) != nil
        }
        #expect(read(bytes))
        for count in bytes.indices { #expect(!read(Array(bytes[..<count]))) }
        for at in bytes.indices {
            var changed = bytes
            for bit: UInt8 in [1, 0x10, 0x80] {
                changed[at] = bytes[at] ^ bit
                #expect(!read(changed))
            }
        }
        #expect(!read(bytes + [0]))
    }

    @Test("whatever the bytes say, a report is read or refused, and can be merged and shown")
    func anything() throws {
        let sealed = Self.ledgerBytes()
        let bytes = Array(try ReportSeal.opened(sealed))
        var random = SeededRandom(seed: 5)
        var isRead = 0
        for _ in 0..<20_000 {
            var changed = bytes
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let at = Int.random(in: 0..<changed.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: changed[at] = .random(in: .min ... .max, using: &random)
                case 1: changed.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], at: at)
                case 2: changed.remove(at: at)
                default: changed[at] = 0xff
                }
            }
            let (registry, labels) = (OperationRegistry(capacity: 10), SeriesLabels())
            let entries = try? ReportLedger.entries(
                of: ReportSeal.sealed(changed),
                registry: registry,
                labels: labels
            )
            guard let entries else { continue }
            isRead += 1
            var ledger = ReportLedger()
            for entry in entries { ledger.take(entry) }
            var merged = Self.nothing()
            for report in ledger.reports(running: [7], registry: registry, labels: labels) {
                merged.merge(report, callers: nil)
                merged.merge(report, callers: nil)
            }
            #expect(!Self.page(merged).isEmpty && !Self.page(merged, .protobuf).isEmpty)
        }
        #expect(isRead > 100, "\(isRead)")
    }

    @Test("a number of elements without the elements allocates nothing")
    func counts() {
        var writer = ReportWriter()
        writer.add(UInt64.max >> 1)
        var reader = ReportReader(writer.bytes[...])
        #expect(throws: ReportError.malformed) { try reader.each { $0.isAtEnd } }
        reader = ReportReader(writer.bytes[...])
        #expect(throws: ReportError.malformed) { try reader.piece() }
    }

    @Test(
        "numbers and texts come back",
        arguments: [0, 1, 127, 128, 300, UInt64.max, 1 << 63]
    )
    func numbers(_ number: UInt64) throws {
        var writer = ReportWriter()
        writer.add(number)
        writer.add(signed: Int64(bitPattern: number))
        writer.add("Größe \(number)")
        var reader = ReportReader(writer.bytes[...])
        #expect(try reader.number() == number)
        #expect(try reader.signed() == Int64(bitPattern: number))
        #expect(try reader.text() == "Größe \(number)")
        #expect(reader.isAtEnd)
    }
}

/// What is kept of processes that came one after the other.
@Suite struct ReportLedgerTests {
    private let registry = OperationRegistry(capacity: 10)
    private let labels = SeriesLabels()

    private func entry(_ process: UInt64, _ time: UInt64, calls: Int) -> ReportLedger.Entry {
        let bench = Bench()
        let operation = bench.operation("m")
        for _ in 0..<calls { bench.recorder.callFinished(call(operation), wasInFlight: false) }
        let report = MetricsReport(snapshot: bench.snapshot())
        return ReportLedger.Entry(process: process, time: time, report: report.bytes)
    }

    private func calls(_ ledger: ReportLedger) -> UInt64 {
        let reports = ledger.reports(running: [], registry: registry, labels: labels)
        return reports.reduce(0) { $0 + $1.snapshot.operations.reduce(0) { $0 + $1.calls } }
    }

    @Test("of a process the latest numbers count, in whatever order they come")
    func latest() {
        var ledger = ReportLedger()
        ledger.take(entry(1, 20, calls: 5))
        ledger.take(entry(1, 10, calls: 3))
        ledger.take(entry(2, 10, calls: 2))
        #expect(calls(ledger) == 7)
        ledger.take(entry(1, 30, calls: 6))
        #expect(calls(ledger) == 8 && ledger.entries.count == 2)
    }

    @Test("a ledger that comes on several ways counts once")
    func handedOn() throws {
        var old = ReportLedger()
        old.take(entry(1, 10, calls: 5))
        old.note(1, isGone: true)
        let bytes = old.bytes(own: entry(2, 20, calls: 7))
        let first = try ReportLedger.entries(of: bytes, registry: registry, labels: labels)
        #expect(first.map(\.processes) == [[2], [1]] && first.map(\.isGone) == [false, true])
        var new = ReportLedger()
        for _ in 0..<2 { for entry in first { new.take(entry) } }
        // The old one itself, and a later word of its.
        new.take(entry(1, 11, calls: 6))
        #expect(calls(new) == 13)
        #expect(new.entries.first { $0.processes == [1] }?.isGone == true)
    }

    @Test("processes that were heard of and never came take no more than their room")
    func neverCame() {
        var ledger = ReportLedger()
        for process in UInt64(1)...120 {
            ledger.take(entry(process, process, calls: 1))
            ledger.fold(running: [1], registry: registry, labels: labels, callers: nil)
            #expect(ledger.entries.count <= ReportLedger.maxKept + ReportLedger.maxGone + 1)
        }
        #expect(calls(ledger) == 120)
        #expect(ledger.entries.contains { $0.processes == [1] })
    }

    @Test("of many processes that have gone one sum is left, which takes nothing twice")
    func fold() throws {
        var ledger = ReportLedger()
        for process in UInt64(1)...40 {
            ledger.take(entry(process, process, calls: Int(process)))
            if process != 20 { ledger.note(process, isGone: true) }
            ledger.fold(running: [20], registry: registry, labels: labels, callers: nil)
            #expect(calls(ledger) == process * (process + 1) / 2)
            #expect(ledger.entries.count <= ReportLedger.maxGone + 2)
        }
        let sum = try #require(ledger.entries.first { $0.processes.count > 1 })
        #expect(sum.processes == (1...32).filter { $0 != 20 })
        // Words of those whose numbers are in it already.
        ledger.take(entry(3, 100, calls: 3))
        #expect(calls(ledger) == 820)
        // Another process that had an older sum, and one that gets this one over an older one.
        var other = ReportLedger()
        for process in UInt64(1)...12 {
            other.take(entry(process, process, calls: Int(process)))
            other.note(process, isGone: true)
        }
        other.fold(running: [20], registry: registry, labels: labels, callers: nil)
        for old in other.entries { ledger.take(old) }
        #expect(calls(ledger) == 820)
        for new in ledger.entries { other.take(new) }
        #expect(calls(other) == 820)
    }
}
