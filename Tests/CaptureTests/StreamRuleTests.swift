import Capture
import Testing
import Wire
import TestSupport

/// One rule of reassembly a test.
@Suite struct StreamRuleTests {
    let harness = Harness()
    var counters: CaptureCounters { harness.reassembler.counters }

    @Test("a whole connection: handshake, data both ways, two FINs")
    func wholeConnection() {
        harness.handshake()
        #expect(harness.said() == ["open first"])
        harness.c(101, ack: 501, "ask")
        harness.s(501, ack: 104, "answer")
        harness.c(104, Flag.fin | Flag.ack, ack: 507)
        #expect(harness.said() == ["> ask", "< answer", "> end"])
        harness.s(507, Flag.fin | Flag.ack, ack: 105)
        #expect(harness.said() == ["< end", "close fin"])
        harness.c(105, Flag.ack, ack: 508)
        harness.reassembler.finish()
        #expect(harness.said() == [])
        #expect(counters.straySegments == 1)
        #expect(counters.connections == 1)
    }

    @Test("the SYN-ACK alone tells who the client is, and where both streams begin")
    func synAckAlone() {
        harness.s(500, Flag.syn | Flag.ack, ack: 101)
        harness.c(104, Flag.psh, "def")
        harness.c(101, Flag.psh, "abc")
        #expect(harness.said() == ["open second", "< abc", "< def"])
    }

    @Test("a handshake captured in the wrong order is one connection")
    func swappedHandshake() {
        harness.s(500, Flag.syn | Flag.ack, ack: 101)
        harness.c(100, Flag.syn)
        harness.c(101, Flag.ack, ack: 501)
        harness.c(101, ack: 501, "x")
        #expect(harness.said() == ["open second", "< x"])
        #expect(counters.connections == 1)
    }

    @Test("data on the SYN is data, and comes once")
    func dataOnSYN() {
        harness.c(100, Flag.syn, "fast")
        harness.s(500, Flag.syn | Flag.ack, ack: 101)
        harness.c(101, Flag.ack | Flag.psh, ack: 501, "fast open")
        #expect(harness.said() == ["open first", "> fast", ">  open"])
        #expect(counters.retransmittedBytes == 4)
    }

    @Test("a repeated SYN is the same connection; another SYN begins a new one")
    func portReuse() {
        harness.handshake()
        harness.c(100, Flag.syn)
        harness.s(500, Flag.syn | Flag.ack, ack: 101)
        harness.c(101, "old")
        #expect(harness.said() == ["open first", "> old"])
        harness.c(9000, Flag.syn)
        harness.s(7000, Flag.syn | Flag.ack, ack: 9001)
        harness.c(9001, "new")
        #expect(harness.said() == ["close reused", "open first", "> new"])
        #expect(counters.connections == 2)
    }

    @Test("a port is used again after FIN, after RST, and without its handshake in the capture")
    func portReuseAfterTheEnd() {
        harness.handshake()
        harness.c(101, Flag.rst)
        harness.s(501, "late")
        harness.c(101, Flag.rst)
        #expect(harness.said() == ["open first", "close reset"])
        harness.c(100, Flag.syn)
        #expect(harness.said() == ["open first"])
        harness.s(0, Flag.rst | Flag.ack, ack: 101)
        harness.s(800_000_000, "other")
        #expect(harness.said() == ["close reset", "open unknown", "> other"])
        #expect(counters.straySegments == 2)
    }

    @Test("a SYN while the old handshake's answer repeats: one connection ended by FIN takes no late packets")
    func lateHandshakePackets() {
        harness.handshake()
        harness.c(101, Flag.fin | Flag.ack, ack: 501)
        harness.s(501, Flag.fin | Flag.ack, ack: 102)
        _ = harness.said()
        harness.c(100, Flag.syn)
        harness.s(500, Flag.syn | Flag.ack, ack: 101)
        harness.c(101, Flag.fin | Flag.ack, ack: 501)
        #expect(harness.said() == [])
    }

    @Test("sequence numbers wrap")
    func wrap() {
        harness.c(0xffff_fffc, Flag.syn)
        harness.c(0xffff_fffd, "abc")
        harness.c(3, "ghi")
        harness.c(0, "def")
        harness.c(6, Flag.fin)
        #expect(harness.said() == ["open first", "> abc", "> def", "> ghi", "> end"])
    }

    @Test("the stream may wrap inside a segment, and early bytes before it")
    func wrapInside() {
        harness.c(0xffff_fff0, Flag.syn)
        harness.c(0xffff_fffe, "defg")
        harness.c(2, "hij")
        harness.c(0xffff_fff1, "0123456789abc")
        #expect(harness.said() == ["open first", "> 0123456789abc", "> defg", "> hij"])
        #expect(counters.outOfOrderSegments == 1)
    }

    @Test("early bytes wait, and keep the time and number of their packet")
    func reordering() {
        harness.c(100, Flag.syn, time: 10)
        harness.c(107, "ghi", time: 20)
        harness.c(104, "def", time: 30)
        #expect(harness.said() == ["open first"])
        harness.c(101, "abc", time: 40)
        #expect(harness.said() == ["> abc", "> def", "> ghi"])
        let chunks = harness.recorder.connections[0].streams[0].chunks
        #expect(chunks.map(\.time) == [40, 30, 20])
        #expect(chunks.map(\.packet) == [4, 3, 2])
        #expect(counters.outOfOrderSegments == 2)
        #expect(harness.reassembler.heldBytes == 0)
    }

    @Test("repeated bytes come once, and the first copy counts")
    func overlaps() {
        harness.handshake()
        harness.c(101, "abcd")
        harness.c(101, "ABCD")
        harness.c(103, "XYef")
        #expect(harness.said() == ["open first", "> abcd", "> ef"])
        #expect(counters.retransmittedSegments == 1)
        #expect(counters.retransmittedBytes == 6)
        harness.c(109, "ij")
        harness.c(108, "HIJK")
        harness.c(114, "N")
        harness.c(107, "ghijklmnop")
        #expect(harness.recorder.connections[0].streams[0].bytes == Array("abcdefgHijKlmNop".utf8))
    }

    @Test("a repeated early segment is kept once")
    func repeatedEarly() {
        harness.handshake()
        harness.c(104, "def")
        let held = harness.reassembler.heldBytes
        harness.c(104, "DEF")
        harness.c(105, "E")
        #expect(harness.reassembler.heldBytes == held)
        harness.c(101, "abc")
        #expect(harness.said() == ["open first", "> abc", "> def"])
        #expect(counters.retransmittedSegments == 2)
    }

    @Test("a gap that the receiver acknowledged is a hole, before or after the bytes behind it came")
    func acknowledgedHole() {
        harness.handshake()
        harness.c(104, "def")
        harness.s(501, Flag.ack, ack: 103)
        #expect(harness.said() == ["open first"])
        harness.s(501, Flag.ack, ack: 107)
        #expect(harness.said() == ["> hole 3", "> def"])
        harness.s(501, Flag.ack, ack: 110)
        harness.c(110, "jkl")
        #expect(harness.said() == ["> hole 3", "> jkl"])
        harness.c(107, "ghi")
        #expect(harness.said() == [])
        #expect(counters.holes == 2)
        #expect(counters.holeBytes == 6)
    }

    @Test("two gaps of which one is acknowledged: the second is waited for")
    func twoGaps() {
        harness.handshake()
        harness.c(104, "def")
        harness.c(110, "jkl")
        harness.s(501, Flag.ack, ack: 107)
        #expect(harness.said() == ["open first", "> hole 3", "> def"])
        harness.c(107, "ghi")
        #expect(harness.said() == ["> ghi", "> jkl"])
    }

    @Test("the hole of the caller's comes before the reply that acknowledges it")
    func holeBeforeReply() {
        harness.handshake()
        harness.c(104, "def")
        harness.s(501, ack: 107, "reply")
        #expect(harness.said() == ["open first", "> hole 3", "> def", "< reply"])
    }

    @Test("what is kept comes with its holes when the connection is reset or the capture ends")
    func holesAtTheEnd() {
        harness.handshake()
        harness.c(104, "def")
        harness.s(506, "f")
        harness.s(501, Flag.rst)
        #expect(harness.said() == ["open first", "> hole 3", "> def", "< hole 5", "< f", "close reset"])
        harness.c(9000, Flag.syn)
        harness.c(9003, "c")
        harness.c(9006, Flag.fin)
        harness.reassembler.finish()
        #expect(harness.said() == ["open first", "> hole 2", "> c", "> hole 2", "> end", "close endOfCapture"])
        #expect(harness.reassembler.heldBytes == 0)
        #expect(harness.reassembler.rememberedConnections == 0)
    }

    @Test("a FIN waits for the bytes before it; an acknowledged FIN passes over what is missing")
    func earlyFIN() {
        harness.handshake()
        harness.c(104, Flag.fin)
        #expect(harness.said() == ["open first"])
        harness.c(101, "abc")
        #expect(harness.said() == ["> abc", "> end"])
        harness.s(505, Flag.fin | Flag.ack, ack: 105)
        #expect(harness.said() == [])
        harness.c(105, Flag.ack, ack: 506)
        #expect(harness.said() == ["< hole 4", "< end", "close fin"])
    }

    @Test("data and FIN in one segment, then data behind the FIN, which is none")
    func dataBehindFIN() {
        harness.handshake()
        harness.c(101, Flag.fin | Flag.psh, "abc")
        harness.c(101, Flag.fin | Flag.psh, "abc")
        harness.c(105, "zzz")
        harness.c(103, "czz")
        #expect(harness.said() == ["open first", "> abc", "> end"])
        #expect(counters.retransmittedSegments == 2)
        harness.s(501, ack: 105, "still open")
        #expect(harness.said() == ["< still open"])
    }

    @Test("keep-alive probes bring nothing, with a byte or without")
    func keepAlive() {
        harness.handshake()
        harness.c(101, "abc")
        harness.c(103, Flag.ack, ack: 501)
        harness.c(103, Flag.ack, ack: 501, "\0")
        harness.s(501, Flag.ack, ack: 104)
        harness.c(104, "def")
        #expect(harness.said() == ["open first", "> abc", "> def"])
        #expect(counters.keepAlives == 2)
        #expect(counters.retransmittedBytes == 0)
    }

    @Test("a capture that begins with a keep-alive probe", arguments: ["", "\0"])
    func probeFirst(garbage: String) {
        harness.c(103, Flag.ack, ack: 501, garbage)
        harness.s(501, Flag.ack, ack: 104)
        harness.c(104, "def")
        #expect(harness.said() == ["open unknown", "> def"])
        #expect(counters.holes == 0)
    }

    @Test("a capture may begin anywhere: the first bytes seen are the first")
    func midstream() {
        harness.s(900, ack: 333, "reply")
        harness.c(333, ack: 905, "ask")
        #expect(harness.said() == ["open unknown", "> reply", "< ask"])
    }

    @Test("an acknowledgment seen first says where a stream stands when its first segments are swapped")
    func midstreamSwapped() {
        harness.c(101, Flag.ack, ack: 501)
        harness.c(104, "def")
        harness.c(101, "abc")
        #expect(harness.said() == ["open unknown", "> abc", "> def"])
    }

    @Test("a capture may begin with a FIN")
    func midstreamFIN() {
        harness.c(333, Flag.fin | Flag.ack, ack: 905)
        harness.s(905, Flag.fin | Flag.ack, ack: 334, "bye")
        #expect(harness.said() == ["open unknown", "> end", "< bye", "< end", "close fin"])
    }

    @Test("two ends with one port, and one end with itself, are connections too")
    func equalPorts() {
        let one = Peer(address: Peer.client6.address, port: 7)
        let other = Peer(address: Peer.server6.address, port: 7)
        let far = Peer(address: [0xfe] + Peer.server6.address.dropFirst(), port: 7)
        for (from, to, text) in [(one, other, "ask"), (one, far, "far"), (other, one, "reply"), (one, one, "self")] {
            let segment = tcp(from, to, seq: 1, flags: Flag.psh, Array(text.utf8))
            harness.reassembler.feed(ipv6(from, to, segment), .ipv6)
        }
        #expect(
            harness.said() == ["open unknown", "> ask", "open unknown", "> far", "< reply", "open unknown", "> self"]
        )
    }

    @Test("a reset far from the stream is another connection's; one from an end not heard of counts")
    func resets() {
        harness.handshake()
        harness.c(2_000_000_000, Flag.rst)
        #expect(harness.said() == ["open first"])
        harness.c(101, Flag.rst)
        #expect(harness.said() == ["close reset"])
        harness.c(4000, Flag.syn)
        harness.s(0, Flag.rst | Flag.ack, ack: 4001)
        #expect(harness.said() == ["open first", "close reset"])
        harness.reassembler.finish()
        harness.c(5000, Flag.rst)
        #expect(harness.said() == [])
        #expect(counters.straySegments == 2)
    }

    @Test("one wild segment is passed over, a run of them moves the stream")
    func longPause() {
        harness.handshake()
        harness.c(101, "abc")
        harness.c(2_000_000_101, "wild")
        harness.c(104, "def")
        #expect(harness.said() == ["open first", "> abc", "> def"])
        for turn in 0..<UInt32(8) { harness.c(3_000_000_000 + turn * 2, "xy") }
        harness.c(3_000_000_016, "on")
        #expect(harness.said() == ["> hole \(3_000_000_014 - 107)", "> xy", "> on"])
        #expect(counters.outsideWindowSegments == 9)
    }

    @Test("of a packet cut by the snap length the rest is a hole, also when it comes early")
    func snapped() {
        func cut(_ seq: UInt32, _ text: String, to count: Int) {
            let whole = ethernet(
                ipv4(.client, .server, tcp(.client, .server, seq: seq, flags: Flag.psh, Array(text.utf8)))
            )
            harness.reassembler.feed(Array(whole[..<(54 + count)]), original: whole.count)
        }
        harness.c(100, Flag.syn)
        cut(101, "abcdef", to: 2)
        cut(113, "mnopqr", to: 1)
        cut(107, "ghijkl", to: 0)
        harness.c(119, "end")
        #expect(harness.said() == ["open first", "> ab", "> hole 4", "> hole 6", "> m", "> hole 5", "> end"])
        #expect(counters.truncated == 3)
    }

    @Test("connections are told apart by all four numbers")
    func manyConnections() {
        for port in UInt16(1)...3000 {
            let peer = Peer(address: [10, 0, 0, 1], port: port)
            harness.reassembler.feed(
                ipv4(peer, .server, tcp(peer, .server, seq: 1, flags: Flag.psh, be16(Int(port)))),
                .ipv4
            )
        }
        for port in (UInt16(1)...3000).reversed() {
            let peer = Peer(address: [10, 0, 0, 1], port: port)
            harness.reassembler.feed(
                ipv4(.server, peer, tcp(.server, peer, seq: 1, flags: Flag.psh, be16(Int(port)))),
                .ipv4
            )
        }
        #expect(harness.recorder.connections.count == 3000)
        for connection in harness.recorder.connections {
            #expect(connection.streams[0].bytes == be16(Int(connection.first.port)))
            #expect(connection.streams[1].bytes == connection.streams[0].bytes)
        }
    }
}
