import Calls
import Inspection
import Telemetry
import Testing
import Wire

/// JSON-RPC whose replies come on other connections: MCP's HTTP+SSE transport, what servers ask of their clients, and
/// streams that are taken up again.
@Suite struct CorrelationTests {
    private static let second: UInt64 = 1_000_000_000
    private static let endpoint = "/messages/?session_id=a1"
    private static let ask = #"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}"#
    private static let session = ["Mcp-Session-Id: s-1"]

    private func stream(_ bench: Bench, _ path: String = "/sse", _ endpoint: String = Self.endpoint) -> Session {
        let session = bench.open()
        bench.up(session, SSE.get(path))
        bench.down(session, SSE.head + SSE.chunk(SSE.events(endpoint, type: "endpoint")))
        return session
    }

    private func post(
        _ bench: Bench,
        _ body: String,
        _ path: String = Self.endpoint,
        _ status: Int = 202,
        now: UInt64 = 1000
    ) -> Session {
        let session = bench.open()
        bench.up(session, H1.request(body, path: path), now: now)
        bench.down(session, H1.response(status, status == 202 ? "Accepted" : ""), now: now + 1000)
        return session
    }

    // MARK: HTTP+SSE

    @Test("a call's reply is found in the stream that announced its endpoint")
    func endpoint() {
        let bench = Bench()
        let events = stream(bench)
        let call = post(bench, RPC.call("5"))
        #expect(bench.inspector.callsInFlight == 1)
        #expect(call.inFlight == 0)
        bench.inspector.close(call, now: 2500)
        #expect(bench.counts() == [])
        bench.down(events, SSE.chunk(SSE.events(RPC.result("4"), RPC.error(-32602, "5"))), now: 4000)
        #expect(bench.counts() == ["messages/.get client_error -32602 1"])
        #expect(bench.calls.all.last?.call.durationNanoseconds == 3000)
        #expect(bench.calls.all.last?.connection == Bench.client)
        #expect(events.connectionProtocol == .jsonrpc)
        bench.inspector.close(events, now: 5000)
        #expect(bench.inspector.callsInFlight == 0)
    }

    @Test("the reply may come before the POST is accepted, and a batch's replies one by one")
    func order() {
        let bench = Bench()
        let events = stream(bench)
        let call = bench.open()
        bench.up(call, H1.request(RPC.batch(RPC.call("1"), RPC.call("2"), RPC.call(nil)), path: Self.endpoint))
        bench.down(events, SSE.chunk(SSE.events(RPC.result("2"))))
        bench.down(call, H1.response(202))
        bench.down(events, SSE.chunk(SSE.events(RPC.error(-32603, "1"))))
        let name = "messages/.get"
        #expect(bench.counts() == ["\(name) ok OK 1", "\(name) oneway  1", "\(name) server_error -32603 1"])
    }

    @Test("a POST that is refused, or answered at once, ends its call")
    func refused() {
        let bench = Bench()
        _ = stream(bench)
        _ = post(bench, RPC.call("1"), Self.endpoint, 404)
        let call = bench.open()
        bench.up(call, H1.request(RPC.call("2"), path: Self.endpoint))
        bench.down(call, H1.response(200, RPC.result("2")))
        #expect(bench.counts() == ["messages/.get client_error 404 1", "messages/.get ok OK 1"])
        #expect(bench.inspector.callsInFlight == 0)
    }

    @Test("without a stream that was seen the outcome is unknown")
    func noStream() {
        let bench = Bench()
        _ = post(bench, RPC.call("1"))
        _ = stream(bench)
        _ = post(bench, RPC.call("2"), "/messages/?session_id=other")
        #expect(bench.counts() == ["messages/.get unknown  2"])
    }

    @Test("a stream's end leaves its calls unanswered, silence lets them time out")
    func ends() {
        let bench = Bench()
        let events = stream(bench)
        _ = post(bench, RPC.call("1"))
        bench.inspector.close(events, now: 8000)
        #expect(bench.counts() == ["messages/.get unanswered  1"])
        _ = post(bench, RPC.call("1"), now: 9000)
        #expect(bench.counts() == ["messages/.get unanswered  1", "messages/.get unknown  1"])
        _ = stream(bench)
        _ = post(bench, RPC.call("1"), now: Self.second)
        bench.inspector.tick(now: 62 * Self.second)
        #expect(
            bench.counts() == [
                "messages/.get timeout  1", "messages/.get unanswered  1", "messages/.get unknown  1",
            ]
        )
        #expect(bench.inspector.callsInFlight == 0)
    }

    @Test("what comes in the stream puts off the deadline of its calls, wherever they are")
    func deadlines() {
        let table = CorrelationTable()
        let (one, other) = (Bench(), Bench())
        one.inspector.correlation = table
        other.inspector.correlation = table
        let events = stream(one)
        _ = post(other, RPC.call("5"), now: Self.second)
        for time in stride(from: UInt64(50), to: 300, by: 50) {
            one.down(events, SSE.chunk(": still here\n\n"), now: time * Self.second)
            other.inspector.tick(now: (time + 40) * Self.second)
        }
        #expect(other.inspector.callsInFlight == 1)
        one.down(events, SSE.chunk(SSE.events(RPC.result("5"))), now: 300 * Self.second)
        other.inspector.tick(now: 301 * Self.second)
        #expect(other.counts() == ["messages/.get ok OK 1"])
        _ = post(other, RPC.call("6"), now: 302 * Self.second)
        other.inspector.tick(now: 359 * Self.second)
        #expect(other.inspector.callsInFlight == 1)
        other.inspector.tick(now: 363 * Self.second)
        other.inspector.tick(now: 364 * Self.second)
        #expect(other.counts() == ["messages/.get ok OK 1", "messages/.get timeout  1"])
        #expect(other.snapshot.callTableEntries == 0)
        one.inspector.close(events, now: 400 * Self.second)
    }

    @Test("what is announced is a URL, a path, or what stands beside the stream's own")
    func references() {
        let targets = [
            ("/messages/?session_id=a1", "/messages/?session_id=a1"), ("http://a:80/m?x=1", "/m?x=1"),
            ("//a/m", "/m"), ("messages?x", "/api/messages?x"), ("?x=2", "/api/sse?x=2"), ("https://a?y", "/?y"),
            ("/m#part", "/m"),
        ]
        for (announced, target) in targets {
            let bench = Bench()
            let events = stream(bench, "/api/sse?q", announced)
            _ = post(bench, RPC.call("1"), target)
            bench.down(events, SSE.chunk(SSE.events(RPC.result("1"))))
            #expect(bench.snapshot.report("get")?.results.first { $0.count > 0 }?.outcome == .ok, "\(announced)")
        }
    }

    @Test("the connection of a stream and that of its calls may belong to different workers")
    func workers() {
        let table = CorrelationTable()
        let (one, other) = (Bench(), Bench())
        one.inspector.correlation = table
        other.inspector.correlation = table
        let events = stream(one)
        _ = post(other, RPC.call("5"))
        one.down(events, SSE.chunk(SSE.events(RPC.result("5"))), now: 4000)
        #expect(other.counts() == [])
        other.inspector.tick(now: Self.second)
        #expect(other.counts() == ["messages/.get ok OK 1"])
        #expect(other.calls.all.last?.call.durationNanoseconds == 3000)
        #expect(one.counts() == [])
        _ = post(other, RPC.call("6"), now: 5000)
        one.inspector.close(events, now: 6000)
        other.inspector.tick(now: 2 * Self.second)
        #expect(other.counts() == ["messages/.get ok OK 1", "messages/.get unanswered  1"])
    }

    @Test("calls and endpoints beyond the bounds are unknown, and nothing stays behind")
    func bounds() {
        let bench = Bench(.nothing)
        let events = stream(bench)
        let call = bench.open()
        for id in 0...CorrelationTable.maxCalls {
            bench.up(call, H1.request(RPC.call("\(id)"), path: Self.endpoint))
            bench.down(call, H1.response(202))
        }
        #expect(bench.counts() == ["messages/.get unknown  1"])
        #expect(bench.inspector.callsInFlight == CorrelationTable.maxCalls)
        bench.inspector.close(events, now: 9000)
        #expect(bench.inspector.callsInFlight == 0)
        let streams = (0...CorrelationTable.maxEndpoints).map { stream(bench, "/sse", "/m/\($0)") }
        _ = post(bench, RPC.call("1"), "/m/\(CorrelationTable.maxEndpoints)")
        _ = post(bench, RPC.call("1"), "/m/1")
        #expect(bench.inspector.callsInFlight == 1)
        for session in streams { bench.inspector.close(session, now: 9000) }
        #expect(bench.inspector.callsInFlight == 0)
        let counted = bench.snapshot.operations.flatMap(\.results).reduce(0) { $0 + $1.count }
        #expect(counted == UInt64(CorrelationTable.maxCalls) + 3)
    }

    @Test("one id twice at the same time: the first cannot be told from the second")
    func sameID() {
        let bench = Bench()
        let events = stream(bench)
        _ = post(bench, RPC.call("1"))
        _ = post(bench, RPC.call("1"))
        #expect(bench.counts() == ["messages/.get unknown  1"])
        bench.down(events, SSE.chunk(SSE.events(RPC.result("1"))))
        #expect(bench.counts() == ["messages/.get ok OK 1", "messages/.get unknown  1"])
    }

    // MARK: What servers ask

    @Test("what a server asks in a stream is a call of the other side, which a later POST answers")
    func serverCalls() {
        let bench = Bench()
        let call = bench.open()
        bench.up(call, H1.request(RPC.call("1", "tools"), path: "/mcp", Self.session))
        bench.down(call, SSE.head + SSE.chunk(SSE.events(SSE.progress, Self.ask)))
        #expect(bench.counts(side: .consumer) == ["mcp.notifications/progress oneway  1"])
        let answer = bench.open()
        bench.up(answer, H1.request(RPC.result("7"), path: "/mcp", ["Mcp-Session-Id: s-2"]), now: 3000)
        #expect(bench.inspector.callsInFlight == 2)
        bench.up(answer, H1.request(RPC.result("7"), path: "/mcp", Self.session), now: 6000)
        bench.down(answer, H1.response(202) + H1.response(202), now: 6500)
        #expect(
            bench.counts(side: .consumer) == [
                "mcp.notifications/progress oneway  1", "mcp.sampling/createMessage ok OK 1",
            ]
        )
        #expect(answer.connectionProtocol == .jsonrpc)
        bench.down(call, SSE.chunk(SSE.events(RPC.result("1"))) + SSE.lastChunk, now: 7000)
        #expect(bench.counts() == ["mcp.tools ok OK 1"])
        #expect(bench.inspector.callsInFlight == 0)
    }

    @Test("clients without a session are told apart by their addresses")
    func addresses() {
        let bench = Bench()
        let call = bench.open()
        bench.up(call, H1.request(RPC.call("1", "tools"), path: "/mcp"))
        bench.down(call, SSE.head + SSE.chunk(SSE.events(Self.ask)))
        let stranger = bench.inspector.open(
            side: .provider,
            connection: ObservedConnection(client: Endpoint(ipv4: 9, port: 1), server: Bench.client.serverEnd)
        )
        bench.up(stranger, H1.request(RPC.error(-1, "7"), path: "/mcp"))
        #expect(bench.counts(side: .consumer) == [])
        let other = bench.inspector.open(
            side: .provider,
            connection: ObservedConnection(
                client: Endpoint(ipv4: 0x0a00_0001, port: 5001),
                server: Bench.client.serverEnd
            )
        )
        bench.up(other, H1.request(RPC.error(-1, "7"), path: "/mcp"))
        #expect(bench.counts(side: .consumer) == ["mcp.sampling/createMessage business_error -1 1"])
    }

    @Test("a GET's stream carries calls of the server, whose answers are posted")
    func standalone() {
        let bench = Bench()
        let events = bench.open()
        bench.up(events, SSE.get("/mcp", Self.session))
        bench.down(events, SSE.head + SSE.chunk(": hi\n\nid: 1\ndata:\n\n" + SSE.events(Self.ask)))
        let answer = bench.open()
        bench.up(answer, H1.request(RPC.result("7"), path: "/mcp", Self.session))
        #expect(bench.counts(side: .consumer) == ["mcp.sampling/createMessage ok OK 1"])
        #expect(bench.counts() == [])
        bench.inspector.close(events, now: 9000)
    }

    @Test("the server's calls over HTTP+SSE are answered by posts to the endpoint")
    func serverCallsOfOldTransport() {
        let bench = Bench()
        let events = stream(bench)
        bench.down(events, SSE.chunk(SSE.events(Self.ask)))
        _ = post(bench, RPC.result("7"))
        #expect(bench.counts(side: .consumer) == ["messages/.sampling/createMessage ok OK 1"])
    }

    // MARK: Taking up

    @Test("a stream that its server lets the client take up again leaves its reply to the next one")
    func resumed() {
        let bench = Bench()
        let call = bench.open()
        bench.up(call, H1.request(RPC.call("1", "tools"), path: "/mcp", Self.session))
        bench.down(call, SSE.response("id: 4\ndata:\n\nretry: 100\n\n"))
        #expect(bench.inspector.callsInFlight == 1)
        let events = bench.open()
        bench.up(events, SSE.get("/mcp", Self.session + ["Last-Event-ID: 4"]))
        bench.down(events, SSE.head + SSE.chunk(SSE.events(SSE.progress, RPC.result("1"))), now: 4000)
        #expect(bench.counts() == ["mcp.tools ok OK 1"])
        #expect(bench.calls.all.last?.call.durationNanoseconds == 3000)
    }

    @Test("calls that still wait at the end are told as unanswered")
    func endOfEverything() {
        let bench = Bench()
        _ = stream(bench)
        _ = post(bench, RPC.call("1"))
        bench.inspector.endCorrelated(now: 9000)
        #expect(bench.counts() == ["messages/.get unanswered  1"])
        #expect(bench.inspector.callsInFlight == 0)
    }
}
