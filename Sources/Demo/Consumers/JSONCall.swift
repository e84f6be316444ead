internal import Calls

/// A JSON-RPC call of a consumer.
struct JSONCall: CountedCall, Sendable {
    var interface = PaymentService.interface
    var method: String
    /// The value of `params`, as JSON.
    var parameters: String
    var isNotification = false
    var expected = Outcome.ok

    var countedAs: DemoCounts.Method { DemoCounts.Method(.jsonrpc, interface: interface, method: method) }

    /// The request object.
    ///
    /// - Parameter id: The request's id; not written for a notification.
    /// - Returns: The object, as JSON.
    func text(id: UInt64) -> String {
        let name = isNotification ? "" : "\"id\":\(id),"
        return "{\"jsonrpc\":\"2.0\",\(name)\"method\":\"\(method)\",\"params\":\(parameters)}"
    }
}

/// The content of one POST: a call, or a batch of them.
struct JSONPost: Sendable {
    /// The calls, at least one; several make a batch.
    var calls: [JSONCall]

    init(_ calls: JSONCall...) { self.calls = calls }

    /// The request's bytes.
    ///
    /// - Parameters:
    ///   - ids: One for each call.
    ///   - application: The caller's name.
    ///   - traceParent: A W3C trace context, or `nil` for none.
    /// - Returns: Head and body.
    func bytes(ids: [UInt64], application: String, traceParent: String?) -> [UInt8] {
        let texts = zip(calls, ids).map { $0.text(id: $1) }
        let body = texts.count == 1 ? texts[0] : "[" + texts.joined(separator: ",") + "]"
        var lines = [
            "POST /\(calls.first?.interface ?? "") HTTP/1.1", "Host: 127.0.0.1", "User-Agent: \(application)",
            "Accept: application/json", "Content-Type: application/json", "Content-Length: \(body.utf8.count)",
        ]
        if let traceParent { lines.append("traceparent: \(traceParent)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }
}

/// The JSON-RPC traffic: calls and frequencies.
enum JSONTraffic {
    private typealias Choice = DemoApplication<JSONPost>.Choice

    /// The application that speaks JSON-RPC.
    ///
    /// - Parameter random: The generator of its first id.
    /// - Returns: The application.
    static func application(_ random: inout DemoRandom) -> DemoApplication<JSONPost> {
        // Numbers above 2⁵³ would lose digits in JavaScript.
        DemoApplication("cashier", firstID: random.next() >> 12, choices)
    }

    private static let choices: [Choice] = [
        Choice(330) { JSONPost(charge(&$0)) }, Choice(260) { JSONPost(balance(&$0)) },
        Choice(80) { JSONPost(refund(&$0)) },
        Choice(90) { JSONPost(audit(&$0)) },
        Choice(30) { JSONPost(balance(&$0), charge(&$0), balance(&$0), audit(&$0)) },
        Choice(12) { JSONPost(charge(&$0, account: PaymentService.emptyAccount, expected: .businessError)) },
        Choice(6) { JSONPost(charge(&$0, cents: 0, expected: .clientError)) },
        Choice(5) { JSONPost(refund(&$0, account: PaymentService.frozenAccount, expected: .serverError)) },
        Choice(4) { JSONPost(balance(&$0, account: PaymentService.lostAccount, expected: .serverError)) },
        Choice(3) { _ in JSONPost(JSONCall(method: "payout", parameters: "[]", expected: .clientError)) },
    ]

    private static func charge(
        _ random: inout DemoRandom,
        account: String? = nil,
        cents: Int? = nil,
        expected: Outcome = .ok
    ) -> JSONCall {
        let account = account ?? self.account(&random)
        let cents = cents ?? Int.random(in: 100...99_999, using: &random)
        let parameters = "{\"account\":\"\(account)\",\"cents\":\(cents),\"currency\":\"EUR\"}"
        return JSONCall(method: "charge", parameters: parameters, expected: expected)
    }

    private static func balance(
        _ random: inout DemoRandom,
        account: String? = nil,
        expected: Outcome = .ok
    ) -> JSONCall {
        JSONCall(method: "balance", parameters: "[\"\(account ?? self.account(&random))\"]", expected: expected)
    }

    private static func refund(
        _ random: inout DemoRandom,
        account: String? = nil,
        expected: Outcome = .ok
    ) -> JSONCall {
        let cents = Int.random(in: 100...9999, using: &random)
        let parameters = "{\"account\":\"\(account ?? self.account(&random))\",\"cents\":\(cents)}"
        return JSONCall(method: "refund", parameters: parameters, expected: expected)
    }

    private static func audit(_ random: inout DemoRandom) -> JSONCall {
        let parameters = "{\"event\":\"terminal \(Int.random(in: 1...40, using: &random)) is open\"}"
        return JSONCall(method: "audit", parameters: parameters, isNotification: true, expected: .oneway)
    }

    private static func account(_ random: inout DemoRandom) -> String {
        "ACC-\(Int.random(in: 1000...8999, using: &random))"
    }
}
