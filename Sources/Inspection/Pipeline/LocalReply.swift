public import Calls
internal import Policy

/// An answer that Weir gives in upstream's place; each protocol has its own form of it.
public struct LocalReply: Equatable, Sendable {
    /// The outcome of the call: `limited` or `drained`.
    public var outcome: Outcome
    /// The text for the caller.
    public var text: String
    /// The codes that are not the usual ones of their protocols, see ``code(in:)``.
    private var codes: LocalReplyCodes
    /// The status of the HTTP response around a reply whose code is in its body; 503 when it is drained.
    public var httpStatus: UInt16
    /// True if a Dubbo caller is given an exception, which it does not retry, where Weir can write one.
    public var isFinal: Bool
    /// When a call may pass again, in nanoseconds from now; the caller is told where its protocol has a place for it.
    public var retryAfterNanoseconds: UInt64?

    /// A reply with the usual codes for a call over a limit.
    ///
    /// - Parameters:
    ///   - outcome: What the call is counted as.
    ///   - text: The text for the caller.
    ///   - codes: Codes in place of the usual ones.
    ///   - httpStatus: The status of the response around a code in its body, unless the outcome is `drained`.
    ///   - isFinal: True if a Dubbo caller is given an exception.
    ///   - retryAfterNanoseconds: When a call may pass again, in nanoseconds from now.
    public init(
        outcome: Outcome = .limited,
        text: String,
        codes: [CallProtocol: Int32] = [:],
        httpStatus: UInt16 = 200,
        isFinal: Bool = false,
        retryAfterNanoseconds: UInt64? = nil
    ) {
        self.outcome = outcome
        self.text = text
        self.codes = outcome == .drained ? .drained : .limited
        for (callProtocol, code) in codes { self.codes[callProtocol] = code }
        self.httpStatus = outcome == .drained ? 503 : httpStatus
        self.isFinal = isFinal
        self.retryAfterNanoseconds = retryAfterNanoseconds
    }

    /// The result code of the reply in a protocol.
    ///
    /// - Parameter callProtocol: The protocol of the call.
    /// - Returns: The code that was set, or the usual one of the protocol's traits.
    public func code(in callProtocol: CallProtocol) -> Int32 {
        let code = codes[callProtocol]
        guard code == ResultCode.none else { return code }
        let usual = callProtocol.traits.localReplies
        return outcome == .drained ? usual.drainedCode : usual.limitedCode
    }

    /// The hint in whole seconds, rounded up, as HTTP has it.
    var retryAfterSeconds: UInt64? {
        retryAfterNanoseconds.map { $0 / 1_000_000_000 + ($0 % 1_000_000_000 == 0 ? 0 : 1) }
    }
}

extension LocalReply {
    /// The answer that a limit gives.
    ///
    /// - Parameters:
    ///   - limit: The limit that was reached.
    ///   - retryAfterNanoseconds: When a call may pass again, if that is known.
    init(_ limit: Limit, retryAfterNanoseconds: UInt64?) {
        let policy = limit.definition.localReply
        self.init(
            text: limit.localReplyText,
            httpStatus: policy.httpStatus,
            isFinal: policy.retry == .never,
            retryAfterNanoseconds: policy.givesRetryAfter ? retryAfterNanoseconds : nil
        )
        codes = policy.codes
    }

    /// The answer to a call that comes although its service is drained.
    ///
    /// One for all Dubbo consumers, which nothing on the wire tells apart for sure: failover makes all of them try
    /// another provider upon status 100. Its text is none of ``LocalReplyPolicy/forbiddenTexts``: dubbo-go from 3.3.2
    /// on concludes from those that this instance is gone for 30 s, for the whole interface, calls in flight too.
    /// Sources:
    /// `FailoverClusterInvoker.java`, dubbo-go `filter/graceful_shutdown/consumer_filter.go`.
    init(drained order: DrainOrder) {
        let reason = order.reason.isEmpty ? "" : " (\(order.reason))"
        self.init(outcome: .drained, text: "this provider is being drained\(reason)")
    }
}
