import HTTP2
import TestSupport
import Testing

@Suite struct HPACKMidstreamTests {
    @Test("an index that was said before is an unknown field")
    func unknownIndex() throws {
        var decoding = Decoding(isMidstream: true)
        let fields = try decoding.decode("82 be ff 80 7f")
        #expect(fields.map(\.isUnknown) == [false, true, true])
        #expect(fields.map(\.isValueUnknown) == [false, true, true])
        #expect(fields[1].pair == [[], []])
        #expect(fields[1].nameID == 0)
        #expect(decoding.error("80") == .badIndex(0))
    }

    @Test("a literal under an unknown name has a known value, as an entry too, and later entries line up")
    func unknownName() throws {
        var decoding = Decoding(isMidstream: true)
        let first = try decoding.decode([0x7f, 0x05] + string(Array("v".utf8)) + inserting("custom-key", "k"))
        #expect(first.map(\.isUnknown) == [true, false])
        #expect(first.map(\.isValueUnknown) == [false, false])
        let second = try decoding.decode("bf be c0")
        #expect(second.map(\.value) == [[0x76], [0x6b], []])
        #expect(second.map(\.isUnknown) == [true, false, true])
        #expect(second.map(\.isValueUnknown) == [false, false, true])
        #expect(second.map(\.nameID) == [0, 7, 0])
        // A name taken from the entry without a name is unknown in turn.
        let third = try decoding.decode([0x7f, 0x00] + string([0x77]) + [0x0f, 0x30] + string([0x78]))
        #expect(third.map(\.isUnknown) == [true, false])
        #expect(third.map(\.value) == [[0x77], [0x78]])
    }

    @Test("size updates are followed as far as tables are, whatever SETTINGS said before")
    func updates() throws {
        var decoding = Decoding(isMidstream: true)
        decoding.decoder.setLimit(100)
        _ = try decoding.decode(integer(65_536, mask: 0x1f, lead: 0x20) + inserting("a", "b"))
        #expect(try decoding.decode("be").first?.description == "a: b")
    }

    @Test("from any block on, a decoder that joins says the same as one that was there, or unknown")
    func joining() throws {
        let blocks = PythonBlocks.all.map { hex($0.wire) }
        for start in blocks.indices {
            var whole = Decoding(tableBytes: PythonBlocks.tableBytes)
            var joined = Decoding(tableBytes: PythonBlocks.tableBytes, isMidstream: true)
            for (index, block) in blocks.enumerated() {
                let expected = try whole.decode(block)
                guard index >= start else { continue }
                let fields = try joined.decode(block)
                #expect(fields.count == expected.count)
                for (field, truth) in zip(fields, expected) {
                    #expect(field.isUnknown || field.name == truth.name)
                    #expect(field.isValueUnknown || field.value == truth.value)
                    #expect(start > 0 || !field.isUnknown)
                }
            }
        }
    }
}
