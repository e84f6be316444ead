import HTTP2
import TestSupport
import Testing

@Suite struct HuffmanTests {
    /// A literal with an empty name index, name `a` and a Huffman value.
    private func literal(_ coded: [UInt8]) -> [UInt8] {
        [0x00, 0x01, 0x61] + integer(coded.count, mask: 0x7f, lead: 0x80) + coded
    }

    private func value(_ coded: [UInt8]) -> [UInt8]? {
        var decoding = Decoding()
        return (try? decoding.decode(literal(coded)))?.first?.value
    }

    private func error(_ coded: [UInt8]) -> HPACKError? {
        var decoding = Decoding()
        return decoding.error(literal(coded))
    }

    /// Bits given as text, filled up to whole bytes with ones.
    private func bits(_ text: String) -> [UInt8] {
        var bits = text.filter { $0 != " " }
        while bits.count % 8 != 0 { bits += "1" }
        return stride(from: 0, to: bits.count, by: 8).map { start in
            UInt8(bits.dropFirst(start).prefix(8), radix: 2) ?? 0
        }
    }

    @Test("all octets, one after another and each alone, decode", .enabled(if: HuffmanCodes.all.count == 256))
    func everyOctet() {
        let all = HuffmanCodes.all.joined()
        #expect(value(bits(all)) == Array(0...255))
        for octet in 0...255 {
            #expect(value(bits(HuffmanCodes.all[octet])) == [UInt8(octet)])
            // Behind others, so that codes cross all borders of words.
            for count in 1...7 {
                let prefix = String(repeating: HuffmanCodes.all[0x30], count: count)
                let expected = [UInt8](repeating: 0x30, count: count) + [UInt8(octet)]
                #expect(value(bits(prefix + HuffmanCodes.all[octet])) == expected)
            }
        }
    }

    @Test("random octets decode", arguments: 1...20)
    func random(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let octets = (0..<Int.random(in: 0...600, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        #expect(value(bits(octets.map { HuffmanCodes.all[Int($0)] }.joined())) == octets)
    }

    @Test("the empty string is no code at all")
    func empty() { #expect(value([]) == []) }

    @Test("padding is at most seven ones")
    func padding() {
        // `0` has five bits.
        #expect(value(bits("00000 111")) == [0x30])
        #expect(error([0b0000_0110]) == .badHuffman)
        #expect(error([0b0000_0011]) == .badHuffman)
        #expect(error([0x07, 0xff]) == .badHuffman)
        #expect(error([0xff]) == .badHuffman)
        #expect(error([0xff, 0xff, 0xff]) == .badHuffman)
        // `&` has eight bits, 11111000: no padding is right, a byte of it is wrong.
        #expect(value([0xf8]) == [0x26])
        #expect(error([0xf8, 0xff]) == .badHuffman)
        // Seven ones behind a code of 25 bits.
        let long = HuffmanCodes.all.firstIndex { $0.count == 25 }
        #expect(value(bits(HuffmanCodes.all[long ?? 0])) == long.map { [UInt8($0)] })
    }

    @Test("EOS is an error wherever it stands")
    func eos() {
        let eos = String(repeating: "1", count: 30)
        #expect(error(bits(eos)) == .badHuffman)
        #expect(error(bits(eos + "00000")) == .badHuffman)
        for count in 1...16 {
            let prefix = String(repeating: HuffmanCodes.all[0x30], count: count)
            #expect(error(bits(prefix + eos)) == .badHuffman)
            #expect(error(bits(prefix + eos + prefix)) == .badHuffman)
        }
    }

    @Test("a code that ends in the middle is an error")
    func incomplete() {
        for octet in 0...255 where HuffmanCodes.all[octet].count > 8 {
            let code = HuffmanCodes.all[octet]
            for count in stride(from: 8, to: code.count, by: 8) {
                #expect(error(bits(String(code.prefix(count)))) != nil || code.prefix(count).allSatisfy { $0 == "1" })
            }
        }
    }
}
