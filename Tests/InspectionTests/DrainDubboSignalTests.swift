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

@Suite struct DrainDubboSignalTests {
    @Test("a drained service: READONLY on an open connection, WRITEABLE when it is undone, each once")
    func signals() throws {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 1))
        #expect(drained.down.isEmpty && drained.session.drainSignals == [])
        drained.drain()
        drained.drain(reason: "again")
        let id = try #require(drained.ownEvents.first)
        #expect(id & 1 == 1)
        #expect(drained.down == Frames.readonly(id: id))
        #expect(drained.session.drainSignals.all == [.readonly])
        drained.give(Frames.request(id: 2))
        drained.undrain()
        drained.undrain()
        #expect(drained.ownTexts == ["R", "W"] && drained.ownEvents[1] & 1 == 1 && drained.ownEvents[1] != id)
        #expect(drained.session.drainSignals.all == [.writeable])
        drained.drain()
        #expect(drained.ownTexts == ["R", "W", "R"] && drained.session.drainSignals.all == [.readonly])
        #expect(drained.registry.count(of: .readonly) == 2 && drained.registry.count(of: .writeable) == 1)
        #expect(drained.up == Frames.request(id: 1) + Frames.request(id: 2))
    }

    @Test("a drain that tells nothing refuses all the same; one that tells takes its place, and the other way round")
    func silent() {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 1))
        drained.drain(signalling: .none)
        drained.give(Frames.request(id: 2))
        #expect(drained.down.isEmpty && drained.session.drainSignals == [] && drained.session.inFlight == 2)
        drained.give(Frames.request(id: 4), now: DrainedBench.late)
        #expect(drained.down == Frames.failure(id: 4, status: 100, Frames.drained))
        drained.drain()
        #expect(drained.ownTexts == ["R"])
        drained.drain(signalling: .none)
        #expect(drained.ownTexts == ["R", "W"])
        drained.undrain()
        #expect(drained.ownTexts == ["R", "W"] && drained.session.drainSignals.all == [.writeable])
    }

    @Test("interfaces and methods have no such signal, nor has what Weir's own side consumes")
    func none() {
        let drained = DrainedBench()
        drained.give(Frames.heartbeat())
        drained.drain("com.x.Svc")
        drained.drain("com.x.Svc", "hello")
        drained.give(Frames.request(id: 1))
        #expect(drained.down.isEmpty)
        let bench = drained.bench
        let consumer = bench.open(side: .consumer)
        drained.drain()
        bench.plan.removeAll()
        bench.inspector.receive(
            consumer,
            bytes: Frames.request(id: 1).span.bytes,
            going: .toUpstream,
            now: 20_000,
            plan: &bench.plan
        )
        bench.inspector.signalDrains(consumer, now: 20_000, plan: &bench.plan)
        #expect(bench.plan.reply.isEmpty && consumer.drainSignals == [])
    }

    @Test("what turns out not to be Dubbo after its magic is told nothing, cut at every place")
    func noDubbo() {
        let bytes = hex("dabb c200 0000000000000001 7fffffff") + Frames.request(id: 1)
        for cut in 0...bytes.count {
            let drained = DrainedBench()
            drained.drain()
            drained.give(bytes[..<cut])
            drained.give(bytes[cut...])
            drained.undrain()
            #expect(drained.down.isEmpty && drained.up == bytes && drained.session.drainSignals == [], "cut at \(cut)")
        }
    }

    @Test("a connection that comes later is told with its first whole header, cut at every place")
    func newcomers() {
        let bytes = Frames.heartbeat() + Frames.request(id: 1)
        for cut in 0...bytes.count {
            let drained = DrainedBench()
            drained.drain()
            #expect(drained.down.isEmpty)
            drained.give(bytes[..<cut])
            #expect(drained.ownTexts == (cut >= 16 ? ["R"] : []), "cut at \(cut)")
            drained.give(bytes[cut...])
            #expect(drained.ownTexts == ["R"] && drained.up == bytes && !drained.isHolding, "cut at \(cut)")
        }
    }

    @Test("a drain that begins with the first bytes half read tells nevertheless, and changes nothing passed on")
    func halfDetected() {
        let bytes = Frames.request(id: 1) + Frames.request(id: 2)
        for cut in 0...bytes.count {
            for piece in [1, 7, 1000] {
                let drained = DrainedBench()
                drained.give(bytes[..<cut])
                drained.drain()
                for start in stride(from: cut, to: bytes.count, by: piece) {
                    drained.give(bytes[start..<min(bytes.count, start + piece)], now: DrainedBench.late)
                }
                drained.give(Frames.request(id: 3), now: DrainedBench.late)
                let passed = Frames.split(drained.up).map { $0.dropFirst(11).first ?? 0 }
                let refused = Frames.split(drained.down).filter { $0[2] == 2 }.map { $0[11] }
                #expect(passed + refused == [1, 2, 3], "cut at \(cut)")
                #expect(drained.ownTexts == ["R"] && !drained.isHolding, "cut at \(cut)")
                #expect(drained.session.inFlight == passed.count, "cut at \(cut)")
            }
        }
    }

    @Test("the event never goes inside a frame, wherever a reply stands when the drain begins")
    func betweenFrames() {
        let replies = Frames.reply(id: 1) + Frames.heartbeat(id: 4) + Frames.failure(id: 2, status: 70)
        for cut in 0...replies.count {
            let drained = DrainedBench()
            drained.give(Frames.request(id: 1) + Frames.request(id: 2))
            drained.give(replies[..<cut], .toDownstream)
            drained.drain()
            #expect(drained.down.starts(with: replies[..<cut]))
            drained.give(replies[cut...], .toDownstream)
            let frames = Frames.split(drained.down)
            #expect(frames.count == 4 && drained.ownTexts == ["R"], "cut at \(cut)")
            #expect(frames.filter { $0[2] != 0xa2 }.flatMap { $0 } == replies, "cut at \(cut)")
        }
    }

    // MARK: Answers

    @Test("of everything upstream could be told only the answer to the event is left out, cut at every place")
    func answers() throws {
        for isUndone in [false, true] {
            let length = Self.conversation(id: 1, isTailed: true).all.count
            for cut in 0...length {
                let drained = DrainedBench()
                drained.give(Frames.request(id: 8))
                drained.drain()
                let id = try #require(drained.ownEvents.first)
                if isUndone { drained.undrain() }
                let (all, expected) = Self.conversation(id: id, isTailed: true)
                drained.give(all[..<cut])
                drained.give(all[cut...])
                #expect(drained.up == Frames.request(id: 8) + expected, "cut at \(cut)")
                #expect(!drained.isHolding && drained.bench.decodeErrors.isEmpty)
            }
        }
    }

    /// What a consumer says, the answer to the event of that id among it, and what of it the provider must get.
    private static func conversation(id: UInt64, isTailed: Bool) -> (all: [UInt8], expected: [UInt8]) {
        let answer = Frames.heartbeatReply(id: id, tail: isTailed ? [0x4e] : [])
        let before = Frames.heartbeat(id: 2) + Frames.heartbeatReply(id: id ^ 2) + Frames.reply(id: id)
        // The second one is somebody else's.
        let after = Frames.request(id: 6) + answer + Frames.heartbeatReply(id: 10)
        return (before + answer + after, before + after)
    }

    @Test("byte by byte, and an undone drain's answers in any order")
    func bytewise() {
        for order in [[0, 1], [1, 0]] {
            let drained = DrainedBench()
            drained.give(Frames.request(id: 8))
            drained.drain()
            drained.undrain()
            let ids = drained.ownEvents
            for place in order { for byte in Frames.heartbeatReply(id: ids[place]) { drained.give([byte]) } }
            for byte in Frames.heartbeatReply(id: ids[0]) { drained.give([byte]) }
            #expect(drained.up == Frames.request(id: 8) + Frames.heartbeatReply(id: ids[0]))
        }
    }

    @Test("an event's answer, a heartbeat or a request of that id the other way passes")
    func otherWay() throws {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 8))
        drained.drain()
        let id = try #require(drained.ownEvents.first)
        let told = drained.down
        let same =
            Frames.heartbeatReply(id: id) + Frames.heartbeat(id: id) + Frames.reply(id: id) + Frames.readonly(id: id)
        drained.give(same, .toDownstream)
        #expect(drained.down == told + same)
        drained.give(Frames.heartbeat(id: id))
        #expect(drained.up == Frames.request(id: 8) + Frames.heartbeat(id: id))
        drained.give(Frames.heartbeatReply(id: id))
        #expect(drained.up == Frames.request(id: 8) + Frames.heartbeat(id: id))
    }

    @Test("events that nobody answers are forgotten a minute after the last, once nothing is drained")
    func forgotten() {
        let minute: UInt64 = 60_000_000_000
        for isUndone in [false, true] {
            let drained = DrainedBench()
            drained.give(Frames.request(id: 8))
            drained.drain("com.y.Other")
            drained.drain()
            let answer = Frames.heartbeatReply(id: drained.ownEvents.first ?? 0)
            drained.undrain()
            if isUndone { drained.undrain("com.y.Other") }
            drained.give(Frames.heartbeat().prefix(9), now: minute + 499)
            #expect(drained.governed.up.heldBytes == 9)
            drained.give(Frames.heartbeat().dropFirst(9), now: minute + 500)
            drained.give(answer.prefix(9), now: minute + 501)
            #expect(drained.governed.up.heldBytes == (isUndone ? 0 : 9))
            drained.give(answer.dropFirst(9), now: minute + 502)
            #expect(drained.up == Frames.request(id: 8) + Frames.heartbeat() + (isUndone ? answer : []))
        }
    }

    @Test("of very many events that nobody answers the last eight are remembered")
    func many() {
        let drained = DrainedBench()
        drained.give(Frames.request(id: 8))
        for _ in 0..<10 {
            drained.drain()
            drained.undrain()
        }
        let ids = drained.ownEvents
        #expect(ids.count == 20 && Set(ids).count == 20 && ids.allSatisfy { $0 & 1 == 1 })
        for id in ids { drained.give(Frames.heartbeatReply(id: id)) }
        #expect(drained.up == Frames.request(id: 8) + ids.prefix(12).flatMap { Frames.heartbeatReply(id: $0) })
    }
}
