import Capture
import Testing
import TestSupport

/// Data that acknowledges bytes of the other end's which the capture lacks, or has further on.
@Suite struct GateTests {
    let harness: Harness

    /// A connection with one exchange behind it: the next bytes are 104 and 504.
    init() {
        harness = Harness()
        harness.handshake()
        harness.c(101, ack: 501, "ask")
        harness.s(501, ack: 104, "yes")
        _ = harness.said()
    }

    @Test("the last packet of a request is missing: what follows in its direction shows it, with data or without")
    func lastPacketMissing() {
        for text in ["", "next"] {
            let test = GateTests()
            test.harness.c(104, ack: 504, "beg")
            test.harness.s(504, ack: 110, "reply", time: 30)
            #expect(test.harness.said() == ["> beg"])
            #expect(test.harness.reassembler.heldBytes > 0)
            test.harness.c(110, Flag.ack, ack: 509, text, time: 90)
            #expect(test.harness.said() == ["> hole 3", "< reply"] + (text.isEmpty ? [] : ["> next"]))
            // The reply has its own time.
            #expect(test.harness.recorder.connections[0].streams[1].chunks.last?.time == 30)
            #expect(test.harness.reassembler.heldBytes == 0 && test.harness.reassembler.counters.holes == 1)
        }
    }

    @Test("a request captured behind its reply comes first, whole or in part, in any order")
    func replyFirst() {
        harness.s(504, ack: 110, "rep")
        harness.s(507, ack: 110, "ly")
        #expect(harness.said() == [])
        harness.c(104, ack: 504, "beg")
        #expect(harness.said() == ["> beg"])
        harness.c(107, ack: 504, "end")
        #expect(harness.said() == ["> end", "< rep", "< ly"])
        harness.s(509, ack: 116, "more")
        harness.c(110, ack: 504, "one")
        #expect(harness.said() == ["> one"])
        harness.c(113, ack: 504, "twothree")
        #expect(harness.said() == ["> twothree", "< more"])
        #expect(harness.reassembler.counters.holes == 0 && harness.reassembler.heldBytes == 0)
    }

    @Test("packets of two interfaces that come in batches: each reply waits for its own request")
    func batches() {
        let texts = (0..<20).map { (ask: "ask \($0) ", reply: "reply \($0) ") }
        for batch in [1, 2, 3, 20] {
            let test = GateTests()
            var (client, server) = (UInt32(104), UInt32(504))
            var expected: [String] = []
            for start in stride(from: 0, to: texts.count, by: batch) {
                var asks: [(UInt32, UInt32, String, UInt64)] = []
                for (index, text) in texts.enumerated().dropFirst(start).prefix(batch) {
                    asks.append((client, server, text.ask, UInt64(2 * index)))
                    client &+= UInt32(text.ask.utf8.count)
                    test.harness.s(server, ack: client, text.reply, time: UInt64(2 * index + 1))
                    server &+= UInt32(text.reply.utf8.count)
                    expected += ["> " + text.ask, "< " + text.reply]
                }
                for (sequence, number, text, time) in asks { test.harness.c(sequence, ack: number, text, time: time) }
            }
            test.harness.c(client, Flag.ack, ack: server)
            #expect(test.harness.said() == expected, "\(batch)")
            let chunks = test.harness.recorder.connections[0].streams.map { $0.chunks.dropFirst().map(\.time) }
            let times = (0..<UInt64(20)).map { 2 * $0 }
            #expect(chunks == [times, times.map { $0 + 1 }])
            #expect(test.harness.reassembler.counters.holes == 0 && test.harness.reassembler.heldBytes == 0)
        }
    }

    @Test("a retransmission of what is there does not end the wait, one of what is missing does")
    func retransmission() {
        harness.c(104, ack: 504, "beg")
        harness.s(504, ack: 110, "reply")
        harness.c(104, ack: 509, "beg")
        harness.s(504, ack: 110, "reply")
        #expect(harness.said() == ["> beg"])
        harness.c(104, ack: 509, "begend")
        #expect(harness.said() == ["> end", "< reply"])
        #expect(harness.reassembler.counters.holes == 0)
        harness.s(509, ack: 120, "late")
        harness.c(120, Flag.ack, ack: 513)
        #expect(harness.said() == ["> hole 10", "< late"])
        harness.c(110, ack: 509, "0123456789")
        #expect(harness.said() == [] && harness.reassembler.counters.holes == 1)
    }

    @Test("acknowledgments that come early, late and twice make no hole by themselves")
    func acknowledgments() {
        harness.s(504, Flag.ack, ack: 110)
        harness.s(504, Flag.ack, ack: 107)
        harness.s(504, Flag.ack, ack: 110)
        #expect(harness.said() == [])
        harness.c(104, ack: 504, "beg")
        harness.c(107, ack: 504, "end")
        harness.s(504, ack: 110, "reply")
        // One that acknowledges less than what is there, and one that acknowledges the data itself.
        harness.s(509, ack: 104, "more")
        #expect(harness.said() == ["> beg", "> end", "< reply", "< more"])
        harness.c(110, Flag.ack, ack: 513)
        harness.c(110, Flag.ack, ack: 509)
        #expect(harness.said() == [] && harness.reassembler.counters.holes == 0)
    }

    @Test("bytes in the middle and at the end are missing: each hole comes in its place")
    func severalHoles() {
        harness.c(104, ack: 504, "a")
        harness.c(110, ack: 504, "d")
        harness.s(504, ack: 108, "x")
        #expect(harness.said() == ["> a"])
        harness.s(505, ack: 120, "y")
        #expect(harness.said() == ["> hole 5", "> d", "< x"])
        harness.c(120, ack: 506, "g")
        #expect(harness.said() == ["> hole 9", "< y", "> g"])
    }

    @Test("nothing waits longer than half a second, ten thousand packets or 1,024 others")
    func bounds() {
        let time = GateTests()
        time.harness.s(504, ack: 110, "reply", time: 1000)
        let other = Peer(address: [10, 0, 0, 9], port: 9)
        func say(_ harness: Harness, _ time: UInt64, port: UInt16 = 9) {
            let peer = Peer(address: other.address, port: port)
            let segment = tcp(peer, .server, seq: 1, flags: Flag.ack)
            harness.reassembler.feed(ipv4(peer, .server, segment), .ipv4, time: time)
        }
        say(time.harness, 500_000_999)
        #expect(!time.harness.said().contains("< reply"))
        say(time.harness, 900)
        say(time.harness, 500_001_000)
        #expect(time.harness.said() == ["> hole 6", "< reply"])

        let packets = GateTests()
        packets.harness.s(504, ack: 110, "reply")
        for _ in 0..<9999 { say(packets.harness, 2) }
        #expect(!packets.harness.said().contains("< reply"))
        say(packets.harness, 2)
        #expect(packets.harness.said() == ["> hole 6", "< reply"])

        let many = GateTests()
        many.harness.recorder.keepsEvents = false
        for port in UInt16(1)...1100 {
            let peer = Peer(address: other.address, port: port)
            for (from, to, seq, ack) in [(peer, .server, 1, 1), (.server, peer, 1, 2), (.server, peer, 2, 90)]
                as [(Peer, Peer, UInt32, UInt32)]
            {
                let flags = Flag.psh | Flag.ack
                let segment = tcp(from, to, seq: seq, ack: ack, flags: flags, [UInt8(ascii: "x")])
                many.harness.reassembler.feed(ipv4(from, to, segment), .ipv4)
            }
        }
        let waiting = many.harness.recorder.connections.filter { $0.streams[1].bytes.count == 1 }
        #expect(waiting.count == 1024 + 1)
        many.harness.reassembler.finish()
        #expect(many.harness.recorder.connections.dropFirst().allSatisfy { $0.streams[1].bytes.count == 2 })
        #expect(many.harness.recorder.problems == [] && many.harness.reassembler.heldBytes == 0)
    }

    @Test("the end of the connection or the capture, and the limits, end the wait")
    func ends() {
        for end in 0..<4 {
            let test = GateTests()
            test.harness.c(104, ack: 504, "beg")
            test.harness.s(504, ack: 110, "reply")
            switch end {
            case 0: test.harness.reassembler.finish()
            case 1: test.harness.s(509, Flag.rst)
            case 2:
                test.harness.s(509, Flag.fin | Flag.ack, ack: 110)
                test.harness.c(110, Flag.fin | Flag.ack, ack: 510)
            default: test.harness.c(90_000, Flag.syn)
            }
            let said = test.harness.said()
            #expect(Array(said.prefix(3)) == ["> beg", "> hole 3", "< reply"], "\(end) \(said)")
            #expect(test.harness.reassembler.heldBytes == 0 && test.harness.recorder.connections[0].reason != nil)
        }
        let charge = ReassemblyLimits.heldSegmentChargeBytes
        let limits = ReassemblyLimits(connections: 9, heldBytesPerConnection: charge, heldBytes: 1 << 20)
        let tight = Harness(limits: limits)
        tight.handshake()
        tight.c(101, ack: 501, "ask")
        tight.s(501, ack: 110, "reply")
        #expect(tight.said().suffix(2) == ["> hole 6", "< reply"] && tight.reassembler.heldBytes == 0)
    }

    @Test("a FIN that was not captured, a direction without data, and numbers far away make nobody wait")
    func noWait() {
        harness.s(504, ack: 105, "x")
        #expect(harness.said() == ["< x"])
        harness.s(505, ack: 104 &+ 1 << 24 &+ 1, "y")
        #expect(harness.said() == ["< y"])
        harness.c(104, Flag.psh, "without")
        #expect(harness.said() == ["> without"])
        let oneWay = Harness()
        oneWay.s(500, Flag.syn | Flag.ack, ack: 101)
        oneWay.s(501, ack: 150, "a")
        oneWay.s(502, ack: 250, "b")
        #expect(oneWay.said() == ["open second", "> a", "> b"] && oneWay.reassembler.counters.holes == 0)
    }

    @Test("both directions cut and disturbed at random: all that was captured comes, a reply behind its request")
    func disturbed() {
        for seed in UInt64(0)..<300 {
            var random = SeededRandom(seed: seed)
            let test = GateTests()
            test.harness.recorder.keepsEvents = false
            var packets: [(isClient: Bool, seq: UInt32, ack: UInt32, text: String)] = []
            var (client, server) = (UInt32(104), UInt32(504))
            for turn in 0..<40 {
                let letter = String(UnicodeScalar(UInt8(97 + turn % 26)))
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let text = String(repeating: letter, count: Int.random(in: 2...9, using: &random))
                    packets.append((true, client, server, text))
                    client &+= UInt32(text.utf8.count)
                }
                let reply = String(repeating: letter.uppercased(), count: Int.random(in: 2...9, using: &random))
                packets.append((false, server, client, reply))
                server &+= UInt32(reply.utf8.count)
            }
            // Neighbours change places, within a direction and across; some are lost, some come twice.
            for index in packets.indices {
                packets.swapAt(index, min(index + Int.random(in: 0...3, using: &random), packets.count - 1))
            }
            var isComplete = true
            for packet in packets {
                let fate = Int.random(in: 0..<30, using: &random)
                if fate == 0, seed % 2 == 0 {
                    isComplete = false
                    continue
                }
                for _ in 0..<(fate == 1 ? 2 : 1) {
                    if packet.isClient {
                        test.harness.c(packet.seq, ack: packet.ack, packet.text)
                    } else {
                        test.harness.s(packet.seq, ack: packet.ack, packet.text)
                    }
                }
            }
            test.harness.reassembler.finish()
            let streams = test.harness.recorder.connections[0].streams
            #expect(test.harness.recorder.problems == [] && test.harness.reassembler.heldBytes == 0)
            // Whatever the order, no more is missing than was.
            for (stream, end) in zip(streams, [client &- 101, server &- 501]) {
                #expect(stream.position <= UInt64(end))
                #expect(UInt64(stream.bytes.count) + stream.holes.reduce(0) { $0 + $1[1] } == stream.position)
            }
            if isComplete, seed % 4 == 1 {
                #expect(streams[0].bytes.count == Int(client &- 101) || test.harness.reassembler.counters.holes > 0)
            }
        }
    }
}
