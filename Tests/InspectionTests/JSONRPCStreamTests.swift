import Calls
import Inspection
import PlanModel
import Telemetry
import TestSupport
import Testing

/// JSON-RPC on raw TCP.
@Suite struct JSONRPCStreamTests {
    typealias Case = HTTP1SessionTests.Case

    private static func up(_ texts: String...) -> Exchanged { .up(Array(texts.joined().utf8)) }
    private static func down(_ texts: String...) -> Exchanged { .down(Array(texts.joined().utf8)) }

    static let cases: [Case] = [
        Case("lines", [".get ok OK 1", ".get server_error -32000 1"]) {
            [
                up(RPC.call(), "\n", RPC.call("2"), "\r\n"), down(RPC.error(-32000, "2"), "\n", RPC.result(), "\n"),
            ]
        },
        Case("back to back", [".get ok OK 2"]) {
            [up(RPC.call(), RPC.call("2")), down(RPC.result("2"), RPC.result())]
        },
        Case("a batch, its notification, its replies one by one", [".get ok OK 2", ".log oneway  1"]) {
            [
                up(RPC.batch(RPC.call(), RPC.call(nil, "log"), RPC.call("2"))), down(RPC.result("2")),
                down(RPC.batch(RPC.result())),
            ]
        },
        Case("an id used again before its reply", [".get ok OK 1", ".get unanswered  1"]) {
            [up(RPC.call(), RPC.call()), down(RPC.result(), RPC.result())]
        },
        Case("a value of another kind between messages", [".get ok OK 2"]) {
            [up(RPC.call(), " true ", RPC.call("2"), "{}[]"), down("7\n", RPC.result(), RPC.result("2"))]
        },
        Case("calls without an answer", inFlight: 2, []) {
            [up(RPC.call(), RPC.call("2")), down(RPC.result("\"2\""), RPC.result("22"))]
        },
        Case("an id too long to keep", [".get lost  1"]) {
            let long = "\"" + String(repeating: "i", count: 400) + "\""
            return [up(RPC.call(long)), down(RPC.result(long))]
        },
        Case("other JSON is no JSON-RPC", as: .opaque, []) {
            [up("{\"hello\":1}\n{\"a\":"), down("{\"x\":2}"), up("3}")]
        },
        Case("an array of other things is none", as: .opaque, []) { [up("[1,2,{\"method\":3}]"), down("[]")] },
        Case("what is no JSON at all", as: .opaque, []) { [up("{\"a\":tru!"), down("x")] },
    ]

    @Test("calls on raw TCP", arguments: cases)
    func calls(_ example: Case) {
        let bench = Bench()
        let session = bench.run(example.steps())
        #expect(bench.counts() == example.counts)
        #expect(session.connectionProtocol == example.spoken)
        #expect(session.inFlight == example.inFlight)
        #expect(bench.decodeErrors.isEmpty)
        let bytes = UInt64(example.steps().byteCount)
        #expect(bench.uninspected == (example.spoken == .opaque ? ["opaque": bytes] : [:]))
        bench.inspector.close(session, now: 9000)
        #expect(bench.inspector.callsInFlight == 0)
    }

    @Test("facts do not depend on the pieces", arguments: cases)
    func everySplit(_ example: Case) {
        let steps = example.steps()
        for watching in Watching.allCases {
            let whole = facts(steps, watching)
            for piece in [1, 2, 3] { #expect(facts(steps, watching, piece: piece) == whole) }
            for cut in 1..<steps.byteCount { #expect(facts(steps, watching, cut: cut) == whole, "cut at \(cut)") }
        }
    }

    private func facts(_ steps: [Exchanged], _ watching: Watching, piece: Int? = nil, cut: Int? = nil) -> [String] {
        let bench = Bench(watching)
        let session = bench.run(steps, piece: piece, cut: cut)
        bench.inspector.close(session, now: 9000)
        let sizes = bench.snapshot.operations.map { "\($0.operation) \($0.requestBytes) \($0.responseBytes)" }
        return bench.counts() + sizes.sorted() + bench.calls.texts + bench.lines + ["\(session.connectionProtocol)"]
            + bench.uninspected.map { "\($0) \($1)" }.sorted()
    }

    @Test("log lines pass, and a message among them is one, as those of version 1.0 behind it are")
    func amongOthers() {
        let steps = [
            Self.up("{\"message\":\"a\",\"method\":\"GET\"}\n[{\"method\":\"x\",\"id\":1}]\n"),
            Self.down("{\"error\":\"b\"}\n"),
            Self.up("{\"method\":\"sum\",\"params\":[1],\"id\":7}\n"), Self.down("{\"result\":1,\"id\":7}\n"),
            Self.up("{\"method\":\"no\",\"id\":8}{\"method\":\"sum\",\"params\":[],\"id\":null}"),
        ]
        for piece in [1, 7, 1000] {
            let bench = Bench()
            let session = bench.run(steps, piece: piece)
            #expect(bench.counts() == [".sum ok OK 1", ".sum oneway  1"])
            #expect(session.connectionProtocol == .jsonrpc && bench.uninspected == ["opaque": 67])
        }
    }

    @Test("requests that do not say that they are JSON-RPC are calls once a reply does", arguments: Watching.allCases)
    func candidates(_ watching: Watching) {
        func ask(_ id: Int, _ method: String) -> String {
            "{\"method\":\"\(method)\",\"params\":{\"job_id\":\"7\"},\"id\":\(id)}\n"
        }
        let first = ask(1, "login")
        let steps = [
            Self.up(first, ask(9, "never")), Self.down(RPC.result("1"), "\n"),
            Self.up(ask(1, "submit"), ask(2, "submit")),
            Self.down(RPC.error(-1, "2"), "\n", RPC.result("1"), "\n"),
        ]
        for cut in 1..<steps.byteCount {
            let bench = Bench(watching)
            let session = bench.run(steps, cut: cut)
            #expect(bench.counts() == [".login ok OK 1", ".submit business_error -1 1", ".submit ok OK 1"])
            #expect(session.connectionProtocol == .jsonrpc && session.inFlight == 0)
        }
        // A reply to another id, or one that says nothing, shows nothing.
        for reply in [RPC.result("3"), "{\"id\":1,\"result\":{},\"ok\":true}"] {
            let bench = Bench(watching)
            let session = bench.run([Self.up(first), Self.down(reply, "\n"), Self.up(first)])
            #expect(bench.counts() == [])
            #expect(session.inFlight == 0)
        }
    }

    @Test("both peers call, with the same ids")
    func bothWays() {
        let bench = Bench()
        let session = bench.run([
            Self.up(RPC.call("1", "get")), Self.down(RPC.call("1", "ask"), RPC.call(nil, "note")),
            Self.up(RPC.error(7)), Self.down(RPC.result()),
        ])
        #expect(bench.counts() == [".get ok OK 1"])
        #expect(bench.counts(side: .consumer) == [".ask business_error 7 1", ".note oneway  1"])
        #expect(session.inFlight == 0 && session.isIdle)
    }

    @Test("a connection that stops being JSON goes blind, its calls lost")
    func blind() {
        let bench = Bench()
        _ = bench.run([Self.up(RPC.call()), Self.down("{]"), Self.up("more")])
        #expect(bench.counts() == [".get lost  1"])
        #expect(bench.decodeErrors == ["json_unexpected_byte": 1] && bench.uninspected == ["blind": 5])
    }

    @Test("what ends before anything could be told is opaque")
    func endsEarly() {
        let bench = Bench(.nothing)
        let session = bench.run([Self.up("{\"method\":")])
        bench.inspector.close(session, now: 1)
        #expect(bench.uninspected == ["opaque": 10])
    }

    // MARK: Verdicts

    /// Values of a stream, what of them upstream must see, and what the client must be told.
    private static func stream(_ random: inout SeededRandom) -> (all: [UInt8], admitted: [UInt8], replies: [UInt8]) {
        var (all, admitted, replies) = ("", "", "")
        for id in 0..<(Int(random.next() % 6) + 2) {
            let space = ["\n", "", "\r\n", " \n\n"][Int(random.next() % 4)]
            let isRefused = random.next() % 2 == 0
            let method = isRefused ? "no" : "ok"
            let error = { (id: String) in
                "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"m\"},\"id\":\(id)}"
            }
            var text = RPC.call("\(id)", method, params: "[\"é\\n\"]")
            var reply = error("\(id)") + "\n"
            switch random.next() % 4 {
            case 0:
                text = RPC.batch(RPC.call("\(id)", method), RPC.call(nil, "ok"), RPC.call("\"x\"", "ok"))
                reply = "[\(error("\(id)")),\(error("\"x\""))]\n"
            case 1:
                text = RPC.call(nil, method)
                reply = ""
            default: break
            }
            all += text + space
            if isRefused { replies += reply } else { admitted += text + space }
        }
        return (Array(all.utf8), Array(admitted.utf8), Array(replies.utf8))
    }

    private static func governed() -> GovernedBench {
        let governed = GovernedBench()
        governed.governor.verdicts = ["no": .reply(LocalReply(text: "m"))]
        // Of a stream the first value tells what it is.
        governed.give(Array(RPC.call(nil, "hello").utf8)[...])
        return governed
    }

    @Test("requests are refused with their line's end, cut at every place")
    func refused() {
        let hello = Array(RPC.call(nil, "hello").utf8)
        for seed in 0..<12 {
            var random = SeededRandom(seed: UInt64(seed))
            let (all, admitted, replies) = Self.stream(&random)
            for cut in 0...all.count {
                let governed = Self.governed()
                governed.give(all[..<cut])
                governed.give(all[cut...])
                #expect(governed.up.output == hello + admitted, "seed \(seed), cut at \(cut)")
                #expect(governed.down.output == replies, "seed \(seed), cut at \(cut)")
                #expect(governed.up.heldBytes == 0)
            }
            let bytewise = Self.governed()
            for at in all.indices { bytewise.give(all[at...at]) }
            #expect(bytewise.up.output == hello + admitted && bytewise.down.output == replies, "seed \(seed)")
        }
    }

    @Test(
        "a large value whose method comes first is judged by it, left out to its end and answered",
        arguments: [999, 70_000]
    )
    func largeRefused(size: Int) {
        let governed = Self.governed()
        let before = governed.up.output.count
        let params = "[\"" + String(repeating: "x", count: 150_000) + "\"]"
        let values = ["no", "ok", "no"].map { RPC.call("\"\($0)\"", $0, params: params) }
        let bytes = Array(values.joined(separator: "\n").utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            governed.give(bytes[start..<min(bytes.count, start + size)])
        }
        #expect(governed.up.output.count == before + values[1].utf8.count + 1)
        let error = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"m\"},\"id\":\"no\"}\n"
        #expect(String(decoding: governed.down.output, as: UTF8.self) == error + error)
        #expect(governed.bench.snapshot.verdictsPartial == 0 && governed.session.inFlight == 1)
    }

    @Test("what is complete does not wait for what follows it")
    func notHeld() {
        let governed = Self.governed()
        let before = governed.up.output.count
        let call = Array(RPC.call().utf8)
        governed.give((call + [10] + call.dropLast(3))[...])
        #expect(governed.up.output.count >= before + call.count && governed.up.heldBytes <= call.count)
    }

    @Test("replies of Weir's own wait for the end of a value that upstream is sending")
    func replyOrder() {
        let governed = Self.governed()
        let call = Array(RPC.call("1", "ok").utf8)
        governed.give(call[...])
        let result = "{\"id\":1,\"result\":\"" + String(repeating: "x", count: 100_000) + "\"}"
        governed.give(Array(result.utf8.dropLast(2))[...], .toDownstream)
        governed.give(Array(RPC.call("2", "no").utf8)[...])
        governed.give(Array(result.utf8.suffix(2))[...], .toDownstream)
        let text = String(decoding: governed.down.output, as: UTF8.self)
        #expect(text.hasPrefix(result) && text.hasSuffix("\"id\":2}\n"))
    }

    @Test("a value too large to hold passes, counted")
    func large() {
        let governed = Self.governed()
        let text = String(repeating: "x", count: 150_000)
        let big = Array("{\"jsonrpc\":2,\"id\":1,\"params\":[\"\(text)\"],\"method\":\"no\"}".utf8)
        let small = Array((RPC.call("2", "no") + "\n").utf8)
        let before = governed.up.output.count
        let bytes = big + small
        for start in stride(from: 0, to: bytes.count, by: 999) {
            governed.give(bytes[start..<min(bytes.count, start + 999)])
        }
        #expect(governed.up.output.count == before + big.count && governed.bench.snapshot.verdictsPartial == 1)
        #expect(!governed.down.output.isEmpty && governed.session.inFlight == 1)
    }

    @Test("what had been passed on in part when something begins to decide is not decided about", arguments: 1..<20)
    func late(cut: Int) {
        let governed = Self.governed()
        let governor = governed.bench.inspector.rules
        let before = governed.up.output.count
        let call = Array(RPC.call("1", "no").utf8)
        governed.bench.inspector.rules = nil
        governed.give(call[..<cut])
        governed.bench.inspector.rules = governor
        governed.give((call[cut...] + call))
        #expect(governed.up.output.count == before + call.count && !governed.down.output.isEmpty)
    }
}
