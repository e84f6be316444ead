public import Wire

/// A request's method, as far as framing and counting tell methods apart.
public enum HTTP1Method: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// `GET`.
    case get
    /// `HEAD`: its response has no body whatever its head says.
    case head
    /// `POST`.
    case post
    /// `PUT`.
    case put
    /// `DELETE`.
    case delete
    /// `CONNECT`: after a 2xx response the connection is a tunnel.
    case connect
    /// `OPTIONS`.
    case options
    /// `TRACE`.
    case trace
    /// `PATCH`.
    case patch
    /// Any other token.
    case other

    /// The method that is spelled so.
    ///
    /// - Parameter name: A token; methods differ by case.
    public init(_ name: RawSpan) {
        switch name.byteCount {
        case 3: self = name.equals("GET") ? .get : name.equals("PUT") ? .put : .other
        case 4: self = name.equals("POST") ? .post : name.equals("HEAD") ? .head : .other
        case 5: self = name.equals("PATCH") ? .patch : name.equals("TRACE") ? .trace : .other
        case 6: self = name.equals("DELETE") ? .delete : .other
        case 7: self = name.equals("OPTIONS") ? .options : name.equals("CONNECT") ? .connect : .other
        default: self = .other
        }
    }
}

/// The version a message names.
public enum HTTP1Version: UInt8, BitwiseCopyable, Sendable {
    /// HTTP/1.0.
    case oneZero
    /// HTTP/1.1.
    case oneOne
}

/// How the end of a message's body is found (RFC 9112 §6.3).
public enum HTTP1Body: UInt8, BitwiseCopyable, Sendable {
    /// There is none.
    case none
    /// It has the length that content-length says, at least one byte.
    case length
    /// It comes in chunks.
    case chunked
    /// It ends with the connection.
    case untilClose
}

/// What a message's head says about its framing and about what follows it.
///
/// Offsets count from the head's first byte, which stands ``headBytes`` before the end of the head.
public struct HTTP1Head: BitwiseCopyable, Equatable, Sendable {
    /// Yes-or-no facts of a head.
    public struct Flags: OptionSet, BitwiseCopyable, Sendable {
        /// The bits.
        public let rawValue: UInt8

        /// A set of those bits.
        @inlinable
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `Connection` names `close`.
        public static let close = Flags(rawValue: 1)
        /// `Connection` names `keep-alive`.
        public static let keepAlive = Flags(rawValue: 2)
        /// `Expect: 100-continue`: the body may come late, but it comes if the connection goes on.
        public static let expectsContinue = Flags(rawValue: 4)
        /// `Connection` names `upgrade`.
        public static let connectionUpgrade = Flags(rawValue: 8)
        /// There is an `Upgrade` header.
        public static let upgrade = Flags(rawValue: 16)
        /// There is a content-length, which for a response without body need not be 0.
        public static let hasContentLength = Flags(rawValue: 32)
        /// The body is compressed by a transfer coding below its chunks.
        public static let isTransferCoded = Flags(rawValue: 64)
    }

    /// Of a request its method; of a response the method of the request it answers, as the sink said.
    public var method = HTTP1Method.other
    /// The version named in the first line.
    public var version = HTTP1Version.oneOne
    /// How the end of the body is found.
    public var body = HTTP1Body.none
    /// Yes-or-no facts.
    public var flags: Flags = []
    /// A response's status, 100 to 999; 0 for a request.
    public var status: UInt16 = 0
    /// What content-length says; 0 when there is none.
    public var contentLength: UInt64 = 0
    /// How long the first line is, its CR LF counted: a header line may be inserted there.
    public var startLineBytes: UInt32 = 0
    /// How long the head is, its empty line counted.
    public var headBytes: UInt32 = 0
    /// Where the first `Connection` line is, its CR LF counted; empty without one.
    public var connectionLine = ByteRange.empty

    /// A head of which nothing is known.
    public init() {}

    /// Whether it is an interim response (1xx but not 101), which a final one follows.
    @inlinable
    public var isInterim: Bool { status >= 100 && status < 200 && status != 101 }

    /// Whether the connection goes on after this message (RFC 9112 §9.3).
    @inlinable
    public var keepsAlive: Bool {
        if flags.contains(.close) || body == .untilClose { return false }
        return version == .oneOne || flags.contains(.keepAlive)
    }

    /// Whether what follows this request may be no HTTP/1: it is a CONNECT or asks for an upgrade.
    @inlinable
    public var asksForOtherProtocol: Bool {
        status == 0 && (method == .connect || flags.isSuperset(of: [.upgrade, .connectionUpgrade]))
    }
}
