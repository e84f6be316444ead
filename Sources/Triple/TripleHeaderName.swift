public import Wire

/// The header and trailer names that have a meaning in Triple, gRPC, HTTP and tracing, as small numbers.
///
/// One table serves HTTP/2 and HTTP/1.1: a decoder looks a name up once and passes the number on. Names are lower-case,
/// as HTTP/2 sends them; HTTP/1.1 looks them up without regard to case.
///
/// Source: RFC 9113 §8.3, gRPC `PROTOCOL-HTTP2.md`, `TripleHeaderEnum.java`, dubbo-go `triple_protocol`.
public enum TripleHeaderName: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    // HTTP/2's pseudo-headers.
    case method = 1, scheme, authority, path, status, extendedProtocol
    // HTTP.
    case contentType, te, userAgent, host, contentLength, contentEncoding, transferEncoding, connection, keepAlive
    case proxyConnection, upgrade, http2Settings, expect, accept, acceptEncoding, trailer, date, server, retryAfter
    // gRPC.
    case grpcTimeout, grpcEncoding, grpcAcceptEncoding, grpcStatus, grpcMessage, grpcStatusDetails, grpcMessageType
    case grpcPreviousAttempts, grpcRetryPushback
    // Dubbo.
    case serviceVersion, serviceGroup, serviceTimeout, consumerApplication, headerConvert, exceptionCode
    case tripleProtocolVersion, tripleTimeout, connectProtocolVersion, connectTimeout, restVersion, restGroup
    case dubboAttachments, httpStatus
    // Attachments that say how long the caller waits.
    case timeout, timeoutBudget
    // MCP.
    case mcpSession
    // Trace context.
    case traceparent, tracestate, baggage, uberTraceID, b3, b3TraceID, b3SpanID, b3ParentSpanID, b3Sampled, b3Flags
    case sw8, sw8Correlation, eagleEyeTraceID, eagleEyeRPCID

    /// The table that finds a name's number from its bytes; the numbers are the raw values.
    public static let table = NameTable(spellings.map { ($0.text, $0.name.rawValue) })

    /// The name with that number.
    ///
    /// - Parameter id: The number from ``table``; `nil` for `NameTable.unwanted` and any other number without a name.
    @inlinable @inline(__always)
    public init?(id: UInt8) { self.init(rawValue: id) }

    /// The name as HTTP/2 spells it.
    public var text: StaticString { Self.spellings[Int(rawValue) - 1].text }
}
