/// What a call took of limits on calls in flight: kept with the call and given back when it ends.
///
/// It belongs to the ``LimitGate`` that gave it. Giving it back twice does no harm.
public struct LimitToken: BitwiseCopyable, Equatable, Sendable {
    /// A place and how often it had been used; 0 for nothing.
    public let rawValue: UInt32

    /// A token kept as a number.
    ///
    /// - Parameter rawValue: The number of a token.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Nothing is to be given back.
    public static var none: LimitToken { LimitToken(rawValue: 0) }

    /// Whether nothing is to be given back.
    public var isNone: Bool { rawValue == 0 }
}

/// Which limit refused a call, and for how long.
public struct LimitDenied: BitwiseCopyable, Equatable, Sendable {
    /// The first limit, in the order of the file, that was reached: its place in ``LimitSet/limits``.
    public let limit: Int
    /// When such a call could pass as far as all limits know that refused it, in nanoseconds from now; `nil` when none
    /// knows: calls in flight end when they end, and a batch larger than a limit never passes.
    public let retryAfter: UInt64?

    /// A refusal.
    ///
    /// - Parameters:
    ///   - limit: The limit's place in its set.
    ///   - retryAfter: Nanoseconds, or `nil` when nobody knows.
    public init(limit: Int, retryAfter: UInt64?) {
        self.limit = limit
        self.retryAfter = retryAfter
    }
}

/// What becomes of a call.
public enum LimitDecision: BitwiseCopyable, Equatable, Sendable {
    /// It passes; the token goes back with ``LimitGate/release(_:)`` when the call ends, however it ends.
    case admitted(LimitToken)
    /// It is refused and has used up nothing.
    case refused(LimitDenied)
}
