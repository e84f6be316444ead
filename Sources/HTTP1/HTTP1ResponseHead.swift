/// A writer for the head of a response by Weir itself.
///
/// It has no `Date`: the cores have no clock, and RFC 9110 §6.6.1 lets a sender without one leave it out.
public struct HTTP1ResponseHead: Sendable {
    /// The value of `Connection`.
    public enum Persistence: UInt8, BitwiseCopyable, Sendable {
        /// No header: the version's default.
        case byVersion
        /// `close`.
        case close
        /// `keep-alive`, for a client that speaks HTTP/1.0 and asked for it.
        case keepAlive

        /// The value that keeps the connection as the request asked.
        ///
        /// - Parameter request: The head of the request that is answered.
        public init(answering request: HTTP1Head) {
            if !request.keepsAlive {
                self = .close
            } else {
                self = request.version == .oneZero ? .keepAlive : .byVersion
            }
        }
    }

    /// The status, 200 to 999.
    public var status: UInt16
    /// The length of the body; not written for 204 and 304, which have none.
    public var contentLength: Int
    /// The body's type.
    public var contentType: String
    /// The time until a retry may succeed: whole seconds, at least one; `nil` for no hint.
    public var retryAfterSeconds: UInt64?
    /// The value of `Connection`.
    public var persistence: Persistence

    /// A head with those facts.
    public init(
        status: UInt16,
        contentLength: Int,
        contentType: String = "application/json",
        retryAfterSeconds: UInt64? = nil,
        persistence: Persistence = .byVersion
    ) {
        self.status = status
        self.contentLength = contentLength
        self.contentType = contentType
        self.retryAfterSeconds = retryAfterSeconds
        self.persistence = persistence
    }

    /// Appends the head, its empty line included.
    ///
    /// - Parameter bytes: The body is to follow there.
    public func write(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "HTTP/1.1 ".utf8)
        bytes.append(contentsOf: String(status).utf8)
        bytes.append(contentsOf: " ".utf8)
        bytes.append(contentsOf: reason.utf8)
        if status != 204, status != 304 {
            if contentLength > 0 {
                bytes.append(contentsOf: "\r\nContent-Type: ".utf8)
                bytes.append(contentsOf: contentType.utf8)
            }
            bytes.append(contentsOf: "\r\nContent-Length: ".utf8)
            bytes.append(contentsOf: String(max(contentLength, 0)).utf8)
        }
        if let retryAfterSeconds {
            bytes.append(contentsOf: "\r\nRetry-After: \(max(retryAfterSeconds, 1))".utf8)
        }
        switch persistence {
        case .byVersion: break
        case .close: bytes.append(contentsOf: "\r\nConnection: close".utf8)
        case .keepAlive: bytes.append(contentsOf: "\r\nConnection: keep-alive".utf8)
        }
        bytes.append(contentsOf: "\r\n\r\n".utf8)
    }

    /// The reason phrases of RFC 9110 §15 and RFC 6585 that Weir has a use for; others are empty, as is allowed.
    private var reason: String {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 429: "Too Many Requests"
        case 500: "Internal Server Error"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: ""
        }
    }
}

/// Lines for insertion between and into responses.
public enum HTTP1Lines {
    /// The interim response that tells a client to send its body (RFC 9110 §15.2.1).
    public static let goOn = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
    /// `Connection: close` with its CR LF, to be inserted after a response's first line.
    public static let connectionClose = Array("Connection: close\r\n".utf8)
}
