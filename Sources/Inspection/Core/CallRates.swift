/// The number of calls that had begun on a connection at the last few notes, for its rate of calls.
///
/// Counters are cut to 32 bits: only the difference of two counts.
public struct CallMarks: Sendable {
    /// The number of notes kept: more than a minute lies between the first and the last.
    static let count = 7
    /// The least time between two notes, in nanoseconds.
    static let spacingNanoseconds: UInt64 = 10_000_000_000

    private var counts: InlineArray<7, UInt32> = InlineArray(repeating: 0)

    /// Marks of a new connection.
    public init() {}

    /// Notes a connection's count.
    ///
    /// - Parameters:
    ///   - calls: The number of calls that have begun.
    ///   - slot: The slot that ``CallMarkTimes/begin(_:)`` gave.
    public mutating func note(_ calls: UInt64, at slot: Int) { counts[slot] = UInt32(truncatingIfNeeded: calls) }

    /// The number of calls that have begun since a note.
    func calls(_ calls: UInt64, since slot: Int) -> UInt32 { UInt32(truncatingIfNeeded: calls) &- counts[slot] }
}

/// The times at which a worker noted its connections' calls.
public struct CallMarkTimes: Sendable {
    private var times: [UInt64] = []
    private var latest = CallMarks.count - 1
    /// The time at which the next note is due, in nanoseconds.
    public private(set) var next: UInt64 = 0
    /// True if bytes arrived since the last note; without any there is nothing to note.
    public var isStale = false

    /// Times without a note.
    public init() {}

    /// Begins a note.
    ///
    /// - Parameter now: The time, in nanoseconds.
    /// - Returns: The slot for the counts.
    public mutating func begin(_ now: UInt64) -> Int {
        next = now &+ CallMarks.spacingNanoseconds
        isStale = false
        latest = (latest + 1) % CallMarks.count
        if times.count == CallMarks.count { times[latest] = now } else { times.append(now) }
        return latest
    }

    /// A connection's calls a second.
    ///
    /// - Parameters:
    ///   - marks: The connection's marks.
    ///   - calls: The number of calls that have begun.
    ///   - start: The time at which the connection began, in nanoseconds.
    ///   - window: The time to look back, in nanoseconds; at most a minute.
    ///   - now: The time, in nanoseconds.
    /// - Returns: The rate over the window and up to one spacing more.
    public func rate(
        of marks: CallMarks,
        calls: UInt64,
        since start: UInt64,
        over window: UInt64,
        now: UInt64
    ) -> Double {
        var elapsed = now &- start
        var begun = UInt32(truncatingIfNeeded: calls)
        let base = times.indices.filter { now &- times[$0] >= window }.max { times[$0] < times[$1] }
        if let base {
            begun = marks.calls(calls, since: base)
            let age = now &- times[base]
            // Longer pauses had no call, and therefore no note.
            elapsed = min(elapsed, age <= window &+ 2 * CallMarks.spacingNanoseconds ? age : window)
        }
        return Double(begun) / max(1, Double(elapsed) / 1e9)
    }
}
