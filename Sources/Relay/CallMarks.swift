/// How many calls had begun on a connection at the last few times that its worker took note, for its rate of calls.
///
/// Counters are cut to 32 bits: what counts is the difference of two.
struct CallMarks {
    /// Times noted: more than a minute lies between the first and the last.
    static let count = 7
    /// The least time between two.
    static let spacingNanoseconds: UInt64 = 10_000_000_000

    private var counts: InlineArray<7, UInt32> = InlineArray(repeating: 0)

    /// Takes note of a connection's count.
    mutating func note(_ calls: UInt64, at slot: Int) { counts[slot] = UInt32(truncatingIfNeeded: calls) }

    /// The calls that have begun since a mark.
    func calls(_ calls: UInt64, since slot: Int) -> UInt32 { UInt32(truncatingIfNeeded: calls) &- counts[slot] }
}

/// When a worker took note of its connections' calls.
struct CallMarkTimes {
    private var times: [UInt64] = []
    private var latest = CallMarks.count - 1
    /// When the next note is due.
    private(set) var next: UInt64 = 0
    /// Whether anything was heard since the last note: without it there is nothing to take note of.
    var isStale = false

    /// Begins a note.
    ///
    /// - Parameter now: The time, in nanoseconds.
    /// - Returns: Where counts are to be noted.
    mutating func begin(_ now: UInt64) -> Int {
        next = now &+ CallMarks.spacingNanoseconds
        isStale = false
        latest = (latest + 1) % CallMarks.count
        if times.count == CallMarks.count { times[latest] = now } else { times.append(now) }
        return latest
    }

    /// A connection's calls a second over about the last so many nanoseconds.
    ///
    /// - Parameters:
    ///   - marks: What was noted of the connection.
    ///   - calls: The calls that have begun.
    ///   - start: When the connection began.
    ///   - window: The time, at most a minute.
    ///   - now: The time, in nanoseconds.
    /// - Returns: The rate, over the window and up to one spacing more.
    func rate(_ marks: CallMarks, _ calls: UInt64, since start: UInt64, over window: UInt64, _ now: UInt64) -> Double {
        var elapsed = now &- start
        var begun = UInt32(truncatingIfNeeded: calls)
        let base = times.indices.filter { now &- times[$0] >= window }.max { times[$0] < times[$1] }
        if let base {
            begun = marks.calls(calls, since: base)
            let age = now &- times[base]
            // Behind a longer pause nothing had come for want of which no note was taken.
            elapsed = min(elapsed, age <= window &+ 2 * CallMarks.spacingNanoseconds ? age : window)
        }
        return Double(begun) / max(1, Double(elapsed) / 1e9)
    }
}
