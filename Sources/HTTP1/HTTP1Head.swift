public import Wire

/// A request's method, as far as framing and counting distinguish methods.
public enum HTTP1Method: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// `GET`.
    case get
    /// `HEAD`: its response has no body, whatever the response's head says.
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

/// The version in a message's first line.
public enum HTTP1Version: UInt8, BitwiseCopyable, Sendable {
    /// HTTP/1.0.
    case oneZero
    /// HTTP/1.1.
    case oneOne
}

/// The rule by which the end of a message's body is found (RFC 9112 §6.3).
public enum HTTP1Body: UInt8, BitwiseCopyable, Sendable {
    /// No body.
    case none
    /// A body of the length in content-length, at least one byte.
    case length
    /// It comes in chunks.
    case chunked
    /// It ends with the connection.
    case untilClose
}

/// The facts in a message's head about its framing and about the bytes after it.
///
/// Offsets count from the head's first byte, which is ``headBytes`` before the end of the head.
public struct HTTP1Head: BitwiseCopyable, Equatable, Sendable {
    /// Boolean facts of a head.
    public struct Flags: OptionSet, BitwiseCopyable, Sendable {
        /// The bits.
        public let rawValue: UInt8

        /// A set with these bits.
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
        /// An `Upgrade` header is present.
        public static let upgrade = Flags(rawValue: 16)
        /// A content-length is present; for a response without body it need not be 0.
        public static let hasContentLength = Flags(rawValue: 32)
        /// The body is compressed by a transfer coding below its chunks.
        public static let isTransferCoded = Flags(rawValue: 64)
    }

    /// The method of the request; for a response the method of the request it answers, as the sink reported it.
    public var method = HTTP1Method.other
    /// The version named in the first line.
    public var version = HTTP1Version.oneOne
    /// The rule for the end of the body.
    public var body = HTTP1Body.none
    /// Yes-or-no facts.
    public var flags: Flags = []
    /// A response's status, 100 to 999; 0 for a request.
    public var status: UInt16 = 0
    /// The value of content-length; 0 if there is none.
    public var contentLength: UInt64 = 0
    /// The length of the first line with its CR LF: a header line may be inserted there.
    public var startLineBytes: UInt32 = 0
    /// The length of the head with its empty line.
    public var headBytes: UInt32 = 0
    /// The place of the first `Connection` line with its CR LF; empty if there is none.
    public var connectionLine = ByteRange.empty

    /// An empty head.
    public init() {}

    /// True if it is an interim response (1xx but not 101), which a final one follows.
    @inlinable
    public var isInterim: Bool { status >= 100 && status < 200 && status != 101 }

    /// True if the connection continues after this message (RFC 9112 §9.3).
    @inlinable
    public var keepsAlive: Bool {
        if flags.contains(.close) || body == .untilClose { return false }
        return version == .oneOne || flags.contains(.keepAlive)
    }

    /// True if the bytes after this request may not be HTTP/1: it is a CONNECT or asks for an upgrade.
    @inlinable
    public var asksForOtherProtocol: Bool {
        status == 0 && (method == .connect || flags.isSuperset(of: [.upgrade, .connectionUpgrade]))
    }
}
