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

    private static let requests =
        Frames.request(id: 2) + Frames.request(id: 4, interface: other) + Frames.request(id: 6)
        + Frames.request(id: 8) + Frames.request(id: 10, method: "oops") + Frames.request(id: 12, method: "late")

    /// What a provider says, and what of it the consumer must get while `com.x.Svc` is drained.
    private static let replies: [(said: [UInt8], heard: [UInt8])] = {
        func same(_ bytes: [UInt8]) -> (said: [UInt8], heard: [UInt8]) { (bytes, bytes) }
        let closing = [("closing", "true")]
        let value = Frames.reply(id: 6, "vü", attachments: [("dubbo", "2.0.2")], tail: [0x4e])
        let thrown = Frames.exception(id: 10)
        let marked = Frames.exception(id: 10, attachments: closing)
        return [
            (Frames.reply(id: 2, tail: [0x4e]), Frames.reply(id: 2, attachments: closing, tail: [0x4e])),
            same(Frames.heartbeat(id: 2)), same(Frames.reply(id: 4)), same(Frames.readonly(id: 4)),
            (value, Frames.reply(id: 6, "vü", attachments: closing + [("dubbo", "2.0.2")], tail: [0x4e])),
            same(Frames.failure(id: 8, status: 70)), same(Frames.reply(id: 99)),
            (thrown, marked), same(Frames.request(id: 12, interface: "com.x.Svc")),
            same(Frames.reply(id: 12, attachments: closing)), same(Frames.heartbeatReply(id: 12, tail: [0x4e])),
        ]
    }()

    @Test(
        "replies of a drained interface say so, all else passes as it is, cut at every place",
        arguments: Watching.allCases
    )
    func everySplit(watching: Watching) {
        let said = Self.replies.flatMap(\.said)
        let heard = Self.replies.flatMap(\.heard)
        for cut in 0...said.count {
            let drained = DrainedBench(watching)
            drained.drain("com.x.Svc")
            drained.give(Self.requests)
            drained.give(said[..<cut], .toDownstream)
            #expect(drained.governed.down.heldBytes < 100)
            drained.give(said[cut...], .toDownstream)
            #expect(drained.down == heard, "cut at \(cut)")
            #expect(!drained.isHolding && drained.bench.decodeErrors.isEmpty)
            #expect(drained.session.inFlight == 1, "the callback")
            #expect(drained.registry.count(of: .closing) == 3 && drained.session.drainSignals.all == [.closing])
        }
    }

    @Test("in pieces of every size, a whole service")
    func pieces() {
        let said = Self.replies.flatMap(\.said)
        let whole = DrainedBench()
        whole.drain()
        whole.give(Self.requests)
        whole.give(said, .toDownstream)
        let frames = Frames.split(whole.down).filter { $0[2] != 0xa2 }
        #expect(frames.count == Self.replies.count - 1)
        #expect(frames[2] == Frames.reply(id: 4, attachments: [("closing", "true")]), "the other interface, too")
        for piece in 1...40 {
            let drained = DrainedBench()
            drained.drain()
            drained.give(Self.requests)
            for start in stride(from: 0, to: said.count, by: piece) {
                drained.give(said[start..<min(said.count, start + piece)], .toDownstream)
            }
            #expect(Frames.split(drained.down).filter { $0[2] != 0xa2 } == frames, "pieces of \(piece)")
        }
    }

    @Test("a method alone; a generic call counts as what it calls")
    func methods() {
        let drained = DrainedBench()
        drained.drain("com.x.Svc", "real")
        let generic = Frames.request(id: 2, method: "$invoke", arguments: { $0.string("real") })
        drained.give(generic + Frames.request(id: 4) + Frames.request(id: 6, method: "real"))
        drained.give(Frames.reply(id: 2) + Frames.reply(id: 4) + Frames.reply(id: 6), .toDownstream)
        let closing = [("closing", "true")]
        #expect(
            drained.down == Frames.reply(id: 2, attachments: closing) + Frames.reply(id: 4)
                + Frames.reply(id: 6, attachments: closing)
        )
    }

    @Test("who does not read attachments of replies is given none", arguments: ["2.0.0", "2.6.1", "2.0.2"])
    func versions(version: String) {
        let drained = DrainedBench()
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
            let drained = DrainedBench()
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
        let drained = DrainedBench()
        drained.drain()
        drained.give(Frames.request(id: 2) + Frames.request(id: 4) + Frames.request(id: 6))
        let told = drained.down
        let odd =
            Frames.frame(0x06, status: 20, id: 2, Array("1\n\"a\"\n".utf8))
            + Frames.frame(0x02, status: 20, id: 4, hex("93 43")) + Frames.frame(0x02, status: 20, id: 6, [])
        drained.give(odd, .toDownstream)
        #expect(drained.down == told + odd)
        #expect(drained.registry.count(of: .closing) == 0)
    }

    @Test("drained and undone while replies are half read: each says so or is as it was", arguments: [false, true])
    func comingAndGoing(isUndone: Bool) {
        let said = Self.replies.flatMap(\.said)
        for cut in 0...said.count {
            let drained = DrainedBench()
            if isUndone { drained.drain("com.x.Svc") }
            drained.give(Self.requests)
            drained.give(said[..<cut], .toDownstream)
            if isUndone { drained.undrain("com.x.Svc") } else { drained.drain("com.x.Svc") }
            drained.give(said[cut...], .toDownstream)
            var expected: [UInt8] = []
            var end = 0
            for (frame, marked) in Self.replies {
                let start = end
                end += frame.count
                // Nobody knows of requests from before the drain whether attachments are read.
                let isMarked = isUndone ? end <= cut : start >= cut && frame[16] != 0x91 && frame[16] != 0x90
                expected += isMarked ? marked : frame
            }
            #expect(drained.down == expected, "cut at \(cut)")
            #expect(!drained.isHolding)
        }
    }
}
