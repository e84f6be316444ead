import Calls
import HTTP2
import Inspection
import PlanModel
import Telemetry
import TestSupport
import Testing

/// What hostile or merely large peers do.
@Suite struct HTTP2BoundTests {
    @Test(
        "what cannot be followed makes the connection blind, and everything passes",
        arguments: [
            "continuation", "header_block_size", "hpack_list_size", "hpack_index", "settings_flood", "preface",
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
        case "hpack_list_size":
            // One entry of 4,000 bytes, named again and again.
            let block = http2.client.encoder.block([("bomb", String(repeating: "b", count: 900))])
            http2.up(H2.headers(3, block + [UInt8](repeating: 0xbe, count: 15_000), end: true))
        case "hpack_index": http2.up(H2.headers(3, [0xff, 0x20], end: true))
        case "settings_flood": for _ in 0..<1001 { http2.up(H2.settings([(1, 4000)])) }
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
        "frames that bring nothing further are read on, however many come at once",
        arguments: [0, 2, 3, 4, 6, 7, 8, 0x77] as [UInt8],
        [false, true]
    )
    func idleFrames(type: UInt8, isGoverned: Bool) {
        let ends = GovernedHTTP2()
        ends.greet()
        ends.moveAll()
        if !isGoverned { ends.governed.bench.inspector.rules = nil }
        ends.client.open(1)
        ends.upQueue = ends.fromClient.request(1, "/com.x.Shop/yes")
        ends.moveAll()
        let payload = [UInt8](repeating: 0, count: [0, 4].contains(type) ? 0 : [3, 8].contains(type) ? 4 : 8)
        let isConnection = [4, 6, 7].contains(type)
        // A stream that has ended may be reset as often as its peer likes.
        let frame = H2.frame(type, 0, isConnection ? 0 : type == 3 ? 99 : 1, type == 8 ? [0, 0, 0, 1] : payload)
        for _ in 0..<25 { ends.governed.give(ArraySlice((0..<1000).flatMap { _ in frame }), .toUpstream) }
        #expect(ends.governed.bench.decodeErrors.isEmpty)
        let before = ends.governed.up.output.count
        ends.governed.give(ArraySlice(ends.fromClient.call(3, "/com.x.Shop/no")), .toUpstream)
        ends.governed.give(ArraySlice(ends.fromClient.call(5, "/com.x.Shop/yes")), .toUpstream)
        #expect(ends.governed.session.inFlight == (isGoverned ? 2 : 3) && ends.governed.up.output.count > before)
        let counts = ends.governed.bench.counts()
        #expect(counts == (isGoverned ? ["com.x.Shop.no limited RESOURCE_EXHAUSTED 1"] : []))
    }

    @Test("the header table's size is found among any number of other SETTINGS")
    func pendingSettings() {
        let http2 = HTTP2Bench(.nothing)
        func settings(_ count: Int) { for _ in 0..<count { http2.up(H2.settings([(3, 7)])) } }
        settings(1500)
        http2.up(H2.settings([(1, 100)]))
        settings(2)
        http2.up(H2.settings([(1, 0)]))
        func acknowledge(_ count: Int) { for _ in 0..<count { http2.down(H2.ack) } }
        http2.up(http2.client.call(1) + http2.client.call(3) + http2.client.call(5))
        acknowledge(1500)
        http2.down(http2.server.reply(1))
        acknowledge(1)
        http2.server.encoder.resize(to: 100)
        http2.down(http2.server.reply(3))
        acknowledge(3)
        http2.server.encoder.resize(to: 0)
        http2.down(http2.server.reply(5) + H2.ack)
        #expect(http2.counts == ["com.x.Shop.buy ok OK 3"] && http2.bench.decodeErrors.isEmpty)
    }

    @Test("GOAWAYs without end cost no search each")
    func manyGoAways() {
        let http2 = HTTP2Bench(.nothing)
        for id in 0..<200 { http2.up(http2.client.call(UInt32(id) * 2 + 1)) }
        for last in [301, 301, 299, 301] as [UInt32] { http2.down(H2.goAway(last)) }
        #expect(http2.session.inFlight == 150)
        http2.up(http2.client.call(401))
        http2.down(H2.goAway(299))
        #expect(http2.counts == ["com.x.Shop.buy unanswered  51"])
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
                bench.inspector.receive(session, bytes: up.span.bytes, going: .toUpstream, now: now, plan: &bench.plan)
                bench.plan.removeAll()
                let later = now &+ 50_000
                bench.inspector.receive(
                    session,
                    bytes: down.span.bytes,
                    going: .toDownstream,
                    now: later,
                    plan: &bench.plan
                )
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
