import Calls
import Inspection
import Policy
import Telemetry
import TestSupport
import Testing
import Wire

/// Tools of MCP servers, told apart by `params.name`.
@Suite struct ToolTests {
    private static func call(_ tool: String, id: Int = 1) -> String {
        RPC.call("\(id)", "tools/call", params: "{\"name\":\"\(tool)\",\"arguments\":{}}")
    }

    private static func request(_ tool: String) -> [UInt8] { H1.request(call(tool), path: "/mcp") }

    private func call(_ bench: Bench, _ session: Session, _ tool: String, _ answer: String = RPC.result()) {
        bench.up(session, Self.request(tool))
        bench.down(session, SSE.response(SSE.events(answer)))
    }

    private func methods(_ bench: Bench) -> [String] {
        bench.snapshot.operations.filter { $0.operation.interface == "mcp" }.map { report in
            "\(report.operation.method) \(report.results.reduce(0) { $0 + $1.count })"
        }.sorted()
    }

    @Test("a tool is an operation of its own once a call of it was answered")
    func learnt() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for _ in 0..<3 { call(bench, session, "add") }
        call(bench, session, "fails", RPC.error(-32000))
        call(bench, session, "fails", RPC.error(-32000))
        #expect(methods(bench) == ["tools/call 2", "tools/call:add 2", "tools/call:fails 1"])
    }

    @Test("a name that the server does not know, or does not answer, makes no operation")
    func unknownTools() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for name in ["a", "b", "a"] { call(bench, session, name, RPC.error(-32602)) }
        bench.up(session, Self.request("c"))
        bench.down(session, H1.response(200, "no JSON"))
        bench.up(session, Self.request("c") + Self.request("d"))
        bench.inspector.close(session, now: 9000)
        #expect(methods(bench) == ["tools/call 6"])
    }

    @Test("what is no tool is not told apart, and nothing is when that is switched off")
    func others() {
        for isOn in [true, false] {
            var limits = Inspector.Limits()
            limits.tellsToolsApart = isOn
            let bench = Bench(.nothing, limits: limits)
            let session = bench.open()
            let names = ["{}", "[]", "{\"name\":7}", "{\"name\":\"\"}"]
            for params in names + names {
                bench.up(session, H1.request(RPC.call("1", "tools/call", params: params), path: "/mcp"))
                bench.down(session, H1.response(200, RPC.result()))
            }
            for _ in 0..<2 {
                bench.up(session, H1.request(RPC.call("1", "prompts/get", params: "{\"name\":\"x\"}"), path: "/mcp"))
                bench.down(session, H1.response(200, RPC.result()))
                call(bench, session, "add")
            }
            let tools = isOn ? ["tools/call 9", "tools/call:add 1"] : ["tools/call 10"]
            #expect(methods(bench) == ["prompts/get 2"] + tools)
        }
    }

    @Test("a path has 128 tools, further ones are counted together")
    func bound() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for number in 0..<140 { for _ in 0..<2 { call(bench, session, "t\(number)") } }
        let found = methods(bench)
        #expect(found.count == OperationRegistry.maxTools + 2)
        #expect(found.contains("tools/call 128") && found.contains("tools/call:_other 24"))
        let other = bench.open()
        for _ in 0..<2 {
            bench.up(other, H1.request(Self.call("t139"), path: "/other"))
            bench.down(other, H1.response(200, RPC.result()))
        }
        #expect(bench.counts().contains("other.tools/call:t139 ok OK 1"))
    }

    @Test("members of a batch, and calls over raw TCP")
    func batches() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for _ in 0..<2 {
            bench.up(session, H1.request(RPC.batch(Self.call("a"), Self.call("b", id: 2)), path: "/mcp"))
            bench.down(session, H1.response(200, RPC.batch(RPC.result("2"), RPC.error(-32602, "1"))))
        }
        #expect(methods(bench) == ["tools/call 3", "tools/call:b 1"])
        let raw = bench.open()
        for _ in 0..<2 {
            bench.up(raw, Array(Self.call("c").utf8))
            bench.down(raw, Array(RPC.result().utf8))
        }
        #expect(bench.counts().contains(".tools/call:c ok OK 1"))
    }

    @Test("the tool of a call whose reply comes on another connection is learnt, too")
    func elsewhere() {
        let bench = Bench(.nothing)
        let events = bench.open()
        bench.up(events, SSE.get())
        bench.down(events, SSE.head + SSE.chunk(SSE.events("/mcp", type: "endpoint")))
        let session = bench.open()
        for _ in 0..<2 {
            bench.up(session, Self.request("add"))
            bench.down(session, H1.response(202))
            bench.down(events, SSE.chunk(SSE.events(RPC.result())))
        }
        #expect(methods(bench) == ["tools/call 1", "tools/call:add 1"])
    }

    @Test("a tool that was met before costs no allocation")
    func noAllocation() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for _ in 0..<2 { call(bench, session, "add") }
        #expect(methods(bench) == ["tools/call 1", "tools/call:add 1"])
        #if !DEBUG
            let (request, reply) = (Self.request("add"), SSE.response(SSE.events(RPC.result())))
            let count = allocationsWhenWarm {
                for _ in 0..<50 {
                    bench.plan.removeAll()
                    bench.inspector.receive(
                        session,
                        bytes: request.span.bytes,
                        going: .toUpstream,
                        now: 1,
                        plan: &bench.plan
                    )
                    bench.plan.removeAll()
                    bench.inspector.receive(
                        session,
                        bytes: reply.span.bytes,
                        going: .toDownstream,
                        now: 2,
                        plan: &bench.plan
                    )
                }
            }
            #expect(count == 0)
        #endif
    }

    // MARK: Rules

    @Test("a limit for all tools counts each, whether it is told apart or not; one for a tool counts only that")
    func limits() throws {
        let limited = try LimitedBench([
            .window(4, "all", method: "tools/call"), .window(1, "one", method: "tools/call:del"),
            .window(9, "every") { $0.match.method = .glob("tools/*") },
        ])
        func status(_ tool: String) -> Bool {
            let before = limited.down.count
            limited.give(Self.request(tool))
            let answered = limited.down.count > before
            if !answered { limited.give(H1.response(200, RPC.result()), .toDownstream) }
            return !answered
        }
        #expect(status("add") && status("add") && status("del"))
        #expect(!status("del"))
        #expect(status("add"))
        #expect(!status("add") && !status("new"))
        #expect(limited.counts("one").allowed == 1 && limited.counts("one").rejected == 1)
        #expect(limited.counts("all").allowed == 4 && limited.counts("all").rejected == 2)
        #expect(limited.counts("every").allowed == 4)
        let found = limited.bench.counts()
        #expect(found.contains("mcp.tools/call:del ok OK 1"))
        #expect(found.contains { $0.hasPrefix("mcp.tools/call:del limited ") })
        #expect(!found.contains { $0.contains("tools/call:new") })
    }

    @Test("a limit by a pattern that tells tools apart makes them operations, but not without end")
    func patterns() throws {
        let limited = try LimitedBench([.window(500) { $0.match.method = .glob("tools/call:x*") }])
        for number in 0..<200 {
            limited.give(Self.request("x\(number)"))
            limited.give(H1.response(200, RPC.error(-32602)), .toDownstream)
        }
        let named = limited.bench.counts().filter { $0.hasPrefix("mcp.tools/call:x") }
        #expect(named.count == OperationRegistry.maxTools)
    }

    @Test("a tool that a limit names is told apart however many others there are")
    func namedBeyondTheBound() throws {
        let limited = try LimitedBench([.window(1, method: "tools/call:late")])
        for number in 0..<130 {
            limited.give(Self.request("t\(number)"))
            limited.give(H1.response(200, RPC.result()), .toDownstream)
        }
        limited.give(Self.request("late"))
        limited.give(Self.request("late"))
        #expect(limited.counts().allowed == 1 && limited.counts().rejected == 1)
    }

    @Test("a drain of all tools has each, one of a tool only that")
    func drains() {
        for (method, refused) in [("tools/call", ["add", "del"]), ("tools/call:del", ["del"])] {
            let drained = DrainedBench()
            drained.drain("mcp", method)
            for tool in ["add", "del"] {
                let before = drained.down.count
                drained.give(Self.request(tool), now: DrainedBench.late)
                #expect((drained.down.count > before) == refused.contains(tool), "\(method) \(tool)")
                if drained.down.count == before { drained.give(H1.response(200, RPC.result()), .toDownstream) }
            }
        }
        let tool = Calls.Operation(
            callProtocol: .jsonrpc,
            interface: "mcp",
            version: "",
            group: "",
            method: "tools/call:a"
        )
        #expect(DrainTarget(interface: "mcp", method: "tools/call").covers(tool))
        #expect(DrainTarget(interface: "mcp", method: "tools/call:a").covers(tool))
        #expect(!DrainTarget(interface: "mcp", method: "tools/call:b").covers(tool))
        #expect(!DrainTarget(interface: "mcp", method: "tools").covers(tool))
    }

    @Test("a filter for all tools shows each, one for a tool only that")
    func filters() throws {
        func operation(_ method: String, _ callProtocol: CallProtocol = .jsonrpc) -> Calls.Operation {
            Calls.Operation(callProtocol: callProtocol, interface: "mcp", version: "", group: "", method: method)
        }
        func matcher(_ method: String) throws -> CallMatcher {
            CallMatcher(
                try CallFilter(parameters: [(name: "method", value: method)]),
                registry: OperationRegistry(capacity: 100)
            )
        }
        let all = try matcher("tools/call")
        #expect(all.admits(operation("tools/call")) && all.admits(operation("tools/call:add")))
        #expect(!all.admits(operation("tools/list")) && !all.admits(operation("tools/call:add", .triple)))
        let one = try matcher("tools/call:add")
        #expect(!one.admits(operation("tools/call")) && one.admits(operation("tools/call:add")))
        #expect(!one.admits(operation("tools/call:del")))
    }

    // MARK: Traces

    @Test("a message's own trace context counts before its request's, if it can be read")
    func traces() throws {
        let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let header = "traceparent: 00-11111111111111111111111111111111-2222222222222222-01"
        func body(_ parent: String) -> String {
            RPC.call("1", params: "{\"_meta\":{\"traceparent\":\"\(parent)\",\"tracestate\":\"a=1\"}}")
        }
        let rows: [(String, [String], String)] = [
            (body(own), [], "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7"),
            (body(own), [header], "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7"),
            (
                body(own), ["b3: 33333333333333333333333333333333-4444444444444444-1"],
                "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7"
            ),
            (body("broken"), [header], "11111111111111111111111111111111 2222222222222222"),
            (RPC.call(), [header], "11111111111111111111111111111111 2222222222222222"),
        ]
        for (text, headers, context) in rows {
            let traced = TracedBench()
            traced.up(H1.request(text, headers))
            traced.down(H1.response(200, RPC.result()))
            let span = try #require(traced.spans().first)
            #expect(span.context == context)
            #expect((span.text(.tracestate) == "a=1") == (context.hasPrefix("4bf9")))
        }
        let raw = TracedBench()
        raw.up(Array(body(own).utf8))
        raw.down(Array(RPC.result().utf8))
        #expect(raw.spans().first?.context == "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7")
    }
}
