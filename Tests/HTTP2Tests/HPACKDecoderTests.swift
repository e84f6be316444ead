import HTTP2
import TestSupport
import Testing
import Wire

@Suite struct HPACKDecoderTests {
    @Test("names get their numbers from the static table, from literals and from entries")
    func nameIDs() throws {
        var decoding = Decoding()
        // :path /, then content-type by index, custom-key literal and inserted, unknown name, then the entry.
        let fields = try decoding.decode([0x84] + [0x0f, 0x10] + string([0x61]) + inserting("custom-key", "v"))
        #expect(fields.map(\.nameID) == [1, 3, 7])
        let again = try decoding.decode([0xbe, 0x00] + string(Array("other".utf8)) + string([]))
        #expect(again.map(\.nameID) == [7, NameTable.unwanted])
        #expect(again.first?.pair == OwnedField("custom-key", "v").pair)
    }

    @Test("only fields of wanted names are handed over, but entries are kept whole")
    func unwanted() throws {
        var decoding = Decoding(wantedIDs: [7])
        // A Huffman value that is no Huffman string, not wanted and not kept: nobody looks at it.
        #expect(try decoding.decode("0001 61 82 0000") == [])
        let first = try decoding.decode(inserting("x", "1") + inserting("custom-key", "2"))
        #expect(first.map(\.value) == [[0x32]])
        decoding.wantedIDs = nil
        let second = try decoding.decode("bf be")
        #expect(second.map(\.description) == ["x: 1", "custom-key: 2"])
        decoding.wantedIDs = [7]
        #expect(decoding.error("4001 61 82 0000") == .badHuffman)
    }

    @Test("a field that must never be indexed says so")
    func neverIndexed() throws {
        var decoding = Decoding()
        let fields = try decoding.decode("10 01 61 01 62 00 01 61 01 62 1f 08 00")
        #expect(fields.map(\.isNeverIndexed) == [true, false, true])
        #expect(fields.map(\.description) == ["a: b", "a: b", "authorization: "])
    }

    @Test("a name may be that of the entry that its own insertion evicts")
    func nameOfEvicted() throws {
        var decoding = Decoding(tableBytes: 64)
        _ = try decoding.decode(inserting("custom-key", "0123456789012345678"))
        let fields = try decoding.decode([0x7e] + string(Array("x".utf8)) + [0xbe])
        #expect(fields.map(\.description) == ["custom-key: x", "custom-key: x"])
        #expect(fields.map(\.nameID) == [7, 7])
        #expect(decoding.error("bf") == .badIndex(63))
    }

    @Test("an entry larger than the table empties it and is handed over all the same")
    func oversized() throws {
        var decoding = Decoding(tableBytes: 64)
        _ = try decoding.decode(inserting("a", "b"))
        let value = String(repeating: "v", count: 32)
        let fields = try decoding.decode(inserting("a", value))
        #expect(fields == [OwnedField("a", value)])
        #expect(decoding.decoder.tableBytes == 0)
        _ = try decoding.decode(inserting("a", String(value.dropLast())))
        #expect(decoding.decoder.tableBytes == 64)
    }

    @Test(
        "malformed blocks are told apart",
        arguments: [
            ("80", .badIndex(0)), ("be", .badIndex(62)), ("7f 00 00", .badIndex(63)), ("40", .truncated),
            ("ff", .truncated), ("ff 80", .truncated), ("40 01", .truncated), ("40 01 61", .truncated),
            ("40 01 61 02 62", .truncated), ("00 7f", .truncated), ("00 7f 80", .truncated),
            // 2³² − 1 is an index like others; one more is none, nor is one in six bytes.
            ("ff 80 ff ff ff 0f", .badIndex(.max)), ("ff 81 ff ff ff 0f", .integerOverflow),
            ("ff 80 80 80 80 80 00", .integerOverflow), ("ff ff ff ff ff 7f", .integerOverflow),
            ("82 20", .sizeUpdateMisplaced), ("20 20 20", .sizeUpdateMisplaced), ("20 82 20", .sizeUpdateMisplaced),
            ("3f e2 1f", .sizeUpdateTooLarge(declaredBytes: 4097, limitBytes: 4096)), ("3f", .truncated),
        ] as [(String, HPACKError)]
    )
    func malformed(_ block: String, _ expected: HPACKError) {
        var decoding = Decoding()
        #expect(decoding.error(block) == expected)
    }

    @Test("every error has a label")
    func labels() {
        let errors: [HPACKError] = [
            .truncated, .badIndex(1), .integerOverflow, .badHuffman, .listTooLarge(limitBytes: 1),
            .sizeUpdateMisplaced, .sizeUpdateTooLarge(declaredBytes: 1, limitBytes: 0), .sizeUpdateMissing,
            .tableTooLarge(declaredBytes: 1),
        ]
        #expect(Set(errors.map { $0.label.description }).count == 7)
    }

    @Test("integers may be longer than they need be")
    func longIntegers() throws {
        var decoding = Decoding()
        // :method in 0x0f form is index 15 + n; 0x3f + 0 with padding continuation bytes.
        let fields = try decoding.decode("0f 80 80 00 01 62")
        #expect(fields == [OwnedField("accept-charset", "b")])
    }

    @Test("a list as large as the limit is decoded and one byte more is not")
    func listLimit() throws {
        // 32 and 1 and the value.
        func block(_ valueBytes: Int) -> [UInt8] {
            [0x00, 0x01, 0x61] + string([UInt8](repeating: 0x62, count: valueBytes))
        }
        var decoding = Decoding(limits: HPACKLimits(maxListBytes: 200))
        #expect(try decoding.decode(block(166)).count == 1)
        #expect(try decoding.decode(block(167)).count == 1)
        #expect(decoding.error(block(168)) == .listTooLarge(limitBytes: 200))
        #expect(decoding.error(block(10) + block(150)) == .listTooLarge(limitBytes: 200))
        // By Huffman code: five bits a character.
        func huffman(_ count: Int) -> [UInt8] {
            [0x00, 0x01, 0x61] + integer(count * 5 / 8, mask: 0x7f, lead: 0x80)
                + [UInt8](repeating: 0, count: count * 5 / 8)
        }
        #expect(try decoding.decode(huffman(160)).first?.value.count == 160)
        #expect(decoding.error(huffman(168)) == .listTooLarge(limitBytes: 200))
        // No block of more than four times the limit could hold a list within it: none of it is read.
        var sink = Collector()
        let long = [UInt8](repeating: 0x82, count: 801)
        try? decoding.decoder.decode(long.span.bytes, scratch: &decoding.scratch, into: &sink)
        #expect(sink.fields == [])
        #expect(decoding.error(huffman(1280)) == .listTooLarge(limitBytes: 200))
        #expect(decoding.error([UInt8](repeating: 0x82, count: 801)) == .listTooLarge(limitBytes: 200))
    }

    @Test("a small block cannot say a great deal by repeating a large entry")
    func bomb() throws {
        var decoding = Decoding()
        _ = try decoding.decode(inserting("a", String(repeating: "v", count: 4000)))
        #expect(try decoding.decode([UInt8](repeating: 0xbe, count: 16)).count == 16)
        #expect(decoding.error([UInt8](repeating: 0xbe, count: 17)) == .listTooLarge(limitBytes: 65_536))
    }

    @Test("the empty block has no fields")
    func empty() throws {
        var decoding = Decoding()
        #expect(try decoding.decode([]) == [])
    }
}
