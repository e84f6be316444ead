internal import Calls
internal import JSONRPC

/// The answers of the demo's JSON-RPC service; they depend on the call's text alone.
enum PaymentService {
    static let interface = "com.example.pay.PaymentService"

    /// An account without money: 1001, a code of the application's own.
    static let emptyAccount = "ACC-0001"
    /// An account that the bank has frozen: −32001, a server error.
    static let frozenAccount = "ACC-0002"
    /// An account whose ledger is not reachable: −32603, an internal error.
    static let lostAccount = "ACC-0003"

    /// A reply's content and service time.
    struct Answer {
        /// The value of `result`, as JSON; `nil` for an error.
        var result: String?
        var code = 0
        var message = ""
        /// Shortest to longest.
        var milliseconds: ClosedRange<UInt64>

        fileprivate init(_ result: String, _ milliseconds: ClosedRange<UInt64>) {
            self.result = result
            self.milliseconds = milliseconds
        }

        fileprivate init(error code: Int, _ message: String, _ milliseconds: ClosedRange<UInt64> = 0...2) {
            (self.code, self.message, self.milliseconds) = (code, message, milliseconds)
        }

        var nanoseconds: ClosedRange<UInt64> {
            milliseconds.lowerBound * 1_000_000...milliseconds.upperBound * 1_000_000
        }

        /// The reply, as JSON.
        ///
        /// - Parameter id: The request's id as it came; empty for a request without one that could be read.
        /// - Returns: A response object.
        func text(id: String) -> String {
            var json = JSONText()
            json.beginObject()
            json.key("jsonrpc")
            json.string(literal: "2.0")
            json.key("id")
            json.raw(id.isEmpty ? "null" : id)
            if let result {
                json.key("result")
                json.raw(result)
            } else {
                json.key("error")
                json.beginObject()
                json.key("code")
                json.number(code)
                json.key("message")
                json.string(message)
                json.endObject()
            }
            json.endObject()
            return String(decoding: json.bytes, as: UTF8.self)
        }
    }

    /// The answer to a body that is no JSON.
    static let parseError = Answer(error: -32700, "Parse error")
    /// The answer to JSON that is no call.
    static let invalidRequest = Answer(error: -32600, "Invalid Request")

    /// The answer.
    ///
    /// - Parameters:
    ///   - call: A request, a notification, or what is neither.
    ///   - target: The target of the POST.
    /// - Returns: The answer, errors included.
    static func answer(_ call: JSONMessage, at target: String) -> Answer {
        guard call.role == .request || call.role == .notification else { return invalidRequest }
        guard target == "/" + interface else { return Answer(error: -32601, "no service at \(target)") }
        switch call.method {
        case "charge":
            if call.text.contains("\"cents\":0,") { return Answer(error: -32602, "cents must be positive", 1...4) }
            if call.text.contains(emptyAccount) { return Answer(error: 1001, "insufficient funds", 6...18) }
            return Answer("{\"charge\":\"CH-\(call.text.utf8.count)\",\"state\":\"captured\"}", 8...45)
        case "balance":
            if call.text.contains(lostAccount) { return Answer(error: -32603, "ledger is not reachable", 10...30) }
            return Answer("{\"cents\":\(call.text.utf8.count * 997),\"currency\":\"EUR\"}", 2...9)
        case "refund":
            if call.text.contains(frozenAccount) { return Answer(error: -32001, "account is frozen", 5...15) }
            return Answer("true", 10...40)
        case "audit": return Answer("null", 0...1)
        default: return Answer(error: -32601, "Method not found")
        }
    }
}
