/// A window that begins with the first call after the previous one has ended.
struct FixedWindow: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
        /// Nanoseconds.
        let length: UInt64
    }

    private let words: SharedWords
    /// The place of the start; the used amount follows.
    private let place: Int

    @inline(__always)
    static func wordCount(_ rule: Rule) -> Int { 2 }

    @inline(__always)
    init(_ words: SharedWords, at place: Int) {
        self.words = words
        self.place = place
    }

    private var start: UInt64 { words[place] }
    private var used: UInt64 { words[place &+ 1] }

    @inline(__always)
    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        if isExpired(at: now, rule) || used &+ calls <= rule.capacity { return 0 }
        return start &+ rule.length &- now
    }

    @inline(__always)
    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch {
        guard isExpired(at: now, rule) else {
            words.commit(place &+ 1, used &+ calls)
            return .keep
        }
        // The window has expired until its start is another.
        words[place &+ 1] = calls
        words.commit(place, now)
        return .renew
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool { used == 0 || now &- start >= rule.length }

    func reset(_ rule: Rule) { words[place &+ 1] = 0 }

    var lastCall: UInt64? { start }
}
