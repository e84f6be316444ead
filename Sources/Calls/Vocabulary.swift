/// On which side of a service Weir stands.
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

/// Which way bytes travel through a connection.
public enum Direction: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// From the peer that opened the connection to the one that Weir connected to (`c2s`).
    case toUpstream
    /// Back from the upstream peer (`s2c`).
    case toDownstream

    /// The other way.
    @inlinable @inline(__always)
    public var opposite: Direction { self == .toUpstream ? .toDownstream : .toUpstream }

    /// The value of the message form's `dir`.
    public var label: StaticString { self == .toUpstream ? "c2s" : "s2c" }
}

/// A protocol whose calls are counted.
public enum CallProtocol: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Dubbo 2 over TCP.
    case dubbo
    /// Triple and gRPC.
    case triple
    /// JSON-RPC over HTTP/1.1 or raw TCP.
    case jsonrpc

    /// The value of the metric label `protocol`.
    public var label: StaticString {
        switch self {
        case .dubbo: "dubbo"
        case .triple: "triple"
        case .jsonrpc: "jsonrpc"
        }
    }
}

/// What a connection was seen to speak.
public enum ConnectionProtocol: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Nothing has been said yet.
    case silent
    /// Dubbo 2.
    case dubbo
    /// Triple or gRPC.
    case triple
    /// JSON-RPC.
    case jsonrpc
    /// HTTP that is neither Triple nor JSON-RPC.
    case http
    /// TLS; its content is not seen.
    case tls
    /// Anything else.
    case opaque

    /// The value of the metric label `protocol`.
    public var label: StaticString {
        switch self {
        case .silent: "silent"
        case .dubbo: "dubbo"
        case .triple: "triple"
        case .jsonrpc: "jsonrpc"
        case .http: "http"
        case .tls: "tls"
        case .opaque: "opaque"
        }
    }
}

/// What became of a call; it follows from the bytes, never from guesses.
public enum Outcome: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Answered with a value.
    case ok
    /// Answered with an exception of the application's own.
    case businessError
    /// Refused for what the caller did.
    case clientError
    /// The service failed.
    case serverError
    /// No reply within the call's deadline, or a reply that says so.
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
    /// The reply is there, but what it says cannot be read: a hole in a capture, a header table entry never seen, an
    /// unknown encoding.
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

    /// Whether the application answered, so that the call's duration says something about the service.
    @inlinable
    public var isAnswered: Bool {
        switch self {
        case .ok, .businessError, .clientError, .serverError, .unknown: true
        case .timeout, .cancelled, .unanswered, .limited, .drained, .oneway, .lost: false
        }
    }

    /// Whether a reader of a summary would call it an error.
    public var isError: Bool {
        switch self {
        case .ok, .oneway, .cancelled, .unknown: false
        default: true
        }
    }
}
