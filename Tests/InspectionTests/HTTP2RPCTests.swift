import Calls
import HTTP2
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

extension HTTP2Speaker {
    /// The headers of a POST of JSON.
    mutating func post(
        _ id: UInt32,
        _ path: String = "/shop",
        _ more: [(String, String)] = [],
        piece: UInt32 = 16_384
    ) -> [UInt8] {
        request(id, path, more, type: "application/json", piece: piece)
    }

    /// A whole JSON-RPC request.
    mutating func ask(_ id: UInt32, _ body: String, _ path: String = "/shop") -> [UInt8] {
        post(id, path) + H2.data(id, Array(body.utf8), end: true)
    }

    /// A whole reply of that type.
    mutating func answer(
        _ id: UInt32,
        _ body: String,
        status: String = "200",
        type: String = "application/json",
        trailers: Bool = false
    ) -> [UInt8] {
        let head = H2.headers(id, encoder.block([(":status", status), ("content-type", type)]), end: false)
        let data = H2.data(id, Array(body.utf8), end: !trailers)
        return head + data + (trailers ? H2.headers(id, encoder.block([("x-sum", "1")]), end: true) : [])
    }
}

private enum Text {
    static func call(_ method: String, id: String = "1") -> String {
        #"{"jsonrpc":"2.0","method":"\#(method)","params":[1],"id":\#(id)}"#
    }
    static func notice(_ method: String) -> String { #"{"jsonrpc":"2.0","method":"\#(method)"}"# }
    static func result(id: String = "1") -> String { #"{"jsonrpc":"2.0","result":[2],"id":\#(id)}"# }
    static func error(_ code: Int, id: String = "1") -> String {
        #"{"jsonrpc":"2.0","error":{"code":\#(code),"message":"no"},"id":\#(id)}"#
    }
}

/// JSON-RPC over HTTP/2, observed.
@Suite struct HTTP2RPCTests {
    /// A conversation with something of everything.
    private static func script() -> [(isUp: Bool, bytes: [UInt8])] {
        var (client, server) = (HTTP2Speaker(), HTTP2Speaker())
        var script: [(isUp: Bool, bytes: [UInt8])] = [
            (true, H2.preface + H2.settings([(2, 0)])), (false, H2.settings([(3, 100)]) + H2.ack), (true, H2.ack),
        ]
        // Interleaved streams, CONTINUATION, padding.
        let body = Array(Text.call("buy").utf8)
        script.append((true, client.post(1, piece: 9) + H2.padded(1, Array(body.prefix(20)), 5, end: false)))
        script.append((true, client.ask(3, Text.call("sell", id: #""a""#), "/shop?x=1")))
        script.append((true, H2.data(1, Array(body.dropFirst(20)), end: false) + H2.data(1, [], end: true)))
        script.append((false, server.answer(3, Text.error(-32601, id: #""a""#))))
        script.append((false, server.answer(1, Text.result(), trailers: true)))
        // A batch with a notification, answered out of order.
        let batch = "[\(Text.call("a", id: "1")),\(Text.notice("b")),\(Text.call("c", id: "2"))]"
        script.append((true, client.ask(5, batch)))
        script.append((false, server.answer(5, "[\(Text.result(id: "2")),\(Text.error(7, id: "1"))]")))
        script.append((true, client.ask(7, Text.notice("note"))))
        script.append((false, server.answer(7, "", status: "204")))
        // HTML with an error's status, Triple beside it, JSON that is no JSON-Text.
        script.append((true, client.ask(9, Text.call("lost"))))
        script.append((false, server.answer(9, "<html>no</html>", status: "404", type: "text/html")))
        script.append((true, client.call(11) + client.ask(13, #"{"name":"x"}"#)))
        script.append((false, server.answer(13, #"{"ok":true}"#) + server.reply(11)))
        // Resets by either peer, and a reply that is there before the request's end.
        script.append((true, client.ask(15, Text.call("cancelled")) + client.ask(17, Text.call("reset"))))
        script.append((true, H2.reset(15, 8)))
        script.append((false, H2.reset(17, 2)))
        script.append((true, client.post(19) + H2.data(19, Array(Text.call("early").utf8), end: false)))
        script.append((false, server.answer(19, Text.error(-32000), status: "500")))
        script.append((true, H2.data(19, [], end: true)))
        script.append((true, client.post(21) + H2.data(21, Array(Text.call("cut").utf8), end: false)))
        script.append((false, server.answer(21, "{}", status: "413") + H2.reset(21, 0)))
        script.append((true, client.ask(23, Text.call("gone")) + client.ask(25, Text.call("open"))))
        script.append((false, H2.goAway(23)))
        return script
    }

    private static func run(_ watching: Watching, piece: Int) -> (counts: [String], lines: Int, inFlight: Int) {
        let bench = HTTP2Bench(watching, isGreeted: false)
        for (isUp, bytes) in script() {
            for start in stride(from: 0, to: bytes.count, by: piece) {
                let part = Array(bytes[start..<min(start + piece, bytes.count)])
                if isUp { bench.up(part) } else { bench.down(part) }
            }
        }
        let inFlight = bench.session.inFlight
        bench.close()
        return (bench.counts, bench.bench.calls.texts.count, inFlight)
    }

    @Test(
        "calls are told by their bodies, and end as their replies say, whatever the pieces",
        arguments: Watching.allCases
    )
    func everySplit(watching: Watching) {
        let whole = Self.run(watching, piece: 1 << 20)
        let expected = [
            "buy": "ok", "sell": "client_error", "a": "business_error", "b": "oneway", "c": "ok", "note": "oneway",
            "lost": "client_error", "cancelled": "cancelled", "reset": "unanswered", "early": "server_error",
            "cut": "client_error", "gone": "unanswered", "open": "unanswered",
        ]
        let shop = whole.counts.filter { $0.hasPrefix("shop.") }
        var found: [String: String] = [:]
        for line in shop {
            let parts = line.dropFirst(5).split(separator: " ")
            found[String(parts[0])] = String(parts[1])
        }
        #expect(shop.count == expected.count && found == expected, "\(whole.counts)")
        #expect(whole.counts.filter { $0.hasPrefix("com.x.Shop.buy ok") }.count == 1)
        #expect(whole.inFlight == 1, "only the call below the GOAWAY waits")
        for piece in 1...60 {
            let split = Self.run(watching, piece: piece)
            #expect(split == whole, "\(piece): \(split.counts)")
            if split != whole { return }
        }
    }

    @Test("the protocol is told by the call, and its bytes are the frames'")
    func facts() {
        let bench = HTTP2Bench(.messages)
        let asked = bench.client.ask(1, Text.call("buy"))
        bench.up(asked)
        #expect(bench.session.connectionProtocol == .jsonrpc && bench.session.inFlight == 1)
        let answered = bench.server.answer(1, Text.result())
        bench.down(answered)
        let report = bench.bench.snapshot.operations.first { $0.operation.method == "buy" }
        #expect(report?.operation.callProtocol == .jsonrpc && report?.operation.interface == "shop")
        #expect(report?.requestBytes == UInt64(asked.count) && report?.responseBytes == UInt64(answered.count))
        #expect(bench.bench.lines.filter { $0.contains("jsonrpc") || $0.contains("buy") }.isEmpty == false)
    }

    @Test("what is no JSON-RPC is HTTP as before")
    func other() {
        let bench = HTTP2Bench(.calls)
        bench.up(bench.client.ask(1, #"{"a":1}"#) + bench.client.ask(3, "[1,2"))
        let form = "application/x-www-form-urlencoded"
        bench.up(bench.client.request(5, "/shop", type: form) + H2.data(5, Array(Text.call("x").utf8), end: true))
        bench.down(bench.server.answer(1, Text.result()) + bench.server.answer(3, "") + bench.server.answer(5, ""))
        #expect(bench.counts.isEmpty && bench.session.connectionProtocol == .http && bench.session.isIdle)
    }

    @Test("the members of a batch beyond the bound are counted, and not waited for")
    func largeBatch() {
        let bench = HTTP2Bench(.nothing)
        let batch = "[" + (0..<5200).map { Text.call("m", id: "\($0)") }.joined(separator: ",") + "]"
        bench.up(bench.client.post(1) + H2.data(1, Array(batch.utf8), end: true))
        let waiting = bench.session.inFlight
        #expect(waiting >= 1000 && waiting < 5200 && bench.counts == ["shop.m lost  \(5200 - waiting)"])
        let replies = "[" + (0..<5200).map { Text.result(id: "\($0)") }.joined(separator: ",") + "]"
        bench.down(bench.server.answer(1, replies))
        let answered = bench.bench.snapshot.operations.flatMap(\.results).reduce(0) { $0 + $1.count }
        #expect(bench.session.inFlight == 0 && answered == 5200, "\(bench.counts)")
    }
}

/// JSON-RPC over HTTP/2 that something decides about.
@Suite struct GovernedHTTP2RPCTests {
    private static func ends(_ watching: Watching = .nothing) -> GovernedHTTP2 {
        let ends = GovernedHTTP2(watching)
        ends.greet()
        ends.moveAll()
        return ends
    }

    private static func came(_ ends: GovernedHTTP2) -> String {
        let asked = ends.server.streams.sorted { $0.key < $1.key }.map { id, stream in
            "\(id) \(stream.fields["mark"] ?? "-") \(stream.body.count) \(stream.isEnded)"
        }
        let answers = ends.client.streams.sorted { $0.key < $1.key }.map { id, stream in
            "\(id) \(stream.fields[":status"] ?? "-") \(String(decoding: stream.body, as: UTF8.self)) \(stream.isEnded)"
        }
        return (asked + answers + ends.governed.bench.counts()).joined(separator: "\n")
    }

    @Test("each is decided about by its method, cut at every place", arguments: [Watching.nothing, .messages])
    func everySplit(watching: Watching) {
        func run(_ cut: Int?) -> (came: String, faults: [String], count: Int) {
            let ends = Self.ends(watching)
            for id: UInt32 in [1, 3, 5, 7, 9, 11, 13] { ends.client.open(id) }
            var up = ends.fromClient.ask(1, Text.call("yes")) + ends.fromClient.ask(3, Text.call("no", id: "33"))
            up += ends.fromClient.post(5, piece: 11) + ends.fromClient.call(7, "/com.x.Shop/no")
            let more = Array(Text.call("more").utf8)
            up += H2.padded(5, Array(more.prefix(9)), 3, end: false) + H2.update(0, 9)
            up += H2.data(5, Array(more.dropFirst(9)), end: true)
            up += ends.fromClient.ask(9, "[\(Text.call("no", id: "1")),\(Text.notice("x")),\(Text.call("y", id: "2"))]")
            up += ends.fromClient.ask(11, Text.notice("no")) + ends.fromClient.ask(13, #"{"rest":1}"#)
            ends.upQueue = Array(up[..<(cut ?? 0)])
            ends.moveUp(up.count)
            ends.upQueue = Array(up[(cut ?? 0)...])
            ends.moveAll()
            ends.downQueue = ends.fromServer.answer(1, Text.result()) + ends.fromServer.answer(5, Text.result())
            ends.downQueue += ends.fromServer.answer(13, "{}")
            ends.moveAll()
            #expect(ends.governed.up.heldBytes == 0 && ends.governed.session.inFlight == 0)
            return (Self.came(ends), ends.client.faults + ends.server.faults, up.count)
        }
        let whole = run(nil)
        let text = #"{"jsonrpc":"2.0","error":{"code":-32000,"message":"over the limit"},"id":33}"#
        #expect(whole.faults.isEmpty && whole.came.contains(text), "\(whole.came) \(whole.faults)")
        #expect(whole.came.hasPrefix("1 - ") && !whole.came.contains("\n3 - "), "upstream sees what passes")
        #expect(whole.came.contains("shop.no limited -32000 3"), "\(whole.came)")
        #expect(whole.came.contains("11 429  true"), "a notification has no answer but a status: \(whole.came)")
        for cut in 1..<whole.count {
            let split = run(cut)
            #expect(split.came == whole.came && split.faults.isEmpty, "\(cut): \(split.came) \(split.faults)")
            if split.came != whole.came { return }
        }
    }

    @Test("a client without room gets a status instead of an answer, and the room that an answer takes is paid back")
    func room() {
        let ends = GovernedHTTP2()
        ends.upQueue = H2.preface + H2.settings([(2, 0), (4, 20)])
        ends.client.sent(tableSize: nil)
        ends.client.sent(initialWindow: 20)
        ends.downQueue = H2.settings()
        ends.server.sent(tableSize: nil)
        ends.moveAll()
        ends.client.open(1)
        ends.upQueue = ends.fromClient.ask(1, Text.call("no"))
        ends.moveAll()
        #expect(ends.client.streams[1]?.fields[":status"] == "429" && ends.client.streams[1]?.body.isEmpty == true)
        let other = Self.ends()
        other.client.open(1)
        other.upQueue = other.fromClient.ask(1, Text.call("no"))
        other.moveAll()
        let count = other.client.streams[1]?.body.count ?? 0
        #expect(count > 0 && other.client.streams[1]?.isEnded == true)
        // The client gives the room back; upstream is told only of what is its own.
        let window = other.server.sendWindow
        other.upQueue = H2.update(0, UInt32(count) + 5)
        other.moveAll()
        #expect(other.server.sendWindow == window + 5 && other.client.faults.isEmpty)
    }

    @Test("a body too large to hold is decided about by what is known of it")
    func large() {
        for (method, status) in [("no", "200"), ("yes", "-")] {
            let ends = Self.ends(.nothing)
            ends.client.open(1)
            let body =
                #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":["\#(String(repeating: "x", count: 62_000))"]}"#
            ends.upQueue = ends.fromClient.post(1) + H2.data(1, Array(body.utf8), end: true)
            ends.moveAll()
            #expect(ends.client.streams[1]?.fields[":status"] ?? "-" == status, "\(method)")
            #expect(ends.server.streams[1] == nil || ends.server.streams[1]?.body.count == body.utf8.count)
            if method == "yes" {
                ends.downQueue = ends.fromServer.answer(1, Text.result())
                ends.moveAll()
                #expect(ends.governed.bench.counts() == ["shop.yes ok OK 1"], "\(ends.governed.bench.counts())")
            } else {
                #expect(ends.governed.bench.counts() == ["shop.no limited -32000 1"])
            }
            #expect((ends.client.faults + ends.server.faults).isEmpty && ends.governed.up.heldBytes == 0)
        }
    }

    @Test(
        "a batch of more than 1,000 calls is refused as a whole; an answer that the client has no room for is a status"
    )
    func largeBatch() {
        let ends = Self.ends()
        ends.client.open(1)
        let member = #"{"jsonrpc":"2.0","method":"no","id":1}"#
        let batch = "[" + [String](repeating: member, count: 1100).joined(separator: ",") + "]"
        ends.upQueue = ends.fromClient.post(1) + H2.data(1, Array(batch.utf8), end: true)
        ends.moveAll()
        #expect(ends.server.streams.isEmpty && ends.client.streams[1]?.fields[":status"] == "429")
        #expect(ends.client.streams[1]?.isEnded == true && ends.client.streams[1]?.body.isEmpty == true)
        #expect(ends.governed.bench.counts() == ["shop.no limited -32000 1100"])
        #expect((ends.client.faults + ends.server.faults).isEmpty)
    }

    @Test("a body that does not come is waited for 100 ms, then it is decided about by what is known")
    func late() {
        for (method, isRefused) in [("no", true), ("yes", false)] {
            let ends = Self.ends()
            ends.client.open(1)
            let body = Array(Text.call(method).utf8)
            ends.upQueue = ends.fromClient.post(1) + H2.data(1, Array(body.dropLast(3)), end: false)
            ends.moveAll()
            #expect(ends.server.streams[1] == nil)
            ends.release(now: 1000 + 99_000_000)
            #expect(ends.server.streams[1] == nil && ends.client.streams[1]?.isEnded == false)
            ends.release(now: 1000 + 100_000_000)
            #expect((ends.server.streams[1] == nil) == isRefused && ends.client.streams[1]?.isEnded == isRefused)
            ends.upQueue = H2.data(1, Array(body.suffix(3)), end: true)
            ends.moveAll()
            ends.downQueue = isRefused ? [] : ends.fromServer.answer(1, Text.result())
            ends.moveAll()
            let outcome = isRefused ? "shop.no limited -32000 1" : "shop.yes ok OK 1"
            #expect(ends.governed.bench.counts() == [outcome], "\(ends.governed.bench.counts())")
            #expect(ends.governed.bench.snapshot.verdictsPartial == 1)
            #expect((ends.client.faults + ends.server.faults).isEmpty)
        }
    }

    @Test("a limit refuses exactly, single calls and batches, and calls in flight give back what they hold")
    func limits() throws {
        let ends = GovernedHTTP2()
        let limited = try LimitedBench([.inFlight(2, method: "buy")], on: ends.governed)
        ends.greet()
        ends.moveAll()
        for id: UInt32 in [1, 3, 5] { ends.client.open(id) }
        ends.upQueue = ends.fromClient.ask(1, Text.call("buy")) + ends.fromClient.ask(3, Text.call("buy"))
        ends.upQueue += ends.fromClient.ask(5, Text.call("buy"))
        ends.moveAll()
        #expect(ends.server.streams.keys.sorted() == [1, 3] && ends.client.streams[5]?.isEnded == true)
        ends.downQueue = ends.fromServer.answer(1, Text.result()) + H2.reset(3, 8)
        ends.moveAll()
        for id: UInt32 in [7, 9] { ends.client.open(id) }
        let batch = "[\(Text.call("buy", id: "1")),\(Text.call("buy", id: "2")),\(Text.call("see", id: "3"))]"
        ends.upQueue = ends.fromClient.ask(7, batch) + ends.fromClient.ask(9, Text.call("buy"))
        ends.moveAll()
        #expect(ends.server.streams.keys.sorted() == [1, 3, 7] && limited.session.inFlight == 3)
        #expect(limited.counts().rejected == 2)
        limited.bench.inspector.close(limited.session, now: 5000)
        #expect((ends.client.faults + ends.server.faults).isEmpty)
    }

    @Test("a drain ends the connection by GOAWAY, and refuses with 503 what comes nevertheless")
    func drained() {
        let ends = HTTP2DrainTests.ends()
        ends.client.open(1)
        ends.upQueue = ends.fromClient.ask(1, Text.call("buy"))
        ends.moveAll()
        ends.drain(.service)
        #expect(ends.client.goAways == [0] && ends.client.lastStreams == [.max >> 1])
        ends.downQueue = ends.fromServer.answer(1, Text.result())
        ends.moveAll()
        #expect(ends.client.streams[1]?.isEnded == true)
        let refusing = HTTP2DrainTests.ends()
        refusing.refuse()
        refusing.client.open(1)
        refusing.upQueue = refusing.fromClient.ask(1, Text.call("buy"))
        refusing.moveAll()
        #expect(refusing.client.streams[1]?.fields[":status"] == "503" && refusing.server.streams.isEmpty)
        #expect(refusing.governed.bench.counts() == ["shop.buy drained -32000 1"])
        #expect((refusing.client.faults + ends.client.faults + ends.server.faults).isEmpty)
    }

    @Test("a span has its context from the headers or the message, and upstream gets Weir's own")
    func traced() {
        let traced = TracedBench { tracing, _ in
            tracing.injected = [.jsonrpc]
            tracing.injectedFormats = [.traceparent]
        }
        var client = HTTP2Speaker()
        let parent = "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-01"
        traced.up(H2.preface + H2.settings())
        traced.down(H2.settings())
        traced.up(
            client.post(1, "/shop", [("traceparent", parent)]) + H2.data(1, Array(Text.call("buy").utf8), end: true)
        )
        let server = StrictEnd(isServer: true)
        server.receive(traced.governed.up.output[...])
        let injected = server.streams[1]?.fields["traceparent"] ?? ""
        #expect(injected.hasPrefix("00-aa5002224700d59c14b9d7ffef07e298-") && injected != parent, "\(injected)")
        var speaker = HTTP2Speaker()
        traced.down(speaker.answer(1, Text.result()), now: 5000)
        let spans = traced.spans()
        #expect(spans.count == 1 && spans.first?.operation.method == "buy" && server.faults.isEmpty)
        let ids = (spans.first?.texts ?? []).filter { $0.kind == SpanText.requestID }.map(\.text)
        #expect(ids == ["1"])
    }
}
