import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct PlanTests {
    /// What the plan says of a piece when boundaries are wanted.
    private func plan(_ bench: Bench, _ session: Session, _ bytes: [UInt8], _ direction: Direction = .toUpstream)
        -> Plan
    {
        var plan = Plan()
        plan.isBoundaryWanted = true
        bench.inspector.receive(session, bytes: bytes.span.bytes, going: direction, now: 1, plan: &plan)
        return plan
    }

    private func known() -> (Bench, Session) {
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Frames.heartbeat())
        bench.down(session, Frames.heartbeatReply())
        return (bench, session)
    }

    @Test("the first boundary of a piece is marked, and the last if the piece ends there")
    func boundaries() {
        let (bench, session) = known()
        let one = Frames.request()
        let count = one.count
        #expect(plan(bench, session, one).edits == [.forward(count), .boundary])
        #expect(plan(bench, session, one + one).edits == [.forward(count), .boundary, .forward(count), .boundary])
        #expect(plan(bench, session, one + one[..<5]).edits == [.forward(count), .boundary, .forward(5)])
        // Nothing ends inside a piece of a frame.
        let inside = plan(bench, session, Array(one[5..<50]))
        #expect(inside.edits.isEmpty && inside.forwardsAll && !inside.endsAtBoundary)
        #expect(plan(bench, session, Array(one[50...])).edits == [.forward(count - 50), .boundary])
        #expect(plan(bench, session, Array(one[..<16])).forwardsAll)
        #expect(
            plan(bench, session, Array(one[16...]) + one[..<20]).edits == [
                .forward(count - 16), .boundary, .forward(20),
            ]
        )
    }

    @Test("the other direction has boundaries of its own")
    func directions() {
        let (bench, session) = known()
        let reply = Frames.reply()
        #expect(plan(bench, session, Array(Frames.request()[..<30])).forwardsAll)
        #expect(plan(bench, session, reply, .toDownstream).edits == [.forward(reply.count), .boundary])
        let exception = Frames.exception()
        let two = plan(bench, session, exception + reply, .toDownstream)
        #expect(two.edits == [.forward(exception.count), .boundary, .forward(reply.count), .boundary])
    }

    @Test("edits cover exactly the piece, whatever it holds")
    func coverage() {
        var random = SeededRandom(seed: 41)
        let frames = [
            Frames.request(), Frames.heartbeat(), Frames.exception(), Frames.reply(), Array("ls\n".utf8),
            Frames.readonly(),
            hex("dabb c0 00 0000000000000001 00000001 00"),
        ]
        for watching in Watching.allCases {
            let bench = Bench(watching)
            for _ in 0..<300 {
                let session = bench.open()
                var stream = Frames.heartbeat()
                for _ in 0..<6 { stream += frames[Int.random(in: 0..<frames.count, using: &random)] }
                var rest = stream[...]
                while !rest.isEmpty {
                    let piece = Array(rest.prefix(Int.random(in: 1...100, using: &random)))
                    rest = rest.dropFirst(piece.count)
                    let plan = plan(bench, session, piece)
                    let covered = plan.edits.reduce(0) { sum, edit in
                        if case .forward(let count) = edit { sum + count } else { sum }
                    }
                    #expect(plan.forwardsAll ? plan.edits.isEmpty : covered == piece.count)
                    #expect(plan.reply.isEmpty && plan.content.isEmpty)
                    #expect(!zip(plan.edits, plan.edits.dropFirst()).contains { $0 == .boundary && $1 == .boundary })
                }
            }
        }
    }

    @Test("without a wish for boundaries the plan is one word, and says whether a message ends there")
    func forwardAll() {
        let (bench, session) = known()
        let request = Frames.request()
        for (piece, ends) in [
            (request, true), (Array(request[..<9]), false), (Array(request[9...]) + request, true),
            (request + [0xda], false),
        ] {
            var plan = Plan()
            bench.inspector.receive(session, bytes: piece.span.bytes, going: .toUpstream, now: 1, plan: &plan)
            #expect(plan.forwardsAll && plan.edits.isEmpty && plan.endsAtBoundary == ends)
        }
        // Bytes that are not understood have no boundaries.
        let opaque = bench.open()
        #expect(!plan(bench, opaque, [1, 2, 3]).endsAtBoundary && !plan(bench, opaque, [1]).endsAtBoundary)
    }

    @Test("a session is quiet between calls")
    func quiet() {
        let (bench, session) = known()
        #expect(session.isIdle && bench.open().isIdle)
        let request = Frames.request()
        bench.up(session, Array(request[..<3]))
        #expect(!session.isIdle)
        bench.up(session, Array(request[3...]))
        #expect(!session.isIdle && session.inFlight == 1)
        bench.down(session, Frames.reply())
        #expect(session.isIdle)
    }

    @Test("a session made elsewhere writes its own plans")
    func external() {
        final class Echo: ProtocolSession {
            var ends: [Direction] = []
            func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan)
            {
                plan.drop(bytes.byteCount)
                plan.replace(0, with: [1, 2])
                plan.reply(with: [3])
                plan.forward(0)
                plan.drop(0)
            }
            func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
                ends.append(direction)
            }
        }
        let bench = Bench(.nothing)
        let echo = Echo()
        let session = bench.inspector.open(side: .provider, as: echo)
        var plan = Plan()
        let bytes: [UInt8] = [9, 9, 9]
        bench.inspector.receive(session, bytes: bytes.span.bytes, going: .toUpstream, now: 1, plan: &plan)
        #expect(plan.edits.count == 2 && plan.edits[0] == .drop(3) && plan.content == [1, 2] && plan.reply == [3])
        plan.removeAll()
        #expect(plan.edits.isEmpty && plan.content.isEmpty && plan.reply.isEmpty && !plan.forwardsAll)
        bench.inspector.ended(session, .toDownstream, now: 2, plan: &plan)
        #expect(echo.ends == [.toDownstream] && !session.isIdle)
        bench.inspector.close(session, now: 3)
    }
}
