import HTTP2
import TestSupport
import Testing

@Suite struct HPACKDifferentialTests {
    @Test("blocks of another encoder give its fields and its table's sizes")
    func python() throws {
        var decoding = Decoding(tableBytes: PythonBlocks.tableBytes)
        for block in PythonBlocks.all {
            let fields = try decoding.decode(hex(block.wire))
            #expect(spelled(fields) == block.fields)
            #expect(decoding.decoder.tableBytes == block.tableBytes)
        }
    }

    /// The table of RFC 7541 §2.3.2 and §4, as plainly as can be.
    private struct Model {
        var entries: [[String]] = []
        var maxBytes = 4096
        var bytes: Int { entries.reduce(0) { $0 + 32 + $1[0].utf8.count + $1[1].utf8.count } }

        mutating func insert(_ name: String, _ value: String) {
            entries.insert([name, value], at: 0)
            shrink()
        }

        mutating func shrink() { while bytes > maxBytes { entries.removeLast() } }
    }

    @Test("the table agrees with a plain model over long random sequences", arguments: 1...12)
    func model(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var model = Model()
        var decoding = Decoding()
        for _ in 0..<400 {
            var block: [UInt8] = []
            var expected: [[String]] = []
            if Int.random(in: 0..<10, using: &random) == 0 {
                model.maxBytes = Int.random(in: 0...4096, using: &random)
                model.shrink()
                block += integer(model.maxBytes, mask: 0x1f, lead: 0x20)
            }
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                expected.append(field(&model, &block, &random))
            }
            let fields = try decoding.pairs(block)
            #expect(fields == expected.map { $0.map { Array($0.utf8) } }, "seed \(seed): \(hexText(block))")
            #expect(decoding.decoder.tableBytes == model.bytes)
            if Int.random(in: 0..<20, using: &random) == 0 { decoding.decoder.trim() }
        }
    }

    private func field(_ model: inout Model, _ block: inout [UInt8], _ random: inout SeededRandom) -> [String] {
        let value =
            String(repeating: "v", count: Int.random(in: 0...4, using: &random))
            + String(repeating: "w", count: Int.random(in: 0...9, using: &random) == 0 ? 700 : 3)
        let known = model.entries.isEmpty ? nil : model.entries.indices.randomElement(using: &random)
        switch (Int.random(in: 0..<4, using: &random), known) {
        case (0, let known?):
            block += integer(62 + known, mask: 0x7f, lead: 0x80)
            return model.entries[known]
        case (1, let known?):
            let name = model.entries[known][0]
            block += integer(62 + known, mask: 0x3f, lead: 0x40) + string(Array(value.utf8))
            model.insert(name, value)
            return [name, value]
        case (2, let known?):
            block += integer(62 + known, mask: 0x0f, lead: 0) + string(Array(value.utf8))
            return [model.entries[known][0], value]
        default:
            let name = "name-\(Int.random(in: 0..<50, using: &random))"
            block += inserting(name, value)
            model.insert(name, value)
            return [name, value]
        }
    }
}
