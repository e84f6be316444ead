/// What a window has to know of its limit.
protocol LimitRule: Sendable {
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
/// Times are nanoseconds of one clock and never go back; the owner sees to that.
protocol LimitWindow: Sendable {
    associatedtype Rule: LimitRule

    /// Whether a call takes something that has to be given back.
    static var isHeld: Bool { get }
    /// The most memory a window takes outside of itself, in bytes.
    static func worstCaseBytes(_ rule: Rule) -> Int

    /// A window that has seen nothing.
    init()

    /// How long until so many calls can pass, in nanoseconds: 0 for now, ``LimitWait/unknown`` for never or who knows.
    mutating func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64
    /// Counts calls for which ``wait(at:calls:_:)`` has just been 0.
    mutating func charge(at now: UInt64, calls: UInt64, _ rule: Rule) -> WindowTouch
    /// Gives back what calls took.
    mutating func release(calls: UInt64) -> WindowTouch
    /// Whether the window decides as a new one would.
    func isExpired(at now: UInt64, _ rule: Rule) -> Bool
    /// Makes the window a new one and keeps its memory.
    mutating func reset()
    /// The memory taken outside of itself, in bytes.
    var heapBytes: Int { get }
}

extension LimitWindow {
    static var isHeld: Bool { false }
    mutating func release(calls: UInt64) -> WindowTouch { .keep }
}

/// Times that are none.
enum LimitWait {
    /// It cannot be said when a call can pass.
    static let unknown = UInt64.max
}

/// What an array takes besides its elements: its own header and the allocator's.
let arrayHeaderBytes = 48
