/// A sliding window that knows every admission that still counts.
///
/// It is a ring of the last admission times, at most `capacity` of them. `calls` calls pass if the (capacity + 1 −
/// calls)-th last admission is at least `length` old: then at most `capacity − calls` are younger, and no half-open
/// window of that length ever holds more than `capacity`. There is room for a ring of that size, which grows into it
/// only while its oldest time still counts, so that a limit touches memory for the calls it sees, 8 bytes each.
struct SlidingWindow: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
        /// Nanoseconds.
        let length: UInt64
    }

    /// The least room of a ring in calls, if its limit has that many.
    private static let leastCalls: UInt64 = 8

    /// The ring's size, the place of the next time, and the number of times before it.
    ///
    /// It is one word, so that a change of it is atomic; one slot is always free, so that a time is written before it
    /// counts.
    private struct Ring {
        private static let bits: UInt64 = 20
        private static let mask: UInt64 = 1 << bits - 1

        var slots: UInt64
        var next: UInt64
        var recorded: UInt64

        @inline(__always)
        init(_ word: UInt64) {
            slots = word & Self.mask
            next = word >> Self.bits & Self.mask
            recorded = word >> (Self.bits &* 2)
        }

        @inline(__always)
        var word: UInt64 { slots | next << Self.bits | recorded << (Self.bits &* 2) }
    }

    private let words: SharedWords
    /// The place of the ring's description; its slots follow.
    private let place: Int

    @inline(__always)
    static func wordCount(_ rule: Rule) -> Int { 2 + Int(rule.capacity) }

    @inline(__always)
    init(_ words: SharedWords, at place: Int) {
        self.words = words
        self.place = place
    }

    @inline(__always)
    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        let back = rule.capacity &- calls &+ 1
        let ring = Ring(words[place])
        // What is not recorded never was or had expired before it was written over.
        guard ring.recorded >= back else { return 0 }
        let age = now &- time(back: back, ring)
        return age >= rule.length ? 0 : rule.length &- age
    }

    @inline(__always)
    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch {
        var ring = Ring(words[place])
        // No ring that was written here.
        if ring.slots > rule.capacity &+ 1 || ring.next >= ring.slots || ring.recorded >= ring.slots { ring = Ring(0) }
        var left = calls
        while left > 0 {
            left &-= 1
            if ring.recorded &+ 1 >= ring.slots { grow(&ring, at: now, rule) }
            words[slot(ring.next)] = now
            if ring.recorded &+ 1 < ring.slots { ring.recorded &+= 1 }
            ring.next &+= 1
            if ring.next >= ring.slots { ring.next = 0 }
            words.commit(place, ring.word)
        }
        return .renew
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool {
        let ring = Ring(words[place])
        return ring.recorded == 0 || now &- time(back: 1, ring) >= rule.length
    }

    func reset(_ rule: Rule) {
        var ring = Ring(words[place])
        ring.recorded = 0
        ring.next = 0
        words.commit(place, ring.word)
    }

    var lastCall: UInt64? { time(back: 1, Ring(words[place])) }

    @inline(__always)
    private func slot(_ number: UInt64) -> Int { place &+ 1 &+ Int(truncatingIfNeeded: number) }

    /// The `back`-th last admission; 1 is the last, and that many must be recorded.
    @inline(__always)
    private func time(back: UInt64, _ ring: Ring) -> UInt64 {
        words[slot(ring.next >= back ? ring.next &- back : ring.next &+ ring.slots &- back)]
    }

    /// Makes room in a full ring whose oldest time still counts, unless it has its full size.
    ///
    /// The older times, which are after the free slot, move to the new end. They never overwrite one another, because
    /// each size is half of the next or half a slot more; what the word still describes stays unchanged.
    private func grow(_ ring: inout Ring, at now: UInt64, _ rule: Rule) {
        guard ring.slots > 1 else {
            ring = Ring(Self.size(above: 0, rule.capacity) &+ 1)
            return
        }
        guard ring.slots <= rule.capacity, now &- time(back: ring.recorded, ring) < rule.length else { return }
        let more = Self.size(above: ring.slots &- 1, rule.capacity) &- (ring.slots &- 1)
        if ring.next == 0 {
            // All of them stand in order after slot 0, which was the free one.
            ring.next = ring.slots
        } else {
            var number = ring.slots
            while number > ring.next &+ 1 {
                number &-= 1
                words[slot(number &+ more)] = words[slot(number)]
            }
        }
        ring.slots &+= more
    }

    /// The next size of a ring, in calls: its limit's, halved as often as leaves more than `size`.
    private static func size(above size: UInt64, _ capacity: UInt64) -> UInt64 {
        let least = max(size, leastCalls / 2)
        var next = capacity
        while (next &+ 1) / 2 > least { next = (next &+ 1) / 2 }
        return next
    }
}
