import Calls
import Inspection
import TestSupport
import Testing

/// HTTP/1 connections joined in the middle, and captures with holes.
@Suite struct HTTP1MidstreamTests {
    /// A call and its reply, each one segment.
    private static func call(_ id: Int) -> (request: [UInt8], response: [UInt8]) {
        (H1.request(RPC.call("\(id)", "m\(id)")), H1.response(200, RPC.result("\(id)")))
    }

    private static func expected(_ ids: ClosedRange<Int>) -> [String] { ids.map { "org.example.Users.m\($0) ok OK 1" } }

    @Test("a connection is taken up at a request line or a status line at the beginning of a segment")
    func anywhere() {
        // From the first request, from its middle, from the first reply, from its middle.
        for skipped in 0..<4 {
            for watching in Watching.allCases {
                let bench = Bench(watching)
                let session = bench.open(isMidstream: true, isClientUnknown: true)
                for id in 1...4 {
                    let (request, response) = Self.call(id)
                    let isFirst = id == 1
                    if !(isFirst && skipped > 1) {
                        bench.up(session, isFirst && skipped == 1 ? Array(request.dropFirst(30)) : request)
                    }
                    bench.down(session, isFirst && skipped == 3 ? Array(response.dropFirst(20)) : response)
                }
                let ids = (skipped == 0 ? 1 : 2)...4
                #expect(bench.counts() == Self.expected(ids), "\(skipped)")
                #expect(bench.decodeErrors.isEmpty && session.inFlight == 0 && session.connectionProtocol == .jsonrpc)
                #expect(!session.isFlipped)
            }
        }
    }

    @Test("who sends requests is the client when the handshake was not seen")
    func flip() throws {
        for isReplyFirst in [false, true] {
            let bench = Bench()
            let session = bench.open(isMidstream: true, isClientUnknown: true)
            if isReplyFirst { bench.up(session, Self.call(1).response) }
            bench.down(session, Self.call(2).request)
            bench.up(session, Self.call(2).response)
            #expect(session.isFlipped && bench.counts(side: .provider) == Self.expected(2...2))
            #expect(bench.calls.all.first?.connection.client == Bench.client.server)
        }
    }

    @Test("a status line in the way of requests is no beginning where it is known who the client is")
    func wrongWay() {
        let bench = Bench()
        let session = bench.open(isMidstream: true)
        bench.up(session, Self.call(1).response)
        bench.down(session, Self.call(1).request)
        #expect(session.connectionProtocol == .silent && bench.counts().isEmpty)
    }

    @Test("any method will do, a line that is none will not")
    func startLines() {
        for (text, isOne) in [
            ("PROPFIND /a HTTP/1.1\r\n", true), ("HEAD / HTTP/1.0\r\nHost: a\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true), ("HTTP/1.1 204\r\n", true),
            ("POST /a HTTP/1.1", false), ("POST /a HTTP/2.0\r\n", false), ("POST /a b HTTP/1.1\r\n", false),
            (" POST /a HTTP/1.1\r\n", false), ("\r\nPOST /a HTTP/1.1\r\n", false), ("GET /\r\n", false),
            ("HTTP/1.1 20 OK\r\n", false), ("text that holds POST /a HTTP/1.1\r\n", false),
        ] {
            let bench = Bench()
            let session = bench.open(isMidstream: true, isClientUnknown: true)
            bench.up(session, Array(text.utf8))
            let isReply = text.hasPrefix("HTTP")
            bench.give(session, Self.call(7).request, isReply ? .toDownstream : .toUpstream, 3)
            bench.give(session, Self.call(7).response, isReply ? .toUpstream : .toDownstream, 4)
            if isOne, !isReply {
                // The next request is the body, or a header, of what began.
                #expect(session.connectionProtocol != .opaque, "\(text)")
            } else {
                #expect(bench.counts().count == 1, "\(text)")
            }
        }
    }

    @Test("a body that was taken for a message of its own gives way to the reply's status line")
    func bodyFirst() {
        let bench = Bench()
        let session = bench.open(isMidstream: true, isClientUnknown: true)
        bench.up(session, Array(RPC.call("1", "m1").utf8))
        bench.down(session, Self.call(1).response)
        for id in 2...3 {
            bench.up(session, Self.call(id).request)
            bench.down(session, Self.call(id).response)
        }
        #expect(bench.counts().suffix(2) == Self.expected(2...3).suffix(2) && bench.decodeErrors.isEmpty)
        #expect(session.inFlight == 0)
    }

    @Test("behind a hole anywhere the connection is taken up again, and no reply is given to another's call")
    func holes() {
        var stream: [(bytes: [UInt8], isUp: Bool)] = []
        for id in 1...4 {
            let (request, response) = Self.call(id)
            stream += [(request, true), (response, false)]
        }
        for hole in 0..<6 {
            let length = stream[hole].bytes.count
            for (from, to) in [(0, 1 << 20), (0, 50), (50, 90), (90, 1 << 20)] where from < length {
                let bench = Bench()
                let session = bench.open()
                for (index, (bytes, isUp)) in stream.enumerated() {
                    guard index == hole else {
                        if isUp { bench.up(session, bytes) } else { bench.down(session, bytes) }
                        continue
                    }
                    let (from, to) = (min(from, bytes.count), min(to, bytes.count))
                    let direction = isUp ? Direction.toUpstream : .toDownstream
                    if from > 0 { bench.give(session, Array(bytes[..<from]), direction, 1) }
                    bench.inspector.missed(session, count: UInt64(to - from), going: direction, now: 1)
                    if to < bytes.count { bench.give(session, Array(bytes[to...]), direction, 1) }
                }
                let counts = bench.counts()
                for id in 1...4 {
                    let lines = counts.filter { $0.contains(".m\(id) ") }
                    if id == hole / 2 + 1 {
                        // It is lost, or unknown as a whole.
                        let isGood = lines.contains { $0.contains(" ok ") }
                        #expect(!isGood && lines.count <= 1, "\(hole) \(from) \(counts)")
                    } else {
                        #expect(lines == ["org.example.Users.m\(id) ok OK 1"], "\(hole) \(from) \(counts)")
                    }
                }
                #expect(session.inFlight == 0 && bench.decodeErrors.isEmpty, "\(hole) \(from)")
            }
        }
    }

    @Test("raw JSON-RPC is taken up at the first whole value behind a hole")
    func rawHole() {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Array((RPC.call("1", "m1") + "\n" + RPC.call("2", "m2").prefix(20)).utf8))
        bench.inspector.missed(session, count: 30, going: .toUpstream, now: 1)
        bench.up(session, Array("d\":3}}\n".utf8))
        bench.up(session, Array((RPC.call("3", "m3") + "\n").utf8))
        bench.down(session, Array((RPC.result("3") + "\n").utf8))
        #expect(bench.counts() == ["m1 lost  1", "m3 ok OK 1"].map { "." + $0 })
    }
}
