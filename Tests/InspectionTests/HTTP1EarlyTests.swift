import Calls
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// Requests that are decided about before their end, or whose client waits to be told to go on.
@Suite struct HTTP1EarlyTests {
    private static let goOn = H1.head("HTTP/1.1 100 Continue")

    private static func large(_ method: String, isFirst: Bool, id: String = "1") -> String {
        let params = "\"params\":[\"" + String(repeating: "x", count: 90_000) + "\"]"
        let name = "\"method\":\"\(method)\""
        return "{\"jsonrpc\":\"2.0\",\(isFirst ? "\(name),\(params)" : "\(params),\(name)"),\"id\":\(id)}"
    }

    private static func give(_ bench: LimitedBench, _ bytes: [UInt8], by size: Int) {
        for start in stride(from: 0, to: bytes.count, by: size) {
            bench.give(Array(bytes[start..<min(bytes.count, start + size)]))
        }
    }

    @Test("a large call whose method comes first is judged by it, however it is cut", arguments: [500, 4096, 70_000])
    func methodFirst(size: Int) throws {
        let limited = try LimitedBench([.window(2, method: "no")], .calls)
        let requests = ["1", "2", "3", "4"].map { H1.request(Self.large("no", isFirst: true, id: $0)) }
        let ok = H1.request(Self.large("ok", isFirst: true))
        Self.give(limited, requests[0] + requests[1] + requests[2] + ok + requests[3], by: size)
        #expect(limited.up == requests[0] + requests[1] + ok)
        #expect(limited.counts().allowed == 2 && limited.counts().rejected == 2)
        limited.give([UInt8]((0..<3).flatMap { _ in H1.response(200, RPC.result()) }), .toDownstream)
        let messages = StrictHTTP.messages(limited.down, answering: Array(repeating: "POST", count: 5)) ?? []
        #expect(messages.map { $0.body.contains("exceeded\"},\"id\":3}") } == [false, false, true, false, false])
        #expect(messages.last?.body.contains("exceeded\"},\"id\":4}") == true)
        #expect(limited.bench.snapshot.verdictsPartial == 0 && limited.session.inFlight == 0)
    }

    @Test("one whose method comes last meets, on a path that has answered JSON-RPC, what looks at no method")
    func methodLast() throws {
        let limited = try LimitedBench([.window(2), .window(1, "m", method: "no")], .calls)
        let last = H1.request(Self.large("no", isFirst: false))
        // Nothing is known of the path yet.
        Self.give(limited, last, by: 10_000)
        limited.give(H1.response(200, RPC.result()), .toDownstream)
        #expect(limited.up == last && limited.counts().allowed == 0 && limited.bench.snapshot.verdictsPartial == 1)
        Self.give(limited, last + last + last, by: 10_000)
        #expect(limited.up == last + last + last)
        #expect(limited.counts().allowed == 2 && limited.counts().rejected == 1 && limited.counts("m").allowed == 0)
        #expect(limited.bench.snapshot.verdictsPartial == 3)
        limited.give(H1.response(200, RPC.result()) + H1.response(200, RPC.result()), .toDownstream)
        let answers = StrictHTTP.messages(limited.down, answering: Array(repeating: "POST", count: 4)) ?? []
        #expect(answers.last?.body.contains("limit l exceeded") == true && answers.count == 4)
        #expect(
            limited.bench.counts().sorted() == [
                "org.example.Users.no limited -32000 1", "org.example.Users.no ok OK 3",
            ]
        )
    }

    @Test("what it took is held by the call until it ends")
    func inFlight() throws {
        let limited = try LimitedBench([.inFlight(1)])
        Self.give(limited, H1.request(Self.large("a", isFirst: true)), by: 10_000)
        #expect(limited.gate.heldTokens == 1 && limited.session.inFlight == 1)
        Self.give(limited, H1.request(RPC.call("2", "b")), by: 10_000)
        #expect(limited.counts().rejected == 1)
        limited.give(H1.response(200, RPC.result()), .toDownstream)
        #expect(limited.gate.heldTokens == 0)
        Self.give(limited, Array(H1.request(Self.large("a", isFirst: true)).prefix(80_000)), by: 10_000)
        #expect(limited.gate.heldTokens == 1)
        limited.bench.inspector.close(limited.session, now: 5)
        #expect(limited.gate.heldTokens == 0)
    }

    @Test("every member of a large batch is charged and counted", arguments: [5, 1000, 1001, 7000])
    func batches(count: Int) throws {
        let members = (0..<count).map { RPC.call("\($0)", $0 == 3 ? "other" : "no", params: "[]") }
        let bytes = H1.request("[" + members.joined(separator: ",") + "]")
        let refused = try LimitedBench([.window(2, method: "no")])
        Self.give(refused, bytes, by: 16_000)
        #expect(refused.up.isEmpty && (refused.counts().rejected == count - 1 || count > 1500))
        #expect(refused.counts().allowed == 0)
        #expect(
            refused.bench.counts() == [
                "org.example.Users.no limited -32000 \(count - 1)", "org.example.Users.other limited -32000 1",
            ]
        )
        #expect(StrictHTTP.messages(refused.down, answering: ["POST"])?.count == 1)
        let passed = try LimitedBench([.window(7001, method: "no")])
        Self.give(passed, bytes, by: 16_000)
        #expect(passed.up == bytes)
        passed.give(H1.response(200, "[]"), .toDownstream)
        #expect(passed.bench.snapshot.operations.reduce(0) { $0 + $1.results.reduce(0) { $0 + $1.count } } == count)
        #expect(passed.counts().allowed == count - 1 && passed.counts().rejected == 0)
        passed.bench.inspector.close(passed.session, now: 9000)
    }

    @Test("a large batch is refused wherever it is cut, in the middle of a method too")
    func cutBatches() throws {
        let member = RPC.call("1", "expensive", params: "[]") + ","
        let bytes = H1.request("[" + String(repeating: member, count: 1200).dropLast() + "]")
        for size in stride(from: 61_000, to: 61_000 + member.utf8.count, by: 4) {
            let limited = try LimitedBench([.window(2, method: "expensive")])
            Self.give(limited, bytes, by: size)
            #expect(limited.up.isEmpty && limited.bench.snapshot.verdictsPartial == 0, "\(size)")
            #expect(limited.bench.counts() == ["org.example.Users.expensive limited -32000 1200"])
        }
    }

    // MARK: Compressed

    @Test("a coded body is judged by what it holds and passed on as it is")
    func coded() throws {
        // zlib's stored blocks: no encoder is needed.
        func stored(_ text: String) -> [UInt8] {
            let bytes = Array(text.utf8)
            let (low, high) = (UInt8(bytes.count & 255), UInt8(bytes.count >> 8))
            return [1, low, high, ~low, ~high] + bytes
        }
        func request(_ text: String, _ coding: String) -> [UInt8] {
            let body = stored(text)
            return H1.head(
                "POST /rpc HTTP/1.1",
                "Content-Type: application/json",
                "Content-Encoding: \(coding)",
                "Content-Length: \(body.count)"
            ) + body
        }
        let pass = request(RPC.call("1", "no"), "deflate")
        let bytes = pass + request(RPC.call("2", "no"), "Deflate") + request("{\"method\":\"no\"}", "deflate")
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1, method: "no")])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == pass + request("{\"method\":\"no\"}", "deflate"), "cut at \(cut)")
            #expect(limited.bench.snapshot.verdictsPartial == 0)
        }
        // A coding that cannot be read: told where JSON-RPC is known to be, and asked what looks at no method.
        let limited = try LimitedBench([.window(2)])
        let odd = request(RPC.call("1", "no"), "br")
        limited.give(odd + H1.request(RPC.call("1", "no"), path: "/rpc"))
        limited.give(H1.response(200, "{}") + H1.response(200, RPC.result()), .toDownstream)
        #expect(limited.bench.snapshot.verdictsPartial == 0)
        limited.give(odd + odd)
        #expect(limited.up == odd + H1.request(RPC.call("1", "no"), path: "/rpc") + odd)
        #expect(limited.bench.snapshot.verdictsPartial == 1 && limited.counts().rejected == 1)
    }

    @Test("a body that is plain whatever its head says is judged", arguments: ["gzip", "deflate", "br", "zstd"])
    func plainAsCoded(coding: String) throws {
        let requests = ["1", "2"].map { H1.request(RPC.call($0, "no"), ["Content-Encoding: \(coding)"]) }
        let bytes = requests[0] + requests[1]
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1, method: "no")])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == requests[0], "cut at \(cut)")
            #expect(limited.counts().rejected == 1 && limited.bench.snapshot.verdictsPartial == 0)
        }
    }

    @Test("JSON in UTF-16 and UTF-32 meets, where JSON-RPC is known to be, what looks at no method")
    func wide() throws {
        let ascii = Array(RPC.call("2", "no").utf8)
        let bodies: [[UInt8]] = [
            ascii.flatMap { [$0, 0] }, ascii.flatMap { [0, $0] }, [0xff, 0xfe] + ascii.flatMap { [$0, 0] },
            [0xfe, 0xff] + ascii.flatMap { [0, $0] }, ascii.flatMap { [$0, 0, 0, 0] }, ascii.flatMap { [0, 0, 0, $0] },
        ]
        for body in bodies {
            let request = H1.head("POST /rpc HTTP/1.1", "Content-Length: \(body.count)") + body
            let first = H1.request(RPC.call("1", "no"), path: "/rpc")
            for cut in stride(from: 0, through: request.count, by: 5) {
                let limited = try LimitedBench([.window(2)])
                limited.give(first)
                limited.give(H1.response(200, RPC.result()), .toDownstream)
                limited.give(Array(request[..<cut]))
                limited.give(Array(request[cut...]) + request)
                #expect(limited.up == first + request, "cut at \(cut)")
                #expect(limited.bench.snapshot.verdictsPartial == 1 && limited.counts().rejected == 1)
            }
        }
    }

    @Test("what is no JSON-RPC is passed on as it comes")
    func notHeld() throws {
        let head = H1.head("POST /events HTTP/1.1", "Transfer-Encoding: chunked")
        for piece in ["6\r\nevent1\r\n", "3\r\n\"a\"\r\n", "2\r\n42\r\n", "4\r\ntrue\r\n"] {
            let limited = try LimitedBench([.window(1)])
            limited.give(head)
            #expect(limited.up.isEmpty)
            limited.give(Array(piece.utf8))
            #expect(limited.up == head + Array(piece.utf8), "\(piece)")
            limited.give(Array("1\r\n{\r\n0\r\n\r\n".utf8))
            #expect(limited.up.count == head.count + piece.utf8.count + 11 && limited.bench.counts().isEmpty)
        }
        // Nothing could refuse a call of this protocol.
        var definition = LimitDefinition.window(1)
        definition.match.callProtocol = .dubbo
        let limited = try LimitedBench([definition])
        let call = Array(H1.request(RPC.call("1", "no")).dropLast(3))
        limited.give(call)
        #expect(limited.up == call)
    }

    // MARK: Expect

    private static func expecting(_ body: String, path: String = "/rpc", _ headers: [String] = []) -> [UInt8] {
        H1.request(body, path: path, ["Expect: 100-continue"] + headers)
    }

    @Test(
        "who expects 100-continue is told to go on, held and judged; upstream's own word is left out",
        arguments: [1, 3, 1000]
    )
    func expects(piece: Int) throws {
        let requests = ["1", "2", "3"].map { Self.expecting(RPC.call($0, "no")) }
        let limited = try LimitedBench([.window(2, method: "no")])
        for (number, request) in requests.enumerated() {
            let body = RPC.call("1", "no").utf8.count
            let before = limited.down.count
            let sent = limited.up.count
            Self.give(limited, Array(request.dropLast(body)), by: piece)
            #expect(Array(limited.down[before...]) == Self.goOn && limited.up.count == sent)
            Self.give(limited, Array(request.suffix(body)), by: piece)
            #expect(limited.up.count == (number < 2 ? sent + request.count : sent))
            guard number < 2 else { continue }
            let early = H1.head("HTTP/1.1 103 Early", "Link: a")
            let answer = H1.response(200, RPC.result("\(number + 1)"))
            let said = Self.goOn + early + answer
            for start in stride(from: 0, to: said.count, by: piece) {
                limited.give(Array(said[start..<min(said.count, start + piece)]), .toDownstream)
            }
            #expect(Array(limited.down[(before + Self.goOn.count)...]) == early + answer)
        }
        let messages = StrictHTTP.messages(limited.down, answering: ["POST", "POST", "POST"]) ?? []
        #expect(messages.count == 3 && messages.last?.body.contains("exceeded") == true)
        #expect(limited.bench.counts() == ["rpc.no limited -32000 1", "rpc.no ok OK 2"])
        #expect(limited.bench.snapshot.verdictsPartial == 0 && limited.governed.down.heldBytes == 0)
    }

    @Test("the word to go on waits for the answers to earlier requests")
    func order() throws {
        let limited = try LimitedBench([.window(9, method: "no")])
        let body = RPC.call("2", "no")
        limited.give(H1.request(RPC.call("1", "no")) + Self.expecting(body).dropLast(body.utf8.count))
        #expect(limited.down.isEmpty)
        let first = H1.response(200, RPC.result("1"))
        limited.give(first, .toDownstream)
        #expect(limited.down == first + Self.goOn)
        limited.give(Array(body.utf8))
        limited.give(Self.goOn + H1.response(413, "no"), .toDownstream)
        #expect(limited.down == first + Self.goOn + H1.response(413, "no"))
    }

    @Test("a body that proves to be none of it is passed on unchanged")
    func other() throws {
        let limited = try LimitedBench([.window(1)])
        let request = Self.expecting(#"{"method":"card","amount":1}"#)
        for _ in 0..<3 {
            limited.give(request)
            limited.give(Self.goOn + H1.response(200, "{}"), .toDownstream)
        }
        #expect(limited.up == request + request + request && limited.counts().allowed == 0)
        #expect(limited.down == (0..<3).flatMap { _ in Self.goOn + H1.response(200, "{}") })
    }

    @Test("elsewhere the head passes untouched at once")
    func untouched() throws {
        let interface: (inout LimitDefinition) -> Void = { $0.match.interface = .exact("rpc") }
        let heads = [
            H1.head(
                "POST /other HTTP/1.1",
                "Content-Type: application/json",
                "Expect: 100-continue",
                "Content-Length: 9"
            ),
            H1.head("POST /rpc HTTP/1.1", "Content-Type: text/xml", "Expect: 100-continue", "Content-Length: 9"),
            H1.head("PUT /rpc HTTP/1.1", "Content-Type: application/json", "Expect: 100-continue", "Content-Length: 9"),
            H1.head(
                "POST /rpc HTTP/1.0",
                "Content-Type: application/json",
                "Expect: 100-continue",
                "Content-Length: 9"
            ),
            H1.head(
                "POST /rpc HTTP/1.1",
                "Content-Type: application/json",
                "Expect: 100-continue",
                "Content-Length: 90000"
            ),
        ]
        for head in heads {
            let limited = try LimitedBench([.window(1, "l", method: nil, interface)])
            limited.give(head)
            #expect(limited.up == head && limited.down.isEmpty)
        }
    }

    @Test("where nothing but JSON-RPC was seen, a spent limit is told before the body is sent")
    func atOnce() throws {
        let limited = try LimitedBench([.window(2)])
        let body = RPC.call("2", "no")
        let head = Array(Self.expecting(body).dropLast(body.utf8.count))
        for _ in 0..<2 {
            limited.give(H1.request(RPC.call("1", "a"), path: "/rpc"))
            limited.give(H1.response(200, RPC.result()), .toDownstream)
        }
        let (before, sent) = (limited.down.count, limited.up.count)
        limited.give(head)
        let answer = StrictHTTP.messages(Array(limited.down[before...]), answering: ["POST"]) ?? []
        #expect(answer.map { String($0.line.dropFirst(9).prefix(3)) } == ["429"])
        #expect(answer.first?.headers["connection"] == "close")
        #expect(limited.bench.counts().contains("rpc. limited -32000 1"))
        limited.give(Array(body.utf8))
        #expect(limited.up.count == sent && !limited.bench.counts().contains("rpc.no limited -32000 1"))
        // Where other things were seen, too, the body is asked for first.
        let mixed = try LimitedBench([.window(2)])
        for text in [RPC.call("1", "a"), "{\"a\":1}", RPC.call("1", "a")] {
            mixed.give(H1.request(text, path: "/rpc"))
            mixed.give(H1.response(200, RPC.result()), .toDownstream)
        }
        let start = mixed.down.count
        mixed.give(head)
        #expect(Array(mixed.down[start...]) == Self.goOn)
    }
}
