/// A small seeded generator (SplitMix64): the same seed makes the same traffic.
struct DemoRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// A time between `range`'s ends as services take it: mostly short, now and then long (the cube of an even spread).
    mutating func serviceTimeNanoseconds(_ range: ClosedRange<UInt64>) -> UInt64 {
        let share = Double(next() >> 11) / 9_007_199_254_740_992
        return range.lowerBound + UInt64(Double(range.upperBound - range.lowerBound) * share * share * share)
    }
}
