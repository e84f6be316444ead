internal import Synchronization
internal import Telemetry

/// A sender of batches to the collector, one at a time, that counts the results of their spans.
struct SpanDelivery {
    /// The longest wait between attempts once the process stops.
    private static let closingWait: Duration = .milliseconds(250)

    private let configuration: ExportConfiguration
    private let encoder: TraceRequestEncoder
    private let resource: @Sendable () -> OTLPResource
    private let version: String
    private let counters: TracingCounters
    private let log: ErrorLog
    private let transport: any SpanTransport
    private let isClosing: Closing
    private let clock = ContinuousClock()
    private var backoff: Backoff
    /// No attempt before this moment.
    private var earliest: ContinuousClock.Instant

    /// A flag for the end of the process, after which nothing waits for long.
    final class Closing: Sendable {
        private let flag = Atomic(false)
        /// True if the process stops.
        var isOn: Bool { flag.load(ordering: .relaxed) }
        /// It does.
        func begin() { flag.store(true, ordering: .relaxed) }
    }

    init(_ exporter: SpanExporter, through transport: any SpanTransport, isClosing: Closing) {
        configuration = exporter.configuration
        encoder = TraceRequestEncoder(
            conventions: exporter.conventions,
            registry: exporter.registry,
            maxBytes: exporter.configuration.maxBatchBytes
        )
        let description = exporter.resource
        let name = exporter.serviceName
        resource = { description.resource(name: name.text) }
        version = exporter.resource.version
        counters = exporter.counters
        log = exporter.log
        self.transport = transport
        self.isClosing = isClosing
        backoff = Backoff(initial: configuration.initialBackoff, max: configuration.maxBackoff)
        earliest = clock.now
    }

    /// Delivers everything that waits; stops early when it is cancelled.
    mutating func drain(_ queue: SpanQueue) async {
        while !Task.isCancelled, var chunk = queue.next() {
            while chunk.count > 0 {
                guard !Task.isCancelled else {
                    counters.failed(chunk.count)
                    break
                }
                let request = encoder.request(&chunk, resource(), version: version)
                if request.unwritable > 0 {
                    counters.failed(request.unwritable)
                    log.report(.unwritable, spans: request.unwritable)
                }
                if request.spanCount > 0 { await deliver(request) }
            }
        }
    }

    private mutating func deliver(_ request: TraceRequestEncoder.Request) async {
        let deadline = clock.now + configuration.maxBatchAge
        var answers = 0
        while true {
            await pause()
            guard !Task.isCancelled else { return giveUp(request.spanCount, "the process stops") }
            let answer = await transport.send(request.bytes)
            let wait: Duration
            let reason: String
            switch answer {
            case .taken(let rejected, let message):
                return taken(request.spanCount, rejected: min(rejected, request.spanCount), message: message)
            case .refused(let text):
                counters.failed(request.spanCount)
                log.report(.refused, spans: request.spanCount, reason: text)
                return backoff.reset()
            case .later(let after, let text):
                answers += 1
                reason = text
                wait = max(after ?? .zero, backoff.next())
                log.report(.later, reason: text)
            case .unreachable(let text):
                reason = text
                wait = backoff.next()
                guard !Task.isCancelled else { return giveUp(request.spanCount, "the process stops") }
                log.report(.unreachable, reason: text)
            }
            earliest = clock.now + wait
            guard answers < configuration.maxAttempts, earliest < deadline else {
                return giveUp(request.spanCount, reason)
            }
        }
    }

    private mutating func taken(_ count: Int, rejected: Int, message: String) {
        counters.exported(count - rejected)
        backoff.reset()
        guard rejected > 0 else { return }
        counters.failed(rejected)
        log.report(.partial, spans: rejected, reason: message)
    }

    private func giveUp(_ count: Int, _ reason: String) {
        counters.failed(count)
        log.report(.givenUp, spans: count, reason: reason)
    }

    /// Waits until the next attempt may be made: in small steps, so that the end of the process cuts the wait short.
    private mutating func pause() async {
        if isClosing.isOn { earliest = min(earliest, clock.now + Self.closingWait) }
        while !Task.isCancelled {
            let rest = earliest - clock.now
            guard rest > .zero else { return }
            try? await clock.sleep(for: min(rest, Self.closingWait))
            if isClosing.isOn { earliest = min(earliest, clock.now + Self.closingWait) }
        }
    }
}
