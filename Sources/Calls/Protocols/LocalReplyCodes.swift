/// The result code of a local reply in each protocol.
public struct LocalReplyCodes: Equatable, Sendable {
    /// By place; ``ResultCode/none`` where the traits of the protocol say it when it is wanted.
    private var codes: [Int32]

    /// The usual codes of a call over a limit.
    public static let limited = LocalReplyCodes { $0.limitedCode }
    /// The usual codes of a call that comes although its service is drained.
    public static let drained = LocalReplyCodes { $0.drainedCode }

    private init(_ usual: (ProtocolTraits.LocalReplies) -> Int32) {
        codes = Array(repeating: ResultCode.none, count: CallProtocol.placeCount)
        for callProtocol in CallProtocol.product { self[callProtocol] = usual(callProtocol.traits.localReplies) }
    }

    /// The code in a protocol; ``ResultCode/none`` in a registered one for which none was set.
    ///
    /// - Parameter callProtocol: The protocol of the call.
    public subscript(callProtocol: CallProtocol) -> Int32 {
        get { codes[Int(callProtocol.rawValue)] }
        set { codes[Int(callProtocol.rawValue)] = newValue }
    }
}
