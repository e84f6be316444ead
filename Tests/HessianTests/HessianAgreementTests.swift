import Hessian
import TestSupport
import Testing

@Suite struct HessianAgreementTests {
    /// Where the scanner stands behind one value.
    private func skipped(_ bytes: [UInt8]) -> (end: Int, isWhole: Bool, error: HessianError?) {
        var scanner = HessianScanner(limits: HessianLimits(maxDepth: 1 << 20))
        var at = 0
        do throws(HessianError) {
            let isWhole = try scanner.skipValue(bytes.span.bytes, &at)
            return (at, isWhole, nil)
        } catch {
            return (at, false, error)
        }
    }

    @Test("the scanner steps over whatever the decoder reads, to the same byte")
    func same() {
        var random = SeededRandom(seed: 41)
        for vector in HessianVector.all where vector.bytes.count < 2000 {
            for round in 0..<30 {
                var bytes = vector.bytes
                if round > 0 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
                }
                var decoder = HessianValueDecoder(bytes.span.bytes)
                let scanned = skipped(bytes)
                do throws(HessianError) {
                    _ = try decoder.value()
                    #expect(scanned.isWhole && scanned.end == decoder.offset, "\(hexText(bytes)) \(scanned)")
                } catch {
                    // The scanner looks up neither references nor types.
                    switch error {
                    case .badIndex, .badLength: break
                    default: #expect(!scanned.isWhole, "\(hexText(bytes)) \(error) \(scanned)")
                    }
                }
            }
        }
    }
}
