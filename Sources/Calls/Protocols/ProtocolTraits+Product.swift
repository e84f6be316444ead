extension ProtocolTraits {
    /// The protocols of the product, in the order of ``CallProtocol``.
    static let product = [dubbo, triple, jsonrpc]

    /// Dubbo 2 over TCP.
    ///
    /// Source: Dubbo `Response.java`; OpenTelemetry, semantic conventions for Apache Dubbo.
    private static let dubbo: ProtocolTraits = {
        var traits = ProtocolTraits(label: "dubbo")
        traits.codes.names = [
            20: "OK", 25: "SERIALIZATION_ERROR", 30: "CLIENT_TIMEOUT", 31: "SERVER_TIMEOUT", 35: "CHANNEL_INACTIVE",
            40: "BAD_REQUEST", 50: "BAD_RESPONSE", 60: "SERVICE_NOT_FOUND", 70: "SERVICE_ERROR", 80: "SERVER_ERROR",
            90: "CLIENT_ERROR", 100: "SERVER_THREADPOOL_EXHAUSTED_ERROR",
        ]
        traits.codes.own = .these(Array(traits.codes.names.keys))
        // SERVER_TIMEOUT, SERVICE_ERROR, SERVER_ERROR, SERVER_THREADPOOL_EXHAUSTED_ERROR.
        traits.codes.serverFaults = .these([31, 70, 80, 100])
        // SERVER_THREADPOOL_EXHAUSTED_ERROR is what limits answer with too.
        traits.codes.dubboFailures = [25: .codec, 40: .codec, 50: .codec, 60: .serviceUnavailable, 100: .limited]
        traits.spans.classicSystem = "apache_dubbo"
        traits.spans.requestNumberKey = "dubbo.request_id"
        traits.spans.codeKey = "dubbo.status_code"
        traits.localReplies.limitedCode = 100
        traits.localReplies.drainedCode = 100
        traits.localReplies.setting = "dubbo_status"
        traits.localReplies.settable = .these([70, 100])
        traits.localReplies.throwsWhenFinal = true
        return traits
    }()

    /// Triple and gRPC.
    ///
    /// Source: gRPC `statuscodes.md`; Triple adds BIZ_ERROR; OpenTelemetry, semantic conventions for gRPC.
    private static let triple: ProtocolTraits = {
        var traits = ProtocolTraits(label: "triple")
        let names = [
            "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
            "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
            "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED", "BIZ_ERROR",
        ]
        for (code, name) in names.enumerated() { traits.codes.names[Int32(code)] = name }
        traits.codes.own = .range(0...17)
        // The codes of Triple's plain form are HTTP's, of which 63 are registered.
        traits.codes.maxOthers = 64
        // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
        traits.codes.serverFaults = .these([2, 4, 12, 13, 14, 15])
        // PERMISSION_DENIED and UNAVAILABLE, as dubbo-go has it; RESOURCE_EXHAUSTED.
        traits.codes.dubboFailures = [7: .serviceUnavailable, 14: .serviceUnavailable, 8: .limited]
        traits.spans = Spans(system: "grpc")
        traits.spans.classicCodeKey = "rpc.grpc.status_code"
        traits.spans.requestNumberKey = "weir.stream_id"
        traits.localReplies.limitedCode = 8
        traits.localReplies.drainedCode = 14
        return traits
    }()

    /// JSON-RPC over HTTP/1.1 or raw TCP.
    ///
    /// Source: JSON-RPC 2.0, section 5.1; OpenTelemetry, semantic conventions for JSON-RPC.
    private static let jsonrpc: ProtocolTraits = {
        var traits = ProtocolTraits(label: "jsonrpc")
        traits.codes.names = [0: "OK"]
        traits.codes.own = .these([-32700, -32603, -32602, -32601, -32600])
        // Every response that has an error object.
        traits.codes.serverFaults = .allBut(0)
        // Parse error and invalid request.
        traits.codes.dubboFailures = [-32700: .codec, -32600: .codec]
        traits.codes.haveSuccess = false
        traits.spans.classicCodeKey = "rpc.jsonrpc.error_code"
        traits.spans.classicRequestIDKey = "rpc.jsonrpc.request_id"
        traits.spans.requestIDKey = "jsonrpc.request.id"
        // The specification leaves −32099 to −32000 to servers.
        traits.localReplies.limitedCode = -32_000
        traits.localReplies.drainedCode = -32_000
        traits.localReplies.setting = "jsonrpc_code"
        traits.localReplies.settable = .range(-32_099 ... -32_000)
        traits.toolMethod = "tools/call"
        return traits
    }()
}
