import Calls
import Hessian
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct AllocationTests {
    /// How many allocations `count` warm calls make, each request and each reply in a read of its own.
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

    @Test("a call of a kind seen before is decoded and accounted without an allocation")
    func warmCall() {
        #expect(Frames.typicalRequest.count == 355)
        #expect(allocations(Frames.typicalRequest, Frames.reply(id: 7)) == 0)
    }

    @Test("a call over HTTP/1 that an event stream answers is accounted without an allocation")
    func eventStream() {
        #if DEBUG
            // Without the optimiser borrowed spans and closures cost some.
            return
        #else
            let request = H1.request(RPC.call())
            #expect(allocations(request, SSE.response(SSE.events(RPC.result()), chunks: 40)) == 0)
            #expect(allocations(request, SSE.response("data: {\ndata: \"id\":1,\"result\":0}\n\n")) == 0)
        #endif
    }

    @Test("nor do exceptions, other statuses, oneway calls, odd arguments and heartbeats")
    func otherKinds() {
        #if DEBUG
            // Without the optimiser every typed throw and every borrowed span of these paths costs some.
            return
        #else
            #expect(allocations(Frames.typicalRequest, Frames.exception(id: 7)) == 0)
            #expect(allocations(Frames.typicalRequest, Frames.failure(id: 7, status: 70)) == 0)
            #expect(allocations(Frames.request(id: 7, isTwoWay: false), Frames.reply(id: 7)) == 0)
            #expect(allocations(Frames.heartbeat(), Frames.heartbeatReply()) == 0)
            let named = Frames.request(id: 7, interface: "path", attachments: [("interface", "com.x.Svc")])
            #expect(allocations(named, Frames.reply(id: 7)) == 0)
            let blob = [UInt8](repeating: 1, count: 300)
            #expect(allocations(Frames.request(id: 7, arguments: { $0.binary(blob) }), Frames.reply(id: 7)) == 0)
        #endif
    }
}
