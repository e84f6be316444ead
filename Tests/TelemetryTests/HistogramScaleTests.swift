import Telemetry
import TestSupport
import Testing

@Suite struct HistogramScaleTests {
    let scale = HistogramScale.shared

    @Test("every bound is the largest n with n^8 <= 10^72 * 2^k") func exactBounds() {
        #expect(scale.upperBounds.count == 321)
        for (bucket, bound) in scale.upperBounds.enumerated() {
            let exponent = bucket - 160
            #expect(
                Big(bound).power(8).shifted(max(0, -exponent)) <= Big.nano8.shifted(max(0, exponent)),
                "bucket \(bucket)"
            )
            #expect(
                Big(bound + 1).power(8).shifted(max(0, -exponent)) > Big.nano8.shifted(max(0, exponent)),
                "bucket \(bucket)"
            )
        }
    }

    @Test("a bound belongs to its bucket and the next nanosecond to the next one") func inclusive() {
        for bucket in 0..<HistogramScale.nativeCount {
            #expect(scale.nativeBucket(of: scale.upperBounds[bucket]) == bucket)
            #expect(scale.nativeBucket(of: scale.upperBounds[bucket] + 1) == bucket + 1)
        }
        #expect(scale.nativeBucket(of: 0) == 0)
        #expect(scale.nativeBucket(of: .max) == HistogramScale.nativeCount)
    }

    @Test("whole powers of two end their octave") func octaves() {
        #expect(scale.nativeBucket(of: 1_000_000_000) == 160)
        #expect(scale.nativeBucket(of: 2_000_000_000) == 168)
        #expect(scale.nativeBucket(of: 500_000_000) == 152)
        #expect(scale.upperBounds[0] == 953)
    }

    @Test("any duration falls where a search through the bounds puts it") func agreesWithSearch() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<50_000 {
            let value = random.next() >> UInt64.random(in: 0...63, using: &random)
            let expected = scale.upperBounds.firstIndex { value <= $0 } ?? HistogramScale.nativeCount
            let bucket = scale.nativeBucket(of: value)
            #expect(bucket == expected, "\(value)")
            let classic = HistogramScale.classicBoundsNanoseconds.firstIndex { value <= $0 } ?? 16
            #expect(scale.classicBucket(of: value, nativeBucket: bucket) == classic, "\(value)")
        }
    }

    @Test("classic bounds are inclusive") func classic() {
        for (at, bound) in HistogramScale.classicBoundsNanoseconds.enumerated() {
            #expect(scale.classicBucket(of: bound, nativeBucket: scale.nativeBucket(of: bound)) == at)
            #expect(scale.classicBucket(of: bound + 1, nativeBucket: scale.nativeBucket(of: bound + 1)) == at + 1)
        }
        #expect(scale.classicBucket(of: 0, nativeBucket: 0) == 0)
        #expect(scale.classicBucket(of: .max, nativeBucket: HistogramScale.nativeCount) == 16)
    }
}

/// A whole number of any size: 32-bit limbs, lowest first, no zero limb at the end.
private struct Big: Comparable {
    var limbs: [UInt32]

    init(_ value: UInt64) { self.init(limbs: [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)]) }

    init(limbs: [UInt32]) {
        self.limbs = limbs
        while self.limbs.last == 0 { self.limbs.removeLast() }
    }

    static let nano8 = Big(1_000_000_000).power(8)

    static func * (left: Big, right: Big) -> Big {
        var product = [UInt32](repeating: 0, count: left.limbs.count + right.limbs.count)
        for (i, a) in left.limbs.enumerated() {
            var carry: UInt64 = 0
            for (j, b) in right.limbs.enumerated() {
                carry += UInt64(a) * UInt64(b) + UInt64(product[i + j])
                product[i + j] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            product[i + right.limbs.count] = UInt32(carry)
        }
        return Big(limbs: product)
    }

    func power(_ exponent: Int) -> Big { (1..<exponent).reduce(self) { product, _ in product * self } }

    func shifted(_ bits: Int) -> Big { (0..<bits).reduce(self) { value, _ in value * Big(2) } }

    static func < (left: Big, right: Big) -> Bool {
        if left.limbs.count != right.limbs.count { return left.limbs.count < right.limbs.count }
        return left.limbs.reversed().lexicographicallyPrecedes(right.limbs.reversed())
    }
}
