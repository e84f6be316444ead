import Calls
import Inspection
import Telemetry
import TestSupport
import Testing
import Wire

/// Bytes of server-sent events.
enum SSE {
    /// The events of messages, each on a line of its own.
    static func events(_ data: String..., type: String? = "message") -> String {
        data.map { (type.map { "event: \($0)\n" } ?? "") + "data: \($0)\n\n" }.joined()
    }

    /// A response that is a stream and has ended.
    static func response(_ stream: String, chunks: Int? = nil, status: Int = 200) -> [UInt8] {
        H1.response(status, stream, ["Content-Type: text/event-stream; charset=utf-8", "X-A: b"], chunks: chunks)
    }

    /// The head of a stream whose end is open.
    static let head = H1.head("HTTP/1.1 200 OK", "content-type: text/event-stream", "transfer-encoding: chunked")

    static func chunk(_ text: String) -> [UInt8] {
        Array((String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n").utf8)
    }

    static let lastChunk = Array("0\r\n\r\n".utf8)

    static let progress = #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#

    static func get(_ path: String = "/sse", _ headers: [String] = []) -> [UInt8] {
        H1.request(path: path, method: "GET", ["Accept: text/event-stream"] + headers)
    }
}

/// JSON-RPC calls that are answered by event streams (MCP's streamable HTTP).
@Suite struct EventStreamTests {
    private static let name = "org.example.Users.get"

    static let cases: [HTTP1SessionTests.Case] = [
        .init("a reply alone", ["\(name) ok OK 1"]) {
            [.up(H1.request(RPC.call())), .down(SSE.response(SSE.events(RPC.result())))]
        },
        .init("chunks, comments, a first event without a message", ["\(name) ok OK 1"]) {
            let stream = ": hello\r\n\r\nid: 1\r\nretry: 50\r\ndata:\r\n\r\n" + SSE.events(RPC.result(), type: nil)
            return [.up(H1.request(RPC.call())), .down(SSE.response(stream, chunks: 9))]
        },
        .init("a message over several lines, each ended by CR", ["\(name) ok OK 1"]) {
            let stream = "data: {\"jsonrpc\":\"2.0\",\rdata: \"id\":1,\rdata:\"result\":[\rdata\rdata:]}\r\r"
            return [.up(H1.request(RPC.call())), .down(SSE.response(stream))]
        },
        .init("errors by their codes", ["\(name) business_error 7 1", "\(name) client_error -32602 1"]) {
            [-32602, 7].flatMap {
                [Exchanged.up(H1.request(RPC.call())), .down(SSE.response(SSE.events(RPC.error($0))))]
            }
        },
        .init("the id, spelled otherwise, is the request's", ["\(name) client_error -32601 1"]) {
            let stream = SSE.events(SSE.progress, RPC.error(-32601, "\"\\u0061\""), RPC.result("\"a\""))
            return [.up(H1.request(RPC.call("\"a\""))), .down(SSE.response(stream))]
        },
        .init("the only reply answers, whatever its id", ["\(name) client_error -32600 2"]) {
            ["null", "\"1\""].flatMap {
                [Exchanged.up(H1.request(RPC.call())), .down(SSE.response(SSE.events(RPC.error(-32600, $0))))]
            }
        },
        .init("of two replies of other ids none answers", ["\(name) unanswered  1"]) {
            [.up(H1.request(RPC.call())), .down(SSE.response(SSE.events(RPC.result("2"), RPC.result("3"))))]
        },
        .init("a stream that ends without the reply", ["\(name) unanswered  3"]) {
            let broken = SSE.events("{\"jsonrpc\":\"2.0\",\"id\":1,") + "data: " + RPC.result()
            return ["", SSE.events(SSE.progress), broken].flatMap {
                [Exchanged.up(H1.request(RPC.call())), .down(SSE.response($0))]
            }
        },
        .init(
            "a batch, its members' replies in a batch and alone",
            [
                "\(name) client_error -32601 1", "\(name) ok OK 2", "\(name) unanswered  1",
            ]
        ) {
            let calls = RPC.batch(RPC.call("1"), RPC.call("2"), RPC.call("3"), RPC.call("4"))
            let stream = SSE.events(RPC.batch(RPC.result("3"), RPC.error(-32601, "1")), RPC.result("4"))
            return [.up(H1.request(calls)), .down(SSE.response(stream, chunks: 30))]
        },
        .init("HTTP errors are told by their status", ["\(name) client_error 404 1", "\(name) server_error 503 1"]) {
            [404, 503].flatMap {
                [Exchanged.up(H1.request(RPC.call())), .down(SSE.response(SSE.events("x"), status: $0))]
            }
        },
        .init("pipelining", ["\(name) ok OK 1", "\(name) server_error -32603 1"]) {
            [
                .up(H1.request(RPC.call()) + H1.request(RPC.call("2"))),
                .down(
                    SSE.response(SSE.events(SSE.progress, RPC.result()))
                        + SSE.response(SSE.events(RPC.error(-32603, "2")))
                ),
            ]
        },
        .init("a stream that the connection's end ends", ["\(name) ok OK 1"]) {
            [
                .up(H1.request(RPC.call())), .down(H1.head("HTTP/1.1 200 OK", "Content-Type: text/event-stream")),
                .down(Array(SSE.events(SSE.progress, RPC.result()).utf8)), .downEnds,
            ]
        },
        .init("a notification is accepted, a call cannot be", ["\(name) oneway  1", "\(name) unknown  1"]) {
            [
                .up(H1.request(RPC.call(nil))), .down(H1.response(202)), .up(H1.request(RPC.call())),
                .down(H1.response(202)),
            ]
        },
        .init("other success that is no JSON-RPC", ["\(name) unknown  3"]) {
            ["", "<html>", "{\"ok\":true}"].flatMap {
                [Exchanged.up(H1.request(RPC.call())), .down(H1.response(200, $0))]
            }
        },
        .init("streams of other applications", as: .http, []) {
            [
                .up(SSE.get("/events")), .down(SSE.response(SSE.events("{\"price\":1}", "tick", "{\"result\":1}"))),
                .up(H1.request("{\"a\":1}")), .down(SSE.response(SSE.events("{\"error\":1}"))),
            ]
        },
    ]

    @Test("calls answered by event streams", arguments: cases)
    func calls(_ example: HTTP1SessionTests.Case) {
        let bench = Bench()
        let session = bench.run(example.steps())
        #expect(bench.counts() == example.counts)
        #expect(session.connectionProtocol == example.spoken)
        #expect(session.inFlight == example.inFlight)
        #expect(bench.decodeErrors.isEmpty)
        bench.inspector.close(session, now: 9000)
        #expect(bench.inspector.callsInFlight == 0)
    }

    @Test("facts do not depend on the pieces", arguments: cases)
    func everySplit(_ example: HTTP1SessionTests.Case) {
        let steps = example.steps()
        for watching in Watching.allCases {
            let whole = HTTP1SessionTests.facts(steps, watching)
            for piece in [1, 2, 3, 7] { #expect(HTTP1SessionTests.facts(steps, watching, piece: piece) == whole) }
            guard watching == .messages else { continue }
            for cut in 1..<steps.byteCount where HTTP1SessionTests.facts(steps, watching, cut: cut) != whole {
                Issue.record("cut at \(cut)")
            }
        }
    }

    // MARK: Time

    @Test("a reply ends its call when it comes, not when the stream ends")
    func replyIsTheEnd() throws {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, H1.request(RPC.call()), now: 1_000)
        bench.down(session, SSE.head + SSE.chunk(SSE.events(SSE.progress)), now: 2_000)
        #expect(session.inFlight == 1)
        bench.down(session, SSE.chunk(SSE.events(RPC.result())), now: 5_000)
        #expect(session.inFlight == 0)
        #expect(!session.isIdle)
        bench.down(session, SSE.lastChunk, now: 90_000)
        #expect(session.isIdle)
        #expect(bench.calls.all.last?.call.durationNanoseconds == 4_000)
        #expect(bench.counts() == ["\(Self.name) ok OK 1"])
        #expect(bench.counts(side: .consumer) == ["org.example.Users.notifications/progress oneway  1"])
    }

    @Test("Weir's own deadline counts from the last that came, the caller's from the beginning")
    func deadlines() {
        for (headers, expected) in [([], "ok OK"), (["timeout: 50000"], "timeout ")] {
            let bench = Bench()
            let session = bench.open()
            let second: UInt64 = 1_000_000_000
            bench.up(session, H1.request(RPC.call(), headers), now: second)
            bench.down(session, SSE.head, now: 30 * second)
            for time in stride(from: UInt64(50), to: 400, by: 50) {
                bench.inspector.tick(now: time * second)
                bench.down(session, SSE.chunk(": still here\n\n"), now: time * second)
            }
            bench.down(session, SSE.chunk(SSE.events(RPC.result())), now: 409 * second)
            #expect(bench.counts() == ["\(Self.name) \(expected) 1"])
            bench.inspector.close(session, now: 500 * second)
        }
    }

    @Test("silence is a time-out, and what comes later is late")
    func silence() {
        let bench = Bench()
        let session = bench.open()
        let second: UInt64 = 1_000_000_000
        bench.up(session, H1.request(RPC.call()), now: second)
        bench.down(session, SSE.head + SSE.chunk(": hello\n\n"), now: 10 * second)
        bench.inspector.tick(now: 69 * second)
        #expect(session.inFlight == 1)
        bench.inspector.tick(now: 71 * second)
        #expect(bench.counts() == ["\(Self.name) timeout  1"])
        bench.down(session, SSE.chunk(SSE.events(RPC.result())) + SSE.lastChunk, now: 80 * second)
        #expect(bench.counts() == ["\(Self.name) timeout  1"])
        #expect(bench.snapshot.report("get")?.lateReplies == 1)
        bench.inspector.close(session, now: 90 * second)
    }

    @Test("who leaves a stream first decides: the client cancels, the server does not answer")
    func leaving() {
        let steps: [([Exchanged], String)] = [
            ([.upEnds], "cancelled"), ([.upEnds, .downEnds], "cancelled"), ([.downEnds], "unanswered"),
            ([.downEnds, .upEnds], "unanswered"), ([], "unanswered"),
        ]
        let stream = Exchanged.down(SSE.head + SSE.chunk(SSE.events(SSE.progress)))
        let accept = ["Accept: application/json, text/event-stream"]
        let (plain, accepting) = (Exchanged.up(H1.request(RPC.call())), Exchanged.up(H1.request(RPC.call(), accept)))
        for (ends, outcome) in steps {
            for begin in [[plain, stream], [accepting, stream], [accepting]] {
                let bench = Bench()
                let session = bench.run(begin + ends)
                bench.inspector.close(session, now: 9_000)
                #expect(bench.counts() == ["\(Self.name) \(outcome)  1"])
            }
        }
        let bench = Bench()
        bench.inspector.close(bench.run([plain, .upEnds]), now: 9_000)
        #expect(bench.counts() == ["\(Self.name) unanswered  1"])
    }
}
