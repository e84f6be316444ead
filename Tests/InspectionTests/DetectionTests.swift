import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct DetectionTests {
    private func first(_ bytes: [UInt8], _ direction: Direction = .toUpstream, sizes: [Int]) -> (Bench, Session) {
        let bench = Bench()
        let session = bench.open()
        var rest = bytes[...]
        for size in sizes {
            bench.give(session, Array(rest.prefix(size)), direction, 1000)
            rest = rest.dropFirst(size)
        }
        if !rest.isEmpty { bench.give(session, Array(rest), direction, 1000) }
        return (bench, session)
    }

    @Test("Dubbo is known by two bytes, whichever way they go and however they come", arguments: Direction.allCases)
    func dubbo(direction: Direction) {
        for sizes in [[], [1], [2], [1, 1], [15], [16], [1, 14, 1, 1], [Int](repeating: 1, count: 60)] {
            let (bench, session) = first(Frames.request() + Frames.request(id: 2), direction, sizes: sizes)
            #expect(session.connectionProtocol == .dubbo && session.inFlight == 2, "\(sizes)")
            #expect(bench.uninspected.isEmpty && bench.decodeErrors.isEmpty)
            #expect(bench.snapshot.connections(.dubbo)?.open == 1 && bench.snapshot.connections(.silent)?.open == 0)
        }
    }

    @Test("first reads of one byte in both directions at once")
    func bothDirections() {
        let bench = Bench()
        let session = bench.open()
        let (request, heartbeat) = (Frames.request(), Frames.heartbeat())
        bench.up(session, [request[0]])
        #expect(session.connectionProtocol == .silent && !session.isIdle)
        bench.down(session, [heartbeat[0]])
        bench.down(session, [heartbeat[1]])
        #expect(session.connectionProtocol == .dubbo)
        bench.up(session, [request[1]])
        bench.down(session, Array(heartbeat[2...]))
        bench.up(session, Array(request[2...]))
        #expect(session.inFlight == 1 && bench.snapshot.events(.consumer) == [.heartbeat: 1])
        #expect(bench.uninspected.isEmpty && bench.decodeErrors.isEmpty)
    }

    @Test(
        "what else there is",
        arguments: [
            ("16 03 01 0200", ConnectionProtocol.tls, "tls"), ("16 02 00", .opaque, "opaque"),
            ("da bc", .opaque, "opaque"),
            (hexText("GETX / HTTP/2.1".utf8), .opaque, "opaque"), (hexText("OPTIMIZE".utf8), .opaque, "opaque"),
            (hexText("status\r\n".utf8), .opaque, "opaque"), ("00", .opaque, "opaque"), ("bb da", .opaque, "opaque"),
        ]
    )
    func others(bytes: String, spoken: ConnectionProtocol, reason: String) {
        let bytes = hex(bytes)
        for direction in Direction.allCases {
            for sizes in [[], [1], [2], [3], [7], [Int](repeating: 1, count: 9)] {
                let (bench, session) = first(bytes + [1, 2, 3], direction, sizes: sizes)
                #expect(session.connectionProtocol == spoken, "\(sizes)")
                #expect(bench.uninspected == [reason: UInt64(bytes.count + 3)], "\(sizes)")
                bench.give(session, Frames.request(), direction.opposite, 2000)
                #expect(bench.uninspected == [reason: UInt64(bytes.count + 3 + Frames.request().count)])
                #expect(bench.counts().isEmpty && session.inFlight == 0 && !session.isIdle)
                bench.inspector.close(session, now: 1)
                #expect(bench.snapshot.connections(spoken)?.open == 0 && bench.snapshot.connections(spoken)?.total == 1)
            }
        }
    }

    @Test("HTTP without calls is framed and counted as a connection; what breaks its rules is passed on")
    func http() {
        let exchange = (
            "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        )
        for method in [
            "GET", "OPTIONS", "DELETE", "PUT", "HEAD", "PATCH", "PROPFIND", "PRINT", "M-SEARCH", "\r\n\r\nQUERY",
            "\nGET", "\rGET", "\n\n\rPOST", "get", "Foo", "$x", "a!b", "1GET", String(repeating: "M", count: 40),
        ] {
            let request = Array(exchange.0.replacing("GET", with: method).utf8)
            for cut in 1..<request.count {
                let (bench, session) = first(request, .toUpstream, sizes: [cut])
                #expect(session.connectionProtocol == .http && !session.isIdle)
                bench.down(session, Array((method == "HEAD" ? String(exchange.1.dropLast(2)) : exchange.1).utf8))
                #expect(session.isIdle && bench.uninspected.isEmpty && bench.counts().isEmpty)
                bench.up(session, Array("GARBAGE\n".utf8))
                #expect(bench.uninspected.keys.sorted() == ["blind"] && bench.decodeErrors == ["http_bare_lf": 1])
                bench.inspector.close(session, now: 1)
                #expect(bench.snapshot.connections(.http)?.total == 1)
            }
        }
    }

    @Test("a connection that says nothing is silent; one that says too little is opaque")
    func silent() {
        let bench = Bench()
        bench.inspector.close(bench.open(), now: 5)
        #expect(bench.snapshot.connections(.silent)?.total == 1 && bench.snapshot.connections(.silent)?.open == 0)
        let session = bench.open()
        bench.up(session, [0xda])
        bench.down(session, [0x47])
        bench.down(session, [])
        bench.inspector.close(session, now: 5)
        #expect(bench.uninspected == ["opaque": 2] && bench.snapshot.connections(.opaque)?.total == 1)
        #expect(bench.snapshot.connections.allSatisfy { $0.open == 0 })
    }

    @Test("what waits in the other direction is counted when the connection turns out opaque")
    func otherDirectionOpaque() {
        let bench = Bench()
        let session = bench.open()
        bench.down(session, [0xda])
        bench.up(session, Array("hello\n".utf8))
        #expect(bench.uninspected == ["opaque": 7])
    }

    @Test("an opaque session is opaque from the start")
    func openOpaque() {
        let bench = Bench()
        let session = bench.inspector.openOpaque(side: .provider)
        bench.up(session, Frames.request())
        #expect(
            bench.uninspected == ["opaque": UInt64(Frames.request().count)] && session.connectionProtocol == .opaque
        )
    }
}

@Suite struct MidstreamTests {
    @Test("a connection joined in the middle of a frame is taken up at the next, in any pieces")
    func middle() {
        var random = SeededRandom(seed: 31)
        let tail = Array(Frames.request().dropFirst(40))
        let stream = tail + Frames.request(id: 2) + Frames.request(id: 3)
        for round in 0..<60 {
            let bench = Bench()
            let session = bench.open(isMidstream: true)
            var rest = stream[...]
            while !rest.isEmpty {
                let count = round == 0 ? rest.count : round == 1 ? 1 : Int.random(in: 1...40, using: &random)
                bench.up(session, Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            #expect(session.inFlight == 2 && session.connectionProtocol == .dubbo, "\(round)")
            #expect(bench.uninspected == ["resync": UInt64(tail.count)] && bench.decodeErrors.isEmpty, "\(round)")
        }
    }

    @Test("each direction finds its own beginning")
    func bothDirections() {
        let bench = Bench()
        let session = bench.open(isMidstream: true)
        let reply = Array(Frames.reply(id: 1, String(repeating: "r", count: 100)).dropFirst(50))
        bench.down(session, Array(reply[..<10]))
        bench.up(session, Frames.request(id: 2))
        bench.down(session, Array(reply[10...]) + Frames.reply(id: 2))
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 1"] && bench.decodeErrors.isEmpty)
        #expect(bench.uninspected == ["resync": UInt64(reply.count)])
    }

    @Test("a search that finds nothing ends, and every byte is counted")
    func searchBound() {
        let bench = Bench()
        let session = bench.open(isMidstream: true)
        let block = [UInt8](repeating: 0x41, count: 1 << 16)
        for _ in 0..<15 { bench.up(session, block) }
        #expect(session.connectionProtocol == .silent)
        bench.up(session, block)
        #expect(session.connectionProtocol == .opaque && bench.uninspected == ["opaque": 1 << 20])
        bench.up(session, Frames.request())
        #expect(session.inFlight == 0)
        let short = bench.open(isMidstream: true)
        bench.up(short, [1, 2, 3, 0xda])
        bench.down(short, [0xda, 0xbb])
        bench.inspector.close(short, now: 5)
        #expect(bench.uninspected == ["opaque": UInt64(1 << 20 + Frames.request().count + 6)])
        #expect(bench.snapshot.connections(.opaque)?.total == 2)
    }

    @Test("who sent the first request is the client when the handshake was not seen")
    func flip() throws {
        for isFlipped in [false, true] {
            for isRequestFirst in [false, true] {
                let bench = Bench()
                let session = bench.open(isMidstream: true, isClientUnknown: true)
                let (there, back): (Direction, Direction) =
                    isFlipped ? (.toDownstream, .toUpstream) : (.toUpstream, .toDownstream)
                bench.give(session, Frames.heartbeat(), back, 1)
                if !isRequestFirst { bench.give(session, Frames.reply(id: 90), back, 1) }
                bench.give(session, Frames.request(), there, 1)
                bench.give(session, Frames.reply(), back, 2)
                #expect(session.isFlipped == isFlipped)
                #expect(bench.counts(side: .provider) == ["com.x.Svc.hello ok OK 1"])
                let request = try #require(bench.lines.first { $0.contains("com.x.Svc") })
                #expect(request.contains(#""dir":"c2s""#))
                let client = isFlipped ? Bench.client.server : Bench.client.client
                #expect(
                    request.contains("\"client\":\"\(client)\"") && bench.calls.all.first?.connection.client == client
                )
                #expect(bench.lines.last?.contains(#""dir":"s2c""#) == true)
            }
        }
    }
}
