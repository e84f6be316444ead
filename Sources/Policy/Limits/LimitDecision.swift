/// The part of limits on calls in flight that a call holds: kept with the call and released when it ends.
///
/// It belongs to the ``LimitGate`` that created it. Releasing it twice is harmless.
public struct LimitToken: BitwiseCopyable, Equatable, Sendable {
    /// A place and how often it had been used; 0 for nothing.
    public let rawValue: UInt32

    /// A token kept as a number.
    ///
    /// - Parameter rawValue: The number of a token.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A token that holds nothing.
    public static var none: LimitToken { LimitToken(rawValue: 0) }

    /// True if it holds nothing.
    public var isNone: Bool { rawValue == 0 }
}

/// The denial of a call: the limit, and the time until a retry.
public struct LimitDenied: BitwiseCopyable, Equatable, Sendable {
    /// The first limit, in the order of the file, that was reached: its place in ``LimitSet/limits``.
    public let limit: Int
    /// The earliest time at which such a call could pass, in nanoseconds from now, as far as the refusing limits know;
    /// `nil` if none knows: the end of calls in flight is unknown, and a batch larger than a limit never passes.
    public let retryAfter: UInt64?

    /// A refusal.
    ///
    /// - Parameters:
    ///   - limit: The limit's place in its set.
    ///   - retryAfter: The time in nanoseconds, or `nil` if unknown.
    public init(limit: Int, retryAfter: UInt64?) {
        self.limit = limit
        self.retryAfter = retryAfter
    }
}

/// The decision about a call.
public enum LimitDecision: BitwiseCopyable, Equatable, Sendable {
    /// It passes; the token goes back with ``LimitGate/release(_:)`` when the call ends, however it ends.
    case admitted(LimitToken)
    /// It is refused and has used nothing up.
    case refused(LimitDenied)
}
