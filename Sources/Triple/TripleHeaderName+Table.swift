extension TripleHeaderName {
    /// Every name's spelling, in the order of the raw values.
    static let spellings: [(name: TripleHeaderName, text: StaticString)] = [
        (.method, ":method"), (.scheme, ":scheme"), (.authority, ":authority"), (.path, ":path"), (.status, ":status"),
        (.extendedProtocol, ":protocol"), (.contentType, "content-type"), (.te, "te"), (.userAgent, "user-agent"),
        (.host, "host"), (.contentLength, "content-length"), (.contentEncoding, "content-encoding"),
        (.transferEncoding, "transfer-encoding"), (.connection, "connection"), (.keepAlive, "keep-alive"),
        (.proxyConnection, "proxy-connection"), (.upgrade, "upgrade"), (.http2Settings, "http2-settings"),
        (.expect, "expect"), (.accept, "accept"), (.acceptEncoding, "accept-encoding"), (.trailer, "trailer"),
        (.date, "date"), (.server, "server"), (.retryAfter, "retry-after"), (.grpcTimeout, "grpc-timeout"),
        (.grpcEncoding, "grpc-encoding"), (.grpcAcceptEncoding, "grpc-accept-encoding"), (.grpcStatus, "grpc-status"),
        (.grpcMessage, "grpc-message"), (.grpcStatusDetails, "grpc-status-details-bin"),
        (.grpcMessageType, "grpc-message-type"), (.grpcPreviousAttempts, "grpc-previous-rpc-attempts"),
        (.grpcRetryPushback, "grpc-retry-pushback-ms"), (.serviceVersion, "tri-service-version"),
        (.serviceGroup, "tri-service-group"), (.serviceTimeout, "tri-service-timeout"),
        (.consumerApplication, "tri-consumer-appname"), (.headerConvert, "tri-header-convert"),
        (.exceptionCode, "tri-exception-code"), (.tripleProtocolVersion, "triple-protocol-version"),
        (.tripleTimeout, "triple-timeout-ms"), (.connectProtocolVersion, "connect-protocol-version"),
        (.connectTimeout, "connect-timeout-ms"), (.restVersion, "rest-service-version"),
        (.restGroup, "rest-service-group"), (.dubboAttachments, "dubbo-attachments"), (.httpStatus, "http-status"),
        (.timeout, "timeout"), (.timeoutBudget, "_to"), (.mcpSession, "mcp-session-id"),
        (.traceparent, "traceparent"), (.tracestate, "tracestate"),
        (.baggage, "baggage"), (.uberTraceID, "uber-trace-id"), (.b3, "b3"), (.b3TraceID, "x-b3-traceid"),
        (.b3SpanID, "x-b3-spanid"), (.b3ParentSpanID, "x-b3-parentspanid"), (.b3Sampled, "x-b3-sampled"),
        (.b3Flags, "x-b3-flags"), (.sw8, "sw8"), (.sw8Correlation, "sw8-correlation"),
        (.eagleEyeTraceID, "eagleeye-traceid"), (.eagleEyeRPCID, "eagleeye-rpcid"),
    ]
}
