import Calls
import Dubbo
import Inspection
import PlanModel
import Policy
import TestSupport
import Testing

@Suite struct DrainRecallTests {
    private static let told: UInt64 = 500
    private static let over = told + 5_000_000_000

    /// Whether its connection is to be closed at a time.
    private static func isOver(_ drained: DrainedBench, _ now: UInt64) -> Bool {
        drained.bench.inspector.isRecallOver(drained.session, now: now)
    }

    @Test("who called before the drain and stays away 5 s after WRITEABLE is called back")
    func staysAway() {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 1))
        drained.give(Frames.reply(id: 1), .toDownstream)
        drained.drain()
        #expect(!drained.bench.inspector.hasRecalls && !Self.isOver(drained, .max))
        drained.undrain()
        #expect(drained.bench.inspector.hasRecalls && drained.ownTexts == ["R", "W"])
        // Heartbeats and answers are no calls.
        drained.give(Frames.heartbeat(id: 3), now: Self.over)
        #expect(!Self.isOver(drained, Self.over - 1) && Self.isOver(drained, Self.over))
        #expect(Self.isOver(drained, Self.over), "it stays so until the connection is closed")
        drained.bench.inspector.close(drained.session, now: Self.over)
        #expect(!drained.bench.inspector.hasRecalls)
    }

    @Test("a connection on which calls come again is left alone, answered or not", arguments: [false, true])
    func comesBack(isAnswered: Bool) {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 1))
        drained.drain()
        drained.undrain()
        // The reply to an earlier call is no call.
        drained.give(Frames.reply(id: 1), .toDownstream)
        #expect(Self.isOver(drained, Self.over))
        drained.give(Frames.request(id: 2), now: Self.over)
        if isAnswered { drained.give(Frames.reply(id: 2), .toDownstream, now: Self.over) }
        #expect(!Self.isOver(drained, Self.over) && !drained.bench.inspector.hasRecalls)
        #expect(!Self.isOver(drained, .max))
    }

    @Test("one that never called is left alone; one that came during the drain may have called before, on another")
    func others() {
        for isEarly in [true, false] {
            let drained = DrainedBench()
            if isEarly { drained.give(Frames.heartbeat()) }
            drained.drain()
            drained.give(Frames.heartbeat(id: 3))
            drained.undrain()
            #expect(drained.ownTexts == ["R", "W"])
            #expect(Self.isOver(drained, Self.over) == !isEarly && drained.bench.inspector.hasRecalls == !isEarly)
        }
    }

    @Test("drained again it is waited for no longer; undone again it is; after a minute without a chance no longer")
    func again() {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 1))
        drained.drain()
        drained.undrain()
        drained.drain()
        #expect(!drained.bench.inspector.hasRecalls && !Self.isOver(drained, Self.over))
        drained.undrain()
        #expect(Self.isOver(drained, Self.over) && Self.isOver(drained, Self.told + 59_999_999_999))
        #expect(!Self.isOver(drained, Self.told + 60_000_000_000) && !drained.bench.inspector.hasRecalls)
    }

    @Test("drains that told nothing, and those of interfaces, call nobody back")
    func untold() {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 1))
        drained.drain(signalling: .none)
        drained.undrain()
        drained.drain("com.x.Svc")
        drained.undrain("com.x.Svc")
        #expect(!drained.bench.inspector.hasRecalls && !Self.isOver(drained, Self.over))
    }
}
