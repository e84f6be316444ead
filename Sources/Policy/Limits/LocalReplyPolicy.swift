public import Calls

/// The reply to a caller that a limit refuses.
public struct LocalReplyPolicy: Equatable, Sendable {
    /// The caller's options after the reply.
    public enum Retry: String, CaseIterable, Sendable {
        /// The caller's own rule: Dubbo callers try another provider, twice.
        case standard = "default"
        /// A Dubbo caller is given an exception of the application's kind, which none retries.
        case never
    }

    /// The statuses that an HTTP response with a JSON-RPC error may have.
    public static let httpStatuses: Set<UInt16> = [200, 429]
    /// The texts that dubbo-go takes for a provider going offline, in any case.
    public static let forbiddenTexts = ["transport is closing", "client connection is closing"]

    /// The message; `nil` for `limit NAME exceeded`.
    public var text: String?
    /// The caller's options after the reply.
    public var retry = Retry.standard
    /// The code in each protocol; without effect where an exception answers, see ``isException(in:)``.
    public var codes = LocalReplyCodes.limited
    /// The status of the HTTP response around a JSON-RPC error.
    public var httpStatus: UInt16 = 200
    /// True if the caller is told when a call can pass again.
    public var givesRetryAfter = false

    /// The usual reply: Dubbo status 100, gRPC RESOURCE_EXHAUSTED, JSON-RPC −32000 with HTTP 200.
    public init() {}

    /// True if an exception answers in a protocol, which its callers do not retry.
    ///
    /// - Parameter callProtocol: The protocol of the call.
    /// - Returns: True with ``Retry/never`` where the protocol has such exceptions.
    public func isException(in callProtocol: CallProtocol) -> Bool {
        retry == .never && callProtocol.traits.localReplies.throwsWhenFinal
    }

    /// The problem with the codes, in one line; `nil` if they are valid.
    public var problem: String? {
        for callProtocol in CallProtocol.product {
            let replies = callProtocol.traits.localReplies
            guard let setting = replies.setting, !replies.settable.contains(codes[callProtocol]) else { continue }
            return "\(setting) is \(replies.settable.reason)"
        }
        return Self.httpStatuses.contains(httpStatus) ? nil : "http_status is not 200 or 429"
    }

    /// The reason for which a text cannot be sent; `nil` if it can.
    ///
    /// - Parameter text: The message.
    /// - Returns: The reason in one line.
    public static func problem(of text: String) -> String? {
        guard 1...LimitBounds.maxTextBytes ~= text.utf8.count else {
            return "a text has 1...\(LimitBounds.maxTextBytes) bytes, found \(text.utf8.count)"
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7f...0x9f ~= $0.value) }) else {
            return "a text has no control characters"
        }
        let lower = text.lowercased()
        guard let phrase = forbiddenTexts.first(where: { lower.contains($0) }) else { return nil }
        return "a text must not contain \"\(phrase)\": dubbo-go would drop the provider"
    }
}
