import Calls
import HTTP2
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct HTTP2SessionTests {
    @Test(
        "a unary call ends as its trailers say",
        arguments: [
            ("0", "ok OK"), ("17", "business_error BIZ_ERROR"), ("1", "cancelled CANCELLED"),
            ("4", "timeout DEADLINE_EXCEEDED"),
            ("5", "client_error NOT_FOUND"), ("8", "server_error RESOURCE_EXHAUSTED"), ("13", "server_error INTERNAL"),
            ("x", "server_error UNKNOWN"),
        ]
    )
    func unary(_ status: String, _ expected: String) throws {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1, "/com.x.Shop/buy", [("tri-consumer-appname", "shop")]))
        #expect(http2.session.inFlight == 1)
        http2.down(http2.server.reply(1, status), now: 51_000)
        #expect(http2.counts == ["com.x.Shop.buy \(expected) 1"] && http2.session.inFlight == 0)
        let report = try #require(http2.bench.snapshot.report("buy"))
        #expect(report.operation.callProtocol == .triple && report.streams.count == 0)
        #expect(http2.bench.calls.all.map(\.caller) == ["shop"] && http2.bench.calls.all.map(\.id) == ["1"])
        #expect(http2.bench.calls.all.map(\.call.durationNanoseconds) == [50_000])
        #expect(http2.bench.snapshot.connections(.triple)?.open == 1 && http2.bench.decodeErrors.isEmpty)
    }

    @Test("a reply of trailers only, a reply without a status, and an HTTP error")
    func oddReplies() {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1) + http2.client.call(3) + http2.client.call(5))
        http2.down(http2.server.head(1, [("grpc-status", "12"), ("grpc-message", "no%20such")], end: true))
        http2.down(http2.server.head(3) + H2.data(3, [], end: true))
        http2.down(H2.headers(5, http2.server.encoder.block([(":status", "503")]), end: true))
        #expect(
            http2.counts == [
                "com.x.Shop.buy client_error UNIMPLEMENTED 1", "com.x.Shop.buy server_error 503 1",
                "com.x.Shop.buy server_error UNKNOWN 1",
            ]
        )
        let replies = http2.bench.lines.filter { $0.contains(#""kind":"response""#) }
        #expect(replies.first?.contains(#""grpc_message":"no such","trailers_only":true"#) == true)
        #expect(replies.count == 3)
    }

    @Test("an exception of the application is counted with its class")
    func exception() throws {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1))
        let reply =
            http2.server.head(1, [("tri-exception-code", "0")])
            + H2.data(1, H2.message(H2.exception("com.x.Boom")), end: false) + http2.server.trailers(1)
        for byte in reply { http2.down([byte]) }
        let report = try #require(http2.bench.snapshot.report("buy"))
        #expect(http2.counts == ["com.x.Shop.buy business_error OK 1"])
        #expect(report.exceptions.map { "\($0.className) \($0.count)" } == ["com.x.Boom 1"])
        #expect(http2.bench.calls.all.map(\.exception) == ["com.x.Boom"])
    }

    @Test("calls with more than one message have their own metrics", arguments: [(1, 3), (3, 1), (2, 4), (1, 1)])
    func streams(_ sent: Int, _ answered: Int) throws {
        let http2 = HTTP2Bench()
        http2.up(http2.client.request(1, "/com.x.Shop/watch"))
        http2.down(http2.server.head(1))
        for number in 0..<max(sent, answered) {
            if number < sent { http2.up(H2.data(1, H2.message([1]), end: number + 1 == sent)) }
            if number < answered { http2.down(H2.data(1, H2.message([2, 2]), end: false)) }
        }
        http2.bench.inspector.tick(now: 120_000_000_000)
        let isStream = sent > 1 || answered > 1
        #expect(http2.session.inFlight == (isStream ? 1 : 0), "only a call with an end is given up")
        http2.down(http2.server.trailers(1), now: 130_000_000_000)
        let report = try #require(http2.bench.snapshot.report("watch"))
        guard isStream else { return #expect(report.lateReplies == 1) }
        #expect(http2.counts == ["com.x.Shop.watch ok OK 1"])
        #expect(report.duration.count == 0)
        #expect(report.streamedRequests == UInt64(sent) && report.streamedResponses == UInt64(answered))
        #expect(report.streams.count == 1)
    }

    @Test("a call is given up at the deadline that its caller names; what comes then is late")
    func deadline() {
        let http2 = HTTP2Bench()
        let calls = [1, 3].flatMap { http2.client.call($0, "/com.x.Shop/buy", [("grpc-timeout", "500m")]) }
        let bytes = calls.count
        http2.up(calls)
        http2.up(http2.client.call(5, "/com.x.Shop/buy", [("grpc-timeout", "1H")]))
        http2.bench.inspector.tick(now: 2_000_000_000)
        #expect(http2.counts == ["com.x.Shop.buy timeout  2"])
        #expect(http2.bench.calls.all.map(\.call.durationNanoseconds) == [500_000_000, 500_000_000])
        http2.down(http2.server.reply(1), now: 2_100_000_000)
        http2.up(H2.reset(3, 8), now: 2_200_000_000)
        let report = http2.bench.snapshot.report("buy")
        #expect(report?.lateReplies == 1, "a caller that gives up is no reply")
        #expect(report?.requestBytes == UInt64(bytes), "its bytes are counted though it was not answered")
        #expect(http2.session.inFlight == 1)
    }

    @Test("what a stream carried counts when it ends without trailers, too", arguments: [true, false])
    func unfinished(isClosed: Bool) throws {
        let http2 = HTTP2Bench()
        let request = http2.client.request(1, "/com.x.Shop/buy", [("grpc-timeout", "500m")])
        http2.up(request + H2.data(1, H2.message([1]) + H2.message([2]), end: false))
        http2.down(http2.server.head(1) + H2.data(1, (0..<3).flatMap { _ in H2.message([1]) }, end: false))
        if isClosed {
            http2.bench.inspector.close(http2.session, now: 9000)
        } else {
            http2.bench.inspector.tick(now: 2_000_000_000)
        }
        #expect(http2.counts == ["com.x.Shop.buy \(isClosed ? "unanswered" : "timeout")  1"])
        let report = try #require(http2.bench.snapshot.report("buy"))
        #expect(report.streams.count == 1 && report.duration.count == 0)
        #expect(report.streamedRequests == 2 && report.streamedResponses == 3)
    }

    @Test("streams above the last one that a GOAWAY names go unanswered, those below it on")
    func goAway() {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1) + http2.client.call(3))
        http2.up(http2.client.request(5, "/com.x.Shop/$invoke"))
        http2.down(H2.goAway(1 << 31 - 1))
        #expect(http2.session.inFlight == 2)
        http2.down(H2.goAway(1))
        #expect(http2.counts == ["com.x.Shop.$invoke unanswered  1", "com.x.Shop.buy unanswered  1"])
        http2.down(http2.server.reply(1))
        #expect(http2.counts.contains("com.x.Shop.buy ok OK 1") && http2.session.inFlight == 0)
    }

    @Test("a generic call is counted under the method that its message names", arguments: ["$invoke", "$invokeAsync"])
    func generic(method: String) {
        let http2 = HTTP2Bench()
        let call = http2.client.call(1, "/com.x.Shop/\(method)", [("tri-service-group", "g")], H2.generic("real"))
        for byte in call { http2.up([byte]) }
        #expect(http2.session.inFlight == 1)
        http2.down(http2.server.reply(1))
        // A message that names nothing leaves the path's method.
        http2.up(http2.client.call(3, "/com.x.Shop/\(method)", [], [0xff, 0xff]))
        http2.down(http2.server.reply(3))
        #expect(http2.counts == ["com.x.Shop.\(method) ok OK 1", "com.x.Shop.real ok OK 1"])
        #expect(http2.bench.snapshot.report("real")?.operation.group == "g")
    }

    @Test("streams that stand as long as the peers, and those of tools, are no calls")
    func standing() {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1, "/grpc.health.v1.Health/Watch"))
        http2.up(http2.client.call(3, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"))
        http2.up(http2.client.call(5, "/grpc.health.v1.Health/Check"))
        #expect(http2.session.inFlight == 1 && http2.session.connectionProtocol == .triple)
        http2.down(http2.server.reply(1) + http2.server.reply(3) + http2.server.reply(5))
        #expect(http2.counts == ["grpc.health.v1.Health.Check ok OK 1"])
    }

    @Test("HTTP/2 that is not Triple has no calls")
    func plain() {
        let http2 = HTTP2Bench()
        http2.up(http2.client.request(1, "/index.html", type: "text/html", end: true))
        #expect(http2.session.connectionProtocol == .http)
        http2.down(http2.server.head(1) + H2.data(1, [1], end: true))
        #expect(http2.counts.isEmpty && http2.bench.lines.isEmpty && http2.bench.uninspected.isEmpty)
        // A peer may speak both; Triple's plain form is told by its own headers.
        http2.up(
            http2.client.request(3, "/com.x.Shop/buy", [("triple-protocol-version", "1")], type: "application/json")
        )
        http2.up(H2.data(3, Array("[1]".utf8), end: true))
        #expect(http2.session.connectionProtocol == .triple && http2.session.inFlight == 1)
        http2.down(H2.headers(3, http2.server.encoder.block([(":status", "404")]), end: true))
        #expect(http2.counts == ["com.x.Shop.buy client_error 404 1"])
        http2.close()
        #expect(http2.bench.snapshot.connections(.triple)?.open == 0)
    }

    @Test("padding, priorities, blocks in many pieces, interim replies, pushes and unknown frames")
    func forms() {
        let http2 = HTTP2Bench()
        let block = http2.client.encoder.block([
            (":method", "POST"), (":path", "/com.x.Shop/buy"), ("content-type", "application/grpc"),
        ])
        let pieces = Array(block[..<7])
        http2.up(H2.frame(1, 0x28, 1, [4, 0, 0, 0, 0, 200] + pieces + [0, 0, 0, 0]))
        http2.up(H2.frame(9, 0, 1, []))
        for byte in block[7...].dropLast() { http2.up(H2.frame(9, 0, 1, [byte])) }
        http2.up(H2.frame(9, 4, 1, [block[block.count - 1]]))
        http2.up(H2.frame(2, 0, 1, [0, 0, 0, 0, 1]) + H2.frame(0xbe, 0xff, 1, [1, 2, 3]) + H2.update(0, 10))
        http2.up(H2.padded(1, H2.message([1, 2]), 9, end: false) + H2.padded(1, [], 0, end: false))
        http2.up(H2.frame(0, 9, 1, [3, 0, 0, 0]))
        #expect(http2.session.inFlight == 1)
        http2.down(H2.headers(1, http2.server.encoder.block([(":status", "103")]), end: false))
        let promised = http2.server.encoder.block([(":method", "GET"), (":path", "/pushed")])
        http2.down(H2.frame(5, 0, 1, [0, 0, 0, 2] + promised.prefix(5)) + H2.frame(9, 4, 1, Array(promised[5...])))
        http2.down(http2.server.reply(1))
        #expect(http2.counts == ["com.x.Shop.buy ok OK 1"] && http2.bench.decodeErrors.isEmpty)
        #expect(http2.bench.lines.first?.contains(#""grpc_messages":[2]"#) == true)
    }

    @Test("table sizes change both ways, and hold from the acknowledgement on")
    func tableSizes() {
        let http2 = HTTP2Bench()
        var id: UInt32 = 1
        func call() {
            http2.up(http2.client.call(id, "/com.x.Shop/buy", [("id", "\(id)")]))
            http2.down(http2.server.reply(id))
            id += 2
        }
        call()
        for size: UInt32 in [8192, 6000, 0, 100, 16_384, 4096] {
            http2.down(H2.settings([(1, size)]))
            // Still the old size: its acknowledgement is under way.
            call()
            http2.client.encoder.resize(to: size)
            http2.up(H2.ack)
            call()
            http2.up(H2.settings([(1, size / 2), (1, size)]) + H2.settings())
            call()
            http2.server.encoder.resize(to: size)
            http2.down(H2.ack + H2.ack)
            call()
        }
        #expect(http2.counts == ["com.x.Shop.buy ok OK \(id / 2)"] && http2.bench.decodeErrors.isEmpty)
    }

    @Test("a server may speak before its client")
    func serverFirst() {
        for cut in 0...24 {
            let http2 = HTTP2Bench(isGreeted: false)
            let hello = H2.settings([(3, 100)])
            http2.down(Array(hello.prefix(cut / 2)))
            let start = H2.preface + H2.settings() + http2.client.call(1)
            http2.up(Array(start.prefix(cut)))
            http2.down(Array(hello.dropFirst(cut / 2)))
            http2.up(Array(start.dropFirst(cut)))
            http2.down(H2.ack + http2.server.reply(1))
            #expect(http2.counts == ["com.x.Shop.buy ok OK 1"], "\(cut)")
        }
    }

    @Test("a connection joined in the middle counts what begins after")
    func midstream() {
        let http2 = HTTP2Bench(isGreeted: false, isMidstream: true)
        // What was said before is in the tables only.
        _ = http2.client.call(1, "/com.x.Shop/buy", [("tri-consumer-appname", "shop")])
        _ = http2.server.reply(1)
        http2.down(http2.server.reply(1))
        http2.up(http2.client.request(3, "/com.x.Shop/sell", type: "application/grpc", end: true))
        http2.down(http2.server.reply(3))
        http2.up(http2.client.call(5, "/com.x.Shop/buy"))
        http2.up(http2.client.request(7, "/com.x.Shop/swap", type: "application/grpc", end: true))
        http2.down(http2.server.reply(5) + http2.server.reply(7))
        #expect(http2.session.connectionProtocol == .triple && http2.bench.decodeErrors.isEmpty)
        #expect(http2.counts.contains { $0.hasPrefix("com.x.Shop.swap") } && http2.session.inFlight == 0)
    }

    @Test("who is the client is learnt from the first block of a connection joined in the middle")
    func flipped() {
        let http2 = HTTP2Bench(isGreeted: false, isMidstream: true)
        http2.down(H2.update(0, 5) + http2.client.call(1, "/com.x.Shop/sell"))
        http2.up(H2.update(0, 5) + http2.server.reply(1))
        #expect(http2.session.isFlipped && http2.counts == ["com.x.Shop.sell ok OK 1"])
    }

    @Test("holes: a message with one is not looked into, and what follows is found again")
    func holes() {
        let http2 = HTTP2Bench()
        http2.up(http2.client.request(1))
        let body = H2.data(1, H2.message([UInt8](repeating: 7, count: 3000)), end: true)
        http2.up(Array(body.prefix(1000)))
        http2.bench.inspector.missed(http2.session, count: 500, going: .toUpstream, now: 1000)
        http2.up(Array(body.dropFirst(1500)))
        http2.down(http2.server.reply(1))
        #expect(http2.counts == ["com.x.Shop.buy ok OK 1"] && http2.session.inFlight == 0)
        // A whole call is missing, and the end of the frame before it.
        http2.up(Array(http2.client.call(3).dropLast(4)))
        http2.bench.inspector.missed(
            http2.session,
            count: 4 + UInt64(http2.client.call(5).count),
            going: .toUpstream,
            now: 1000
        )
        http2.up(H2.update(0, 9) + http2.client.request(7, "/com.x.Shop/after", type: "application/grpc", end: true))
        http2.down(http2.server.reply(7))
        #expect(http2.counts.contains("com.x.Shop.after ok OK 1"))
        #expect(http2.bench.uninspected["gap"] != nil && http2.bench.decodeErrors.isEmpty)
    }

    @Test("the search for a frame ends")
    func searchEnds() {
        let http2 = HTTP2Bench()
        http2.bench.inspector.missed(http2.session, count: 5, going: .toUpstream, now: 1000)
        let noise = [UInt8](repeating: 0xee, count: 65_536)
        for _ in 0..<20 { http2.up(noise) }
        #expect(http2.bench.decodeErrors == ["resync": 1])
    }
}
