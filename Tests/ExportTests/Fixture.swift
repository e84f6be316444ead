import Calls
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing
import Wire

@testable import Export

/// Something the test's own machinery could not do.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Waits until `body` gives a value; the time is a guard against hanging, not an expectation.
///
/// It looks once more when the time is over: while other tests keep the processors busy a short sleep may last a minute.
func eventually<Value>(_ what: String, within seconds: Int = 120, _ body: () throws -> Value?) async throws -> Value {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
        let isLast = ContinuousClock.now >= end
        if let value = try body() { return value }
        guard !isLast else { throw Failure("not in \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Waits until a condition holds.
func eventually(_ what: String, within seconds: Int = 120, _ isTrue: () throws -> Bool) async throws {
    _ = try await eventually(what, within: seconds) { try isTrue() ? true : nil }
}

/// A log whose lines can be counted.
final class LogLines: Sendable {
    private let kept = Mutex([String]())
    var lines: [String] { kept.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            lines.kept.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
        }
    }
}

/// Workers' span buffers and all that stands behind them.
struct Fixture: Sendable {
    let counters = TracingCounters()
    let registry = OperationRegistry(capacity: 100)
    let spanBuffers: [SpanBuffer]
    let log = LogLines()
    let operation: OperationID

    init(spanBuffers count: Int = 2, maxSpans: Int = 10_000) {
        spanBuffers = (0..<count).map { [counters] _ in SpanBuffer(maxSpans: maxSpans, counters: counters) }
        operation = registry.intern(.greeting)
    }

    /// Leaves spans with these ids, one buffer after the other.
    func record(_ ids: Range<UInt64>) {
        for id in ids {
            let spanBuffer = spanBuffers[Int(id) % spanBuffers.count]
            spanBuffer.record(facts(id), texts: texts([(.caller, "shop")]))
        }
    }

    /// A call whose numbers all follow from its id.
    func facts(_ id: UInt64) -> SpanFacts {
        let call = FinishedCall(
            operation: operation,
            side: id % 2 == 0 ? .provider : .consumer,
            outcome: .ok,
            code: 20,
            startNanoseconds: 1_000_000_000 + id * 1_000,
            durationNanoseconds: 500 + id,
            requestBytes: id,
            responseBytes: id * 2
        )
        var facts = SpanFacts(call: call, traceID: TraceID(high: 7, low: id), spanID: id, parentSpanID: id * 3)
        facts.requestID = id
        facts.serialization = 2
        return facts
    }

    func exporter(
        _ configuration: ExportConfiguration,
        serviceName: String? = "greeter",
        learned: LearnedName? = nil
    ) -> SpanExporter {
        let resource = ResourceDescription(
            serviceName: serviceName,
            environment: [:],
            hostName: "machine",
            version: "1.2.3"
        )
        return SpanExporter(
            configuration: configuration,
            resource: resource,
            spanBuffers: spanBuffers,
            registry: registry,
            counters: counters,
            logger: log.logger,
            serviceName: SpanServiceName(given: resource.serviceName, learned: learned, patience: .seconds(600))
        )
    }

    /// What became of the spans.
    var counts: [UInt64] {
        let readings = counters.readings
        return [readings.exported, readings.dropped, readings.failed]
    }

    /// Whether so many spans have come to an end, whichever.
    func haveEnded(_ count: UInt64) -> Bool { counts.reduce(0, +) >= count }
}

extension Operation {
    static let greeting = Operation(
        callProtocol: .dubbo,
        interface: "com.example.Greeter",
        version: "1.0.0",
        group: "blue",
        method: "greet"
    )
}

/// A span's texts as the workers leave them.
func texts(_ items: [(SpanText, String)]) -> [UInt8] {
    var all: [UInt8] = []
    for (kind, text) in items { SpanTexts.append(kind, Array(text.utf8).span.bytes, to: &all) }
    return all
}

/// Runs a service while `body` does something, then stops it gracefully and waits for its end.
func running(_ service: any Service, _ body: @Sendable () async throws -> Void) async throws {
    let group = ServiceGroup(
        configuration: .init(
            services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    )
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        do {
            try await body()
        } catch {
            tasks.cancelAll()
            throw error
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
    }
}
