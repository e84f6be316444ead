/// A sliding window for limits too large to keep every admission: 1,025 sub-windows of a 1,024th of the length each.
///
/// Admissions are counted by sub-window, the oldest of which always counts whole. The 1,024 before the present one
/// reach back at least the whole length, so that no window ever holds more than `capacity`; a call may be refused for
/// at most a 1,024th of the length too long.
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

    private let words: SharedWords
    /// Five words, see below, then the counts in half a word each: that of sub-window i is at i mod 1,025.
    private let place: Int

    static func wordCount(_ rule: Rule) -> Int { 5 + (slots + 1) / 2 }

    @inline(__always)
    init(_ words: SharedWords, at place: Int) {
        self.words = words
        self.place = place
    }

    /// The sum of all counts.
    private var total: UInt64 {
        get { words[place] }
        nonmutating set { words.commit(place, newValue) }
    }
    /// The present sub-window.
    private var newest: UInt64 {
        get { words[place &+ 1] }
        nonmutating set { words.commit(place &+ 1, newValue) }
    }
    /// The start of the next sub-window.
    private var boundary: UInt64 {
        get { words[place &+ 2] }
        nonmutating set { words.commit(place &+ 2, newValue) }
    }
    /// No sub-window before this one has calls.
    private var oldest: UInt64 {
        get { words[place &+ 3] }
        nonmutating set { words[place &+ 3] = newValue }
    }
    /// The time of the last call.
    private var last: UInt64 {
        get { words[place &+ 4] }
        nonmutating set { words[place &+ 4] = newValue }
    }

    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        advance(to: now, rule)
        let total = total
        guard total &+ calls > rule.capacity else { return 0 }
        var excess = total &+ calls &- rule.capacity
        let newest = newest
        // Sub-windows without calls are passed over for good.
        var index = max(oldest, newest &- min(newest, Self.parts))
        while index < newest, self[index] == 0 { index &+= 1 }
        oldest = index
        while index < newest, self[index] < excess {
            excess &-= self[index]
            index &+= 1
        }
        return rule.start(index &+ Self.parts &+ 1) &- now
    }

    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch {
        advance(to: now, rule)
        last = now
        let half = half(newest)
        words[half: half] &+= UInt32(truncatingIfNeeded: calls)
        total &+= calls
        return .renew
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool {
        total == 0 || rule.index(now) > rule.index(last) &+ Self.parts
    }

    func reset(_ rule: Rule) {
        clear()
        newest = 0
        boundary = 0
        oldest = 0
    }

    func repair(_ rule: Rule, endedHolders: UInt64) {
        var sum: UInt64 = 0
        for slot in 0..<UInt64(Self.slots) { sum &+= self[slot] }
        total = sum
    }

    var lastCall: UInt64? { last }

    private func half(_ index: UInt64) -> Int { (place &+ 5) &* 2 &+ Int(index % UInt64(Self.slots)) }

    private subscript(index: UInt64) -> UInt64 { UInt64(words[half: half(index)]) }

    private func clear() {
        for slot in 0..<UInt64(Self.slots) { words[half: half(slot)] = 0 }
        total = 0
    }

    /// Moves to the sub-window of `now` and clears those that no longer count.
    private func advance(to now: UInt64, _ rule: Rule) {
        guard now >= boundary else { return }
        let index = rule.index(now)
        var newest = newest
        if total == 0 || index > newest &+ Self.parts {
            if total > 0 { clear() }
            oldest = index
        } else {
            while newest < index {
                newest &+= 1
                // Its slot is that of the oldest one, which no longer counts once there is a call in this one.
                let half = half(newest)
                let count = UInt64(words[half: half])
                guard count > 0 else { continue }
                words[half: half] = 0
                total &-= count
            }
            if index > Self.parts { oldest = max(oldest, index &- Self.parts) }
        }
        self.newest = index
        boundary = rule.start(index &+ 1)
    }
}
