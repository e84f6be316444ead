import Wire
import Capture
import Testing
import TestSupport

/// No input makes memory grow past the limits.
@Suite struct BoundTests {
    @Test("the longest idle connection makes room")
    func eviction() {
        let harness = Harness(
            limits: ReassemblyLimits(connections: 3, heldBytesPerConnection: 1 << 20, heldBytes: 1 << 20)
        )
        func say(_ port: UInt16, _ seq: UInt32, _ text: String) {
            let peer = Peer(address: [10, 0, 0, 1], port: port)
            harness.reassembler.feed(
                ipv4(peer, .server, tcp(peer, .server, seq: seq, flags: Flag.psh, Array(text.utf8))),
                .ipv4
            )
        }
        for port in UInt16(1)...3 { say(port, 1, "a") }
        say(2, 5, "early")
        say(1, 2, "b")
        _ = harness.said()
        say(4, 1, "d")
        #expect(harness.said() == ["close evicted", "open unknown", "> d"])
        #expect(harness.recorder.connections[2].reason == .evicted)
        say(5, 1, "e")
        #expect(harness.said() == ["> hole 3", "> early", "close evicted", "open unknown", "> e"])
        #expect(harness.recorder.mostOpen == 3)
        #expect(harness.reassembler.counters.evictedConnections == 2)
        #expect(harness.reassembler.heldBytes == 0)
    }

    @Test("one below, at and above what a connection may keep")
    func perConnection() {
        let charge = ReassemblyLimits.heldSegmentChargeBytes
        let limits = ReassemblyLimits(connections: 3, heldBytesPerConnection: 2 * (charge + 10), heldBytes: 1 << 20)
        for (length, said) in [(9, 1), (10, 1), (11, 4)] {
            let harness = Harness(limits: limits)
            harness.c(100, Flag.syn)
            harness.c(201, "0123456789")
            harness.c(301, String(repeating: "x", count: length))
            #expect(harness.said().count - (harness.reassembler.counters.holes == 0 ? 0 : 1) == (said == 1 ? 1 : 2))
            #expect(harness.reassembler.counters.holes == (length > 10 ? 1 : 0))
        }
    }

    @Test("what all connections keep stays within its limit: who began first gives up first")
    func inAll() {
        let charge = ReassemblyLimits.heldSegmentChargeBytes
        let harness = Harness(
            limits: ReassemblyLimits(connections: 100, heldBytesPerConnection: 1 << 20, heldBytes: 3 * (charge + 1))
        )
        for port in UInt16(1)...20 {
            let peer = Peer(address: [10, 0, 0, 1], port: port)
            harness.reassembler.feed(ipv4(peer, .server, tcp(peer, .server, seq: 1, flags: Flag.syn)), .ipv4)
            harness.reassembler.feed(
                ipv4(peer, .server, tcp(peer, .server, seq: 9, flags: Flag.psh, [UInt8(port)])),
                .ipv4
            )
            #expect(harness.reassembler.heldBytes <= 3 * (charge + 1))
            #expect(harness.reassembler.counters.holes == UInt64(max(0, Int(port) - 3)))
        }
        #expect(harness.recorder.connections[..<17].allSatisfy { $0.streams[0].holes == [[0, 7]] })
        harness.reassembler.finish()
        #expect(harness.recorder.connections.allSatisfy { $0.streams[0].bytes == [UInt8($0.first.port)] })
    }

    @Test("a connection whose ends were both waiting is closed when it has to give up")
    func givesUpToItsEnd() {
        let charge = ReassemblyLimits.heldSegmentChargeBytes
        let harness = Harness(
            limits: ReassemblyLimits(connections: 9, heldBytesPerConnection: 1 << 20, heldBytes: charge + 2)
        )
        harness.c(100, Flag.syn)
        harness.s(500, Flag.syn | Flag.ack, ack: 101)
        harness.s(501, Flag.fin)
        harness.c(103, Flag.fin, "c")
        _ = harness.said()
        let other = Peer(address: [10, 0, 0, 9], port: 9)
        harness.reassembler.feed(ipv4(other, .server, tcp(other, .server, seq: 1, flags: Flag.syn)), .ipv4)
        harness.reassembler.feed(ipv4(other, .server, tcp(other, .server, seq: 5, flags: Flag.psh, [1, 2])), .ipv4)
        #expect(harness.said() == ["open first", "> hole 2", "> c", "> end", "close fin"])
    }

    @Test("a flood of single bytes with gaps, and one segment over all the gaps")
    func flood() {
        let limits = ReassemblyLimits(connections: 10, heldBytesPerConnection: 1 << 20, heldBytes: 2 << 20)
        let harness = Harness(limits: limits)
        harness.recorder.keepsEvents = false
        harness.c(100, Flag.syn)
        for turn in 0..<UInt32(20_000) {
            harness.c(102 + turn * 2, "x")
            #expect(harness.reassembler.heldBytes <= 1 << 20)
        }
        harness.c(101, String(repeating: "y", count: 60_000))
        #expect(harness.reassembler.heldBytes <= 1 << 20)
        harness.reassembler.finish()
        let stream = harness.recorder.connections[0].streams[0]
        #expect(UInt64(stream.bytes.count) + stream.holes.reduce(0) { $0 + $1[1] } == stream.position)
        #expect(harness.recorder.problems == [])
    }

    @Test("a flood of handshakes remembers no more than the limit")
    func handshakes() {
        let harness = Harness(
            limits: ReassemblyLimits(connections: 1000, heldBytesPerConnection: 4096, heldBytes: 65536)
        )
        harness.recorder.keepsEvents = false
        var random = SeededRandom(seed: 5)
        for _ in 0..<50_000 {
            let word = UInt32.random(in: 0 ... .max, using: &random)
            let peer = Peer(address: be32(word), port: UInt16.random(in: 0 ... .max, using: &random))
            harness.reassembler.feed(ipv4(peer, .server, tcp(peer, .server, seq: word, flags: Flag.syn)), .ipv4)
        }
        #expect(harness.reassembler.rememberedConnections == 1000)
        #expect(harness.recorder.mostOpen == 1000)
        #expect(harness.reassembler.counters.evictedConnections == 49_000)
        harness.reassembler.finish()
        #expect(harness.recorder.problems == [])
    }

    @Test("packets in order cost no allocation")
    func allocationsInOrder() {
        final class Sink: StreamConsumer {
            var total = 0
            func opened(_ connection: Int, first: Endpoint, second: Endpoint, client: ClientKnowledge, time: UInt64) {}
            func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64) {
                total += bytes.byteCount
            }
            func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64) {}
            func ended(_ connection: Int, from role: EndpointRole, time: UInt64) {}
            func closed(_ connection: Int, reason: CloseReason, time: UInt64) {}
        }
        let sink = Sink()
        let reassembler = Reassembler(consumer: sink)
        let packets = (0..<100).map { turn in
            ethernet(
                ipv4(
                    .client,
                    .server,
                    tcp(
                        .client,
                        .server,
                        seq: UInt32(turn) * 50,
                        ack: 7,
                        flags: Flag.ack,
                        [UInt8](repeating: 1, count: 50)
                    )
                )
            )
        }
        reassembler.feed(packets[0])
        let made = allocations {
            for packet in packets[1...] {
                reassembler.packet(packet.span.bytes, linkType: .ethernet, time: 1, originalLength: packet.count)
            }
        }
        #expect(sink.total == 5000)
        // Without optimisation the standard library allocates.
        #if !DEBUG
            #expect(made == 0)
        #else
            #expect(made < 500)
        #endif
    }
}
