/// The numbers of the last seconds and minutes: differences between current and earlier totals.
///
/// Every page that needs them leaves its totals, and a window starts at the nearest earlier totals. Dubbo counts calls
/// a second over 3 s and everything else over 120 s. Here the first covers the time since the last page that is at
/// least 3 s old, the second about 120 s, from 60 to 180 as scrapes allow. A window without a page of the right age is
/// not known.
///
/// Bounded: the sums of ``maxTotals`` pages, at least 12 s apart, and the counts of two pages. Unchanged parts are
/// shared.
struct CallWindows {
    /// The changes of the last seconds and minutes; see ``DubboServices`` for the order.
    struct Changes {
        /// Calls begun a second.
        var rates: [Double]?
        /// The changes of the last two minutes, where there are any.
        var totals: [DubboTotals?]?
    }

    /// The number of sums that are kept.
    static let maxTotals = 16
    private static let rateNanoseconds: UInt64 = 3_000_000_000
    private static let spacingNanoseconds: UInt64 = 12_000_000_000
    private static let windowNanoseconds: UInt64 = 120_000_000_000
    private static let shortestNanoseconds: UInt64 = 60_000_000_000
    private static let longestNanoseconds: UInt64 = 180_000_000_000

    /// All sums at one time.
    private struct Moment {
        var time: UInt64
        var totals: [DubboTotals?]
    }

    private let start: UInt64?
    /// At most two, in order of time.
    private var counts: [(time: UInt64, begun: [UInt64])] = []
    private var moments: [Moment] = []

    /// Windows that have seen nothing.
    ///
    /// - Parameter start: The time at which everything was 0.
    init(start: UInt64?) {
        self.start = start
        if let start {
            counts.append((start, []))
            moments.append(Moment(time: start, totals: []))
        }
    }

    /// Adds the current totals and returns the changes.
    ///
    /// - Parameters:
    ///   - totals: The sums.
    ///   - now: The time; never before that of an earlier call.
    /// - Returns: The changes of the last seconds and minutes.
    mutating func observe(_ totals: [DubboTotals?], at now: UInt64) -> Changes {
        let begun = totals.map { $0?.begun ?? 0 }
        let changes = Changes(rates: rates(begun, now), totals: changes(totals, now))
        if now &- (counts.last?.time ?? 0) >= Self.rateNanoseconds || counts.isEmpty {
            if counts.count == 2 { counts.removeFirst() }
            counts.append((now, begun))
        }
        if now &- (moments.last?.time ?? 0) >= Self.spacingNanoseconds || moments.isEmpty { keep(totals, now) }
        return changes
    }

    private func rates(_ begun: [UInt64], _ now: UInt64) -> [Double]? {
        let known = counts.last { now >= $0.time + Self.rateNanoseconds }
        guard let known, now - known.time <= Self.longestNanoseconds else { return nil }
        let seconds = Double(now - known.time) / 1e9
        return begun.enumerated().map { at, count in
            let before = at < known.begun.count ? known.begun[at] : 0
            return count > before ? Double(count - before) / seconds : 0
        }
    }

    private func changes(_ totals: [DubboTotals?], _ now: UInt64) -> [DubboTotals?]? {
        func distance(_ moment: Moment) -> UInt64 {
            let age = now - moment.time
            return age > Self.windowNanoseconds ? age - Self.windowNanoseconds : Self.windowNanoseconds - age
        }
        let usable = moments.filter { moment in
            guard now >= moment.time, now - moment.time <= Self.longestNanoseconds else { return false }
            // Before the start there was nothing: all there is lies in the window.
            return moment.time == start || now - moment.time >= Self.shortestNanoseconds
        }
        guard let base = usable.min(by: { distance($0) < distance($1) }) else { return nil }
        return totals.indices.map { at in
            let before = at < base.totals.count ? base.totals[at] : nil
            return totals[at]?.since(before)
        }
    }

    private mutating func keep(_ totals: [DubboTotals?], _ now: UInt64) {
        let last = moments.last?.totals ?? []
        let shared = totals.indices.map { at in
            guard at < last.count, let old = last[at], let new = totals[at], old.isEqual(new) else { return totals[at] }
            return old
        }
        moments.append(Moment(time: now, totals: shared))
        moments.removeAll { now &- $0.time > Self.longestNanoseconds }
        if moments.count > Self.maxTotals { moments.removeFirst() }
    }
}

extension HistogramSnapshot {
    /// The durations that came after an earlier moment, without classic buckets and exemplars.
    ///
    /// The longest of them is exact when it is the longest of all, else the upper bound of its native bucket.
    func since(_ earlier: HistogramSnapshot) -> HistogramSnapshot {
        var rest = HistogramSnapshot()
        rest.count = count &- earlier.count
        rest.sumNanoseconds = sumNanoseconds &- earlier.sumNanoseconds
        rest.zeroCount = zeroCount &- earlier.zeroCount
        var before = earlier.buckets[...]
        for bucket in buckets {
            while let first = before.first, first.bucket < bucket.bucket { before.removeFirst() }
            let known = before.first?.bucket == bucket.bucket ? before.first?.count ?? 0 : 0
            if bucket.count == known { continue }
            rest.buckets.append(Bucket(bucket: bucket.bucket, count: bucket.count &- known))
        }
        let last = rest.buckets.last?.bucket ?? 0
        let bound = HistogramScale.shared.upperBounds[last]
        let isLongest = maxNanoseconds > earlier.maxNanoseconds
        rest.maxNanoseconds = isLongest ? maxNanoseconds : min(bound, maxNanoseconds)
        return rest
    }

    /// The lower bound of the bucket of the shortest duration: at most 9 % below it.
    var shortestBoundNanoseconds: UInt64 {
        guard zeroCount == 0, let first = buckets.first else { return 0 }
        return HistogramScale.shared.upperBounds[first.bucket - 1]
    }
}
