package import Calls
internal import Telemetry

/// The end of a call.
package struct CallResult: BitwiseCopyable {
    /// The outcome that it is counted under.
    var outcome: Outcome
    /// The protocol's own code, or ``ResultCode``'s.
    var code: Int32
    /// When it ended, in nanoseconds.
    var end: UInt64
    /// The bytes of its reply.
    package var responseBytes: UInt64 = 0
    /// The messages of its stream; `nil` for protocols without streams, and for one message each way.
    var stream: StreamMessages?

    /// A result without a reply.
    ///
    /// - Parameters:
    ///   - outcome: As what the call is counted.
    ///   - code: The protocol's own code.
    ///   - end: When it ended, in nanoseconds.
    @inline(__always)
    package init(_ outcome: Outcome, code: Int32 = ResultCode.none, end: UInt64) {
        self.outcome = outcome
        self.code = code
        self.end = end
    }
}

/// The texts of a call in flight, kept only while someone observes calls.
package struct CallTexts {
    var caller = ""
    var trace: TraceContext?
    /// The protocol's own id, where it is no number.
    var id: String?
    /// The class of the exception that answered it; empty for none.
    var exception = ""

    /// The texts of a call.
    ///
    /// - Parameters:
    ///   - caller: The calling application; empty if it does not say.
    ///   - trace: The request's trace context, if it has one.
    ///   - id: The protocol's own id, where it is no number.
    package init(caller: String = "", trace: TraceContext? = nil, id: String? = nil) {
        self.caller = caller
        self.trace = trace
        self.id = id
    }
}

/// How many messages a call carried, of which one way carried more than one.
package struct StreamMessages: BitwiseCopyable {
    var requests: UInt64
    var responses: UInt64
    /// True if it is a stream: its duration says nothing of the service.
    var isStream = true
}

extension CallTable.Kind {
    /// The end of a call that its caller has given up, without trailers.
    var result: (outcome: Outcome, code: Int32) {
        self == .timedOut ? (.timeout, ResultCode.none) : (.cancelled, ResultCode.cancelled)
    }
}
