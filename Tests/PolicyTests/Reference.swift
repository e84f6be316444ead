import Policy

/// Limits as plainly as they can be written: they keep every admission there ever was and count anew each time.
struct ReferenceLimit {
    let definition: LimitDefinition
    /// Times and costs of all admissions, oldest first; of calls in flight those that have not ended.
    private(set) var admissions: [(time: UInt64, calls: Int)] = []

    init(_ definition: LimitDefinition) { self.definition = definition }

    /// How long until the calls can pass: 0 for now, nil for who knows.
    func wait(at now: UInt64, calls: Int) -> UInt64? {
        switch definition.algorithm {
        case .slidingWindow(let limit, let window):
            return limit <= 65_536
                ? sliding(at: now, calls, limit, nanoseconds(window))
                : parts(at: now, calls, limit, nanoseconds(window))
        case .fixedWindow(let limit, let window):
            return fixed(at: now, calls, limit, nanoseconds(window))
        case .tokenBucket(let rate, let period, let burst):
            return bucket(at: now, calls, rate, nanoseconds(period), burst)
        case .concurrency(let limit):
            return admissions.reduce(0) { $0 + $1.calls } + calls <= limit ? 0 : nil
        }
    }

    mutating func charge(at now: UInt64, calls: Int) { admissions.append((now, calls)) }

    mutating func release(calls: Int) {
        if let index = admissions.firstIndex(where: { $0.calls == calls }) { admissions.remove(at: index) }
    }

    private func sliding(at now: UInt64, _ calls: Int, _ limit: Int, _ window: UInt64) -> UInt64? {
        guard calls <= limit else { return nil }
        let young = admissions.filter { now - $0.time < window }
        var count = young.reduce(0) { $0 + $1.calls }
        if count + calls <= limit { return 0 }
        for admission in young {
            count -= admission.calls
            if count + calls <= limit { return admission.time + window - now }
        }
        return nil
    }

    /// The same with times cut to sub-windows, a 1,024th of the window each.
    private func parts(at now: UInt64, _ calls: Int, _ limit: Int, _ window: UInt64) -> UInt64? {
        guard calls <= limit else { return nil }
        func part(_ time: UInt64) -> UInt128 { UInt128(time) * 1024 / UInt128(window) }
        let counted = admissions.filter { part($0.time) + 1024 >= part(now) }
        var count = counted.reduce(0) { $0 + $1.calls }
        if count + calls <= limit { return 0 }
        for admission in counted {
            count -= admission.calls
            if count + calls <= limit {
                // The first time of the sub-window in which the admission's is no longer counted.
                let end = ((part(admission.time) + 1025) * UInt128(window) + 1023) / 1024
                return UInt64(end) - now
            }
        }
        return nil
    }

    private func fixed(at now: UInt64, _ calls: Int, _ limit: Int, _ window: UInt64) -> UInt64? {
        guard calls <= limit else { return nil }
        var start: UInt64?
        var used = 0
        for admission in admissions {
            if let begun = start, admission.time - begun < window {
                used += admission.calls
            } else {
                start = admission.time
                used = admission.calls
            }
        }
        guard let start, now - start < window, used + calls > limit else { return 0 }
        return start + window - now
    }

    private func bucket(at now: UInt64, _ calls: Int, _ rate: Int, _ period: UInt64, _ burst: Int) -> UInt64? {
        guard calls <= burst else { return nil }
        let full = UInt128(burst) * UInt128(period)
        var level = full
        var last: UInt64 = 0
        for admission in admissions {
            level = min(full, level + UInt128(admission.time - last) * UInt128(rate))
            level -= UInt128(admission.calls) * UInt128(period)
            last = admission.time
        }
        level = min(full, level + UInt128(now - last) * UInt128(rate))
        let cost = UInt128(calls) * UInt128(period)
        return level >= cost ? 0 : UInt64((cost - level + UInt128(rate) - 1) / UInt128(rate))
    }

    private func nanoseconds(_ duration: Duration) -> UInt64 { UInt64(duration / .nanoseconds(1)) }
}

/// Arrivals of several kinds, in order of time.
struct Arrivals {
    enum Kind: CaseIterable {
        /// Many at one instant, then a pause.
        case bursts
        /// Each after a random time.
        case poisson
        /// One nanosecond before, at and after whole windows.
        case borders
        /// As fast as the limit, a little more or less.
        case steady
    }

    let kind: Kind
    let window: UInt64
    let limit: Int
    var random: SeededGenerator
    private var now: UInt64
    private var left = 0

    init(_ kind: Kind, window: UInt64, limit: Int, seed: UInt64) {
        self.kind = kind
        self.window = window
        self.limit = limit
        random = SeededGenerator(seed)
        now = UInt64.random(in: 0...3 * window, using: &random)
    }

    mutating func next() -> UInt64 {
        let spacing = max(1, window / UInt64(limit))
        switch kind {
        case .bursts:
            if left == 0 {
                left = Int.random(in: 1...limit * 2, using: &random)
                now += UInt64.random(in: 0...window * 5 / 4, using: &random)
            }
            left -= 1
        case .poisson:
            // The sum of two uniform times is near enough, and needs no logarithm.
            now +=
                UInt64.random(in: 0...spacing, using: &random) / 2 + UInt64.random(in: 0...spacing, using: &random) / 2
        case .borders:
            if left == 0 {
                left = limit + 1
                let border = (now / window + 1) * window
                now = max(now, border - 1)
            } else if Int.random(in: 0..<limit, using: &random) == 0 {
                now += 1
            }
            left -= 1
        case .steady:
            now += spacing &+ UInt64.random(in: 0...2, using: &random) - 1
        }
        return now
    }
}

/// A small deterministic generator.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
