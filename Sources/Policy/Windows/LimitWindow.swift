/// What a window has to know of its limit.
protocol LimitRule: BitwiseCopyable, Sendable {
    /// The most calls that can ever pass at once.
    var capacity: UInt64 { get }
}

/// What a change means for a window's place in the order of expiry.
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
/// All of it stands in memory that other processes may have too, and any of them may end between two stores. Each
/// change is therefore such that a call is charged as a whole or not at all, by a last store
/// (``SharedWords/commit(_:_:)``), or that ``repair(_:endedHolders:)`` makes it so. Whatever stands there, nothing
/// loops or traps.
///
/// Memory of zeros is a window that has seen nothing. Times are nanoseconds of one clock and never go back; the owner
/// sees to that.
protocol LimitWindow: BitwiseCopyable, Sendable {
    associatedtype Rule: LimitRule

    /// Whether a call takes something that has to be given back.
    static var isHeld: Bool { get }
    /// How many words a window takes.
    static func wordCount(_ rule: Rule) -> Int

    /// The window that stands at a word of the memory.
    init(_ words: SharedWords, at place: Int)

    /// How long until so many calls can pass, in nanoseconds: 0 for now, ``LimitWait/unknown`` for never or who knows.
    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64
    /// Counts calls of the process at a place for which ``wait(at:calls:_:)`` has just been 0.
    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch
    /// Gives back what calls of the process at a place took.
    func release(calls: UInt64, of holder: Int) -> WindowTouch
    /// Whether the window decides as a new one would.
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

/// Times that are none.
enum LimitWait {
    /// It cannot be said when a call can pass.
    static let unknown = UInt64.max
}
