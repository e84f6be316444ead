import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import TestSupport
import Testing

@Suite struct DrainDubboReplyTests {
    private static let other = "com.y.Other"
    private static let closing = [("closing", "true")]

    /// A request, what the provider says then, and what of it the consumer must get while `com.x.Svc` is drained.
    private struct Step {
        var request: [UInt8] = []
        var said: [UInt8]
        var heard: [UInt8]
    }

    private static let steps: [Step] = {
        func same(_ bytes: [UInt8], after request: [UInt8] = []) -> Step {
            Step(request: request, said: bytes, heard: bytes)
        }
        let value = Frames.reply(id: 6, "vü", attachments: [("dubbo", "2.0.2")], tail: [0x4e])
        let marked = Frames.reply(id: 6, "vü", attachments: closing + [("dubbo", "2.0.2")], tail: [0x4e])
        return [
            Step(
                request: Frames.request(id: 2),
                said: Frames.reply(id: 2, tail: [0x4e]),
                heard: Frames.reply(id: 2, attachments: closing, tail: [0x4e])
            ),
            same(Frames.heartbeat(id: 2)),
            same(Frames.reply(id: 4), after: Frames.request(id: 4, interface: other)),
            same(Frames.readonly(id: 4)), Step(request: Frames.request(id: 6), said: value, heard: marked),
            same(Frames.failure(id: 8, status: 70), after: Frames.request(id: 8)), same(Frames.reply(id: 99)),
            Step(
                request: Frames.request(id: 10, method: "oops"),
                said: Frames.exception(id: 10),
                heard: Frames.exception(id: 10, attachments: closing)
            ),
            same(Frames.reply(id: 12, attachments: closing), after: Frames.request(id: 12, method: "late")),
            same(Frames.heartbeatReply(id: 12, tail: [0x4e])), same(Frames.request(id: 12, interface: "com.x.Svc")),
            // The callback just begun waits for its reply: nothing says closing any more.
            same(Frames.reply(id: 14), after: Frames.request(id: 14)),
        ]
    }()

    private static let saidCount = steps.reduce(0) { $0 + $1.said.count }

    /// Asks and answers; what the provider says is cut at one place, where something may happen.
    private static func talk(_ drained: DrainedBench, cut: Int, atCut: () -> Void = {}) {
        var end = 0
        for step in steps {
            drained.give(step.request)
            let start = end
            end += step.said.count
            guard cut >= start, cut < end else {
                drained.give(step.said, .toDownstream)
                continue
            }
            drained.give(step.said[..<(cut - start)], .toDownstream)
            #expect(drained.governed.down.heldBytes < 100)
            atCut()
            drained.give(step.said[(cut - start)...], .toDownstream)
        }
    }

    @Test(
        "replies of a drained interface say so, all else passes as it is, cut at every place",
        arguments: Watching.allCases
    )
    func everySplit(watching: Watching) {
        let heard = Self.steps.flatMap(\.heard)
        for cut in 0...Self.saidCount {
            let drained = DrainedBench(watching, givesClosing: true)
            drained.drain("com.x.Svc")
            Self.talk(drained, cut: cut)
            #expect(drained.down == heard, "cut at \(cut)")
            #expect(!drained.isHolding && drained.bench.decodeErrors.isEmpty)
            #expect(drained.session.inFlight == 1, "the callback")
            #expect(drained.registry.count(of: .closing) == 3 && drained.session.drainSignals.all == [.closing])
        }
    }

    @Test("in pieces of every size, a whole service")
    func pieces() {
        let whole = DrainedBench(givesClosing: true)
        whole.drain()
        Self.talk(whole, cut: .max)
        let frames = Frames.split(whole.down).filter { $0[2] != 0xa2 }
        #expect(frames.count == Self.steps.count - 1)
        #expect(frames[2] == Frames.reply(id: 4, attachments: Self.closing), "the other interface, too")
        for piece in 1...40 {
            let drained = DrainedBench(givesClosing: true)
            drained.drain()
            for step in Self.steps {
                drained.give(step.request)
                for start in stride(from: 0, to: step.said.count, by: piece) {
                    drained.give(step.said[start..<min(step.said.count, start + piece)], .toDownstream)
                }
            }
            #expect(Frames.split(drained.down).filter { $0[2] != 0xa2 } == frames, "pieces of \(piece)")
        }
    }

    @Test("a method's drain says nothing; an interface's does so of generic calls, too", arguments: [false, true])
    func methods(isWhole: Bool) {
        let drained = DrainedBench(givesClosing: true)
        drained.drain("com.x.Svc", "real")
        if isWhole { drained.drain("com.x.Svc") }
        drained.give(Frames.request(id: 2, method: "$invoke", arguments: { $0.string("real") }))
        drained.give(Frames.reply(id: 2), .toDownstream)
        #expect(drained.down == (isWhole ? Frames.reply(id: 2, attachments: Self.closing) : Frames.reply(id: 2)))
        #expect(drained.registry.count(of: .closing) == (isWhole ? 1 : 0))
    }

    @Test("nothing says so unless it is asked for, nor where nothing is to be told", arguments: [false, true])
    func notAsked(givesClosing: Bool) {
        let drained = DrainedBench(givesClosing: givesClosing)
        drained.drain("com.x.Svc", signalling: givesClosing ? .none : .auto)
        drained.drain(signalling: givesClosing ? .none : .auto)
        drained.give(Frames.request(id: 2))
        drained.give(Frames.reply(id: 2), .toDownstream)
        #expect(Frames.split(drained.down).last == Frames.reply(id: 2))
        #expect(drained.session.drainSignals.all == (givesClosing ? [] : [.readonly]))
    }

    /// What begins on the connection while the reply to request 2 comes, or has begun before it.
    enum Busy: CaseIterable {
        case nothing, call, otherCall, oneway, callback, refused, half, earlier
    }

    @Test("while a call of the connection is in flight no reply says so, cut at every place", arguments: Busy.allCases)
    func inFlight(busy: Busy) {
        let reply = Frames.reply(id: 2)
        let longer = Frames.reply(id: 2, attachments: Self.closing)
        for cut in 0...reply.count {
            let drained = DrainedBench(givesClosing: true)
            drained.drain("com.x.Svc")
            drained.give(Frames.request(id: 2))
            if busy == .earlier { drained.give(Frames.request(id: 4)) }
            drained.give(reply[..<cut], .toDownstream)
            switch busy {
            case .nothing, .earlier: break
            case .call: drained.give(Frames.request(id: 4))
            case .otherCall: drained.give(Frames.request(id: 4, interface: Self.other))
            case .oneway: drained.give(Frames.request(id: 4, isTwoWay: false))
            case .callback:
                guard cut == 0 || cut == reply.count else { continue }
                drained.give(Frames.request(id: 4), .toDownstream)
            case .refused: drained.give(Frames.request(id: 4), now: DrainedBench.late)
            case .half: drained.give(Frames.request(id: 4).prefix(20))
            }
            drained.give(reply[cut...], .toDownstream)
            let isSaid: Bool =
                switch busy {
                case .nothing, .oneway, .refused: true
                case .call, .otherCall, .callback, .half: cut == reply.count
                case .earlier: false
                }
            let heard = Frames.split(drained.down).filter { $0[11] == 2 }
            #expect(heard == [isSaid ? longer : reply], "cut at \(cut)")
            #expect(drained.governed.down.heldBytes == 0)
            guard busy == .earlier else { continue }
            drained.give(Frames.reply(id: 4), .toDownstream)
            #expect(drained.down == reply + Frames.reply(id: 4, attachments: Self.closing), "the last of several")
        }
    }

    @Test("who does not read attachments of replies is given none", arguments: ["2.0.0", "2.6.1", "2.0.2"])
    func versions(version: String) {
        let drained = DrainedBench(givesClosing: true)
        drained.drain("com.x.Svc")
        var request = Frames.request(id: 2)
        request.replaceSubrange(17..<22, with: version.utf8)
        drained.give(request)
        drained.give(Frames.reply(id: 2), .toDownstream)
        let longer = Frames.reply(id: 2, attachments: [("closing", "true")])
        #expect(drained.down == (version == "2.0.2" ? longer : Frames.reply(id: 2)))
        drained.give(request)
        let withMap = Frames.reply(id: 2, attachments: [])
        drained.give(withMap, .toDownstream)
        #expect(drained.down.suffix(longer.count) == longer[...], "a map that is there takes one more")
    }

    @Test("as large as may be held, and a byte more")
    func large() {
        for extra in 0...1 {
            let drained = DrainedBench(givesClosing: true)
            drained.drain("com.x.Svc")
            drained.give(Frames.request(id: 2))
            let overhead = Frames.reply(id: 2, String(repeating: "x", count: 40_000)).count - 40_000
            let reply = Frames.reply(id: 2, String(repeating: "x", count: 65_536 - overhead + extra))
            #expect(reply.count == 65_536 + extra)
            for start in stride(from: 0, to: reply.count, by: 1000) {
                drained.give(reply[start..<min(reply.count, start + 1000)], .toDownstream)
                #expect(extra == 0 || drained.governed.down.heldBytes < 16)
            }
            #expect((drained.down == reply) == (extra == 1))
            #expect(drained.down.count == reply.count + (extra == 1 ? 0 : 15) && !drained.isHolding)
        }
    }

    @Test("replies in other serializations and damaged ones pass as they are")
    func unreadable() {
        let drained = DrainedBench(givesClosing: true)
        drained.drain()
        var expected = drained.down
        for odd in [
            Frames.frame(0x06, status: 20, id: 2, Array("1\n\"a\"\n".utf8)),
            Frames.frame(0x02, status: 20, id: 4, hex("93 43")), Frames.frame(0x02, status: 20, id: 6, []),
        ] {
            drained.give(Frames.request(id: UInt64(odd[11])))
            if expected.isEmpty { expected = drained.down }
            drained.give(odd, .toDownstream)
            expected += odd
        }
        #expect(drained.down == expected)
        #expect(drained.registry.count(of: .closing) == 0)
    }

    @Test("drained and undone while replies are half read: each says so or is as it was", arguments: [false, true])
    func comingAndGoing(isUndone: Bool) {
        for cut in 0...Self.saidCount {
            let drained = DrainedBench(givesClosing: true)
            if isUndone { drained.drain("com.x.Svc") }
            Self.talk(drained, cut: cut) {
                if isUndone { drained.undrain("com.x.Svc") } else { drained.drain("com.x.Svc") }
            }
            var expected: [UInt8] = []
            var end = 0
            for step in Self.steps {
                let start = end
                end += step.said.count
                // Nobody knows of requests from before the drain whether attachments are read.
                let hasMap = step.said[16] == 0x94
                let isMarked = isUndone ? end <= cut : start > cut || (start == cut && hasMap)
                expected += isMarked ? step.heard : step.said
            }
            #expect(drained.down == expected, "cut at \(cut)")
            #expect(!drained.isHolding)
        }
    }
}
