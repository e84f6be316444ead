import Calls
import HTTP2
import Inspection
import Telemetry
import TestSupport
import Testing

/// What hostile or merely large peers do.
@Suite struct HTTP2BoundTests {
    @Test(
        "what cannot be followed makes the connection blind, and everything passes",
        arguments: [
            "continuation", "header_block_size", "flood", "hpack_list_size", "hpack_index", "settings_flood", "preface",
        ]
    )
    func blind(reason: String) {
        let http2 = HTTP2Bench(isGreeted: reason != "preface")
        if reason != "preface" { http2.up(http2.client.call(1)) }
        switch reason {
        case "continuation": http2.up(H2.frame(1, 0, 3, [0x88]) + H2.data(3, [1], end: false))
        case "header_block_size":
            http2.up(H2.frame(1, 0, 3, [0x88]))
            for _ in 0..<30_000 { http2.up(H2.frame(9, 0, 3, [0x88])) }
        case "flood":
            for _ in 0..<2500 { http2.up((0..<9).flatMap { _ in H2.frame(6, 0, 0, [UInt8](repeating: 1, count: 8)) }) }
        case "hpack_list_size":
            // One entry of 4,000 bytes, named again and again.
            let block = http2.client.encoder.block([("bomb", String(repeating: "b", count: 900))])
            http2.up(H2.headers(3, block + [UInt8](repeating: 0xbe, count: 15_000), end: true))
        case "hpack_index": http2.up(H2.headers(3, [0xff, 0x20], end: true))
        case "settings_flood": for _ in 0..<1001 { http2.up(H2.settings()) }
        default:
            for byte in Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r_".utf8) { http2.up([byte]) }
        }
        #expect(http2.bench.decodeErrors == [reason: 1])
        http2.up([1, 2, 3])
        http2.down([4, 5])
        #expect((http2.bench.uninspected["blind"] ?? 0) >= 5 && http2.session.inFlight == 0)
        #expect(http2.counts == (reason == "preface" ? [] : ["com.x.Shop.buy lost  1"]))
    }

    @Test(
        "frames of every kind that bring nothing further are a flood, once there are too many in a second",
        arguments: [0, 2, 3, 4, 6, 7, 8, 0x77] as [UInt8]
    )
    func floods(type: UInt8) {
        let http2 = HTTP2Bench(.nothing)
        let payload = [UInt8](repeating: 0, count: type == 4 || type == 0 ? 0 : type == 3 || type == 8 ? 4 : 8)
        let many = (0..<1000).flatMap { _ in H2.frame(type, type == 4 ? 1 : 0, type == 4 ? 0 : 1, payload) }
        for second in 1...5 {
            for _ in 0..<19 { http2.up(many, now: UInt64(second) * 1_100_000_000) }
        }
        #expect(http2.bench.decodeErrors.isEmpty)
        for _ in 0..<2 { http2.up(many, now: 5_500_000_001) }
        #expect(http2.bench.decodeErrors == ["flood": 1])
    }

    @Test("an ordinary connection at full speed is no flood")
    func busy() {
        let http2 = HTTP2Bench(.nothing)
        var id: UInt32 = 1
        for _ in 0..<300 {
            var (up, down): ([UInt8], [UInt8]) = ([], [])
            for _ in 0..<100 {
                up += http2.client.call(id) + H2.update(0, 9) + H2.update(id, 9)
                down += H2.update(0, 8) + H2.update(id, 8) + http2.server.reply(id) + H2.reset(id, 0)
                id += 2
            }
            http2.up(up)
            http2.down(down)
        }
        #expect(http2.counts == ["com.x.Shop.buy ok OK 30000"] && http2.bench.decodeErrors.isEmpty)
    }

    @Test("thousands of streams at once, answered in any order")
    func concurrent() {
        var random = SeededRandom(seed: 71)
        let http2 = HTTP2Bench(.nothing)
        var ids = (0..<5000).map { UInt32($0) * 2 + 1 }
        for id in ids { http2.up(http2.client.call(id)) }
        #expect(http2.session.inFlight == 5000)
        ids.shuffle(using: &random)
        for id in ids { http2.down(http2.server.reply(id)) }
        #expect(http2.counts == ["com.x.Shop.buy ok OK 5000"] && http2.bench.inspector.callsInFlight == 0)
    }

    @Test("more streams than are followed pass uncounted")
    func tooMany() {
        let http2 = HTTP2Bench()
        var up: [UInt8] = []
        for number in 0..<65_540 {
            up += http2.client.request(UInt32(number) * 2 + 1)
            if up.count > 60_000 {
                http2.up(up)
                up = []
            }
        }
        http2.up(up)
        #expect(http2.bench.decodeErrors == ["too_many_streams": 4] && http2.session.inFlight == 65_536)
        http2.close()
    }

    @Test("a unary call is followed without an allocation")
    func allocations() {
        let http2 = HTTP2Bench(.nothing)
        let (bench, session) = (http2.bench, http2.session)
        var calls: [(up: [UInt8], down: [UInt8])] = []
        for number in 0..<400 {
            let id = UInt32(number) * 2 + 1
            calls.append((http2.client.call(id), http2.server.reply(id)))
        }
        func run(_ range: Range<Int>) {
            var number = range.lowerBound
            while number < range.upperBound {
                let now = UInt64(truncatingIfNeeded: number) &* 100_000
                let (up, down) = calls[number]
                bench.plan.removeAll()
                bench.inspector.receive(session, up.span.bytes, .toUpstream, now: now, plan: &bench.plan)
                bench.plan.removeAll()
                let later = now &+ 50_000
                bench.inspector.receive(session, down.span.bytes, .toDownstream, now: later, plan: &bench.plan)
                bench.inspector.tick(now: now)
                number &+= 1
            }
        }
        run(0..<200)
        #if DEBUG
            // Without the optimiser every typed throw and every borrowed span of these paths costs some.
            run(200..<400)
        #else
            #expect(TestSupport.allocations { run(200..<400) } == 0)
        #endif
        #expect(http2.counts == ["com.x.Shop.buy ok OK 400"])
    }
}
