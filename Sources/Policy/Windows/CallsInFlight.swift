/// The number of calls in flight, in all and by process.
struct CallsInFlight: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
    }

    private let words: SharedWords
    /// A word for the sum, then half a word for each process.
    private let place: Int

    static var isHeld: Bool { true }

    @inline(__always)
    static func wordCount(_ rule: Rule) -> Int { 1 + LimitProcesses.capacity / 2 }

    @inline(__always)
    init(_ words: SharedWords, at place: Int) {
        self.words = words
        self.place = place
    }

    private func half(_ holder: Int) -> Int { (place &+ 1) &* 2 &+ holder }

    @inline(__always)
    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        calls <= rule.capacity && words[place] <= rule.capacity &- calls ? 0 : LimitWait.unknown
    }

    @inline(__always)
    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch {
        // The process's share first: the sum can be made of the shares, not the other way round.
        words[half: half(holder)] &+= UInt32(truncatingIfNeeded: calls)
        words.commit(place, words[place] &+ calls)
        return .pin
    }

    @inline(__always)
    func release(calls: UInt64, of holder: Int) -> WindowTouch {
        let share = words[half: half(holder)]
        let taken = min(calls, UInt64(share))
        words[half: half(holder)] = share &- UInt32(truncatingIfNeeded: taken)
        let sum = words[place]
        words.commit(place, sum > taken ? sum &- taken : 0)
        return sum <= taken ? .renew : .pin
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool { words[place] == 0 }

    func reset(_ rule: Rule) {
        for holder in 0..<LimitProcesses.capacity { words[half: half(holder)] = 0 }
        words[place] = 0
    }

    func repair(_ rule: Rule, endedHolders: UInt64) {
        var sum: UInt64 = 0
        for holder in 0..<LimitProcesses.capacity {
            if endedHolders >> UInt64(holder) & 1 == 1 { words[half: half(holder)] = 0 }
            sum &+= UInt64(words[half: half(holder)])
        }
        words.commit(place, sum)
    }

    var lastCall: UInt64? { words[place] == 0 ? 0 : nil }
}
