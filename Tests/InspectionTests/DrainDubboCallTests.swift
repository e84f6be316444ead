import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing
import Wire

@Suite struct DrainDubboCallTests {
    private static let late = DrainedBench.late

    /// What consumers still say, and which of it passes once the grace is over.
    private static let said: [(bytes: [UInt8], passes: Bool)] = [
        (Frames.heartbeat(id: 2), true), (Frames.request(id: 4), false), (Frames.request(id: 6, method: "$echo"), true),
        (Frames.request(id: 8, isTwoWay: false), false), (Frames.heartbeatReply(id: 10), true),
        (Frames.request(id: 12, method: "$invoke", arguments: { $0.string("real") }), false),
        (Frames.frame(0xcc, id: 14, [1, 2, 3]), true), (Frames.readonly(id: 16), true), (Frames.reply(id: 18), true),
        // One way in a serialization that is not known, and in one that Weir reads and does not write.
        (Frames.frame(0x8c, id: 20, [1, 2, 3]), true), (Frames.frame(0x83, id: 22, hex("aced0005") + [0x77, 0]), true),
    ]

    @Test(
        "during the grace all passes; after it calls are refused with status 100, oneway ones dropped, cut at every place"
    )
    func everySplit() {
        let all = Self.said.flatMap(\.bytes)
        let refusals =
            Frames.failure(id: 4, status: 100, Frames.drained) + Frames.failure(id: 12, status: 100, Frames.drained)
        for cut in 0...all.count {
            let drained = DrainedBench()
            drained.give(Frames.heartbeat())
            let order = drained.drain()
            let (hello, told) = (drained.up, drained.down)
            drained.give(all[..<cut])
            drained.give(all[cut...])
            #expect(drained.up == hello + all && drained.down == told, "cut at \(cut)")
            #expect(order.passedCalls == 7 && order.rejectedCalls == 0 && drained.session.lateCalls == 7)
            drained.give(all[..<cut], now: Self.late)
            drained.give(all[cut...], now: Self.late)
            let passed = Self.said.filter(\.passes).flatMap(\.bytes)
            #expect(drained.up == hello + all + passed, "cut at \(cut)")
            #expect(drained.down == told + refusals, "cut at \(cut)")
            #expect(order.passedCalls == 11 && order.rejectedCalls == 3 && drained.session.lateCalls == 14)
            #expect(!drained.isHolding)
            #expect(
                drained.bench.snapshot.report("real")?.results.map { "\($0.outcome) \($0.code) \($0.count)" }
                    == ["drained SERVER_THREADPOOL_EXHAUSTED_ERROR 1"]
            )
        }
    }

    @Test("until and from the very moment at which the grace ends, and behind the deadline")
    func moments() {
        let drained = DrainedBench()
        drained.drain("com.x.Svc", "hello", reason: "rollout 7")
        drained.give(Frames.request(id: 2), now: 9_999)
        #expect(drained.down.isEmpty)
        drained.give(Frames.request(id: 4), now: 10_000)
        drained.give(Frames.request(id: 6), now: 1_000_000)
        let text = Frames.drained + " (rollout 7)"
        #expect(drained.down == Frames.failure(id: 4, status: 100, text) + Frames.failure(id: 6, status: 100, text))
        #expect(drained.up == Frames.request(id: 2))
    }

    @Test("one status and one text for all: who answers events that ask for no answer, as dubbo-go does, too")
    func oneRefusal() throws {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 2))
        drained.drain()
        let id = try #require(drained.ownEvents.first)
        let before = drained.down
        drained.give(Frames.request(id: 4), now: Self.late)
        drained.give(Frames.heartbeatReply(id: id, tail: [0x4e]) + Frames.request(id: 6), now: Self.late)
        #expect(
            drained.down == before + Frames.failure(id: 4, status: 100, Frames.drained)
                + Frames.failure(id: 6, status: 100, Frames.drained)
        )
        #expect(LocalReplyPolicy.forbiddenTexts.allSatisfy { !Frames.drained.contains($0) })
        #expect(drained.up == Frames.request(id: 2))
    }

    @Test("an interface, a method, a generic call of it; all others pass")
    func targets() {
        func refused(_ interface: String, _ method: String) -> [UInt8] {
            let drained = DrainedBench()
            drained.drain(interface, method)
            let requests = [
                Frames.request(id: 1), Frames.request(id: 2, method: "real"),
                Frames.request(id: 3, method: "$invoke", arguments: { $0.string("real") }),
                Frames.request(id: 4, interface: "com.y.Other"), Frames.request(id: 5, version: nil, method: "hello"),
                Frames.request(id: 6, method: "hell"), Frames.request(id: 7, interface: "com.x.Svc2"),
            ]
            drained.give(requests.flatMap { $0 }, now: Self.late)
            let ids = Frames.split(drained.down).map { $0[11] }
            #expect(drained.up == requests.indices.filter { !ids.contains(UInt8($0 + 1)) }.flatMap { requests[$0] })
            return ids
        }
        #expect(refused("com.x.Svc", "") == [1, 2, 3, 5, 6])
        #expect(refused("com.x.Svc", "hello") == [1, 5])
        #expect(refused("com.x.Svc", "real") == [2, 3])
        #expect(refused("com.x.Svc", "$invoke") == [])
        #expect(refused("com.y.Other", "") == [4])
        #expect(refused("com.z.None", "") == [])
    }

    @Test("in JSON the text is JSON's; callbacks and what Weir's own side consumes pass")
    func others() {
        let drained = DrainedBench()
        drained.drain("com.x.Svc")
        let json = Frames.frame(0xc6, id: 2, Array("\"2.0.2\"\n\"com.x.Svc\"\n\"1.0.0\"\n\"hello\"\n\"\"\n{}\n".utf8))
        drained.give(json, now: Self.late)
        #expect(drained.down == Frames.frame(0x06, status: 100, id: 2, Array("\"\(Frames.drained)\"\n".utf8)))
        #expect(drained.up.isEmpty)
        let before = drained.down
        drained.give(Frames.request(id: 4), .toDownstream, now: Self.late)
        #expect(drained.down == before + Frames.request(id: 4))
        let bench = drained.bench
        let consumer = bench.open(side: .consumer)
        var up = PlanModel()
        bench.plan.removeAll()
        bench.inspector.receive(
            consumer,
            bytes: Frames.request(id: 6).span.bytes,
            going: .toUpstream,
            now: Self.late,
            plan: &bench.plan
        )
        #expect(up.take(Frames.request(id: 6), bench.plan) && up.output == Frames.request(id: 6))
        #expect(bench.plan.reply.isEmpty)
    }

    @Test("one too large to hold is judged by its names", arguments: [false, true])
    func large(isLate: Bool) {
        let drained = DrainedBench()
        let order = drained.drain("com.x.Svc")
        let big = Frames.request(id: 7, arguments: { $0.string(String(repeating: "x", count: 200_000)) })
        let after = Frames.request(id: 8, interface: "com.y.Other")
        let all = big + after
        for start in stride(from: 0, to: all.count, by: 1000) {
            drained.give(all[start..<min(all.count, start + 1000)], now: isLate ? Self.late : 5)
            #expect(drained.governed.up.heldBytes <= 1000)
        }
        #expect(drained.up == (isLate ? after : all))
        #expect(drained.down == (isLate ? Frames.failure(id: 7, status: 100, Frames.drained) : []))
        #expect(order.passedCalls == (isLate ? 0 : 1) && order.rejectedCalls == (isLate ? 1 : 0))
    }

    @Test("of several drains the one that refuses first decides")
    func several() {
        let drained = DrainedBench()
        drained.drain()
        let sooner = DrainOrder(target: DrainTarget(interface: "com.x.Svc"), reason: "s", now: 0, grace: 5, deadline: 9)
        drained.registry.begin(sooner)
        drained.bench.inspector.drainsChanged()
        drained.give(Frames.request(id: 2) + Frames.request(id: 4, interface: "com.y.Other"))
        #expect(sooner.rejectedCalls == 1 && drained.session.inFlight == 1)
        drained.registry.end(sooner.target)
        drained.bench.inspector.drainsChanged()
        drained.give(Frames.request(id: 6))
        #expect(drained.session.inFlight == 2)
    }

    @Test("what a drain refuses uses up no limit, and what a limit refuses is no refusal of the drain's")
    func limits() throws {
        let limited = try LimitedBench([.window(2)])
        let drained = DrainedBench(on: limited.governed)
        let order = drained.drain("com.x.Svc")
        for id in UInt64(1)...4 { drained.give(Frames.request(id: id), now: Self.late) }
        let big = Frames.request(id: 5, arguments: { $0.string(String(repeating: "x", count: 100_000)) })
        drained.give(big.prefix(50_000), now: Self.late)
        drained.give(big.dropFirst(50_000), now: Self.late)
        #expect(limited.counts().allowed == 0 && limited.counts().rejected == 0 && order.rejectedCalls == 5)
        drained.undrain("com.x.Svc")
        for id in UInt64(6)...8 { drained.give(Frames.request(id: id), now: Self.late) }
        #expect(limited.counts().allowed == 2 && limited.counts().rejected == 1)
        #expect(order.rejectedCalls == 5 && drained.session.inFlight == 2)
    }

    @Test("a call in flight holds its place in a limit while its service is drained, and gives it back")
    func held() throws {
        let limited = try LimitedBench([.inFlight(1)])
        let drained = DrainedBench(on: limited.governed)
        drained.drain("com.x.Svc")
        drained.give(Frames.request(id: 2))
        #expect(limited.gate.heldTokens == 1)
        drained.give(Frames.request(id: 4), now: Self.late)
        #expect(limited.gate.heldTokens == 1 && limited.counts().rejected == 0)
        drained.give(Frames.reply(id: 2), .toDownstream, now: Self.late)
        #expect(limited.gate.heldTokens == 0)
    }

    @Test(
        "undone at every place and in every stage: what is whole by then is refused, the rest passes",
        arguments: [20_000, 60_000]
    )
    func undone(now: UInt64) {
        let requests = (1...4).map { Frames.request(id: $0) } + [Frames.request(id: 5, isTwoWay: false)]
        let all = requests.flatMap { $0 }
        for cut in 0...all.count {
            for isBegun in [false, true] {
                let drained = DrainedBench()
                drained.give(Frames.heartbeat())
                if !isBegun { drained.drain() }
                drained.give(all[..<cut], now: now)
                if isBegun { drained.drain() } else { drained.undrain() }
                drained.give(all[cut...], now: now)
                var (passed, refused): ([UInt8], [UInt8]) = ([], [])
                var end = 0
                for (place, request) in requests.enumerated() {
                    let start = end
                    end += request.count
                    let isRefused = isBegun ? start >= cut : end <= cut
                    if !isRefused { passed += request }
                    if isRefused, place < 4 { refused.append(UInt8(place + 1)) }
                }
                #expect(drained.up == Frames.heartbeat() + passed, "cut at \(cut)")
                #expect(Frames.split(drained.down).filter { $0[2] == 2 }.map { $0[11] } == refused, "cut at \(cut)")
                #expect(drained.ownTexts == (isBegun ? ["R"] : ["R", "W"]) && !drained.isHolding)
            }
        }
    }

    @Test("nothing stays held when a connection turns out to be no Dubbo any more, cut at every place")
    func blind() {
        let bad =
            Frames.request(id: 2) + [0xda, 0xbb, 0xc2, 0] + Array(repeating: 0, count: 8) + [0xff, 0, 0, 0, 1, 2]
        for direction in Direction.allCases {
            for cut in 0...bad.count {
                let drained = DrainedBench()
                drained.give(Frames.heartbeat())
                drained.drain("com.x.Svc")
                drained.give(bad[..<cut], direction)
                drained.give(bad[cut...], direction)
                let expected = direction == .toUpstream ? Frames.heartbeat() + bad : bad
                #expect((direction == .toUpstream ? drained.up : drained.down) == expected, "cut at \(cut)")
                #expect(!drained.isHolding, "cut at \(cut)")
            }
        }
    }
}

#if DEBUG
    @testable import Inspection

    /// Says what it was given to say, then what comes from a seed.
    private struct StubRandom: RandomNumberGenerator {
        var said: [UInt64]
        var asked = 0
        var seeded = SeededRandom(seed: 1)

        mutating func next() -> UInt64 {
            asked += 1
            return said.isEmpty ? seeded.next() : said.removeFirst()
        }
    }

    @Suite struct FreshEventIDTests {
        private func freshID(_ drained: DrainedBench, _ random: inout StubRandom) -> UInt64 {
            guard case .dubbo(let dubbo) = drained.session.decoder else { return 0 }
            return dubbo.freshEventID(ConnectionContext(drained.bench.inspector, drained.session, now: 0), &random)
        }

        @Test("never one of a call or an event that waits, in either direction")
        func taken() {
            let drained = DrainedBench()
            let odd = (0..<500).map { UInt64($0) * 2 + 1 }
            for id in odd { drained.give(Frames.request(id: id)) }
            for id in odd { drained.give(Frames.heartbeat(id: id + 1000), .toDownstream) }
            drained.drain()
            drained.undrain()
            let own = drained.ownEvents
            // Even ones become the next odd one.
            let taken = odd + odd.map { $0 - 1 } + odd.map { $0 + 1000 } + own + own.map { $0 - 1 }
            var random = StubRandom(said: taken + [5000, 1])
            #expect(freshID(drained, &random) == 5001)
            #expect(random.asked == taken.count + 1)
            drained.give(Frames.reply(id: 7), .toDownstream)
            random = StubRandom(said: [5, 6])
            #expect(freshID(drained, &random) == 7, "free again")
        }

        @Test("ten million of them: odd, and nothing is allocated")
        func manyIDs() {
            let drained = DrainedBench()
            drained.give(Frames.request(id: 1))
            var random = StubRandom(said: [])
            var even = 0
            let count = allocations {
                for _ in 0..<10_000_000 {
                    even += freshID(drained, &random) & 1 == 0 ? 1 : 0
                }
            }
            #expect(even == 0 && count < 10)
        }
    }
#endif
