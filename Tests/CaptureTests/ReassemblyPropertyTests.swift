import Capture
import Testing
import TestSupport

/// Random streams, cut and disturbed in every way a network can.
@Suite struct ReassemblyPropertyTests {
    struct Piece {
        var range: Range<Int>
    }

    /// Cuts a stream into segments that cover it, some of them overlapping, repeated and out of order.
    static func disturbed(_ count: Int, _ random: inout SeededRandom) -> [Piece] {
        var pieces: [Piece] = []
        var at = 0
        while at < count {
            let end = min(at + Int.random(in: 1...40, using: &random), count)
            let before = Bool.random(using: &random) ? 0 : Int.random(in: 0...min(at, 30), using: &random)
            let behind = Bool.random(using: &random) ? 0 : Int.random(in: 0...min(count - end, 30), using: &random)
            pieces.append(Piece(range: at - before..<end + behind))
            if Int.random(in: 0..<4, using: &random) == 0 { pieces.append(pieces.randomElement(using: &random)!) }
            at = end
        }
        let window = Int.random(in: 1...12, using: &random)
        for index in pieces.indices {
            pieces.swapAt(index, min(index + Int.random(in: 0..<window, using: &random), pieces.count - 1))
        }
        return pieces
    }

    @Test("the delivered bytes are the stream", arguments: 0..<UInt64(400))
    func equalsTheStream(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let harness = Harness()
        let stream = (0..<Int.random(in: 1...3000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        let start =
            seed % 3 == 0
            ? UInt32.max - UInt32.random(in: 0...2000, using: &random) : UInt32.random(in: 0 ... .max, using: &random)
        harness.recorder.keepsEvents = false
        harness.c(start &- 1, Flag.syn)
        let pieces = Self.disturbed(stream.count, &random)
        let finAt = Int.random(in: 0...pieces.count, using: &random)
        for (index, piece) in pieces.enumerated() {
            if index == finAt { harness.c(start &+ UInt32(stream.count), Flag.fin) }
            let sequence = start &+ UInt32(piece.range.lowerBound)
            harness.reassembler.feed(
                ipv4(
                    .client,
                    .server,
                    tcp(.client, .server, seq: sequence, flags: Flag.psh, Array(stream[piece.range]))
                ),
                .ipv4
            )
        }
        if finAt == pieces.count { harness.c(start &+ UInt32(stream.count), Flag.fin) }
        #expect(harness.recorder.connections.count == 1)
        #expect(harness.recorder.connections[0].streams[0].bytes == stream, "seed \(seed)")
        #expect(harness.recorder.connections[0].streams[0].hasEnded)
        #expect(harness.recorder.problems == [])
        #expect(harness.reassembler.heldBytes == 0)
        #expect(harness.reassembler.counters.holes == 0)
    }

    @Test("with segments lost, what is delivered lies where it was in the stream", arguments: 0..<UInt64(300))
    func equalsTheStreamWithHoles(seed: UInt64) {
        var random = SeededRandom(seed: seed &+ 10_000)
        let limits = ReassemblyLimits(
            connections: 4,
            heldBytesPerConnection: seed % 2 == 0 ? 4096 : 1 << 20,
            heldBytes: 1 << 20
        )
        let harness = Harness(limits: limits)
        harness.recorder.keepsEvents = false
        let stream = (0..<2000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let start = UInt32.random(in: 0 ... .max, using: &random)
        harness.c(start &- 1, Flag.syn)
        for piece in Self.disturbed(stream.count, &random) where Int.random(in: 0..<5, using: &random) != 0 {
            let sequence = start &+ UInt32(piece.range.lowerBound)
            let kept = Int.random(in: 0..<8, using: &random) == 0 ? piece.range.count / 2 : piece.range.count
            let packet = ipv4(
                .client,
                .server,
                tcp(.client, .server, seq: sequence, flags: Flag.psh, Array(stream[piece.range]))
            )
            harness.reassembler.feed(
                Array(packet[..<(packet.count - piece.range.count + kept)]),
                .ipv4,
                original: packet.count
            )
            if Int.random(in: 0..<6, using: &random) == 0 {
                harness.s(1, Flag.ack, ack: start &+ UInt32(Int.random(in: 0...piece.range.upperBound, using: &random)))
            }
            #expect(harness.reassembler.heldBytes <= limits.heldBytesPerConnection)
        }
        harness.reassembler.finish()
        let result = harness.recorder.connections[0].streams[0]
        var rebuilt: [UInt8?] = []
        var taken = 0
        for hole in result.holes {
            while rebuilt.count < Int(hole[0]) {
                rebuilt.append(result.bytes[taken])
                taken += 1
            }
            rebuilt += [UInt8?](repeating: nil, count: Int(hole[1]))
        }
        rebuilt += result.bytes[taken...].map { $0 }
        #expect(rebuilt.count <= stream.count)
        for (index, byte) in rebuilt.enumerated() where byte != nil {
            #expect(byte == stream[index], "seed \(seed), byte \(index)")
        }
        #expect(harness.recorder.problems == [])
    }
}
