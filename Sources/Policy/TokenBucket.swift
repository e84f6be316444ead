/// A bucket of tokens that fills evenly.
///
/// What is missing from the full bucket is kept, in units of which one token has `period` and `rate` run in every
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
        /// How long an empty bucket takes to fill, in nanoseconds.
        let fillTime: UInt64

        init(rate: UInt64, period: UInt64, burst: UInt64) {
            capacity = burst
            self.rate = rate
            self.period = period
            full = burst * period
            fillTime = (full + rate - 1) / rate
        }
    }

    private var missing: UInt64 = 0
    private var last: UInt64 = 0

    static func worstCaseBytes(_ rule: Rule) -> Int { 0 }

    init() {}

    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        let wanted = missing(at: now, rule) &+ calls &* rule.period
        guard wanted > rule.full else { return 0 }
        return (wanted &- rule.full &+ rule.rate &- 1) / rule.rate
    }

    mutating func charge(at now: UInt64, calls: UInt64, _ rule: Rule) -> WindowTouch {
        missing = missing(at: now, rule) &+ calls &* rule.period
        last = now
        return .renew
    }

    /// A bucket that was left alone for as long as an empty one takes is full.
    func isExpired(at now: UInt64, _ rule: Rule) -> Bool { missing == 0 || now &- last >= rule.fillTime }

    mutating func reset() { missing = 0 }

    var heapBytes: Int { 0 }

    private func missing(at now: UInt64, _ rule: Rule) -> UInt64 {
        let elapsed = now &- last
        guard elapsed < rule.fillTime else { return 0 }
        // Below the fill time the product is below full + rate, which fits.
        let filled = elapsed &* rule.rate
        return missing > filled ? missing &- filled : 0
    }
}
