/// The buckets of every duration histogram: Prometheus native ones of schema 3, and classic ones beside them.
///
/// Native bucket `i` (1 … ``nativeCount``) holds the durations in (2^((i−161)/8), 2^((i−160)/8)] seconds: eight buckets
/// a doubling, each 9 % wide, from 0.95 µs to 12 days. Bucket 0 is the zero bucket: durations of at most 2⁻²⁰ s.
/// Durations above 2²⁰ s count in the last one.
///
/// A bucket is found with integers only. The five leading bits of a duration select one of 656 slots; a slot is
/// narrower than a bucket (2^0.0875 against 2^0.125), so it contains at most one bound, and one comparison decides.
///
/// Source: Prometheus, "Native Histograms", standard schemas.
public struct HistogramScale: Sendable {
    /// The Prometheus schema.
    public static let schema = 3
    /// The number of doublings that the native buckets span.
    public static let octaveCount = 40
    /// The number of buckets in one doubling.
    public static let bucketsPerOctave = 8
    /// The number of native buckets without the zero bucket.
    public static let nativeCount = octaveCount * bucketsPerOctave
    /// The exponent of the zero bucket's upper bound: 2⁻²⁰ s.
    public static let zeroExponent = -20
    /// The upper bounds of the classic buckets in nanoseconds; one more bucket, +Inf, follows them.
    public static let classicBoundsNanoseconds: [UInt64] = [
        100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
        1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]
    /// The number of classic buckets with +Inf.
    public static let classicCount = 17
    /// The scale; there is one.
    public static let shared = HistogramScale()

    /// The most nanoseconds that native bucket `i` holds, for i from 0 to ``nativeCount``.
    public let upperBounds: [UInt64]
    private let slots: [UInt16]
    private let classicAtLower: [UInt8]
    private let classicUpper: [UInt64]

    private static let lowestBit = 9
    private static let highestBit = 49

    /// 2^(j/8) for j = 0 … 7 with 63 fraction bits, rounded down.
    ///
    /// With them ⌊10⁹ · 2^(k/8)⌋ comes out exactly for every bound of the scale; the tests check each one by n⁸.
    private static let eighths: [UInt64] = [
        0x8000_0000_0000_0000, 0x8b95_c1e3_ea8b_d6e6, 0x9837_f051_8db8_a96f, 0xa5fe_d6a9_b151_38ea,
        0xb504_f333_f9de_6484, 0xc567_2a11_5506_dadd, 0xd744_fcca_d69d_6af4, 0xeac0_c6e7_dd24_392e,
    ]

    private init() {
        let bounds = (0...Self.nativeCount).map { bucket in
            let product = UInt128(1_000_000_000) * UInt128(Self.eighths[bucket % 8])
            return UInt64(product >> UInt128(63 - Self.zeroExponent - bucket / 8))
        }
        upperBounds = bounds
        slots = (0..<(Self.highestBit - Self.lowestBit + 1) * 16).map { slot in
            let first = (UInt64(16 + slot % 16) << UInt64(slot / 16 + Self.lowestBit)) >> 4
            return UInt16(bounds.firstIndex { first <= $0 } ?? Self.nativeCount)
        }
        let classic = Self.classicBoundsNanoseconds
        let atLower = (0...Self.nativeCount).map { bucket in
            let first = bucket == 0 ? 0 : bounds[bucket - 1] + 1
            return UInt8(classic.firstIndex { first <= $0 } ?? classic.count)
        }
        classicAtLower = atLower
        classicUpper = atLower.map { Int($0) < classic.count ? classic[Int($0)] : .max }
    }

    /// The native bucket a duration belongs to.
    ///
    /// Bounds are inclusive above. Cost: about 2 ns.
    ///
    /// - Parameter nanoseconds: Any duration.
    /// - Returns: A bucket from 0, the zero bucket, to ``nativeCount``.
    @inline(__always)
    public func nativeBucket(of nanoseconds: UInt64) -> Int {
        if nanoseconds <= upperBounds[0] { return 0 }
        if nanoseconds > upperBounds[Self.nativeCount] { return Self.nativeCount }
        let bit = 63 &- nanoseconds.leadingZeroBitCount
        let fraction = Int(truncatingIfNeeded: nanoseconds &>> UInt64(truncatingIfNeeded: bit &- 4)) & 15
        let bucket = Int(slots[(bit &- Self.lowestBit) &<< 4 | fraction])
        return nanoseconds > upperBounds[bucket] ? bucket &+ 1 : bucket
    }

    /// The classic bucket of a duration whose native bucket is known.
    ///
    /// - Parameters:
    ///   - nanoseconds: Any duration.
    ///   - nativeBucket: The result of ``nativeBucket(of:)`` for it.
    /// - Returns: A bucket from 0 to 16, which is +Inf.
    @inline(__always)
    public func classicBucket(of nanoseconds: UInt64, nativeBucket: Int) -> Int {
        let bucket = Int(classicAtLower[nativeBucket])
        return nanoseconds > classicUpper[nativeBucket] ? bucket &+ 1 : bucket
    }
}
