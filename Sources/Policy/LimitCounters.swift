internal import Synchronization

/// How a limit has decided so far, in calls: a batch counts its members.
///
/// A call that passes counts once at each limit that applies to it: `allowed`, or `wouldReject` where an observed limit
/// was reached. A call that is refused counts as `rejected` at the one limit that is named for it and nowhere else.
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

/// A limit's counters; they stay with its name over reloads, so that they never go backwards.
final class LimitCounters: Sendable {
    private let allowed = Atomic<UInt64>(0)
    private let rejected = Atomic<UInt64>(0)
    private let wouldReject = Atomic<UInt64>(0)
    private let givenUp = Atomic<UInt64>(0)

    func countAllowed(_ calls: UInt64) { allowed.wrappingAdd(calls, ordering: .relaxed) }

    func countRejected(_ calls: UInt64) { rejected.wrappingAdd(calls, ordering: .relaxed) }

    func countWouldReject(_ calls: UInt64) { wouldReject.wrappingAdd(calls, ordering: .relaxed) }

    func countGivenUp() { givenUp.wrappingAdd(1, ordering: .relaxed) }

    var counts: LimitCounts {
        var counts = LimitCounts()
        counts.allowed = allowed.load(ordering: .relaxed)
        counts.rejected = rejected.load(ordering: .relaxed)
        counts.wouldReject = wouldReject.load(ordering: .relaxed)
        counts.givenUp = givenUp.load(ordering: .relaxed)
        return counts
    }
}
