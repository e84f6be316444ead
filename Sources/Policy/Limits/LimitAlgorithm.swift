/// The algorithm by which a limit counts.
public enum LimitAlgorithm: Equatable, Sendable {
    /// At most `limit` calls in any half-open window of that length.
    ///
    /// Exact up to ``LimitBounds/exactLimit``. Above, 1,025 sub-windows with the oldest counted whole: never more than
    /// `limit`, and a call may be refused by a 1,024th of the window too long.
    case slidingWindow(limit: Int, window: Duration)
    /// At most `limit` calls in a window that begins with the first call after the previous one has ended; twice as
    /// many may pass around its border. Dubbo's own limiters work like this.
    case fixedWindow(limit: Int, window: Duration)
    /// A bucket of `burst` tokens, full at first, into which `rate` tokens run in every `period`; a call takes one.
    case tokenBucket(rate: Int, period: Duration, burst: Int)
    /// At most `limit` calls in flight at a time; calls without a reply are not counted.
    case concurrency(limit: Int)

    /// The algorithm's name in a limits file.
    public var name: String {
        switch self {
        case .slidingWindow: "sliding_window"
        case .fixedWindow: "fixed_window"
        case .tokenBucket: "token_bucket"
        case .concurrency: "concurrency"
        }
    }
}

/// The allowed values of a limit.
public enum LimitBounds {
    /// The calls of a limit.
    public static let limit = 1...1_000_000_000
    /// The calls in flight of a limit.
    public static let concurrency = 1...1_000_000
    /// The largest sliding window that is kept call by call.
    public static let exactLimit = 65_536
    /// The length of a window.
    public static let window = Duration.milliseconds(1)...Duration.seconds(86_400)
    /// The number of key values that a limit may tell apart.
    public static let maxKeys = 1...10_000
    /// The most parts of a key.
    public static let maxKeyParts = 4
    /// The most attachments in the matcher of one limit.
    public static let maxAttachments = 8
    /// The most different attachments in all limits together.
    public static let maxAttachmentNames = 64
    /// The most limits.
    public static let maxLimits = 256
    /// The longest name of a limit, in bytes.
    public static let maxNameBytes = 64
    /// The longest text of a reply, in bytes.
    public static let maxTextBytes = 256
    /// The allowed memory for windows, in bytes.
    public static let budgetBytes = 64 << 10...1 << 30
    /// The default memory for windows, in bytes.
    public static let defaultBudgetBytes = 16 << 20
}

extension Duration {
    /// The whole nanoseconds of a time that is not negative and below 500 years.
    var nanoseconds: UInt64 {
        let parts = components
        return UInt64(clamping: parts.seconds) * 1_000_000_000 + UInt64(clamping: parts.attoseconds / 1_000_000_000)
    }
}
