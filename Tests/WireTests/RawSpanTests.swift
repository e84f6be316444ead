import Testing
import TestSupport
import Wire

@Suite struct RawSpanTests {
    @Test("big-endian loads read network order") func loads() {
        let bytes = hex("0102030405060708 ff")
        let span = bytes.span.bytes
        #expect(span.byte(at: 8) == 0xff)
        #expect(span.uint16(at: 1) == 0x0203)
        #expect(span.uint32(at: 1) == 0x0203_0405)
        #expect(span.uint64(at: 0) == 0x0102_0304_0506_0708)
    }

    @Test("isASCII finds a high byte at every place of every length") func ascii() {
        for count in 0..<40 {
            var bytes = [UInt8](repeating: 0x41, count: count + 2)
            #expect(bytes.span.bytes.isASCII(from: 1, count: count) == true)
            for at in 0..<count {
                bytes[at + 1] = 0x80
                #expect(bytes.span.bytes.isASCII(from: 1, count: count) == false)
                bytes[at + 1] = 0x41
            }
            bytes[0] = 0xff
            bytes[count + 1] = 0xff
            #expect(bytes.span.bytes.isASCII(from: 1, count: count) == true)
        }
    }

    @Test("firstIndex agrees with the array's") func search() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...100, using: &random)).map { _ in UInt8.random(in: 0...9, using: &random)
            }
            let from = Int.random(in: 0...bytes.count, using: &random)
            let value = UInt8.random(in: 0...9, using: &random)
            #expect(bytes.span.bytes.firstIndex(of: value, from: from) == bytes[from...].firstIndex(of: value))
        }
    }

    @Test("up to eight bytes make a word") func shortWords() {
        let bytes = (1...20).map { UInt8($0 * 11) }
        for offset in 0...12 {
            for count in 0...8 {
                let wanted = bytes[offset..<offset + count].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                #expect(bytes.span.bytes.word(at: offset, count: count) == wanted)
                // At the end of the bytes, where nothing may be read behind them.
                let first = Array(bytes[..<(offset + count)])
                #expect(first.span.bytes.word(at: offset, count: count) == wanted)
            }
        }
    }

    @Test("every byte agrees with its small letter only, wherever it stands") func lowerCased() {
        for count in 1...19 {
            for (place, byte) in (0..<count).flatMap({ place in (0...255).map { (place, UInt8($0)) } }) {
                var bytes = [UInt8](repeating: 0x6d, count: count)
                bytes[place] = byte
                var small = bytes
                if byte >= 0x41, byte <= 0x5a { small[place] += 0x20 }
                let agrees = bytes.span.bytes.equals(lowerCased: small.span.bytes)
                small[place] = small[place] == 0x6e ? 0x6f : 0x6e
                let agreesStill = bytes.span.bytes.equals(lowerCased: small.span.bytes)
                #expect(agrees && !agreesStill)
            }
        }
    }

    @Test("decimal takes digits only and at most eighteen") func decimal() {
        func parse(_ text: String) -> Int64? { Array(text.utf8).span.bytes.decimal }
        #expect(parse("0") == 0)
        #expect(parse("3000") == 3000)
        #expect(parse("999999999999999999") == 999_999_999_999_999_999)
        #expect(parse("1000000000000000000") == nil)
        #expect(parse("") == nil)
        #expect(parse("-1") == nil)
        #expect(parse("1 ") == nil)
    }

    @Test("a prefix buffer refuses whole what does not fit") func prefix() {
        var buffer = PrefixBuffer(limitBytes: 4)
        let fits = [
            buffer.append(hex("010203").span.bytes), buffer.append(hex("0405").span.bytes),
            buffer.append(hex("04").span.bytes),
        ]
        #expect(fits == [true, false, true])
        #expect(buffer.bytes.array == [1, 2, 3, 4])
        buffer.removeAll()
        #expect(buffer.count == 0)
    }

    @Test("hashing keeps piece borders apart") func hash() {
        func hash(_ pieces: [UInt8]...) -> UInt64 {
            var h = ByteHash(seed: 7)
            for piece in pieces { h.combine(piece.span.bytes) }
            return h.value
        }
        #expect(hash([1, 2], [3]) != hash([1], [2, 3]))
        #expect(hash([1, 2, 3]) == hash([1, 2, 3]))
    }

    @Test("a short text is told from one that needs a closer look, at every length and place of a high byte")
    func shortText() {
        for count in 0..<32 {
            var bytes = [UInt8(count)] + [UInt8](repeating: 0x41, count: count) + [UInt8](repeating: 0xff, count: 40)
            #expect(bytes.span.bytes.shortASCIIText(at: 0) == count)
            #expect(bytes.span.bytes.isASCIIText(from: 1, count: count) == true)
            for at in 0..<count {
                bytes[at + 1] = 0x80
                #expect(bytes.span.bytes.shortASCIIText(at: 0) == -1)
                #expect(bytes.span.bytes.isASCIIText(from: 1, count: count) == false)
                bytes[at + 1] = 0x41
            }
            #expect(Array(bytes[..<39]).span.bytes.shortASCIIText(at: 0) == -1)
        }
        #expect(([0x20] + [UInt8](repeating: 0x41, count: 40)).span.bytes.shortASCIIText(at: 0) == -1)
    }

    @Test("a flat table keeps its elements while it grows") func flatTable() {
        var table = FlatTable<Int32>(repeating: 7, count: 3)
        for value in 0..<100 { table.append(Int32(value)) }
        table[1] = 9
        #expect(table.count == 103)
        let kept = (0..<table.count).map { table[$0] }
        #expect(kept == [7, 9, 7] + (0..<100).map { Int32($0) })
    }
}
