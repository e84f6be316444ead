import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct DubboEventTests {
    @Test("heartbeats are counted where they come from, and timed", arguments: Watching.allCases)
    func heartbeats(watching: Watching) {
        let bench = Bench(watching)
        let session = bench.open()
        bench.up(session, Frames.heartbeat(id: 4), now: 1000)
        bench.down(session, Frames.heartbeatReply(id: 4), now: 4000)
        bench.down(session, Frames.heartbeat(id: 4), now: 5000)
        bench.up(session, Frames.heartbeatReply(id: 4, tail: [0x4e]), now: 15_000)
        let snapshot = bench.snapshot
        #expect(snapshot.events(.provider) == [.heartbeat: 1] && snapshot.events(.consumer) == [.heartbeat: 1])
        let trips = Dictionary(uniqueKeysWithValues: snapshot.heartbeatRoundTrips.map { ($0.side, $0.duration) })
        #expect(trips[.provider]?.count == 1 && trips[.provider]?.sumNanoseconds == 3000)
        #expect(trips[.consumer]?.count == 1 && trips[.consumer]?.sumNanoseconds == 10_000)
        // They are no calls.
        #expect(bench.counts().isEmpty && session.inFlight == 0 && bench.inspector.callsInFlight == 0)
        #expect(bench.calls.all.isEmpty && snapshot.operations.isEmpty)
    }

    @Test("an answer without a heartbeat, or a reply with its id, is no round trip")
    func strayAnswers() {
        let bench = Bench()
        let session = bench.open()
        bench.down(session, Frames.heartbeatReply(id: 4))
        bench.up(session, Frames.heartbeat(id: 4))
        bench.down(session, Frames.reply(id: 4))
        bench.up(session, Frames.heartbeatReply(id: 4))
        bench.up(session, Frames.frame(0xa2, id: 5, [0x4e]))
        bench.down(session, Frames.heartbeatReply(id: 5))
        #expect(bench.snapshot.heartbeatRoundTrips.allSatisfy { $0.duration.count == 0 })
        #expect(bench.snapshot.events(.provider) == [.heartbeat: 2])
        bench.down(session, Frames.heartbeatReply(id: 4))
        #expect(bench.snapshot.heartbeatRoundTrips.map(\.duration.count) == [1, 0])
    }

    @Test("a heartbeat nobody answers is forgotten")
    func unanswered() {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Frames.heartbeat(id: 4), now: 1000)
        #expect(bench.inspector.needsTicks)
        bench.inspector.tick(now: 200_000_000_000)
        bench.down(session, Frames.heartbeatReply(id: 4))
        #expect(bench.snapshot.heartbeatRoundTrips.allSatisfy { $0.duration.count == 0 } && !bench.inspector.needsTicks)
        bench.up(session, Frames.heartbeat(id: 6))
        bench.inspector.close(session, now: 9)
        #expect(bench.counts().isEmpty && bench.inspector.callsInFlight == 0)
    }

    @Test("read-only, writeable and anything else")
    func others() {
        let bench = Bench()
        let session = bench.open()
        bench.down(session, Frames.readonly() + Frames.readonly() + Frames.writeable())
        bench.down(session, Frames.frame(0xa2, id: 1, hex("0148")) + Frames.frame(0xac, id: 1, hex("00")))
        bench.up(session, Frames.readonly())
        #expect(bench.snapshot.events(.consumer) == [.readonly: 2, .writeable: 1, .other: 2])
        #expect(bench.snapshot.events(.provider) == [.readonly: 1])
        let payloads = bench.lines.map { line in
            ["readonly", "writeable", "heartbeat"].first { line.contains("\"event_data\":\"\($0)\"") } ?? "null"
        }
        #expect(payloads == ["readonly", "readonly", "writeable", "null", "null", "readonly"])
    }
}
