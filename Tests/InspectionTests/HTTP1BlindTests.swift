import Calls
import HTTP2
import Inspection
import PlanModel
import Telemetry
import TestSupport
import Testing
import Wire

/// What cannot be followed, what goes on as something else, and what may not cost memory.
@Suite struct HTTP1BlindTests {
    @Test(
        "what two readers could divide differently makes the connection blind, counted, and passes",
        arguments: [
            ("POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "http_length_and_encoding"),
            ("POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "http_differing_lengths"),
            ("POST /a HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", "http_space_before_colon"),
            ("POST /a HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "http_transfer_encoding"),
            ("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "http_encoding_in_1_0"),
            ("POST /a HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", "http_content_length"),
            ("POST /a HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "http_folded_header"),
            ("POST /a HTTP/1.1\nHost: a\n\n", "http_bare_lf"),
            ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", "http_chunk_size"),
            ("POST /a HTTP/3.0\r\n\r\n", "http_version"),
        ]
    )
    func smuggling(_ text: String, _ reason: String) {
        for isGoverned in [false, true] {
            for piece in [1, 1000] {
                let governed = GovernedBench()
                if !isGoverned { governed.bench.inspector.rules = nil }
                let bytes = H1.request(RPC.call()) + Array(text.utf8) + H1.request(RPC.call("2"))
                for start in stride(from: 0, to: bytes.count, by: piece) {
                    governed.give(bytes[start..<min(bytes.count, start + piece)])
                }
                let answer = H1.response(200, RPC.result())
                governed.give(answer[...], .toDownstream)
                #expect(governed.up.output == bytes && governed.down.output == answer)
                #expect(governed.bench.decodeErrors == [reason: 1])
                #expect(governed.bench.counts() == ["org.example.Users.get lost  1"])
                #expect(governed.bench.uninspected["blind", default: 0] > answer.count)
                #expect(governed.session.inFlight == 0)
            }
        }
    }

    @Test("responses that cannot be followed make the connection blind, too")
    func responses() {
        let bench = Bench()
        let session = bench.run([
            .up(H1.request(RPC.call())), .down(H1.response(200, RPC.result())), .up(H1.request(RPC.call())),
            .down(Array("HTTP/1.1 200 OK\nA: b\n\n".utf8)), .up(H1.request(RPC.call())),
        ])
        #expect(bench.counts() == ["org.example.Users.get lost  1", "org.example.Users.get ok OK 1"])
        #expect(bench.decodeErrors == ["http_bare_lf": 1] && session.inFlight == 0)
    }

    @Test("too many requests without a response make the connection blind")
    func pipeline() {
        let bench = Bench(.nothing)
        let session = bench.run([.up((0..<1025).flatMap { _ in H1.triple() })])
        #expect(bench.decodeErrors == ["too_many_requests": 1] && session.inFlight == 0)
        #expect(bench.counts() == ["org.example.Greeter.hi lost  1024"])
    }

    @Test("long pipelines and many rounds keep their order")
    func rounds() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for _ in 0..<50 {
            bench.up(session, (0..<100).flatMap { H1.request(RPC.call("\($0)")) })
            bench.down(session, (0..<60).flatMap { H1.response(200, RPC.result("\($0)")) })
            bench.up(session, (0..<10).flatMap { H1.request(RPC.call("\($0)", "late")) })
            bench.down(session, (60..<100).flatMap { H1.response(200, RPC.result("\($0)")) })
            bench.down(session, (0..<10).flatMap { H1.response(200, RPC.error(1, "\($0)")) })
        }
        #expect(
            bench.counts() == ["org.example.Users.get ok OK 5000", "org.example.Users.late business_error 1 500"]
        )
        #expect(session.isIdle)
    }

    @Test("a Triple call's own deadline, and its late reply")
    func deadline() {
        let bench = Bench()
        let session = bench.open()
        let request = H1.triple("hi", ["tri-service-timeout: 5", "tri-service-version: 1.2", "tri-service-group: g"])
        bench.up(session, request, now: 1000)
        bench.inspector.tick(now: 5_001_001)
        bench.down(session, H1.response(200), now: 6_000_000)
        #expect(bench.counts() == ["org.example.Greeter.hi timeout  1"])
        let report = bench.snapshot.operations.first
        #expect(report?.operation.version == "1.2" && report?.operation.group == "g" && report?.lateReplies == 1)
        #expect(report?.requestBytes == UInt64(request.count))
    }

    // MARK: HTTP/2

    private static func upgrade(_ request: [UInt8], splitAt cut: Int?, number: Int = 1) -> (Bench, Session) {
        var encoder = IndexingEncoder()
        encoder.resize(to: 16_384)
        let reply =
            H2.settings() + H2.headers(1, encoder.block([(":status", "200"), ("a", "b")]), end: false)
            + H2.data(1, Array("{}".utf8), end: true)
        var client = IndexingEncoder()
        let next = H2.headers(
            3,
            client.block([
                (":method", "POST"), (":scheme", "http"), (":path", "/org.example.Greeter/second"), (":authority", "a"),
                ("content-type", "application/grpc"), ("te", "trailers"),
            ]),
            end: true
        )
        let last = H2.headers(
            3,
            encoder.block([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")]),
            end: true
        )
        let switching = H1.head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: h2c")
        var steps: [Exchanged] = (1..<number).flatMap { _ in
            [Exchanged.up(H1.triple("first")), .down(H1.response(200))]
        }
        steps += [
            .up(request), .down(switching + reply), .up(H2.preface + H2.settings([(1, 16_384)]) + next + H2.ack),
            .down(H2.ack + last),
        ]
        let bench = Bench()
        return (bench, bench.run(steps, cut: cut))
    }

    /// With the settings that Java's client sends: a header table of 16384 bytes.
    private static let upgrading = [
        "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    ]

    @Test("h2c: HTTP/2 answers the request that asked for it, and goes on", arguments: [1, 3])
    func upgraded(number: Int) {
        for cut in stride(from: 1, to: 900, by: number) {
            let (bench, session) = Self.upgrade(H1.triple("hi", Self.upgrading), splitAt: cut, number: number)
            let first = number > 1 ? ["org.example.Greeter.first ok 200 \(number - 1)"] : []
            #expect(
                bench.counts() == first + ["org.example.Greeter.hi ok 200 1", "org.example.Greeter.second ok OK 1"],
                "cut at \(cut)"
            )
            #expect(session.inFlight == 0 && bench.decodeErrors.isEmpty && session.connectionProtocol == .triple)
            #expect(bench.calls.all.map { $0.call.outcome } == Array(repeating: .ok, count: number + 1))
            #expect(bench.lines.filter { $0.contains("\"response\"") }.count == number + 1)
        }
    }

    @Test("h2c asked for by something that is no Triple call")
    func upgradedOther() {
        let (bench, session) = Self.upgrade(H1.request(method: "GET", Self.upgrading), splitAt: nil)
        #expect(bench.counts() == ["org.example.Greeter.second ok OK 1"] && session.inFlight == 0)
        let (rpc, _) = Self.upgrade(H1.request(RPC.call(), Self.upgrading), splitAt: nil)
        #expect(rpc.counts() == ["org.example.Greeter.second ok OK 1", "org.example.Users.get lost  1"])
        let (denied, stillOne) = (Bench(), H1.response(200, RPC.result()))
        _ = denied.run([.up(H1.request(RPC.call(), Self.upgrading)), .down(stillOne)])
        #expect(denied.counts() == ["org.example.Users.get ok OK 1"])
    }

    // MARK: Memory

    private func allocations(_ request: [UInt8], _ reply: [UInt8], rounds: Int = 100) -> Int {
        let bench = Bench(.nothing)
        let session = bench.open()
        func call(_ now: UInt64) {
            bench.plan.removeAll()
            bench.inspector.receive(session, bytes: request.span.bytes, going: .toUpstream, now: now, plan: &bench.plan)
            bench.plan.removeAll()
            bench.inspector.receive(
                session,
                bytes: reply.span.bytes,
                going: .toDownstream,
                now: now &+ 50_000,
                plan: &bench.plan
            )
            bench.inspector.tick(now: now)
        }
        for round in 0..<200 { call(UInt64(round) * 100_000) }
        return TestSupport.allocations {
            var round = 200
            while round < 200 + rounds {
                call(UInt64(truncatingIfNeeded: round) &* 100_000)
                round &+= 1
            }
        }
    }

    @Test("calls of a kind seen before cost no allocation")
    func allocations() {
        #expect(allocations(Array(RPC.call().utf8) + [10], Array(RPC.result().utf8) + [10]) == 0)
        #if !DEBUG
            // Without the optimiser every typed throw and every borrowed span of these paths costs some.
            let answer = H1.response(200, RPC.result())
            #expect(allocations(H1.request(RPC.call()), answer) == 0)
            #expect(allocations(H1.request(RPC.call(), chunks: 9), H1.response(200, RPC.error(-32000), chunks: 9)) == 0)
            #expect(allocations(H1.triple(), answer) == 0)
            #expect(allocations(H1.request(RPC.call(nil)), H1.response(204)) == 0)
        #endif
    }
}
