/// The decisions of a limit, in calls: a batch counts its members.
///
/// A call that passes counts once at each limit that applies to it: as `allowed`, or as `wouldReject` if an observed
/// limit was reached. A refused call counts as `rejected` at the one limit that is named for it and nowhere else.
///
/// Processes that share limits share these numbers: each of them shows the counts of all, so a sum over several such
/// processes takes them once, from any of them.
public struct LimitCounts: Equatable, Sendable {
    /// Calls that passed within the limit.
    public var allowed: UInt64 = 0
    /// Calls that the limit refused.
    public var rejected: UInt64 = 0
    /// Calls that passed only because the limit is observed.
    public var wouldReject: UInt64 = 0
    /// Comparisons with an expression that were given up at a bound; each was taken as no match.
    public var givenUp: UInt64 = 0

    /// No calls yet.
    public init() {}
}

/// A limit's counters; they stay with its name over reloads and takeovers, so that they never decrease.
final class LimitCounters: GivenUpSearches {
    private let memory: SharedMemory
    private let words: SharedWords
    private let place: Int

    /// Counters in the memory that all limits share.
    ///
    /// - Parameters:
    ///   - memory: The memory of the counters.
    ///   - place: The place of the four words of the name.
    init(_ memory: SharedMemory, at place: Int) {
        self.memory = memory
        words = memory.words
        self.place = place
    }

    /// Counters of this process alone.
    ///
    /// It is `nil` if there is no memory.
    init?() {
        guard let memory = SharedMemory("weir-counters", byteCount: 1, isShareable: false) else { return nil }
        self.memory = memory
        words = memory.words
        place = 0
    }

    func countAllowed(_ calls: UInt64) { words.add(place, calls) }

    func countRejected(_ calls: UInt64) { words.add(place &+ 1, calls) }

    func countWouldReject(_ calls: UInt64) { words.add(place &+ 2, calls) }

    /// Counts it; a limit does not apply to a call that it cannot be sure of.
    func noteGivenUp() -> Bool {
        words.add(place &+ 3, 1)
        return false
    }

    var counts: LimitCounts {
        var counts = LimitCounts()
        counts.allowed = words[place]
        counts.rejected = words[place + 1]
        counts.wouldReject = words[place + 2]
        counts.givenUp = words[place + 3]
        return counts
    }
}
