import HTTP2
import TestSupport
import Testing

/// Writes the fields of one block anew.
private struct Rewriter: HeaderSink {
    var encoder = HPACKEncoder()
    var block: [UInt8] = []

    mutating func field(_ field: borrowing HeaderField) { encoder.field(field, into: &block) }
}

@Suite struct HPACKEncoderTests {
    private func encoded(_ name: String, _ value: String, never: Bool = false) -> [UInt8] {
        var block: [UInt8] = []
        let (name, value) = (Array(name.utf8), Array(value.utf8))
        HPACKEncoder().field(
            name: name.span.bytes,
            value: value.span.bytes,
            isNeverIndexed: never,
            into: &block
        )
        return block
    }

    @Test(
        "fields and names of the static table go by index, other literals are not indexed",
        arguments: [
            (":status", "200", false, "88"), (":status", "204", false, "89"), (":status", "500", false, "8e"),
            (":status", "201", false, "08 03 323031"), (":method", "POST", false, "83"),
            ("accept-encoding", "gzip, deflate", false, "90"), ("www-authenticate", "", false, "bd"),
            ("www-authenticate", "x", false, "0f2e 01 78"), (":authority", "", false, "81"),
            ("a", "b", false, "00 01 61 01 62"), ("a", "b", true, "10 01 61 01 62"),
            (":status", "200", true, "18 03 323030"), ("authorization", "s", true, "1f08 01 73"),
        ] as [(String, String, Bool, String)]
    )
    func forms(_ name: String, _ value: String, _ never: Bool, _ expected: String) {
        #expect(encoded(name, value, never: never) == hex(expected))
    }

    @Test("what a caller knows beforehand is written as literals")
    func literals() throws {
        var block: [UInt8] = []
        HPACKEncoder().field(name: "grpc-status", value: "8", into: &block)
        HPACKEncoder().field(name: ":status", value: "200", into: &block)
        var decoding = Decoding()
        #expect(try decoding.decode(block).map(\.description) == ["grpc-status: 8", ":status: 200"])
    }

    @Test("every length of name and value comes back", arguments: [0, 1, 14, 15, 126, 127, 128, 254, 255, 256, 20_000])
    func lengths(_ count: Int) throws {
        let text = String(repeating: "x", count: count)
        var decoding = Decoding()
        #expect(try decoding.decode(encoded(text, text + "y")) == [OwnedField(text, text + "y")])
        #expect(decoding.decoder.tableBytes == 0)
    }

    @Test("size updates wait for the next block, at most two of them")
    func sizeUpdates() throws {
        var encoder = HPACKEncoder()
        var first = Decoding()
        var block: [UInt8] = []
        encoder.beginBlock(into: &block)
        #expect(block == [])
        for update in ["3fe11f", "20 3fe11f", "3f45"] {
            _ = try first.decode(update)
            encoder.carry(first.decoder.sizeUpdates)
        }
        encoder.beginBlock(into: &block)
        #expect(block == hex("20 3f45"))
        block = []
        encoder.beginBlock(into: &block)
        #expect(block == [])
        _ = try first.decode("3fe11f")
        encoder.carry(first.decoder.sizeUpdates)
        encoder.beginBlock(into: &block)
        #expect(block == hex("3fe11f"))
    }

    @Test("blocks of another encoder written anew say the same, without the receiver's table")
    func rewritten() throws {
        var sender = Decoding(tableBytes: PythonBlocks.tableBytes)
        var receiver = Decoding(tableBytes: PythonBlocks.tableBytes)
        var rewriter = Rewriter()
        for (index, python) in PythonBlocks.all.enumerated() {
            let wire = hex(python.wire)
            let expected = try {
                var other = Decoding(tableBytes: PythonBlocks.tableBytes)
                for earlier in PythonBlocks.all[..<index] { _ = try other.decode(earlier.wire) }
                return try other.decode(wire)
            }()
            rewriter.block = []
            try sender.decoder.decode(wire.span.bytes, scratch: &sender.scratch, into: &rewriter)
            // Every third block is withheld: its updates must travel with the next.
            rewriter.encoder.carry(sender.decoder.sizeUpdates)
            guard index % 3 != 2 else { continue }
            var block: [UInt8] = []
            rewriter.encoder.beginBlock(into: &block)
            block += rewriter.block
            let fields = try receiver.decode(block)
            #expect(fields == expected)
            #expect(fields.map(\.isNeverIndexed) == expected.map(\.isNeverIndexed))
            #expect(receiver.decoder.tableBytes == 0)
        }
    }
}
