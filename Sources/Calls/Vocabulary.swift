/// The side of a service that Weir is on.
public enum Side: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The calls arrive at the application beside Weir.
    case provider
    /// The application beside Weir makes the calls.
    case consumer

    /// The value of the metric label `side`.
    public var label: StaticString {
        switch self {
        case .provider: "provider"
        case .consumer: "consumer"
        }
    }
}

/// The direction of bytes on a connection.
public enum Direction: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// From the peer that opened the connection to the peer that Weir connected to (`c2s`).
    case toUpstream
    /// Back from the upstream peer (`s2c`).
    case toDownstream

    /// The other way.
    @inlinable @inline(__always)
    public var opposite: Direction { self == .toUpstream ? .toDownstream : .toUpstream }

    /// The value of the message form's `dir`.
    public var label: StaticString { self == .toUpstream ? "c2s" : "s2c" }
}

/// The outcome of a call; it follows from the bytes, never from guesses.
public enum Outcome: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Answered with a value.
    case ok
    /// Answered with an exception of the application's own.
    case businessError
    /// Refused for what the caller did.
    case clientError
    /// The service failed.
    case serverError
    /// No reply within the call's deadline, or a reply that reports a timeout.
    case timeout
    /// Given up by the caller.
    case cancelled
    /// The connection ended before the reply.
    case unanswered
    /// Answered by Weir: over a limit.
    case limited
    /// Answered by Weir: draining.
    case drained
    /// No reply was asked for.
    case oneway
    /// The session went blind while the call was open.
    case lost
    /// A reply that cannot be read: a hole in a capture, a header table entry never seen, an unknown encoding.
    case unknown

    /// The value of the metric label `outcome`.
    public var label: StaticString {
        switch self {
        case .ok: "ok"
        case .businessError: "business_error"
        case .clientError: "client_error"
        case .serverError: "server_error"
        case .timeout: "timeout"
        case .cancelled: "cancelled"
        case .unanswered: "unanswered"
        case .limited: "limited"
        case .drained: "drained"
        case .oneway: "oneway"
        case .lost: "lost"
        case .unknown: "unknown"
        }
    }

    /// True if the application answered, so that the duration tells about the service.
    @inlinable
    public var isAnswered: Bool {
        switch self {
        case .ok, .businessError, .clientError, .serverError, .unknown: true
        case .timeout, .cancelled, .unanswered, .limited, .drained, .oneway, .lost: false
        }
    }

    /// True if a summary counts it as an error.
    public var isError: Bool {
        switch self {
        case .ok, .oneway, .cancelled, .unknown: false
        default: true
        }
    }
}
