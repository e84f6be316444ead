import Testing

/// A row of `weir_calls_total`.
typealias CallKey = JavaCapture.Key

extension CallKey {
    init(
        _ interface: String,
        _ method: String,
        _ outcome: String,
        _ code: String,
        version: String = "",
        group: String = ""
    ) {
        self.init(
            interface: interface,
            method: method,
            version: version,
            group: group,
            outcome: outcome,
            code: code
        )
    }

    /// A call of gRPC or Triple by its path without the first slash and its status.
    init(path: String, status: String, version: String = "", group: String = "") {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let outcome =
            switch status {
            case "OK": "ok"
            case "CANCELLED": "cancelled"
            case "DEADLINE_EXCEEDED": "timeout"
            case "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "FAILED_PRECONDITION",
                "OUT_OF_RANGE", "UNIMPLEMENTED", "UNAUTHENTICATED":
                "client_error"
            default: "server_error"
            }
        let (interface, method) = (String(path[..<slash]), String(path[path.index(after: slash)...]))
        self.init(interface, method, outcome, status, version: version, group: group)
    }

    /// A call of JSON-RPC by `path#method` and what the peer calls its result.
    init(rpc: String, result: String) {
        let hash = rpc.firstIndex(of: "#") ?? rpc.startIndex
        let (interface, method) = (rpc[..<hash].drop { $0 == "/" }, rpc[rpc.index(after: hash)...])
        let (outcome, code) =
            switch result {
            case "result": ("ok", "OK")
            case "notification": ("oneway", "")
            case "unanswered": ("unanswered", "")
            default: (Self.outcome(rpcCode: Int(result) ?? 0), result == "0" ? "" : result)
            }
        self.init(String(interface), String(method), outcome, code)
    }

    /// JSON-RPC 2.0, section 5.1.
    private static func outcome(rpcCode: Int) -> String {
        switch rpcCode {
        case -32700, -32602 ... -32600: "client_error"
        case -32768 ... -32000: "server_error"
        default: "business_error"
        }
    }
}

/// Messages of calls that were streams, as `weir_stream_*` counts them.
struct StreamCounts: Hashable, Comparable, CustomStringConvertible {
    /// The interface and the method.
    let path: String
    let calls: Int
    let requests: Int
    let responses: Int

    init(_ path: String, calls: Int, requests: Int, responses: Int) {
        self.path = path
        self.calls = calls
        self.requests = requests
        self.responses = responses
    }

    var description: String { "\(path): \(calls) streams, \(requests) and \(responses) messages" }
    static func < (left: StreamCounts, right: StreamCounts) -> Bool { left.description < right.description }
}

extension Metrics {
    /// The rows of `weir_calls_total` with those labels.
    func calls(_ labels: [String: String] = [:]) -> [CallKey: Int] {
        all("weir_calls_total", labels).reduce(into: [:]) { $0[CallKey($1.labels), default: 0] += Int($1.value) }
    }

    /// Calls an interface and method, whatever became of them.
    func callsByMethod(_ labels: [String: String] = [:]) -> [String: Int] {
        all("weir_calls_total", labels).reduce(into: [:]) {
            $0["\($1.labels["interface"] ?? "")/\($1.labels["method"] ?? "")", default: 0] += Int($1.value)
        }
    }

    /// Relayed connections by the protocol that they spoke.
    var connections: [String: Int] {
        all("weir_connections_total").reduce(into: [:]) {
            if $1.value > 0 { $0[$1.labels["protocol"] ?? "", default: 0] += Int($1.value) }
        }
    }

    /// Streams by interface and method.
    var streams: [StreamCounts] {
        all("weir_stream_duration_seconds_count").map { sample in
            let labels = sample.labels.filter { ["side", "interface", "method"].contains($0.key) }
            let messages = { sum("weir_stream_messages_total", labels.merging(["direction": $0]) { $1 }) }
            return StreamCounts(
                "\(labels["interface"] ?? "")/\(labels["method"] ?? "")",
                calls: Int(sample.value),
                requests: messages("request"),
                responses: messages("response")
            )
        }
        .sorted()
    }
}

extension WeirProcess {
    /// The metrics once every connection and every call has ended.
    func settledMetrics(within seconds: Double = patience) throws -> Metrics {
        try metrics("all connections ended", within: seconds) { metrics in
            // The table's own count is taken now and then.
            ["weir_open_connections", "weir_calls_in_flight", "weir_call_table_entries"].allSatisfy { name in
                metrics.sum(name) == 0
            }
        }
    }
}

/// Nothing was left undone, refused or not understood; as many replies may have come to calls that were given up.
func expectNoTrouble(
    _ metrics: Metrics,
    lateReplies: ClosedRange<Int> = 0...0,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(metrics.sum("weir_calls_in_flight") == 0, sourceLocation: sourceLocation)
    #expect(lateReplies.contains(metrics.sum("weir_late_replies_total")), sourceLocation: sourceLocation)
    for name in ["weir_decode_errors_total", "weir_connections_refused_total", "weir_operations_overflow_total"] {
        let troubles = metrics.all(name).filter { $0.value > 0 }.map(\.labels)
        #expect(troubles == [], "\(name)", sourceLocation: sourceLocation)
    }
}
