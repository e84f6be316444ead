import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

/// JSON-RPC over HTTP, Triple's plain form and other HTTP, as a session that only observes sees them.
@Suite struct HTTP1SessionTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let steps: @Sendable () -> [Exchanged]
        let counts: [String]
        var spoken = ConnectionProtocol.jsonrpc
        var inFlight = 0

        init(
            _ name: String,
            as spoken: ConnectionProtocol = .jsonrpc,
            inFlight: Int = 0,
            _ counts: [String],
            _ steps: @escaping @Sendable () -> [Exchanged]
        ) {
            testDescription = name
            self.spoken = spoken
            self.inFlight = inFlight
            self.counts = counts
            self.steps = steps
        }
    }

    private static let name = "org.example.Users.get"
    private static let hi = "org.example.Greeter.hi"

    static let single: [Case] = [
        Case("a call and its result", ["\(name) ok OK 1"]) {
            [.up(H1.request(RPC.call())), .down(H1.response(200, RPC.result()))]
        },
        Case("chunked both ways, with extensions and trailers", ["\(name) ok OK 1"]) {
            [.up(H1.request(RPC.call(), chunks: 7)), .down(H1.response(200, RPC.result(), chunks: 5))]
        },
        Case("the reply's id does not matter to a single call", ["\(name) ok OK 1"]) {
            [.up(H1.request(RPC.call("\"a\""))), .down(H1.response(200, RPC.result("null")))]
        },
        Case("ids of all types", ["\(name) ok OK 5"]) {
            ["1", "-1.5e3", "\"x\\u0041\"", "null", "\"" + String(repeating: "i", count: 400) + "\""].flatMap {
                [Exchanged.up(H1.request(RPC.call($0))), .down(H1.response(200, RPC.result($0)))]
            }
        },
        Case("a query and several slashes before the service's name", ["\(name) ok OK 1"]) {
            [.up(H1.request(RPC.call(), path: "//org.example.Users?x=/y")), .down(H1.response(200, RPC.result()))]
        },
        Case("a path that is empty", [".get ok OK 1"]) {
            [.up(H1.request(RPC.call(), path: "/")), .down(H1.response(200, RPC.result()))]
        },
        Case("the method behind huge params", ["\(name) ok OK 1"]) {
            let params = "[\"" + String(repeating: "x", count: 200_000) + "\"]"
            return [
                .up(H1.request("{\"params\":\(params),\"id\":1,\"method\":\"get\",\"jsonrpc\":\"2.0\"}")),
                .down(H1.response(200, RPC.result())),
            ]
        },
        Case(
            "errors by their codes",
            [
                "\(name) business_error 7 1", "\(name) client_error -32601 1", "\(name) client_error -32700 1",
                "\(name) server_error -32000 1", "\(name) server_error -32603 1",
            ]
        ) {
            [-32700, -32601, -32603, -32000, 7].flatMap {
                [Exchanged.up(H1.request(RPC.call())), .down(H1.response(200, RPC.error($0)))]
            }
        },
        Case("dubbo-go's error: HTTP 500 with an empty result beside it", ["\(name) server_error -32000 1"]) {
            let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{\"code\":-32000,\"message\":\"no\"}}"
            return [.up(H1.request(RPC.call())), .down(H1.response(500, body))]
        },
        Case("HTTP errors without a JSON-RPC body", ["\(name) client_error 404 1", "\(name) server_error 503 2"]) {
            [
                .up(H1.request(RPC.call())), .down(H1.response(404, "not found")),
                .up(H1.request(RPC.call())), .down(H1.response(503, "")),
                .up(H1.request(RPC.call())), .down(H1.response(503, "{\"message\":\"busy\"}")),
            ]
        },
        Case(
            "a compressed result cannot be read, an error's status can",
            ["\(name) client_error 400 1", "\(name) unknown  1"]
        ) {
            [
                .up(H1.request(RPC.call())), .down(H1.response(200, "\u{1f}zipped", ["Content-Encoding: gzip"])),
                .up(H1.request(RPC.call())), .down(H1.response(400, "\u{1f}zipped", ["Content-Encoding: gzip"])),
            ]
        },
        Case("notifications", ["\(name) oneway  2"]) {
            [
                .up(H1.request(RPC.call(nil))), .down(H1.response(204)),
                .up(H1.request("{\"method\":\"get\",\"params\":[],\"id\":null}")), .down(H1.response(200, "{}")),
            ]
        },
        Case("pipelining", ["\(name) ok OK 2", "\(name) server_error -32603 1"]) {
            [
                .up(H1.request(RPC.call()) + H1.request(RPC.call("2")) + H1.request(RPC.call("3"))),
                .down(
                    H1.response(200, RPC.result()) + H1.response(200, RPC.error(-32603, "2"), chunks: 3)
                        + H1.response(200, RPC.result("3"))
                ),
            ]
        },
        Case("Expect: 100-continue, and other interim responses", ["\(name) ok OK 1"]) {
            let request = H1.request(RPC.call(), ["Expect: 100-continue"])
            let body = RPC.call().utf8.count
            return [
                .up(Array(request.dropLast(body))), .down(H1.head("HTTP/1.1 100 Continue")),
                .up(Array(request.suffix(body))), .down(H1.head("HTTP/1.1 103 Early Hints", "Link: a")),
                .down(H1.response(200, RPC.result())),
            ]
        },
        Case("a body that the connection's end ends", ["\(name) ok OK 1"]) {
            [
                .up(H1.request(RPC.call(), ["Connection: close"])), .down(H1.head("HTTP/1.1 200 OK")),
                .down(Array(RPC.result().utf8)), .downEnds,
            ]
        },
        Case("the connection's end inside a response", inFlight: 1, []) {
            [.up(H1.request(RPC.call())), .down(Array(H1.response(200, RPC.result()).dropLast())), .downEnds]
        },
        Case("empty lines between requests", ["\(name) ok OK 2"]) {
            [
                .up(H1.request(RPC.call()) + [13, 10, 13, 10] + H1.request(RPC.call())),
                .down(H1.response(200, RPC.result()) + H1.response(200, RPC.result())),
            ]
        },
        Case("a response that overtakes its request", ["\(name) client_error 413 1", "\(name) ok OK 2"]) {
            let request = H1.request(RPC.call())
            return [
                .up(Array(request.dropLast(9))), .down(H1.response(413, "too large")), .up(Array(request.suffix(9))),
                .up(H1.request(RPC.call("2"))), .down(H1.response(200, RPC.result("2"))),
                .up(Array(request.dropLast(1))), .down(H1.response(200, RPC.result())), .up(Array(request.suffix(1))),
            ]
        },
    ]

    static let batches: [Case] = [
        Case(
            "replies in any order, each member its own outcome",
            ["org.example.Users.a ok OK 1", "org.example.Users.b business_error 5 1", "org.example.Users.c oneway  1"]
        ) {
            [
                .up(H1.request(RPC.batch(RPC.call("1", "a"), RPC.call("\"2\"", "b"), RPC.call(nil, "c")))),
                .down(H1.response(200, RPC.batch(RPC.error(5, "\"2\""), RPC.result("1")))),
            ]
        },
        Case(
            "a member without a reply",
            ["org.example.Users.a unanswered  1", "org.example.Users.b ok OK 1"]
        ) {
            [
                .up(H1.request(RPC.batch(RPC.call("1", "a"), RPC.call("2", "b")))),
                .down(H1.response(200, RPC.batch(RPC.result("2"), RPC.result("9")))),
            ]
        },
        Case("an error for the whole", ["\(name) client_error -32600 2"]) {
            [
                .up(H1.request(RPC.batch(RPC.call("1"), RPC.call("2")))),
                .down(H1.response(200, RPC.error(-32600, "null"))),
            ]
        },
        Case("an HTTP error for the whole", ["\(name) server_error 502 2"]) {
            [.up(H1.request(RPC.batch(RPC.call("1"), RPC.call("2")))), .down(H1.response(502, "bad"))]
        },
        Case("one member only, answered without an array", ["\(name) ok OK 1"]) {
            [.up(H1.request(RPC.batch(RPC.call("7")))), .down(H1.response(200, RPC.result("7")))]
        },
        Case("notifications only", ["\(name) oneway  2"]) {
            [.up(H1.request(RPC.batch(RPC.call(nil), RPC.call(nil)))), .down(H1.response(204))]
        },
        Case("one id twice: one of the two is never answered", ["\(name) ok OK 1", "\(name) unanswered  1"]) {
            [
                .up(H1.request(RPC.batch(RPC.call("1"), RPC.call("1")))),
                .down(H1.response(200, RPC.batch(RPC.result("1"), RPC.result("1")))),
            ]
        },
        Case("an id too long to keep", ["\(name) lost  1", "\(name) ok OK 1"]) {
            let long = "\"" + String(repeating: "i", count: 400) + "\""
            return [
                .up(H1.request(RPC.batch(RPC.call(long), RPC.call("1")))),
                .down(H1.response(200, RPC.batch(RPC.result(long), RPC.result("1")))),
            ]
        },
        Case("two batches in a pipeline use the same ids", ["\(name) ok OK 2", "\(name) server_error -32000 2"]) {
            let batch = H1.request(RPC.batch(RPC.call("1"), RPC.call("2")))
            return [
                .up(batch + batch), .down(H1.response(200, RPC.batch(RPC.result("2"), RPC.result("1")))),
                .down(H1.response(200, RPC.batch(RPC.error(-32000, "1"), RPC.error(-32000, "2")))),
            ]
        },
    ]

    static let others: [Case] = [
        Case("Dubbo's REST and other JSON", as: .http, []) {
            [
                .up(H1.request(path: "/users/1", method: "GET")), .down(H1.response(200, "{\"result\":1}")),
                .up(H1.request("{\"name\":\"a\",\"id\":1}")), .down(H1.response(500, "{\"error\":{\"code\":1}}")),
                .up(H1.request("[1,2]", method: "PUT")), .down(H1.response(200, "{}")),
                .up(H1.request("{\"method\":\"get\",\"id\":1}")), .down(H1.response(200, "{}")),
                .up(H1.request("[{\"method\":\"GET\",\"url\":\"/a\"}]")), .down(H1.response(200, "[{\"status\":200}]")),
                .up(H1.request("{\"jsonrpc\":\"2.0\",\"method\":\"get\"")), .down(H1.response(400, "{}")),
                .up(H1.request("{\"result\":1,\"id\":2}")), .down(H1.response(202)),
            ]
        },
        Case("HEAD, 204 and 304 have no body whatever they say", as: .http, []) {
            [
                .up(H1.request(method: "HEAD") + H1.request(method: "GET") + H1.request(method: "DELETE")),
                .down(H1.head("HTTP/1.1 200 OK", "Content-Length: 10") + H1.head("HTTP/1.1 304 Same", "ETag: a")),
                .down(H1.head("HTTP/1.1 204 None")), .up(H1.request("x", method: "GET")), .down(H1.response(200, "y")),
            ]
        },
        Case("HTTP and JSON-RPC on one connection", as: .jsonrpc, ["\(name) ok OK 1"]) {
            [
                .up(H1.request(method: "GET") + H1.request(RPC.call()) + H1.request("x")),
                .down(H1.response(200, "x") + H1.response(200, RPC.result()) + H1.response(404)),
            ]
        },
        Case("a call without an answer", as: .jsonrpc, inFlight: 2, []) {
            [.up(H1.request(RPC.call()) + H1.request(RPC.call()))]
        },
        Case("Triple's plain form", as: .triple, ["\(hi) ok 200 2"]) {
            [
                .up(H1.triple()), .down(H1.response(200, "{}")),
                .up(H1.triple(chunks: 1)), .down(H1.response(200, "{}", chunks: 1)),
            ]
        },
        Case(
            "Triple's errors",
            as: .triple,
            ["\(hi) business_error 200 1", "\(hi) client_error 404 1", "\(hi) server_error 500 1"]
        ) {
            [
                .up(H1.triple() + H1.triple() + H1.triple()), .down(H1.response(404, "{\"code\":\"unimplemented\"}")),
                .down(H1.response(500, "{}") + H1.response(200, "{}", ["tri-exception-code: 1"])),
            ]
        },
        Case(
            "the marks of Triple",
            as: .triple,
            Array(repeating: "\(hi) ok 200 1", count: 3) + ["org.example.Greeter.plain ok 200 1"]
        ) {
            [
                .up(H1.request("{}", path: "/org.example.Greeter/hi", ["tri-service-version: 2"])),
                .up(H1.request("{}", path: "/org.example.Greeter/hi", ["TRI-Service-Group: g"])),
                .up(H1.request("{}", path: "/org.example.Greeter/hi", ["tri-consumer-appname: c"])),
                .up(H1.triple("plain", verb: "GET", body: "")),
                .down(H1.response(200) + H1.response(200) + H1.response(200) + H1.response(200)),
            ]
        },
        Case("a response that overtakes a Triple request", as: .triple, ["\(hi) client_error 401 1", "\(hi) ok 200 1"])
        {
            let request = H1.triple()
            return [
                .up(Array(request.dropLast())), .down(H1.response(401)), .up(Array(request.suffix(1)) + request),
                .down(H1.response(200)),
            ]
        },
        Case("CONNECT opens a tunnel, a refused one does not", as: .opaque, []) {
            [
                .up(H1.request(method: "GET")), .down(H1.response(200)),
                .up(H1.head("CONNECT a:1 HTTP/1.1", "Host: a:1")), .down(H1.response(405)),
                .up(H1.head("CONNECT a:1 HTTP/1.1", "Host: a:1")), .down(H1.head("HTTP/1.1 200 OK") + [0, 1, 2]),
                .up([22, 3, 1, 0, 5]),
            ]
        },
        Case("an upgrade to something else", as: .opaque, []) {
            [
                .up(H1.request(method: "GET", ["Connection: Upgrade", "Upgrade: websocket"])),
                .down(H1.head("HTTP/1.1 101 Go", "Connection: Upgrade", "Upgrade: websocket") + [0x81, 0]),
                .up([0x81, 0x80, 1, 2, 3, 4]),
            ]
        },
    ]

    @Test("calls over HTTP/1", arguments: single + batches + others)
    func calls(_ example: Case) {
        let bench = Bench()
        let session = bench.run(example.steps())
        #expect(bench.counts() == example.counts)
        #expect(session.connectionProtocol == example.spoken)
        #expect(session.inFlight == example.inFlight)
        #expect(bench.decodeErrors.isEmpty)
        bench.inspector.close(session, now: 9000)
        #expect(bench.inspector.callsInFlight == 0)
        let open = bench.counts().filter { $0.contains(" unanswered ") }.count
        #expect((open > 0) == (example.inFlight > 0 || example.counts.contains { $0.contains("unanswered") }))
    }

    @Test("facts do not depend on the pieces", arguments: single + batches + others)
    func everySplit(_ example: Case) {
        let steps = example.steps()
        guard steps.byteCount < 10_000 else { return }
        for watching in Watching.allCases {
            let whole = Self.facts(steps, watching)
            for piece in [1, 2, 3, 7] { #expect(Self.facts(steps, watching, piece: piece) == whole) }
            guard watching == .messages else { continue }
            for cut in 1..<steps.byteCount where Self.facts(steps, watching, cut: cut) != whole {
                Issue.record("cut at \(cut)")
            }
        }
    }

    static func facts(
        _ steps: [Exchanged],
        _ watching: Watching,
        piece: Int? = nil,
        cut: Int? = nil
    ) -> [String] {
        let bench = Bench(watching)
        let session = bench.run(steps, piece: piece, cut: cut)
        bench.inspector.close(session, now: 9000)
        let sizes = bench.snapshot.operations.map { "\($0.operation) \($0.requestBytes) \($0.responseBytes)" }
        return bench.counts() + sizes.sorted() + bench.calls.texts + bench.lines + ["\(session.connectionProtocol)"]
            + bench.uninspected.map { "\($0) \($1)" }.sorted() + bench.decodeErrors.keys
    }
}
