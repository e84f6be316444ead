import Calls
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// JSON with a member `method` that is no JSON-RPC, and JSON-RPC that is hard to see.
@Suite struct JSONShapeTests {
    /// Bodies of other protocols: REST, connect's JSON, log lines, OData.
    static let others = [
        #"{"method":"card","amount":12}"#, #"{"id":17,"method":"express"}"#, #"{"method":"m","params":{"a":1},"id":1}"#,
        #"[{"method":"GET","url":"/a","id":"1"},{"method":"POST","url":"/b","body":{"params":[]}}]"#,
        #"{"params":[],"method":"m"}"#, #"{"event":{"jsonrpc":"2.0","method":"m","id":1}}"#, #"{"result":1,"id":2}"#,
        #"{"error":"no","method":null}"#, "[]", "17", #""jsonrpc""#, "",
    ]

    private static func drained(_ governed: GovernedBench) -> DrainGate {
        let drains = DrainRegistry()
        let gate = DrainGate(registry: drains, operations: governed.bench.registry)
        governed.bench.inspector.drainGate = gate
        _ = drains.begin(DrainOrder(target: .service, reason: "", now: 0, grace: 0, deadline: 1 << 60))
        governed.bench.inspector.drainsChanged()
        return gate
    }

    @Test("passes untouched whatever is in force, cut at every place, and counts as nothing", arguments: others)
    func untouched(body: String) throws {
        let bytes = H1.request(body) + H1.request(body, chunks: 3)
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1) { $0.match.interface = .glob("*") }], .calls)
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == bytes, "cut at \(cut)")
            limited.give(H1.response(200, "{}") + H1.response(200, body), .toDownstream)
            #expect(limited.bench.counts().isEmpty && limited.counts().allowed == 0)
            #expect(limited.session.connectionProtocol == .http)
            #expect(limited.bench.snapshot.verdictsPartial == 0)
        }
    }

    @Test("lines over TCP pass untouched, and a call among them is still judged")
    func lines() throws {
        let log = #"{"message":"paid","method":"card","level":"INFO"}"# + "\n"
        let call = RPC.call("7", "sum") + "\n"
        let bytes = Array((log + log + call + log + call).utf8)
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1)])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == Array((log + log + call + log).utf8), "cut at \(cut)")
            #expect(limited.bench.counts() == [".sum limited -32000 1"])
            #expect(limited.session.connectionProtocol == .jsonrpc)
            #expect(limited.bench.uninspected == ["opaque": UInt64(2 * log.utf8.count - 1)])
        }
    }

    @Test("large, compressed or expecting 100, a body that is no JSON-RPC passes as it is")
    func awkward() throws {
        let large = #"{"method":"put","data":""# + String(repeating: "x", count: 150_000) + "\"}"
        let requests = [
            H1.request(large), H1.request(large, chunks: 10_000),
            H1.request("\u{1f}no gzip", ["Content-Encoding: gzip"]), H1.request("brotli", ["Content-Encoding: br"]),
            H1.request(large, ["Expect: 100-continue"]), H1.request("<xml/>", ["Expect: 100-continue"]),
        ]
        for isDrained in [false, true] {
            for request in requests {
                let limited = try LimitedBench([.window(1)])
                if isDrained { _ = Self.drained(limited.governed) }
                for start in stride(from: 0, to: request.count, by: 7000) {
                    limited.give(Array(request[start..<min(request.count, start + 7000)]))
                }
                #expect(limited.up == request && limited.bench.counts().isEmpty)
                limited.give(H1.response(200, "{\"ok\":true}"), .toDownstream)
                #expect(limited.down.suffix(11) == Array("{\"ok\":true}".utf8)[...])
                #expect(limited.bench.snapshot.verdictsPartial == 0)
            }
        }
    }

    @Test("under a configured path whatever has a method is a call")
    func configured() throws {
        let bench = GovernedBench(.calls, jsonrpcPaths: ["/legacy/*"])
        let limited = try LimitedBench([.window(1)], on: bench)
        let call = H1.request(#"{"method":"card","amount":1}"#, path: "/legacy/pay?x=1")
        limited.give(call + call + H1.request(#"{"method":"card"}"#, path: "/other"))
        #expect(limited.up == call + H1.request(#"{"method":"card"}"#, path: "/other"))
        #expect(limited.bench.counts() == ["legacy/pay.card limited -32000 1", "legacy/pay.card oneway  1"])
    }

    @Test("a notification that is refused has a status that says so: 429, in a drain 503")
    func notifications() throws {
        for (isDrained, status) in [(false, "429"), (true, "503")] {
            let limited = try LimitedBench([.window(1)])
            limited.give(H1.request(RPC.call(nil, "log")))
            if isDrained { _ = Self.drained(limited.governed) }
            limited.give(H1.request(RPC.call(nil, "log")) + H1.request(RPC.batch(RPC.call(nil, "log"))))
            limited.give(H1.response(204), .toDownstream)
            let messages = StrictHTTP.messages(limited.down, answering: ["POST", "POST", "POST"]) ?? []
            #expect(messages.dropFirst().map { String($0.line.dropFirst(9).prefix(3)) } == [status, status])
            #expect(messages.allSatisfy { $0.body.isEmpty })
        }
    }

    @Test("of a message that names several methods each is asked about, and the last is the label")
    func duplicates() throws {
        for methods in [["no", "ok"], ["ok", "no"], ["x", "no", "ok"]] {
            let names = methods.map { "\"method\":\"\($0)\"" }.joined(separator: ",")
            let body = "{\"jsonrpc\":\"2.0\",\(names),\"id\":1}"
            for text in [body, "[\(body)]"] {
                let limited = try LimitedBench([.window(1, method: "no")])
                limited.give(H1.request(text))
                #expect(limited.counts().allowed == 1)
                let before = limited.up.count
                limited.give(H1.request(RPC.call("2", "no")))
                #expect(limited.up.count == before && limited.counts().rejected == 1)
                #expect(limited.session.inFlight == 1)
                let name = "org.example.Users." + (methods.last ?? "")
                limited.give(H1.response(200, RPC.result()), .toDownstream)
                #expect(limited.bench.counts().contains("\(name) ok OK 1"), "\(limited.bench.counts())")
            }
        }
    }

    @Test("JSON that only some peers read, a byte order mark, a coded path: all are calls")
    func disguised() throws {
        let bodies = [
            #"{"jsonrpc":"2.0","method":"no","params":[NaN],"id":1}"#, #"{"jsonrpc":"2.0","method":"no","id":1} x"#,
            "\u{feff}" + RPC.call("1", "no"), #"{'jsonrpc':'2.0','method':'no','id':1}"#,
            #"{"jsonrpc":"2.0","Method":"no","id":1}"#,
        ]
        let paths = ["/rpc", "http://h:80/rpc", "HTTP://h/r%70c?q=%70", "/%72pc", "/rpc?a"]
        for (number, body) in bodies.enumerated() {
            let limited = try LimitedBench([.window(1, method: "no")])
            limited.give(H1.request(RPC.call("9", "no"), path: "/rpc"))
            let before = limited.up
            limited.give(H1.request(body, path: paths[number % paths.count]))
            #expect(limited.up == before, "\(body)")
            #expect(limited.bench.counts() == ["rpc.no limited -32000 1"])
        }
    }

    @Test("a request that the service could not read is a call of no method: a client's error")
    func unparsed() {
        let bench = Bench(.calls)
        let session = bench.run([
            .up(H1.request("{\"jsonrpc\":\"2.0\",\"method\":", path: "/rpc")),
            .down(H1.response(200, RPC.error(-32700, "null"))),
            .up(H1.request("{\"foo\":1}", path: "/rpc")), .down(H1.response(400, RPC.error(-32600, "null"))),
            .up(H1.request("{\"foo\":1}", path: "/rpc")), .down(H1.response(400, RPC.error(-32601, "null"))),
            .up(H1.request("{\"foo\":1}", path: "/rpc")), .down(H1.response(400, RPC.error(-32600, "7"))),
            .up(H1.request("{\"foo\":1}", path: "/rpc")), .down(H1.response(400, "{\"error\":{\"code\":-32600}}")),
            .up(H1.request("{\"foo\":1}", path: "/rpc", method: "PUT")),
            .down(H1.response(200, RPC.error(-32600, "null"))),
        ])
        #expect(bench.counts() == ["rpc. client_error -32600 1", "rpc. client_error -32700 1"])
        #expect(session.connectionProtocol == .jsonrpc && session.inFlight == 0)
    }
}
