import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

@Suite struct LimitedDubboTests {
    private static let text = "limit l exceeded"

    @Test("what is over the limit is answered by Weir, cut at every place", arguments: Watching.allCases)
    func everySplit(watching: Watching) throws {
        let all = [
            Frames.request(id: 1, method: "no"), Frames.heartbeat(), Frames.request(id: 2, method: "no"),
            Frames.request(id: 3, method: "free"), Frames.request(id: 4, isTwoWay: false, method: "no"),
            Frames.request(id: 5, method: "free"),
        ]
        let bytes = all.flatMap { $0 }
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1, method: "no")], watching)
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == all[0] + all[1] + all[3] + all[5], "cut at \(cut)")
            #expect(limited.down == Frames.failure(id: 2, status: 100, Self.text), "cut at \(cut)")
            #expect(limited.governed.up.heldBytes == 0 && limited.session.inFlight == 3)
            #expect(limited.counts().allowed == 1 && limited.counts().rejected == 2)
            #expect(
                limited.bench.snapshot.report("no")?.results.map { "\($0.outcome) \($0.code) \($0.count)" }
                    == ["limited SERVER_THREADPOOL_EXHAUSTED_ERROR 2"]
            )
        }
    }

    @Test("the window goes on; then calls pass again")
    func window() throws {
        let limited = try LimitedBench([.window(2)])
        for id in UInt64(1)...4 { limited.give(Frames.request(id: id)) }
        #expect(limited.session.inFlight == 2)
        limited.time.now = 1_000_000_000
        for id in UInt64(5)...8 { limited.give(Frames.request(id: id)) }
        #expect(limited.session.inFlight == 4)
        #expect(limited.counts().allowed == 4 && limited.counts().rejected == 4)
    }

    @Test("heartbeats, events, replies and probes are never limited")
    func unlimited() throws {
        let limited = try LimitedBench([.window(1)])
        limited.give(Frames.request(id: 1))
        let free =
            Frames.heartbeat() + Frames.readonly() + Frames.writeable() + Frames.request(id: 2, method: "$echo")
            + Frames.reply(id: 77)
        limited.give(free)
        #expect(limited.up == Frames.request(id: 1) + free && limited.down.isEmpty)
        #expect(limited.counts().allowed == 1)
    }

    @Test("a limit that is observed lets everything pass and counts")
    func observed() throws {
        let limited = try LimitedBench([.window(1) { $0.mode = .observe }])
        for id in UInt64(1)...3 { limited.give(Frames.request(id: id)) }
        #expect(limited.session.inFlight == 3 && limited.down.isEmpty)
        #expect(limited.counts().allowed == 1 && limited.counts().wouldReject == 2 && limited.counts().rejected == 0)
    }

    @Test("callers and attachments are told apart, names in any case; the caller last learnt counts")
    func keys() throws {
        let limited = try LimitedBench([
            .window(1) { $0.keys = [.caller] },
            .window(1, "gold") {
                $0.match.attachments = [RequestMatcher.Attachment(name: "User-Level", value: .exact("gold"))]
            },
        ])
        func ask(_ id: UInt64, _ attachments: [(String, String)]) -> Bool {
            let before = limited.down.count
            limited.give(Frames.request(id: id, attachments: attachments))
            return limited.down.count == before
        }
        #expect(ask(1, [("application", "a")]))
        #expect(!ask(2, [("application", "a")]))
        #expect(ask(3, [("application", "a"), ("remote.application", "b")]))
        #expect(!ask(4, []), "b called last")
        #expect(ask(5, [("remote.application", "c"), ("USER-level", "gold")]))
        #expect(!ask(6, [("remote.application", "d"), ("user-level", "gold")]))
        #expect(ask(7, [("remote.application", "d"), ("user-level", "silver")]))
        #expect(limited.counts("gold").rejected == 1 && limited.counts().rejected == 2)
    }

    @Test("the same, when every request is split so that it is read in pieces")
    func pieces() throws {
        let limited = try LimitedBench([
            .window(1) {
                $0.match.caller = .glob("shop*")
                $0.match.attachments = [RequestMatcher.Attachment(name: "level", value: .exact("gold"))]
            }
        ])
        for id in UInt64(1)...3 {
            for byte in Frames.request(id: id, attachments: [("Level", "gold"), ("application", "shop-1")]) {
                limited.give([byte])
            }
        }
        #expect(limited.session.inFlight == 1 && limited.counts().rejected == 2)
    }

    @Test("one that must not be tried again: an exception, with a hint if the caller may have one")
    func exception() throws {
        var definition = LimitDefinition.window(1)
        definition.localReply.retry = .never
        let limited = try LimitedBench([definition])
        limited.give(Frames.request(id: 1) + Frames.request(id: 2))
        var body = Frames.hessian { encoder in
            encoder.int(0)
            encoder.beginObject(HessianClass(name: "java.lang.RuntimeException", fieldNames: ["detailMessage"]))
            encoder.string(Self.text)
        }
        #expect(limited.down == Frames.frame(0x02, status: 20, id: 2, body))
        definition.localReply.givesRetryAfter = true
        try limited.replace([definition])
        limited.time.now = 1_500_000
        limited.give(Frames.request(id: 3))
        body[0] = 0x93
        body += Frames.map([("retry-after-ms", "999")])
        #expect(limited.down.suffix(body.count + 16) == Frames.frame(0x02, status: 20, id: 3, body)[...])
        #expect(
            limited.bench.snapshot.report("hello")?.results.map { "\($0.outcome) \($0.code) \($0.count)" }
                == ["limited OK 2"]
        )
    }

    @Test("such a reply is one that a consumer can read", arguments: [2, 23] as [UInt8])
    func readable(serialization: UInt8) throws {
        var request = try FrameHeader(Frames.request(id: 9).span.bytes, at: 0)
        request.flags = 0xc0 | serialization
        let text = String(repeating: "zu viel für 名前 ", count: 40)
        let frame = try #require(FrameWriter.exception(to: request, text: text, attachments: [("a", "b")]))
        let bench = Bench(.messages)
        let session = bench.open()
        bench.up(session, Frames.request(id: 9))
        bench.down(session, frame)
        #expect(bench.counts() == ["com.x.Svc.hello business_error OK 1"])
        #expect(bench.calls.all.map(\.exception) == ["java.lang.RuntimeException"])
        #expect(bench.decodeErrors.isEmpty)
        #expect(bench.lines.last?.contains("\"exception_message\":\"\(text)\"") == true)
    }

    @Test("in fastjson 2 it is, byte for byte, what fastjson2 reads as an exception of java.lang")
    func fastjson2() throws {
        var definition = LimitDefinition.window(1)
        definition.localReply.retry = .never
        let limited = try LimitedBench([definition])
        var body: [UInt8] = []
        for text in ["2.0.2", "com.x.Svc", "1.0.0", "hello", ""] {
            let count = UInt8(text.utf8.count)
            body += [0, 0, 0, count + 1, 0x49 + count] + Array(text.utf8)
        }
        body += [0, 0, 0, 2, 0xa6, 0xa5]
        for id in UInt64(1)...2 { limited.give(Frames.frame(0xd7, id: id, body)) }
        let thrown =
            [0x92, 0x59] + Array("RuntimeException".utf8) + [0x00, 0xa6, 0x7f, 0x56] + Array("detailMessage".utf8)
            + [0x01, 0x49 + UInt8(Self.text.utf8.count)] + Array(Self.text.utf8) + [0xa5]
        let expected: [UInt8] = [0, 0, 0, 2, 0xbd, 0, 0, 0, 0, UInt8(thrown.count)] + thrown
        #expect(limited.down == Frames.frame(0x17, status: 20, id: 2, expected))
        definition.localReply.givesRetryAfter = true
        try limited.replace([definition])
        limited.give(Frames.frame(0xd7, id: 3, body))
        let hint = [0xa6, 0x57] + Array("retry-after-ms".utf8) + [0x4d] + Array("1000".utf8) + [0xa5]
        let hinted: [UInt8] =
            [0, 0, 0, 2, 0xbd, 3, 0, 0, 0, UInt8(thrown.count)] + thrown + [0, 0, 0, UInt8(hint.count)] + hint
        #expect(limited.down.suffix(hinted.count) == hinted[...])
    }

    @Test("in JSON an exception becomes a status; what Weir cannot write it does not refuse, and counts")
    func serializations() throws {
        var definition = LimitDefinition.window(1)
        definition.localReply.retry = .never
        let limited = try LimitedBench([definition])
        limited.give(Frames.request(id: 1))
        let json = Array("\"2.0.2\"\n\"com.x.Svc\"\n\"1.0.0\"\n\"hello\"\n\"\"\n{}\n".utf8)
        limited.give(Frames.frame(0xc6, id: 2, json))
        #expect(limited.down.starts(with: [0xda, 0xbb, 0x06, 100]))
        let before = limited.up.count
        let java = Frames.frame(0xc3, id: 3, hex("aced0005") + Array("garbage".utf8))
        limited.give(java)
        #expect(limited.up.count == before + java.count && limited.bench.snapshot.verdictsPartial == 1)
    }

    @Test("one too large to hold is judged by its operation and the caller last learnt", arguments: [false, true])
    func large(isRefused: Bool) throws {
        let limited = try LimitedBench([.window(isRefused ? 1 : 2) { $0.keys = [.caller] }])
        let first = Frames.request(id: 1, attachments: [("application", "a")])
        limited.give(first)
        let big = Frames.request(id: 7, arguments: { $0.string(String(repeating: "x", count: 300_000)) })
        for start in stride(from: 0, to: big.count, by: 1000) {
            limited.give(Array(big[start..<min(big.count, start + 1000)]))
        }
        #expect(limited.up == (isRefused ? first : first + big))
        #expect(limited.down == (isRefused ? Frames.failure(id: 7, status: 100, Self.text) : []))
        #expect(limited.bench.snapshot.verdictsPartial == 1)
    }

    @Test("a call in flight holds its place until it is answered, given up or lost")
    func inFlight() throws {
        let limited = try LimitedBench([.inFlight(2)])
        func isFull() -> Bool { limited.gate.heldTokens == 2 }
        limited.give(Frames.request(id: 1) + Frames.request(id: 2) + Frames.request(id: 3))
        #expect(limited.session.inFlight == 2 && isFull())
        limited.give(Frames.reply(id: 1), .toDownstream)
        #expect(limited.gate.heldTokens == 1, "answered")
        limited.give(Frames.request(id: 4) + Frames.request(id: 5, isTwoWay: false))
        #expect(limited.session.inFlight == 2 && isFull(), "none for oneway")
        limited.give(Frames.request(id: 4))
        #expect(isFull() && limited.counts().rejected == 2)
        limited.bench.inspector.tick(now: 200_000_000_000)
        #expect(limited.gate.heldTokens == 0 && limited.session.inFlight == 0, "given up")
        limited.give(Frames.request(id: 6) + Frames.request(id: 7), now: 200_000_000_000)
        limited.give(Frames.reply(id: 2), .toDownstream, now: 200_000_000_001)
        #expect(isFull(), "a late reply gives nothing back")
        limited.bench.inspector.close(limited.session, now: 200_000_000_002)
        #expect(limited.gate.heldTokens == 0, "unanswered")
        let other = limited.bench.open()
        limited.bench.inspector.receive(
            other,
            bytes: Frames.request(id: 1).span.bytes,
            going: .toUpstream,
            now: 1,
            plan: &limited.bench.plan
        )
        #expect(limited.gate.heldTokens == 1)
        let broken: [UInt8] = [0xda, 0xbb, 0xc2, 0] + Array(repeating: 0, count: 8) + [0xff, 0, 0, 0]
        limited.bench.inspector.receive(
            other,
            bytes: broken.span.bytes,
            going: .toUpstream,
            now: 2,
            plan: &limited.bench.plan
        )
        #expect(limited.gate.heldTokens == 0, "lost")
    }

    @Test("an id used again, a full table and a large request cut off give back what they took")
    func oddEnds() throws {
        let limited = try LimitedBench([.inFlight(5)])
        limited.give(Frames.request(id: 1) + Frames.request(id: 1))
        #expect(limited.gate.heldTokens == 1)
        let big = Frames.request(id: 7, arguments: { $0.string(String(repeating: "x", count: 300_000)) })
        limited.give(Array(big[..<60_000]))
        limited.give(Array(big[60_000..<200_000]))
        #expect(limited.gate.heldTokens == 2)
        limited.bench.inspector.close(limited.session, now: 5)
        #expect(limited.gate.heldTokens == 0)
        let governed = GovernedBench()
        let full = try LimitedBench([.inFlight(5)], on: governed)
        full.give(Array(big[..<60_000]))
        full.give(Array(big[60_000...]))
        #expect(full.gate.heldTokens == 1 && full.session.inFlight == 1)
        full.give(Frames.reply(id: 7), .toDownstream)
        #expect(full.gate.heldTokens == 0)
    }

    @Test("limits that come and go while calls are in flight")
    func comingAndGoing() throws {
        let limited = try LimitedBench([])
        limited.give(Array(Frames.request(id: 1).prefix(30)))
        try limited.replace([.inFlight(1)])
        limited.give(Array(Frames.request(id: 1).dropFirst(30)) + Frames.request(id: 2) + Frames.request(id: 3))
        #expect(limited.session.inFlight == 2 && limited.gate.heldTokens == 1)
        try limited.replace([])
        limited.give(Frames.request(id: 4))
        limited.give(Frames.reply(id: 2), .toDownstream)
        #expect(limited.gate.heldTokens == 0 && limited.session.inFlight == 2)
        try limited.replace([.inFlight(1)])
        limited.give(Frames.request(id: 5) + Frames.request(id: 6))
        #expect(limited.session.inFlight == 3 && limited.counts().rejected == 2)
    }

    @Test("a governor is asked first: what it refuses costs no limit anything")
    func governor() throws {
        let limited = try LimitedBench([.window(1)])
        let governor = TestGovernor(limited.bench.registry)
        governor.verdicts["no"] = .reply(LocalReply(outcome: .drained, text: "gone"))
        limited.bench.inspector.rules = governor
        limited.give(Frames.request(id: 1, method: "no") + Frames.request(id: 2) + Frames.request(id: 3))
        #expect(limited.counts().allowed == 1 && limited.counts().rejected == 1)
        #expect(limited.bench.snapshot.counts(side: .provider).contains { $0.contains("drained") })
    }
}
