import Calls
import Inspection
import PlanModel
import Telemetry
import TestSupport
import Testing

/// What one request of a governed pipeline is, and what must come of it.
struct GovernedRequest {
    var bytes: [UInt8]
    /// What upstream must see; empty when it must not.
    var admitted: [UInt8]
    /// The status that the client must get.
    var status: Int
    /// The response's body, for those that upstream answers.
    var mark: Int

    var isAdmitted: Bool { !admitted.isEmpty }

    static let line = "X-Mark: ü\r\n"
    static let methods = ["ok", "no", "more"]

    /// One of all kinds of requests, drawn.
    static func draw(_ random: inout SeededRandom, mark: Int) -> GovernedRequest {
        let method = methods[Int(random.next() % 3)]
        let chunks = random.next() % 3 == 0 ? Int(random.next() % 9) + 1 : nil
        let params = "[\"" + String(repeating: "x", count: Int(random.next() % 40)) + "\"]"
        let isNotification = random.next() % 5 == 0
        switch random.next() % 6 {
        case 0:
            let bytes = H1.request("{\"a\":\(mark)}", ["X-Number: \(mark)"], chunks: chunks)
            return GovernedRequest(bytes: bytes, admitted: bytes, status: 200, mark: mark)
        case 1:
            let bytes = H1.request(method: random.next() % 2 == 0 ? "HEAD" : "GET")
            return GovernedRequest(bytes: bytes, admitted: bytes, status: 200, mark: mark)
        case 2:
            let verb = random.next() % 3 == 0 ? "HEAD" : "POST"
            let bytes = H1.triple(
                method,
                verb: verb,
                body: verb == "HEAD" ? "" : params,
                chunks: verb == "HEAD" ? nil : chunks
            )
            return judged(bytes, method, 429, mark)
        case 3:
            let members = [RPC.call("1", method, params: params), RPC.call(nil, "ok"), RPC.call("\"b\"", "ok")]
            return judged(H1.request("[" + members.joined(separator: ",") + "]", chunks: chunks), method, 200, mark)
        case 4:
            let text = RPC.batch(RPC.call(nil, method), RPC.call(nil, "ok"))
            return judged(H1.request(text, chunks: chunks), method, 429, mark)
        default:
            let text = RPC.call(isNotification ? nil : "\(mark)", method, params: params)
            return judged(H1.request(text, chunks: chunks), method, isNotification ? 429 : 200, mark)
        }
    }

    private static func judged(_ bytes: [UInt8], _ method: String, _ status: Int, _ mark: Int) -> GovernedRequest {
        if method == "no" { return GovernedRequest(bytes: bytes, admitted: [], status: status, mark: mark) }
        var admitted = bytes
        if method == "more", let end = bytes.firstIndex(of: 10) { admitted.insert(contentsOf: line.utf8, at: end + 1) }
        return GovernedRequest(bytes: bytes, admitted: admitted, status: 200, mark: mark)
    }

    /// What upstream says to it.
    func response(_ random: inout SeededRandom) -> [UInt8] {
        var bytes = random.next() % 5 == 0 ? H1.head("HTTP/1.1 103 Early Hints") : []
        if self.bytes.starts(with: "HEAD".utf8) {
            return bytes + H1.head("HTTP/1.1 200 OK", "X-Mark: \(mark)", "Content-Length: 77")
        }
        bytes += H1.response(200, "answer \(mark)", ["X-Mark: \(mark)"], chunks: random.next() % 2 == 0 ? 3 : nil)
        return bytes
    }
}

/// Divides messages as a strict client and a strict server do.
struct StrictHTTP {
    struct Message: Equatable {
        var line: String
        var headers: [String: String]
        var body: String
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// The messages, or `nil` where something is no message; `methods` are those that responses answer.
    static func messages(_ bytes: [UInt8], answering methods: [String]? = nil) -> [Message]? {
        var reader = StrictHTTP(bytes)
        var all: [Message] = []
        while !reader.rest.isEmpty {
            let method = methods.map { all.count < $0.count ? $0[all.count] : "?" }
            guard let message = reader.next(answering: method) else { return nil }
            if method == nil || !message.line.hasPrefix("HTTP/1.1 1") { all.append(message) }
        }
        return all
    }

    private mutating func line() -> String? {
        guard let end = rest.firstIndex(of: 10), end > rest.startIndex, rest[end - 1] == 13 else { return nil }
        defer { rest = rest[(end + 1)...] }
        return String(decoding: rest[..<(end - 1)], as: UTF8.self)
    }

    private mutating func take(_ count: Int) -> String? {
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return String(decoding: rest.prefix(count), as: UTF8.self)
    }

    private mutating func next(answering method: String?) -> Message? {
        guard let first = line() else { return nil }
        var headers: [String: String] = [:]
        while let line = line(), !line.isEmpty {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            headers[parts[0].lowercased()] = parts[1].trimmingPrefix(" ").description
        }
        let status = method == nil ? nil : first.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        if let status, status < 200 || status == 204 || status == 304 || method == "HEAD" {
            return Message(line: first, headers: headers, body: "")
        }
        if headers["transfer-encoding"] == "chunked" {
            var body = ""
            while let size = line().flatMap({ Int($0.prefix { $0 != ";" }, radix: 16) }), size > 0 {
                guard let piece = take(size), line() == "" else { return nil }
                body += piece
            }
            while let trailer = line(), !trailer.isEmpty {}
            return Message(line: first, headers: headers, body: body)
        }
        guard let length = headers["content-length"].map({ Int($0) }) ?? 0, let body = take(length) else { return nil }
        return Message(line: first, headers: headers, body: body)
    }
}

@Suite struct HTTP1GovernedTests {
    static let limited = Decision.reply(LocalReply(text: "over \"it\""))

    static func bench(_ watching: Watching = .nothing) -> GovernedBench {
        let governed = GovernedBench(watching)
        governed.governor.verdicts = ["no": limited, "more": .insert(key: "X-Mark", value: "ü")]
        return governed
    }

    /// Runs a pipeline; responses come as soon as upstream has seen a whole request, or later.
    private func run(_ requests: [GovernedRequest], seed: UInt64, cut: Int?) {
        var random = SeededRandom(seed: seed)
        let governed = Self.bench(seed % 2 == 0 ? .nothing : .messages)
        let bytes = requests.flatMap(\.bytes)
        let admitted = requests.filter(\.isAdmitted)
        var answered = 0
        var at = 0
        func answer(all: Bool) {
            // What upstream has seen whole it may answer.
            while answered < admitted.count {
                let end = admitted[...answered].reduce(0) { $0 + $1.admitted.count }
                guard governed.up.output.count >= end, all || random.next() % 2 == 0 else { return }
                let response = admitted[answered].response(&random)
                answered += 1
                let middle = Int(random.next() % UInt64(response.count))
                governed.give(response[..<middle], .toDownstream)
                governed.give(response[middle...], .toDownstream)
            }
        }
        while at < bytes.count {
            var end = bytes.count
            if let cut { if at < cut { end = cut } } else { end = min(end, at + Int(random.next() % 200) + 1) }
            governed.give(bytes[at..<end])
            at = end
            answer(all: false)
        }
        answer(all: true)
        let name = "seed \(seed), cut \(cut ?? -1)"
        #expect(governed.up.output == admitted.flatMap(\.admitted), "\(name)")
        #expect(governed.up.heldBytes == 0 && governed.down.heldBytes == 0)
        check(governed.down.output, requests, name)
        #expect(governed.session.inFlight == 0)
        #expect(governed.bench.decodeErrors.isEmpty)
    }

    private func check(_ output: [UInt8], _ requests: [GovernedRequest], _ name: String) {
        let methods = requests.map { String(decoding: $0.bytes.prefix { $0 != 32 }, as: UTF8.self) }
        guard let messages = StrictHTTP.messages(output, answering: methods) else {
            Issue.record("no responses: \(name) \(String(decoding: output, as: UTF8.self))")
            return
        }
        guard messages.count == requests.count else {
            Issue.record("\(messages.count) responses to \(requests.count) requests: \(name)")
            return
        }
        for (request, message) in zip(requests, messages) {
            let isRight =
                message.line.hasPrefix("HTTP/1.1 \(request.status) ")
                && message.headers["x-mark"] == (request.isAdmitted ? "\(request.mark)" : nil)
            #expect(isRight, "\(name): \(message.line), not \(request.status)")
        }
    }

    @Test("pipelines of every kind of request: one answer each, in order, and upstream sees what is admitted")
    func pipelines() {
        for seed in 0..<400 {
            var random = SeededRandom(seed: UInt64(seed))
            let count = Int(random.next() % 8) + 1
            let requests = (0..<count).map { GovernedRequest.draw(&random, mark: $0) }
            run(requests, seed: UInt64(seed), cut: nil)
        }
    }

    @Test("cut at every place", arguments: 0..<4)
    func everySplit(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed) + 1000)
        let requests = (0..<4).map { GovernedRequest.draw(&random, mark: $0) }
        for cut in 0...requests.reduce(0, { $0 + $1.bytes.count }) { run(requests, seed: UInt64(seed), cut: cut) }
    }

    @Test("a refused batch: an error a member with an id, each member counted, one question asked")
    func batch() {
        let governed = Self.bench(.calls)
        governed.give(H1.request(RPC.batch(RPC.call("1", "no"), RPC.call(nil, "b"), "3", RPC.call("\"z\"", "c")))[...])
        let error = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"over \\\"it\\\"\"},\"id\":"
        let body = "[\(error)1},\(error)null},\(error)\"z\"}]"
        #expect(StrictHTTP.messages(governed.down.output, answering: ["POST"])?.map(\.body) == [body])
        #expect(governed.up.output.isEmpty)
        #expect(governed.governor.asked.map(\.calls) == [3])
        #expect(
            governed.bench.counts() == [
                "org.example.Users.b limited -32000 1", "org.example.Users.c limited -32000 1",
                "org.example.Users.no limited -32000 1",
            ]
        )
    }

    @Test("drained: 503; version 1.0 of either protocol; HEAD with a body")
    func odd() {
        let governed = Self.bench()
        governed.governor.verdicts["no"] = .reply(LocalReply(outcome: .drained, text: "t", codes: [.jsonrpc: -32001]))
        governed.give(
            H1.request("{\"method\":\"no\",\"id\":5,\"params\":[]}", ["Connection: keep-alive"], version: "1.0")[...]
        )
        governed.give(H1.request(RPC.call("1", "no"), method: "HEAD")[...])
        governed.give(H1.triple("no", ["Connection: close"])[...])
        let messages = StrictHTTP.messages(governed.down.output, answering: ["POST", "HEAD", "POST"]) ?? []
        #expect(messages.map { String($0.line.dropFirst(9).prefix(3)) } == ["503", "503", "503"])
        #expect(messages.map { $0.headers["connection"] } == ["keep-alive", nil, "close"])
        #expect(messages.first?.body == "{\"result\":null,\"error\":{\"code\":-32001,\"message\":\"t\"},\"id\":5}")
        #expect(governed.up.output.isEmpty)
        #expect(governed.bench.counts().allSatisfy { $0.contains(" drained ") })
    }

    @Test("a body too large to hold whose method comes behind passes, counted")
    func large() {
        let governed = Self.bench()
        let text = String(repeating: "x", count: 200_000)
        let big = H1.request("{\"jsonrpc\":\"2.0\",\"params\":[\"\(text)\"],\"method\":\"no\",\"id\":1}")
        let small = H1.request(RPC.call("2", "no"))
        let bytes = big + small
        for start in stride(from: 0, to: bytes.count, by: 1000) {
            governed.give(bytes[start..<min(bytes.count, start + 1000)])
        }
        #expect(governed.up.output == big && governed.bench.snapshot.verdictsPartial == 1)
        #expect(governed.down.output.isEmpty)
        let answer = H1.response(200, RPC.result())
        governed.give(answer[...], .toDownstream)
        #expect(governed.down.output.starts(with: answer) && governed.down.output.count > answer.count)
    }

    @Test("who expects 100-continue never waits for Weir", arguments: [false, true])
    func expects(isTriple: Bool) {
        for method in ["ok", "no"] {
            let governed = Self.bench()
            let body = isTriple ? "[1]" : RPC.call("1", method)
            let request =
                isTriple ? H1.triple(method, ["Expect: 100-continue"]) : H1.request(body, ["Expect: 100-continue"])
            let head = request.dropLast(body.utf8.count)
            governed.give(head[...])
            if isTriple, method == "no" {
                let messages = StrictHTTP.messages(governed.down.output, answering: ["POST"]) ?? []
                #expect(messages.map { $0.headers["connection"] } == ["close"])
                governed.give(request.suffix(body.utf8.count))
                #expect(governed.up.output.isEmpty && messages.count == 1)
                #expect(StrictHTTP.messages(governed.down.output, answering: ["POST"])?.count == 1)
            } else {
                #expect(governed.up.output == (isTriple ? Array(head) : []))
                if isTriple { governed.give(H1.head("HTTP/1.1 100 Continue")[...], .toDownstream) }
                #expect(governed.down.output == H1.head("HTTP/1.1 100 Continue"))
                governed.give(request.suffix(body.utf8.count))
                #expect(governed.up.output == (isTriple || method == "ok" ? request : []))
            }
        }
    }

    @Test("what follows the head of a refused request never reaches upstream, were it broken")
    func broken() {
        let governed = Self.bench()
        let ok = H1.triple("ok")
        let head = H1.head("POST /a/no HTTP/1.1", "Triple-Protocol-Version: 1", "Transfer-Encoding: chunked")
        governed.give((ok + head + Array("3\r\nabcX\r\n\r\nGET /admin HTTP/1.1\r\n\r\n".utf8))[...])
        governed.give(H1.request(RPC.call("1", "ok"))[...])
        #expect(governed.up.output == ok)
        governed.give(H1.response(200, "x")[...], .toDownstream)
        let messages = StrictHTTP.messages(governed.down.output, answering: ["POST", "POST"]) ?? []
        #expect(messages.map { $0.headers["connection"] } == [nil, "close"])
        #expect(governed.bench.decodeErrors == ["http_chunk_end": 1])
    }

    @Test("answers of Weir's own come in their turn though later requests cannot be read")
    func owed() {
        let governed = Self.bench()
        let ok = H1.triple("ok")
        let bad = Array("GET / HTTP/1.1\nHost: a\n\n".utf8)
        governed.give((ok + H1.triple("no") + bad)[...])
        #expect(governed.up.output == ok + bad && governed.down.output.isEmpty)
        governed.give(H1.response(200, "x")[...], .toDownstream)
        governed.give(H1.response(400, "y")[...], .toDownstream)
        let messages = StrictHTTP.messages(governed.down.output, answering: ["POST", "POST", "GET"]) ?? []
        #expect(messages.map { String($0.line.dropFirst(9).prefix(3)) } == ["200", "429", "400"])
        #expect(governed.bench.uninspected["blind"] == UInt64(bad.count - 14 + H1.response(400, "y").count))
    }

    @Test("what had been passed on in part when something begins to decide is not decided about", arguments: 5..<60)
    func late(cut: Int) {
        let request = H1.request(RPC.call("1", "no")) + H1.triple("more")
        let governed = Self.bench()
        let governor = governed.bench.inspector.rules
        governed.bench.inspector.rules = nil
        governed.give(request[..<cut])
        governed.bench.inspector.rules = governor
        governed.give(request[cut...])
        #expect(governed.up.output.count == request.count + GovernedRequest.line.utf8.count)
        #expect(governed.down.output.isEmpty)
    }
}
