public import Calls
internal import Policy

/// An answer that Weir gives in upstream's place; each protocol has its own form of it.
public struct LocalReply: Equatable, Sendable {
    /// What the call is counted as: `limited` or `drained`.
    public var outcome: Outcome
    /// What the caller is told.
    public var text: String
    /// The status of a Dubbo reply.
    public var dubboStatus: UInt8
    /// The error code of a JSON-RPC reply.
    public var jsonrpcCode: Int32
    /// The status of the HTTP response around a JSON-RPC error; 503 when it is drained.
    public var httpStatus: UInt16
    /// Whether a Dubbo caller is given an exception, which it does not retry, where Weir can write one.
    public var isFinal: Bool
    /// When a call may pass again, in nanoseconds from now; the caller is told where its protocol has a place for it.
    public var retryAfterNanoseconds: UInt64?

    /// A reply with the usual codes for a call over a limit.
    ///
    /// - Parameters:
    ///   - outcome: What the call is counted as.
    ///   - text: What the caller is told.
    ///   - dubboStatus: The status of a Dubbo reply.
    ///   - jsonrpcCode: The error code of a JSON-RPC reply.
    ///   - httpStatus: The status of the response around a JSON-RPC error, unless the outcome is `drained`.
    ///   - isFinal: Whether a Dubbo caller is given an exception.
    ///   - retryAfterNanoseconds: When a call may pass again, in nanoseconds from now.
    public init(
        outcome: Outcome = .limited,
        text: String,
        dubboStatus: UInt8 = 100,
        jsonrpcCode: Int32 = -32000,
        httpStatus: UInt16 = 200,
        isFinal: Bool = false,
        retryAfterNanoseconds: UInt64? = nil
    ) {
        self.outcome = outcome
        self.text = text
        self.dubboStatus = dubboStatus
        self.jsonrpcCode = jsonrpcCode
        self.httpStatus = outcome == .drained ? 503 : httpStatus
        self.isFinal = isFinal
        self.retryAfterNanoseconds = retryAfterNanoseconds
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
        let rejection = limit.definition.rejection
        self.init(
            text: limit.rejectionText,
            dubboStatus: rejection.dubboStatus,
            jsonrpcCode: Int32(rejection.jsonrpcCode),
            httpStatus: rejection.httpStatus,
            isFinal: rejection.isDubboException,
            retryAfterNanoseconds: rejection.givesRetryAfter ? retryAfterNanoseconds : nil
        )
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
