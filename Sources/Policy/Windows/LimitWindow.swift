/// The parameters that a window needs from its limit.
protocol LimitRule: BitwiseCopyable, Sendable {
    /// The most calls that can ever pass at once.
    var capacity: UInt64 { get }
}

/// The effect of a change on a window's place in the order of expiry.
enum WindowTouch {
    /// It expires when it would have.
    case keep
    /// It expires last of all.
    case renew
    /// It does not expire.
    case pin
}

/// One window of a limit: asked first, charged when every limit has admitted the call.
///
/// All of it is in memory that other processes may share, and any of them may end between two stores. Each change
/// therefore charges a call as a whole or not at all, by a last store (``SharedWords/commit(_:_:)``) or by
/// ``repair(_:endedHolders:)``. No content of the memory makes anything loop or trap.
///
/// Zeroed memory is an unused window. Times are nanoseconds of one clock and never go back; the owner ensures that.
protocol LimitWindow: BitwiseCopyable, Sendable {
    associatedtype Rule: LimitRule

    /// True if a call's share has to be released.
    static var isHeld: Bool { get }
    /// The number of words of a window.
    static func wordCount(_ rule: Rule) -> Int

    /// The window at a word of the memory.
    init(_ words: SharedWords, at place: Int)

    /// The time until that many calls can pass, in nanoseconds: 0 for now, ``LimitWait/unknown`` for never or unknown.
    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64
    /// Counts calls of the process at a place for which ``wait(at:calls:_:)`` has just been 0.
    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch
    /// Releases the share of calls of the process at a place.
    func release(calls: UInt64, of holder: Int) -> WindowTouch
    /// True if the window decides as a new one would.
    func isExpired(at now: UInt64, _ rule: Rule) -> Bool
    /// Makes the window a new one.
    func reset(_ rule: Rule)

    /// Mends what a process has left that ended while it had the lock, and gives back what processes took that have
    /// ended.
    ///
    /// - Parameters:
    ///   - rule: The limit's.
    ///   - endedHolders: Their places, as bits.
    func repair(_ rule: Rule, endedHolders: UInt64)
    /// The time of its last call; `nil` when it cannot expire.
    var lastCall: UInt64? { get }
}

extension LimitWindow {
    static var isHeld: Bool { false }
    func release(calls: UInt64, of holder: Int) -> WindowTouch { .keep }
    func repair(_ rule: Rule, endedHolders: UInt64) {}
}

/// Special values of times.
enum LimitWait {
    /// It cannot be said when a call can pass.
    static let unknown = UInt64.max
}
