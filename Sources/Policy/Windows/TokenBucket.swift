/// A bucket of tokens that fills evenly.
///
/// It stores the amount missing from the full bucket, in units of which a token has `period` and `rate` run in every
/// nanosecond: whole numbers throughout, so that nothing is lost by rounding.
struct TokenBucket: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
        /// Tokens in every `period`.
        let rate: UInt64
        /// Nanoseconds.
        let period: UInt64
        /// The units of a full bucket, below 2⁶².
        let full: UInt64
        /// The time that an empty bucket takes to fill, in nanoseconds.
        let fillTime: UInt64

        init(rate: UInt64, period: UInt64, burst: UInt64) {
            capacity = burst
            self.rate = rate
            self.period = period
            full = burst * period
            fillTime = (full + rate - 1) / rate
        }
    }

    /// The place of the word whose low bit selects the valid one of two states.
    ///
    /// Behind it are the states: what is missing, and since when. A change writes the other one first.
    private let place: Int
    private let words: SharedWords

    @inline(__always)
    static func wordCount(_ rule: Rule) -> Int { 5 }

    @inline(__always)
    init(_ words: SharedWords, at place: Int) {
        self.words = words
        self.place = place
    }

    /// The place of the valid state.
    private var state: Int { place &+ 1 &+ Int(words[place] & 1) &* 2 }

    @inline(__always)
    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        let wanted = missing(at: now, state, rule) &+ calls &* rule.period
        guard wanted > rule.full else { return 0 }
        return (wanted &- rule.full &+ rule.rate &- 1) / rule.rate
    }

    @inline(__always)
    func charge(at now: UInt64, calls: UInt64, of holder: Int, _ rule: Rule) -> WindowTouch {
        let number = words[place] & 1
        let missing = missing(at: now, place &+ 1 &+ Int(number) &* 2, rule) &+ calls &* rule.period
        let other = place &+ 3 &- Int(number) &* 2
        words[other] = missing
        words[other &+ 1] = now
        words.commit(place, number ^ 1)
        return .renew
    }

    /// A bucket that was left alone for as long as an empty one takes is full.
    func isExpired(at now: UInt64, _ rule: Rule) -> Bool {
        let state = state
        return words[state] == 0 || now &- words[state &+ 1] >= rule.fillTime
    }

    func reset(_ rule: Rule) { words[state] = 0 }

    var lastCall: UInt64? { words[state &+ 1] }

    @inline(__always)
    private func missing(at now: UInt64, _ state: Int, _ rule: Rule) -> UInt64 {
        let elapsed = now &- words[state &+ 1]
        guard elapsed < rule.fillTime else { return 0 }
        // Below the fill time the product is below full + rate, which fits.
        let filled = elapsed &* rule.rate
        let missing = words[state]
        return missing > filled ? missing &- filled : 0
    }
}
