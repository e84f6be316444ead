import TestSupport
import Testing
import Triple
import Wire

@Suite struct GRPCMessageReaderTests {
    /// What is found of a stream, however it was cut into pieces.
    struct Found: Equatable {
        var payloads: [[UInt8]] = []
        var lengths: [UInt32] = []
        var compressed: [Bool] = []
        var starts = 0
        var messages: UInt32 = 0
        var payloadBytes: UInt64 = 0
        var isDamaged = false
        var isInsideMessage = false
    }

    private func read(_ pieces: [ArraySlice<UInt8>]) -> Found {
        var reader = GRPCMessageReader()
        var found = Found()
        for piece in pieces {
            let bytes = Array(piece)
            var at = 0
            while let part = reader.next(bytes.span.bytes, &at) {
                if part.isStart {
                    found.starts += 1
                    found.payloads.append([])
                }
                found.payloads[found.payloads.count - 1] += bytes[part.payload.indices]
                if part.isEnd {
                    found.lengths.append(part.lengthBytes)
                    found.compressed.append(part.isCompressed)
                    #expect(found.payloads[found.payloads.count - 1].count == Int(part.lengthBytes))
                }
                #expect(part.isWhole == (part.isStart && part.isEnd))
            }
            #expect(at == bytes.count)
        }
        found.messages = reader.messageCount
        found.payloadBytes = reader.payloadBytes
        found.isDamaged = reader.isDamaged
        found.isInsideMessage = reader.isInsideMessage
        #expect(reader.messageCount == found.lengths.count)
        return found
    }

    static let stream = hex(
        """
        00 00000003 616263 00 00000000 01 00000002 dead 00 00000005 0000000001 00 00000000 00 00000001 7a
        """
    )

    @Test("messages, empty and compressed ones too")
    func messages() {
        let found = read([Self.stream[...]])
        #expect(found.lengths == [3, 0, 2, 5, 0, 1])
        #expect(found.compressed == [false, false, true, false, false, false])
        #expect(found.payloads.map(hexText) == ["616263", "", "dead", "0000000001", "", "7a"])
        #expect(found.payloadBytes == 11 && !found.isDamaged && !found.isInsideMessage && found.starts == 6)
    }

    @Test("every cut into two or three pieces, and single bytes, give the same")
    func splits() {
        let whole = read([Self.stream[...]])
        let count = Self.stream.count
        for first in 0...count {
            #expect(read([Self.stream[..<first], Self.stream[first...]]) == whole)
            for second in first...count {
                let pieces = [Self.stream[..<first], Self.stream[first..<second], Self.stream[second...]]
                #expect(read(pieces) == whole)
            }
        }
        #expect(read(Self.stream.indices.map { Self.stream[$0...$0] }) == whole)
    }

    @Test("a message that has not ended")
    func unfinished() {
        for end in 1..<8 {
            let found = read([Self.stream[..<end]])
            #expect(found.lengths == [] && found.isInsideMessage && !found.isDamaged, "\(end)")
            #expect(found.payloadBytes == UInt64(max(0, end - 5)))
        }
        #expect(read([]).isInsideMessage == false)
    }

    @Test("a bad flag or an absurd length ends the search, in any pieces")
    func damage() {
        let cases = ["00 00000001 61 02 00000001 61", "00 00000001 61 80 00000000", "00 00000001 61 01 40000001"]
        for text in cases {
            let bytes = hex(text)
            for cut in 0...bytes.count {
                let found = read([bytes[..<cut], bytes[cut...], Self.stream[...]])
                #expect(found.isDamaged && found.lengths == [1] && !found.isInsideMessage, "\(text) at \(cut)")
            }
        }
        let largest = hex("00 40000000 00")
        #expect(!read([largest[...]]).isDamaged)
    }

    @Test("bytes of a random kind never trap, and their cuts agree")
    func garbage() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                Int.random(in: 0..<3, using: &random) > 0 ? 0 : UInt8.random(in: 0...9, using: &random)
            }
            let cut = Int.random(in: 0...bytes.count, using: &random)
            #expect(read([bytes[...]]) == read([bytes[..<cut], bytes[cut...]]))
        }
    }

    @Test("a reader is small and reading allocates nothing")
    func cost() {
        #expect(MemoryLayout<GRPCMessageReader>.size <= 24)
        let stream = Self.stream
        var reader = GRPCMessageReader()
        let count = allocationsWhenWarm {
            for _ in 0..<100 {
                var at = 0
                while reader.next(stream.span.bytes, &at) != nil {}
            }
        }
        #expect(count == 0)
        #expect(reader.messageCount == 1200)
    }
}
