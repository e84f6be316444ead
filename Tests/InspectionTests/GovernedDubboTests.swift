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

/// Gives each method the verdict that the test wants for it.
final class TestGovernor: RequestStage {
    var verdicts: [String: Decision] = [:]
    private(set) var asked: [CallRequest] = []
    private let registry: OperationRegistry

    init(_ registry: OperationRegistry) { self.registry = registry }

    func decide(on request: CallRequest) -> Decision {
        asked.append(request)
        return verdicts[registry[request.operation].method] ?? .forward
    }
}

/// A session whose plans are carried out by the model of the relay.
final class GovernedBench {
    let bench: Bench
    let governor: TestGovernor
    let session: Session
    var up = PlanModel()
    var down = PlanModel()

    init(_ watching: Watching = .nothing, jsonrpcPaths: [String] = []) {
        var limits = Inspector.Limits()
        limits.jsonrpcPaths = PathPatterns(jsonrpcPaths)
        bench = Bench(watching, limits: limits)
        governor = TestGovernor(bench.registry)
        bench.inspector.rules = governor
        session = bench.open()
    }

    func give(_ bytes: ArraySlice<UInt8>, _ direction: Direction = .toUpstream, now: UInt64 = 1000) {
        let piece = Array(bytes)
        bench.plan.removeAll()
        bench.inspector.receive(session, bytes: piece.span.bytes, going: direction, now: now, plan: &bench.plan)
        if direction == .toUpstream {
            let isWithin = up.take(piece, bench.plan)
            #expect(isWithin)
            down.addReplies(bench.plan.reply)
        } else {
            let isWithin = down.take(piece, bench.plan)
            #expect(isWithin)
            up.addReplies(bench.plan.reply)
        }
    }
}

@Suite
struct GovernedDubboTests {
    private static let limited = Decision.reply(LocalReply(text: "over the limit"))

    private static func frames() -> (all: [[UInt8]], expected: [UInt8], replies: [UInt8]) {
        let all = [
            Frames.request(id: 1, method: "one"), Frames.heartbeat(), Frames.request(id: 2, method: "no"),
            Frames.request(id: 3, method: "more"), Frames.request(id: 4, isTwoWay: false, method: "no"),
            Frames.request(id: 5, method: "one"),
        ]
        var longer = all[3]
        let pair = Frames.hessian {
            $0.string("mark")
            $0.string("ü")
        }
        longer.insert(contentsOf: pair, at: longer.count - 1)
        let count = longer.count - 16
        longer.replaceSubrange(12..<16, with: [0, 0, UInt8(count >> 8), UInt8(count & 255)])
        return (all, all[0] + all[1] + longer + all[5], Frames.failure(id: 2, status: 100, "over the limit"))
    }

    private static func bench(_ watching: Watching) -> GovernedBench {
        let governed = GovernedBench(watching)
        governed.governor.verdicts = ["no": limited, "more": .insert(key: "mark", value: "ü")]
        return governed
    }

    @Test("requests are refused and changed, cut at every place", arguments: Watching.allCases)
    func everySplit(watching: Watching) {
        let (all, expected, replies) = Self.frames()
        let bytes = all.flatMap { $0 }
        for cut in 0...bytes.count {
            let governed = Self.bench(watching)
            governed.give(bytes[..<cut])
            governed.give(bytes[cut...])
            #expect(governed.up.output == expected, "cut at \(cut)")
            #expect(governed.down.output == replies, "cut at \(cut)")
            #expect(governed.up.heldBytes == 0)
            #expect(
                governed.bench.snapshot.report("no")?.results.map { "\($0.outcome) \($0.code) \($0.count)" }
                    == ["limited SERVER_THREADPOOL_EXHAUSTED_ERROR 2"]
            )
            #expect(governed.session.inFlight == 3)
            #expect(governed.governor.asked.map(\.isOneway) == [false, false, false, true, false])
        }
    }

    @Test("byte by byte, only what is undecided waits")
    func bytewise() {
        let (all, expected, replies) = Self.frames()
        let governed = Self.bench(.nothing)
        for frame in all {
            for at in frame.indices {
                governed.give(frame[at...at])
                #expect(governed.up.heldBytes < frame.count)
            }
            #expect(governed.up.heldBytes == 0)
        }
        #expect(governed.up.output == expected && governed.down.output == replies)
    }

    @Test("a request too large to hold is judged by its names", arguments: [false, true])
    func large(isRefused: Bool) {
        let governed = GovernedBench()
        if isRefused { governed.governor.verdicts = ["big": Self.limited] }
        let big = Frames.request(id: 7, method: "big", arguments: { $0.string(String(repeating: "x", count: 300_000)) })
        let after = Frames.request(id: 8, method: "after")
        let bytes = big + after
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + 1000)
            governed.give(bytes[at..<end])
            #expect(governed.up.heldBytes <= 1000)
            at = end
        }
        #expect(governed.up.output == (isRefused ? after : bytes))
        #expect(governed.down.output == (isRefused ? Frames.failure(id: 7, status: 100, "over the limit") : []))
        #expect(governed.bench.snapshot.verdictsPartial == 1)
        #expect(governed.session.inFlight == (isRefused ? 1 : 2))
    }

    @Test("what Weir cannot answer in, it does not refuse; what it cannot change, it passes on")
    func unwritable() {
        let governed = Self.bench(.nothing)
        let java = Frames.frame(0xc3, id: 1, hex("aced0005") + Array("garbage".utf8))
        governed.governor.verdicts[""] = Self.limited
        governed.give(java[...])
        var null = Frames.request(id: 2, method: "more")
        let map = Frames.map([])
        null.removeLast(map.count)
        null.append(0x4e)
        let count = null.count - 16
        null.replaceSubrange(12..<16, with: [0, 0, UInt8(count >> 8), UInt8(count & 255)])
        governed.give(null[...])
        #expect(governed.up.output == java + null && governed.down.output.isEmpty)
        #expect(governed.bench.snapshot.verdictsPartial == 2)
    }

    @Test("garbage and replies are not held back")
    func notHeld() {
        let governed = Self.bench(.nothing)
        governed.give(Frames.request(id: 1, method: "one")[...])
        let reply = Frames.reply(id: 1)
        for at in reply.indices.dropLast() {
            governed.give(reply[at...at], .toDownstream)
            #expect(at < 16 || governed.down.heldBytes == 0)
        }
        governed.give(reply[(reply.count - 1)...], .toDownstream)
        #expect(governed.down.output == reply)
        let garbage = Array("no frame at all, and quite long too".utf8)
        governed.give(garbage[...])
        #expect(governed.up.output.suffix(garbage.count) == garbage[...] && governed.up.heldBytes == 0)
    }

    @Test(
        "replies are written in the request's serialization",
        arguments: [
            (2, "busy", "0462757379"), (6, "a\"ü", "22615c22c3bc220a"), (23, "busy", "000000054d62757379"),
            (23, "ü", "000000047a02c3bc"), (3, "busy", nil), (31, "busy", nil),
        ] as [(UInt8, String, String?)]
    )
    func replies(_ serialization: UInt8, _ text: String, _ body: String?) {
        let header = FrameHeader(flags: 0xc0 | serialization, status: 0, requestID: 0x0102, bodyBytes: 0)
        let frame = FrameWriter.reply(to: header, status: 100, text: text)
        #expect(FrameWriter.canReply(in: serialization) == (body != nil))
        #expect(frame == body.map { Frames.frame(serialization, status: 100, id: 0x0102, hex($0)) })
    }
}
