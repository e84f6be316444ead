internal import Logging
internal import Synchronization

/// A log of errors with at most one line a minute of each kind.
final class ErrorLog: Sendable {
    /// A kind of error.
    enum Kind: Int, CaseIterable, Sendable {
        case unreachable
        case later
        case refused
        case partial
        case givenUp
        case overflow
        case unwritable
        case sampling

        /// The log's message.
        fileprivate var message: Logger.Message {
            switch self {
            case .unreachable: "the trace collector cannot be reached"
            case .later: "the trace collector cannot take spans now"
            case .refused: "the trace collector refuses spans"
            case .partial: "the trace collector refuses some spans"
            case .givenUp: "spans were given up"
            case .overflow: "more spans than may wait for the trace collector: the oldest are dropped"
            case .unwritable: "spans could not be written"
            case .sampling: "sampling strategies could not be read; the last ones stay"
            }
        }
    }

    private struct State {
        var last: ContinuousClock.Instant?
        var suppressed = 0
    }

    private let logger: Logger
    private let interval: Duration
    private let states = Mutex([State](repeating: State(), count: Kind.allCases.count))

    /// A log that writes to `logger`, a line of each kind an interval.
    init(_ logger: Logger, interval: Duration = .seconds(60)) {
        self.logger = logger
        self.interval = interval
    }

    /// Logs an error, unless one of its kind was logged within the interval.
    ///
    /// - Parameters:
    ///   - kind: Its kind.
    ///   - spans: The number of spans concerned.
    ///   - reason: The reason.
    func report(_ kind: Kind, spans: Int? = nil, reason: String? = nil) {
        let now = ContinuousClock.now
        let suppressed: Int? = states.withLock { states in
            if let last = states[kind.rawValue].last, now - last < interval {
                states[kind.rawValue].suppressed += 1
                return nil
            }
            defer { states[kind.rawValue] = State(last: now) }
            return states[kind.rawValue].suppressed
        }
        guard let suppressed else { return }
        var metadata: Logger.Metadata = [:]
        if let spans { metadata["spans"] = "\(spans)" }
        if let reason, !reason.isEmpty { metadata["reason"] = "\(reason)" }
        if suppressed > 0 { metadata["again"] = "\(suppressed)" }
        logger.warning(kind.message, metadata: metadata)
    }
}
