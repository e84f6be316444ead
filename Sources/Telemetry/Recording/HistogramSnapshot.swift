public import Calls

/// A duration histogram at one moment, of one worker or of several together.
public struct HistogramSnapshot: Equatable, Sendable {
    /// One native bucket that is not empty.
    public struct Bucket: BitwiseCopyable, Equatable, Sendable {
        /// The bucket of ``HistogramScale``, from 1; its index in Prometheus' schema 3 is 160 less.
        public let bucket: Int
        /// The number of durations in it.
        public let count: UInt64

        /// The index of the bucket in a Prometheus native histogram of schema 3.
        public var schemaIndex: Int { bucket + HistogramScale.zeroExponent * HistogramScale.bucketsPerOctave }
    }

    /// A call that is an example of the durations of one classic bucket.
    public struct Exemplar: BitwiseCopyable, Equatable, Sendable {
        /// The classic bucket.
        public let bucket: Int
        /// The duration of the call.
        public let nanoseconds: UInt64
        /// The trace it belongs to.
        public let traceID: TraceID
        /// Its span.
        public let spanID: UInt64
        /// The end of the call, in nanoseconds of ``clock``.
        public let endNanoseconds: UInt64
        /// The clock of ``endNanoseconds``.
        public let clock: CallClock
    }

    /// The number of durations.
    public internal(set) var count: UInt64 = 0
    /// Their sum.
    public internal(set) var sumNanoseconds: UInt64 = 0
    /// The longest of them.
    public internal(set) var maxNanoseconds: UInt64 = 0
    /// The number of durations of at most 2⁻²⁰ s.
    public internal(set) var zeroCount: UInt64 = 0
    /// The classic buckets, each for itself (not added up); the last is +Inf.
    public internal(set) var classic = [UInt64](repeating: 0, count: HistogramScale.classicCount)
    /// The native buckets that are not empty, in order.
    public internal(set) var buckets: [Bucket] = []
    /// At most one for each classic bucket, in their order.
    public internal(set) var exemplars: [Exemplar] = []

    /// An empty histogram.
    public init() {}

    /// The duration below which a share of all durations is.
    ///
    /// Its native bucket is 9 % wide, and durations are assumed to be spread evenly inside it. Never above the maximum.
    ///
    /// - Parameter share: The share from 0 to 1: 0.99 for the 99th percentile.
    /// - Returns: Seconds, or `nil` when nothing was counted.
    public func quantile(_ share: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = min(max(share, 0), 1) * Double(count)
        let bounds = HistogramScale.shared.upperBounds
        var below = Double(zeroCount)
        if rank <= below { return capped(Double(bounds[0]) * rank / below) }
        for bucket in buckets {
            let inside = Double(bucket.count)
            if rank <= below + inside {
                let lower = Double(bounds[bucket.bucket - 1])
                let width = Double(bounds[bucket.bucket]) - lower
                return capped(lower + width * (rank - below) / inside)
            }
            below += inside
        }
        return capped(.infinity)
    }

    private func capped(_ nanoseconds: Double) -> Double { min(nanoseconds, Double(maxNanoseconds)) / 1e9 }

    /// Adds another histogram to this one.
    ///
    /// - Parameter other: A histogram of the same scale, as all are.
    public mutating func merge(_ other: HistogramSnapshot) {
        guard other.count > 0 else { return }
        count &+= other.count
        sumNanoseconds &+= other.sumNanoseconds
        maxNanoseconds = max(maxNanoseconds, other.maxNanoseconds)
        zeroCount &+= other.zeroCount
        for at in classic.indices { classic[at] &+= other.classic[at] }
        buckets = buckets.isEmpty ? other.buckets : Self.merged(buckets, other.buckets)
        for exemplar in other.exemplars { add(exemplar) }
    }

    /// Adds an exemplar unless a newer one of its bucket is there, or one of another clock.
    private mutating func add(_ exemplar: Exemplar) {
        let at = exemplars.firstIndex { $0.bucket >= exemplar.bucket } ?? exemplars.count
        if at == exemplars.count || exemplars[at].bucket != exemplar.bucket {
            exemplars.insert(exemplar, at: at)
        } else if exemplars[at].clock == exemplar.clock, exemplars[at].endNanoseconds < exemplar.endNanoseconds {
            exemplars[at] = exemplar
        }
    }

    private static func merged(_ left: [Bucket], _ right: [Bucket]) -> [Bucket] {
        var all: [Bucket] = []
        all.reserveCapacity(left.count + right.count)
        var (atLeft, atRight) = (0, 0)
        while atLeft < left.count, atRight < right.count {
            let (a, b) = (left[atLeft], right[atRight])
            if a.bucket == b.bucket {
                all.append(Bucket(bucket: a.bucket, count: a.count &+ b.count))
            } else {
                all.append(a.bucket < b.bucket ? a : b)
            }
            if a.bucket <= b.bucket { atLeft += 1 }
            if b.bucket <= a.bucket { atRight += 1 }
        }
        return all + left[atLeft...] + right[atRight...]
    }
}
