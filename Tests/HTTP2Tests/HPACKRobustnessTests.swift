import HTTP2
import TestSupport
import Testing

@Suite struct HPACKRobustnessTests {
    @Test("every prefix of a block gives the first of its fields, or an error")
    func prefixes() throws {
        for (index, block) in PythonBlocks.all.enumerated() {
            let wire = hex(block.wire)
            for count in 0..<wire.count {
                var decoding = Decoding(tableBytes: PythonBlocks.tableBytes)
                for earlier in PythonBlocks.all[..<index] { _ = try decoding.decode(earlier.wire) }
                var sink = Collector()
                let prefix = Array(wire[..<count])
                do throws(HPACKError) {
                    try decoding.decoder.decode(prefix.span.bytes, scratch: &decoding.scratch, into: &sink)
                } catch {
                    #expect(error == .truncated, "\(hexText(prefix))")
                }
                #expect(block.fields.hasPrefix(spelled(sink.fields)))
            }
        }
    }

    @Test("no garbage traps, holds memory or says more than the limit", arguments: 1...40)
    func garbage(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var decoding = Decoding(isMidstream: seed % 2 == 0, limits: HPACKLimits(maxListBytes: 2000))
        for _ in 0..<1500 {
            if Int.random(in: 0..<50, using: &random) == 0 {
                decoding.decoder.setLimit(UInt32.random(in: 0...20_000, using: &random))
            }
            var sink = Collector()
            let block = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                // Small numbers are more often lengths that fit.
                UInt8.random(in: 0...255, using: &random) & (Bool.random(using: &random) ? 0xff : 0x47)
            }
            try? decoding.decoder.decode(block.span.bytes, scratch: &decoding.scratch, into: &sink)
            let listBytes = sink.fields.reduce(0) { $0 + $1.name.count + $1.value.count + 32 }
            #expect(listBytes <= 2000, "seed \(seed): \(hexText(block))")
            #expect(decoding.decoder.tableBytes <= 16_384)
        }
        #expect(decoding.decoder.ownedBytes <= 16_384 * 3 / 2 + 400)
        #expect(decoding.scratch.ownedBytes <= 10_000)
    }

    @Test("no changed byte of a real sequence traps", arguments: 1...10)
    func mutations(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<60 {
            var decoding = Decoding(tableBytes: PythonBlocks.tableBytes)
            for block in PythonBlocks.all {
                var wire = hex(block.wire)
                for _ in 0..<Int.random(in: 0...2, using: &random) {
                    wire[Int.random(in: 0..<wire.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                // Decoding goes on behind errors, which callers do not do.
                _ = decoding.error(wire)
            }
        }
    }
}
