/// A sliding window for limits too large to keep every admission: 1,025 sub-windows of a 1,024th of the length each.
///
/// Admissions are counted by sub-window, the oldest of which is always counted whole. The 1,024 before the present one
/// reach back at least the whole length, so that no window ever holds more than `capacity`; a call may be refused by at
/// most a 1,024th of the length too long.
///
/// A time's sub-window is ⌊time · 1024 / length⌋, exactly: sub-windows need not be whole nanoseconds long.
struct SubWindows: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
        /// Nanoseconds.
        let length: UInt64

        /// The sub-window of a time.
        func index(_ time: UInt64) -> UInt64 {
            let product = time.multipliedFullWidth(by: SubWindows.parts)
            // The high word is below 1,024 and the length at least a million: the quotient fits.
            return length.dividingFullWidth(product).quotient
        }

        /// The first nanosecond of a sub-window.
        func start(_ index: UInt64) -> UInt64 {
            let product = length.multipliedFullWidth(by: index)
            let floor = product.high << 54 | product.low >> 10
            return product.low & 1023 == 0 ? floor : floor &+ 1
        }
    }

    fileprivate static let parts: UInt64 = 1024
    private static let slots = 1025

    /// The count of sub-window i stands at i mod 1,025; empty before the first call.
    private var counts: [UInt32] = []
    private var total: UInt64 = 0
    /// The present sub-window, and when the next one begins.
    private var newest: UInt64 = 0
    private var boundary: UInt64 = 0
    /// No sub-window before this one has calls.
    private var oldest: UInt64 = 0
    /// The sub-window of the last call.
    private var last: UInt64 = 0

    static func worstCaseBytes(_ rule: Rule) -> Int { arrayHeaderBytes + MemoryLayout<UInt32>.stride * slots }

    init() {}

    mutating func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        advance(to: now, rule)
        guard total &+ calls > rule.capacity else { return 0 }
        var excess = total &+ calls &- rule.capacity
        // Sub-windows without calls are passed over for good.
        while oldest < newest, self[oldest] == 0 { oldest &+= 1 }
        var index = oldest
        while index < newest, self[index] < excess {
            excess &-= self[index]
            index &+= 1
        }
        return rule.start(index &+ Self.parts &+ 1) &- now
    }

    mutating func charge(at now: UInt64, calls: UInt64, _ rule: Rule) -> WindowTouch {
        if counts.isEmpty { counts = Array(repeating: 0, count: Self.slots) }
        advance(to: now, rule)
        counts[Int(newest % UInt64(Self.slots))] &+= UInt32(truncatingIfNeeded: calls)
        total &+= calls
        last = newest
        return .renew
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool {
        total == 0 || rule.index(now) > last &+ Self.parts
    }

    mutating func reset() {
        for index in counts.indices { counts[index] = 0 }
        total = 0
        newest = 0
        boundary = 0
        oldest = 0
    }

    var heapBytes: Int { counts.isEmpty ? 0 : arrayHeaderBytes + MemoryLayout<UInt32>.stride * counts.count }

    private subscript(index: UInt64) -> UInt64 { UInt64(counts[Int(index % UInt64(Self.slots))]) }

    /// Makes the sub-window of `now` the present one and forgets those that no longer count.
    private mutating func advance(to now: UInt64, _ rule: Rule) {
        guard now >= boundary else { return }
        let index = rule.index(now)
        if total == 0 || index > newest &+ Self.parts {
            if total > 0 { for slot in counts.indices { counts[slot] = 0 } }
            total = 0
            oldest = index
        } else {
            while newest < index {
                newest &+= 1
                let slot = Int(newest % UInt64(Self.slots))
                total &-= UInt64(counts[slot])
                counts[slot] = 0
            }
            if index > Self.parts { oldest = max(oldest, index &- Self.parts) }
        }
        newest = index
        boundary = rule.start(index &+ 1)
    }
}
