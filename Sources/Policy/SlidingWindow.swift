/// A sliding window that knows every admission that still counts.
///
/// A ring of the last admission times, at most `capacity` of them. `calls` calls pass when the (capacity + 1 −
/// calls)-th last admission is at least `length` old: then at most `capacity − calls` are younger, and no half-open
/// window of that length ever holds more than `capacity`. The ring grows only while its oldest time still counts, so
/// that a limit takes memory for the calls it sees, 8 bytes each.
struct SlidingWindow: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
        /// Nanoseconds.
        let length: UInt64
    }

    private static let leastSlots = 8

    private var times: [UInt64] = []
    /// How many of the slots hold a time.
    private var recorded: Int32 = 0
    /// Where the next time goes; of a full ring the place of the oldest.
    private var next: Int32 = 0

    static func worstCaseBytes(_ rule: Rule) -> Int {
        arrayHeaderBytes + MemoryLayout<UInt64>.stride * Int(rule.capacity)
    }

    init() {}

    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        let back = Int(truncatingIfNeeded: rule.capacity &- calls) &+ 1
        // What is not recorded never was or had expired before it was written over.
        guard Int(recorded) >= back else { return 0 }
        let age = now &- time(back: back)
        return age >= rule.length ? 0 : rule.length &- age
    }

    mutating func charge(at now: UInt64, calls: UInt64, _ rule: Rule) -> WindowTouch {
        var left = calls
        while left > 0 {
            left &-= 1
            if Int(recorded) == times.count {
                let oldest = recorded == 0 ? 0 : times[Int(next)]
                if recorded == 0 || (times.count < Int(rule.capacity) && now &- oldest < rule.length) {
                    grow(capacity: Int(rule.capacity))
                }
            }
            times[Int(next)] = now
            recorded = min(recorded &+ 1, Int32(truncatingIfNeeded: times.count))
            next &+= 1
            if Int(next) == times.count { next = 0 }
        }
        return .renew
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool { recorded == 0 || now &- time(back: 1) >= rule.length }

    mutating func reset() {
        recorded = 0
        next = 0
    }

    var heapBytes: Int { times.isEmpty ? 0 : arrayHeaderBytes + MemoryLayout<UInt64>.stride * times.count }

    /// The `back`-th last admission; 1 is the last, and so many must be recorded.
    private func time(back: Int) -> UInt64 {
        let at = Int(next) &- back
        return times[at < 0 ? at &+ times.count : at]
    }

    /// Twice the room, the times in order from the start.
    private mutating func grow(capacity: Int) {
        guard !times.isEmpty else {
            times = Array(repeating: 0, count: min(capacity, Self.leastSlots))
            return
        }
        var larger = Array(repeating: UInt64(0), count: min(capacity, times.count * 2))
        for index in 0..<times.count {
            larger[index] = time(back: times.count - index)
        }
        next = Int32(times.count)
        times = larger
    }
}
