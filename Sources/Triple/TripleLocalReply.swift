public import Calls
internal import Wire

/// A header field to be written.
public struct TripleField: Equatable, Sendable {
    /// Its name.
    public let name: TripleHeaderName
    /// Its value: visible ASCII and spaces.
    public let value: [UInt8]

    /// A field of that name and value.
    public init(_ name: TripleHeaderName, _ value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// The local reply to a call, in each of Triple's forms.
///
/// It is made once for each rule; a use allocates nothing unless a request's content type has a suffix. Source:
/// PROTOCOL-HTTP2.md (Trailers-Only), A6 (`grpc-retry-pushback-ms`), dubbo-go `triple_protocol` (error JSON).
public struct TripleLocalReply: Sendable {
    /// The reason for a local reply.
    public enum Reason: UInt8, BitwiseCopyable, Sendable {
        /// The call is over a limit: RESOURCE_EXHAUSTED, HTTP 429.
        case limited
        /// The service is drained: UNAVAILABLE, HTTP 503.
        case drained

        /// The gRPC status.
        public var grpcStatus: Int16 {
            let codes = self == .limited ? LocalReplyCodes.limited : .drained
            return Int16(truncatingIfNeeded: codes[.triple])
        }
        /// The HTTP status.
        public var httpStatus: UInt16 { self == .limited ? 429 : 503 }
        /// The outcome that the call is counted under.
        public var outcome: Outcome { self == .limited ? .limited : .drained }
        /// The code's name in dubbo-go's JSON.
        var jsonCode: StaticString { self == .limited ? "resource_exhausted" : "unavailable" }
    }

    /// A longer content type is not repeated.
    public static let maxContentTypeBytes = 64

    /// The reason for the reply.
    public let reason: Reason
    /// The fields of the plain HTTP form, besides the status (``Reason/httpStatus``) and `content-length`.
    public let httpFields: [TripleField]
    /// The body of the plain HTTP form: `{"code":…,"message":…}`.
    public let httpBody: [UInt8]
    private let plainFields: [TripleField]

    /// A refusal with that text.
    ///
    /// - Parameters:
    ///   - reason: The reason for the reply.
    ///   - message: The message for the caller; cut to `GRPCMessageText.maxWrittenBytes`.
    ///   - retryAfterNanoseconds: The time until a retry may succeed; `nil` for no hint. gRPC is given milliseconds,
    ///     HTTP seconds, both rounded up.
    public init(_ reason: Reason, message: String, retryAfterNanoseconds: UInt64? = nil) {
        self.reason = reason
        var grpc = [
            TripleField(.status, Array("200".utf8)),
            TripleField(.contentType, Array("application/grpc".utf8)),
            TripleField(.grpcStatus, Array(String(reason.grpcStatus).utf8)),
            TripleField(.grpcMessage, GRPCMessageText.encode(message)),
        ]
        var http = [TripleField(.contentType, Array("application/json".utf8))]
        if let nanoseconds = retryAfterNanoseconds {
            grpc.append(TripleField(.grpcRetryPushback, Self.count(nanoseconds, of: 1_000_000)))
            http.append(TripleField(.retryAfter, Self.count(nanoseconds, of: 1_000_000_000)))
        }
        plainFields = grpc
        httpFields = http
        var json = JSONText()
        json.beginObject()
        json.key("code")
        json.string(literal: reason.jsonCode)
        json.key("message")
        json.string(GRPCMessageText.cut(message, GRPCMessageText.maxWrittenBytes))
        json.endObject()
        httpBody = json.bytes
    }

    /// The fields of the gRPC form: one block of headers that ends the stream, `:status` first.
    ///
    /// - Parameter contentType: The request's; repeated when it is gRPC's, for the suffix that it may have.
    /// - Returns: The fields in the order in which they are written.
    public func trailersOnly(contentType: RawSpan) -> [TripleField] {
        guard !contentType.equals("application/grpc"), contentType.byteCount <= Self.maxContentTypeBytes,
            TripleContentType(contentType) == .grpc, Self.isVisible(contentType)
        else { return plainFields }
        var fields = plainFields
        fields[1] = TripleField(.contentType, contentType.array)
        return fields
    }

    /// The time in the unit, rounded up, at least one.
    private static func count(_ nanoseconds: UInt64, of unit: UInt64) -> [UInt8] {
        let whole = nanoseconds / unit
        let count = nanoseconds % unit == 0 ? whole : whole + 1
        return Array(String(min(max(count, 1), UInt64(Int32.max))).utf8)
    }

    private static func isVisible(_ value: RawSpan) -> Bool {
        for at in 0..<value.byteCount where !(0x20...0x7e).contains(value.byte(at: at)) { return false }
        return true
    }
}
