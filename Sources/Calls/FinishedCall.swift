/// A call whose end is known: integers only, so that counting it costs no allocation.
public struct FinishedCall: BitwiseCopyable, Sendable {
    /// The operation.
    public var operation: OperationID
    /// The side Weir was on.
    public var side: Side
    /// The outcome.
    public var outcome: Outcome
    /// The caller: a place in a ``CallerRegistry``, 0 if unknown or not tracked.
    public var caller: UInt8
    /// The clock of ``startNanoseconds``.
    public var clock: CallClock
    /// The protocol's own status: for Dubbo the status byte; see ``ResultCode``.
    public var code: Int32
    /// The time of the request's first byte, in nanoseconds of ``clock``.
    public var startNanoseconds: UInt64
    /// First request byte seen to last reply byte seen.
    public var durationNanoseconds: UInt64
    /// Bytes of the request, headers counted.
    public var requestBytes: UInt64
    /// Bytes of the reply, 0 when there was none.
    public var responseBytes: UInt64

    /// A finished call with these facts.
    public init(
        operation: OperationID,
        side: Side,
        outcome: Outcome,
        code: Int32,
        startNanoseconds: UInt64,
        durationNanoseconds: UInt64,
        requestBytes: UInt64,
        responseBytes: UInt64,
        caller: UInt8 = 0,
        clock: CallClock = .monotonic
    ) {
        self.operation = operation
        self.side = side
        self.outcome = outcome
        self.caller = caller
        self.clock = clock
        self.code = code
        self.startNanoseconds = startNanoseconds
        self.durationNanoseconds = durationNanoseconds
        self.requestBytes = requestBytes
        self.responseBytes = responseBytes
    }
}

/// The result codes of the protocols and their names.
public enum ResultCode {
    /// No code: the call has none of its own (unanswered, oneway, lost).
    public static let none: Int32 = .min
    /// gRPC's code of a call that its caller has given up.
    public static let cancelled: Int32 = 1

    /// The name the protocol gives a code; empty for ``none``, a number where it has no name.
    ///
    /// - Parameters:
    ///   - code: A Dubbo status byte, a gRPC status or a JSON-RPC error code.
    ///   - callProtocol: The protocol that the code belongs to.
    /// - Returns: The name, the number where it has none, nothing for ``none``.
    public static func name(of code: Int32, in callProtocol: CallProtocol) -> String {
        code == none ? "" : callProtocol.traits.codes.names[code] ?? String(code)
    }

    /// True if the protocol itself defines the code.
    ///
    /// - Parameters:
    ///   - code: A code, or ``none``.
    ///   - callProtocol: The protocol.
    /// - Returns: True if the protocol gives it a name; JSON-RPC names −32700 and −32603 to −32600.
    public static func isOwn(_ code: Int32, of callProtocol: CallProtocol) -> Bool {
        code == none || callProtocol.traits.codes.own.contains(code)
    }
}
