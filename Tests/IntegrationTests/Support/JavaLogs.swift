/// What the Java peers themselves say of a capture's calls, in the words that Weir counts by.
struct JavaLogs {
    typealias Key = JavaCapture.Key

    /// By the consumer's log and its codec's: every call that was sent, callbacks among them.
    let consumer: [Key: Int]
    /// Replies that came after the consumer had given up.
    let lateReplies: Int
    /// By the provider's log, and by operation: how its own code ended.
    let provider: [Key: Int]
    /// By the provider's log: the exceptions of replies that carried one.
    let exceptions: [String: Int]

    init(_ capture: JavaCapture) throws {
        let rows = try capture.log("calls").filter { $0["protocol"] as? String == "dubbo" }
        let (sent, late) = try Self.consumerCalls(capture, rows)
        // Callbacks are calls of the provider's, on the consumer's connection.
        let callbacks = try Self.answered(capture, "provider-frames")
        consumer = counts(sent + callbacks)
        lateReplies = late
        let provided = try capture.log("provider-calls").filter { $0["protocol"] as? String == "dubbo" }
        provider = counts(provided.map { Self.key($0, outcome: $0["outcome"] as? String ?? "") })
        exceptions = counts(
            provided.filter { $0["outcome"] as? String == "exception" }
                .map { ($0["exception"] as? [String: Any])?["$throwable"] as? String ?? "" }
        )
    }

    /// What became of the consumer's calls: the codec's log has their statuses, the consumer's the rest.
    private static func consumerCalls(
        _ capture: JavaCapture,
        _ rows: [[String: Any]]
    ) throws -> (calls: [Key], lateReplies: Int) {
        let frames = try capture.log("frames").filter { $0["event"] as? Bool == false }
        let bySequence = Dictionary(rows.compactMap { row in (row["seq"] as? Int).map { ($0, row) } }) { $1 }
        let statuses = Dictionary(frames.filter { $0["ev"] as? String == "recv" }.map { (id($0), status($0)) }) { $1 }
        var calls: [Key] = []
        var late = 0
        for frame in frames where frame["ev"] as? String == "send" && frame["kind"] as? String == "request" {
            guard let sequence = frame["seq"] as? Int, let row = bySequence[sequence] else {
                throw Failure("a request that the consumer does not know of")
            }
            let status = statuses[id(frame)]
            if frame["twoway"] as? Bool != true {
                calls.append(key(row, outcome: "oneway"))
            } else if row["rpc_code"] as? Int == 2 {
                calls.append(key(row, outcome: "timeout"))
                if status != nil { late += 1 }
            } else {
                let isOK = row["outcome"] as? String == "ok"
                let (outcome, code) = try result(of: status ?? 0, isOK: isOK)
                calls.append(key(row, outcome: outcome, code: code))
            }
        }
        return (calls, late)
    }

    /// The calls that a codec's log says were sent and answered.
    private static func answered(_ capture: JavaCapture, _ part: String) throws -> [Key] {
        let frames = try capture.log(part).filter { $0["event"] as? Bool == false }
        let statuses = Dictionary(frames.filter { $0["ev"] as? String == "recv" }.map { (id($0), status($0)) }) { $1 }
        return try frames.filter { $0["ev"] as? String == "send" && $0["kind"] as? String == "request" }.map { frame in
            let (outcome, code) = try result(of: statuses[id(frame)] ?? 0, isOK: true)
            return key(frame, outcome: outcome, code: code)
        }
    }

    /// An id is only met again on its own connection.
    private static func id(_ frame: [String: Any]) -> String { "\(frame["local"] ?? "") \(frame["id"] ?? "")" }

    private static func status(_ frame: [String: Any]) -> Int { frame["status"] as? Int ?? 0 }

    private static func result(of status: Int, isOK: Bool) throws -> (outcome: String, code: String) {
        switch status {
        // Status 90 is the consumer's own mark for a reply that it could not use; the wire has 20.
        case 20, 90: (isOK ? "ok" : "business_error", "OK")
        case 40: ("client_error", "BAD_REQUEST")
        case 50: ("server_error", "BAD_RESPONSE")
        case 70: ("server_error", "SERVICE_ERROR")
        case 100: ("server_error", "SERVER_THREADPOOL_EXHAUSTED_ERROR")
        default: throw Failure("status \(status) in a log")
        }
    }

    /// `group/interface:version` and a method, of generic calls the one that was meant.
    private static func key(_ row: [String: Any], outcome: String, code: String = "") -> Key {
        var rest = Substring(row["service"] as? String ?? "")
        var group = ""
        var version = ""
        if let slash = rest.firstIndex(of: "/") {
            group = String(rest[..<slash])
            rest = rest[rest.index(after: slash)...]
        }
        if let colon = rest.firstIndex(of: ":") {
            version = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        var method = row["method"] as? String ?? ""
        if method == "$invoke" || method == "$invokeAsync", let named = (row["args"] as? [Any])?.first as? String {
            method = named
        }
        return Key(
            interface: String(rest),
            method: method,
            version: version,
            group: group,
            outcome: outcome,
            code: code
        )
    }
}

extension JavaCapture.Key {
    /// How the provider's own code ended such a call; `nil` if the provider's Dubbo answered without asking it.
    var asProvided: Self? {
        var key = self
        key.code = ""
        switch (outcome, code) {
        case ("ok", _), ("oneway", _), ("timeout", _): key.outcome = "ok"
        case ("business_error", _): key.outcome = "exception"
        // The exception could not be written.
        case (_, "BAD_RESPONSE"): key.outcome = "exception"
        case (_, "SERVICE_ERROR"): key.outcome = "filter-exception"
        default: return nil
        }
        return key
    }
}
