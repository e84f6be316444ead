public import Calls
internal import Synchronization

/// The numbers of tracing, counted by workers and exporter alike.
public final class TracingCounters: Sendable {
    /// The result of injecting Weir's own context into a request.
    public enum Injection: Int, CaseIterable, Sendable {
        /// It carries it.
        case injected
        /// Its serialization is not one Weir can write.
        case serialization
        /// It is larger than the hold limit.
        case tooLarge
        /// It has no map of attachments, or one that cannot be added to.
        case noMap

        /// The value of the metric label `result`.
        public var label: StaticString {
            switch self {
            case .injected: "injected"
            case .serialization: "unknown_serialization"
            case .tooLarge: "too_large"
            case .noMap: "no_map"
            }
        }
    }

    /// The numbers at one moment.
    public struct Readings: Equatable, Sendable {
        /// Spans that the collector took.
        public var exported: UInt64 = 0
        /// Spans given up because too many waited.
        public var dropped: UInt64 = 0
        /// Spans that the collector did not take.
        public var failed: UInt64 = 0
        /// The trace contexts that could not be read, by format.
        public var malformed = [UInt64](repeating: 0, count: TraceFormat.allCases.count)
        /// The requests that Weir's context was meant for, by result.
        public var injections = [UInt64](repeating: 0, count: Injection.allCases.count)

        /// Zero readings.
        public init() {}
    }

    private let state = Mutex(Readings())

    /// Counters at 0.
    public init() {}

    /// The numbers now.
    public var readings: Readings { state.withLock { $0 } }

    /// The collector took spans.
    ///
    /// - Parameter count: The number of spans.
    public func exported(_ count: Int) { state.withLock { $0.exported += UInt64(count) } }

    /// Spans were given up because too many waited.
    ///
    /// - Parameter count: The number of spans.
    public func dropped(_ count: Int) { state.withLock { $0.dropped += UInt64(count) } }

    /// The collector did not take spans.
    ///
    /// - Parameter count: The number of spans.
    public func failed(_ count: Int) { state.withLock { $0.failed += UInt64(count) } }

    /// A trace context could not be read.
    ///
    /// - Parameter format: The format it should have.
    public func malformed(_ format: TraceFormat) { state.withLock { $0.malformed[Int(format.rawValue)] += 1 } }

    /// A request was to carry Weir's own context.
    ///
    /// - Parameter result: The result.
    public func injection(_ result: Injection) { state.withLock { $0.injections[result.rawValue] += 1 } }
}
