import Calls
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

@Suite struct DrainHTTP1Tests {
    private static let late = DrainedBench.late
    private static let close = Array("Connection: close\r\n".utf8)

    /// The response as it is when it is the last.
    private static func closing(_ response: [UInt8]) -> [UInt8] {
        guard let end = response.firstIndex(of: 10) else { return response }
        return response[...end] + close + response[(end + 1)...]
    }

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Requests, each with a response, of every way to say where a message ends.
    private static let exchanges: [(name: String, request: [UInt8], response: [UInt8])] = [
        ("length", H1.request(RPC.call()), H1.response(200, RPC.result(), ["X-A: b"])),
        ("chunks", H1.request(RPC.call(), chunks: 7), H1.response(200, RPC.result(), chunks: 5)),
        ("triple", H1.triple(), H1.response(200, "[1]", ["tri-protocol-version: 1"])),
        ("plain", H1.request(method: "GET"), H1.response(404, "not here")),
        ("head", H1.request(method: "HEAD"), H1.head("HTTP/1.1 200 OK", "Content-Length: 77")),
        ("nothing", H1.request("{}", method: "PUT"), H1.head("HTTP/1.1 204 No Content")),
        ("keeps", H1.request(method: "GET"), H1.response(200, "x", ["Connection: keep-alive"])),
        (
            "version 1.0", H1.request(method: "GET", ["Connection: keep-alive"], version: "1.0"),
            H1.head("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 1") + text("x")
        ),
        ("no reason", H1.request(method: "GET"), H1.head("HTTP/1.1 200", "Content-Length: 0")),
        ("bad", H1.request(RPC.call()), H1.response(503, "busy")),
        ("not modified", H1.request(method: "GET"), H1.head("HTTP/1.1 304 Not Modified", "Content-Length: 9")),
    ]

    @Test("the response to the only request says that it is the last, and is, cut at every place")
    func everySplit() {
        for (name, request, response) in Self.exchanges {
            for cut in 0...response.count {
                let drained = DrainedBench()
                drained.drain()
                drained.give(request)
                drained.give(response[..<cut], .toDownstream)
                #expect(drained.isClosed == (cut == response.count), "\(name) cut at \(cut)")
                if cut < response.count { drained.give(response[cut...], .toDownstream) }
                #expect(drained.down == Self.closing(response) && drained.isClosed, "\(name) cut at \(cut)")
                #expect(drained.up == request && !drained.isHolding && drained.session.inFlight == 0)
                #expect(drained.session.drainSignals.all == [.connectionClose])
                #expect(drained.registry.count(of: .connectionClose) == 1)
                let method = String(decoding: request.prefix { $0 != 32 }, as: UTF8.self)
                #expect(StrictHTTP.messages(drained.down, answering: [method])?.count == 1)
            }
        }
    }

    @Test("a drain that tells nothing ends connections from the refusing stage on")
    func silent() {
        let (request, response) = (H1.request(method: "GET"), H1.response(200, "x"))
        let drained = DrainedBench()
        drained.drain(signalling: .none)
        drained.give(request)
        drained.give(response, .toDownstream)
        #expect(drained.down == response && !drained.isClosed && drained.session.drainSignals == [])
        drained.give(request, now: Self.late)
        drained.give(response, .toDownstream, now: Self.late)
        #expect(drained.down == response + Self.closing(response) && drained.isClosed)
        #expect(drained.session.drainSignals.all == [.connectionClose])
    }

    @Test("byte by byte, with interim responses in front, which do not say it")
    func interim() {
        let early = H1.head("HTTP/1.1 100 Continue") + H1.head("HTTP/1.1 103 Early Hints", "Link: x")
        for (name, request, response) in Self.exchanges {
            let drained = DrainedBench()
            drained.drain()
            for byte in request { drained.give([byte]) }
            for byte in early + response { drained.give([byte], .toDownstream) }
            #expect(drained.down == early + Self.closing(response) && drained.isClosed, "\(name)")
            let whole = DrainedBench()
            whole.drain()
            whole.give(request)
            whole.give(early + response, .toDownstream)
            #expect(whole.down == drained.down && whole.isClosed, "\(name)")
        }
    }

    @Test("a response whose first line has ended when the drain begins is left alone, the next one says it")
    func begun() {
        let (_, request, response) = Self.exchanges[0]
        let line = "HTTP/1.1 200 Text\r\n".utf8.count
        for cut in 0...response.count {
            let drained = DrainedBench()
            drained.give(request)
            drained.give(response[..<cut], .toDownstream)
            drained.drain()
            drained.give(response[cut...], .toDownstream)
            let isLeft = cut >= line
            #expect(drained.down == (isLeft ? response : Self.closing(response)), "cut at \(cut)")
            #expect(drained.isClosed == !isLeft, "cut at \(cut)")
            guard isLeft else { continue }
            drained.give(request)
            drained.give(response, .toDownstream)
            #expect(drained.down == response + Self.closing(response) && drained.isClosed)
        }
    }

    @Test("a response that the connection ends; one behind which upstream says more than it should")
    func ends() {
        let drained = DrainedBench()
        drained.drain()
        drained.give(H1.request(method: "GET"))
        let endless = H1.head("HTTP/1.1 200 OK", "X-A: b") + Self.text("until the end")
        for byte in endless { drained.give([byte], .toDownstream) }
        #expect(drained.down == Self.closing(endless) && !drained.isClosed)
        drained.bench.plan.removeAll()
        drained.bench.inspector.ended(drained.session, .toDownstream, now: 5, plan: &drained.bench.plan)
        #expect(drained.bench.plan.closes)
        let more = DrainedBench()
        more.drain()
        more.give(H1.request(method: "GET"))
        more.give(H1.response(200, "x") + H1.response(200, "y"), .toDownstream)
        #expect(more.down == Self.closing(H1.response(200, "x")) && more.isClosed && !more.isHolding)
    }

    @Test(
        "what is requested behind the last response is not taken, whatever becomes of the drain",
        arguments: [false, true]
    )
    func afterwards(isUndone: Bool) {
        let drained = DrainedBench()
        drained.drain()
        let request = H1.request(RPC.call())
        let response = H1.response(200, RPC.result(), chunks: 5)
        drained.give(request)
        drained.give(response.prefix(60), .toDownstream)
        if isUndone { drained.undrain() }
        drained.give(request)
        drained.give(request.prefix(20))
        drained.give(request.dropFirst(20))
        drained.give(response.dropFirst(60), .toDownstream)
        #expect(drained.up == request && drained.down == Self.closing(response) && drained.isClosed)
        #expect(!drained.isHolding && drained.session.inFlight == 0)
    }

    @Test("no response says it while another request has begun to arrive, cut at every place")
    func pipelined() {
        let first = H1.request(RPC.call("1"))
        let second = H1.request(RPC.call("2"), chunks: 9)
        let (one, two) = (H1.response(200, RPC.result("1")), H1.response(200, RPC.result("2"), chunks: 4))
        for cut in 1..<second.count {
            let drained = DrainedBench()
            drained.drain()
            drained.give(first + second[..<cut])
            drained.give(one, .toDownstream)
            #expect(drained.down == one && !drained.isClosed, "cut at \(cut)")
            drained.give(second[cut...])
            drained.give(two, .toDownstream)
            #expect(drained.down == one + Self.closing(two) && drained.isClosed, "cut at \(cut)")
            #expect(drained.up == first + second)
        }
        let whole = DrainedBench()
        whole.drain()
        whole.give(first + second)
        whole.give(one + two, .toDownstream)
        #expect(whole.down == one + Self.closing(two) && whole.isClosed)
    }

    @Test("a response that comes before its request has ended does not say it")
    func early() {
        let drained = DrainedBench()
        drained.drain()
        let request = H1.triple(body: String(repeating: "x", count: 100))
        drained.give(request.dropLast(10))
        let response = H1.response(413, "too large")
        drained.give(response, .toDownstream)
        drained.give(request.suffix(10))
        #expect(drained.down == response && drained.up == request && !drained.isClosed)
        drained.give(request)
        drained.give(response, .toDownstream)
        #expect(drained.down == response + Self.closing(response) && drained.isClosed)
    }

    @Test("an upgrade and a tunnel are none of it; a refused upgrade is")
    func upgrades() {
        let tunnel = DrainedBench()
        tunnel.give(H1.request(method: "GET"))
        tunnel.give(H1.response(200, "x"), .toDownstream)
        tunnel.drain()
        tunnel.give(H1.request(method: "CONNECT"))
        tunnel.give(H1.head("HTTP/1.1 200 OK") + [1, 2, 3], .toDownstream)
        #expect(tunnel.down == H1.response(200, "x") + H1.head("HTTP/1.1 200 OK") + [1, 2, 3] && !tunnel.isClosed)
        let upgrade = DrainedBench()
        upgrade.drain()
        upgrade.give(H1.request(method: "GET", ["Connection: upgrade", "Upgrade: websocket"]))
        let switching = H1.head("HTTP/1.1 101 Switching", "Upgrade: websocket", "Connection: upgrade")
        upgrade.give(switching + [1, 2, 3], .toDownstream)
        #expect(upgrade.down == switching + [1, 2, 3] && !upgrade.isClosed)
        let refused = DrainedBench()
        refused.drain()
        refused.give(H1.request(method: "GET", ["Connection: upgrade", "Upgrade: websocket"]))
        refused.give(H1.response(426, "no"), .toDownstream)
        #expect(refused.down == Self.closing(H1.response(426, "no")) && refused.isClosed)
    }

    @Test(
        "responses that cannot be read: the last one's rest passes, and no request is taken",
        arguments: [false, true]
    )
    func broken(isLine: Bool) {
        let drained = DrainedBench()
        drained.drain()
        drained.give(H1.request(method: "GET"))
        let bytes =
            isLine
            ? Self.text("HTTP/1.1 200 OK\r\nBad\nLine\r\n\r\n")
            : H1.head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + Self.text("3\r\nabcX\r\n")
        drained.give(bytes, .toDownstream)
        drained.give(Self.text("more"), .toDownstream)
        drained.give(H1.request(method: "GET"))
        #expect(drained.down == (isLine ? bytes : Self.closing(bytes)) + Self.text("more"))
        #expect(drained.up == H1.request(method: "GET") + (isLine ? H1.request(method: "GET") : []))
        #expect(!drained.isHolding && drained.session.inFlight == 0)
    }

    @Test("interfaces and methods have no such signal, nor has a connection to elsewhere")
    func none() {
        let drained = DrainedBench()
        drained.drain("org.example.Users")
        drained.give(H1.request(RPC.call()))
        drained.give(H1.response(200, RPC.result()), .toDownstream)
        #expect(drained.down == H1.response(200, RPC.result()) && !drained.isClosed)
        #expect(drained.session.drainSignals == [])
        let bench = drained.bench
        let consumer = bench.open(side: .consumer)
        drained.drain()
        var down = PlanModel()
        bench.plan.removeAll()
        bench.inspector.receive(
            consumer,
            bytes: H1.request(RPC.call()).span.bytes,
            going: .toUpstream,
            now: 5,
            plan: &bench.plan
        )
        bench.plan.removeAll()
        let response = H1.response(200, RPC.result())
        bench.inspector.receive(consumer, bytes: response.span.bytes, going: .toDownstream, now: 5, plan: &bench.plan)
        #expect(down.take(response, bench.plan) && down.output == response && !bench.plan.closes)
    }

    // MARK: Any pipeline

    /// Upstream: answers requests that it has seen whole.
    private struct Upstream {
        var requests: [GovernedRequest]
        /// Those that it has seen, by their marks, and where the next one begins.
        var seen: [Int] = []
        var offset = 0
        var answered = 0

        mutating func look(_ up: [UInt8]) {
            while let next = requests.first(where: { up[offset...].starts(with: $0.bytes) }) {
                seen.append(next.mark)
                offset += next.bytes.count
                requests.removeAll { $0.mark <= next.mark }
            }
        }
    }

    /// Runs a pipeline while the service is drained, the grace ending somewhere in it.
    private func run(_ requests: [GovernedRequest], seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let drained = DrainedBench(seed % 2 == 0 ? .nothing : .messages)
        let bytes = requests.flatMap(\.bytes)
        let (beginning, end) = (Int(random.next() % 300), Int(random.next() % UInt64(bytes.count * 2)))
        var upstream = Upstream(requests: requests)
        var (at, isDrained) = (0, false)
        func answer(isAll: Bool) {
            upstream.look(drained.up)
            while !drained.isClosed, upstream.answered < upstream.seen.count, isAll || random.next() % 2 == 0 {
                let response = requests[upstream.seen[upstream.answered]].response(&random)
                upstream.answered += 1
                let middle = Int(random.next() % UInt64(response.count))
                drained.give(response[..<middle], .toDownstream)
                drained.give(response[middle...], .toDownstream)
            }
        }
        while at < bytes.count, !drained.isClosed {
            if !isDrained, at >= beginning { drained.drain() }
            isDrained = isDrained || at >= beginning
            let next = min(bytes.count, at + Int(random.next() % 250) + 1)
            drained.give(bytes[at..<next], now: at >= end ? Self.late : 1000)
            at = next
            answer(isAll: false)
        }
        answer(isAll: true)
        check(drained, upstream, requests, "seed \(seed)")
    }

    private func check(_ drained: DrainedBench, _ upstream: Upstream, _ requests: [GovernedRequest], _ name: String) {
        let methods = requests.map { String(decoding: $0.bytes.prefix { $0 != 32 }, as: UTF8.self) }
        guard let messages = StrictHTTP.messages(drained.down, answering: methods) else {
            Issue.record("no responses: \(name) \(String(decoding: drained.down, as: UTF8.self))")
            return
        }
        #expect(upstream.answered == upstream.seen.count, "a call is lost: \(name)")
        #expect(upstream.offset == drained.up.count, "upstream has seen half a request: \(name)")
        #expect(messages.count == requests.count || drained.isClosed, "\(name)")
        let marks = messages.enumerated().filter { $0.element.headers["x-mark"] != nil }
        #expect(marks.map(\.offset) == upstream.seen, "\(name)")
        #expect(marks.map { $0.element.headers["x-mark"] } == upstream.seen.map { "\($0)" }, "\(name)")
        let closing = messages.indices.filter { messages[$0].headers["connection"] == "close" }
        #expect(closing == (drained.isClosed ? [messages.count - 1] : []), "\(name)")
        #expect(!drained.isHolding && drained.session.inFlight == 0 && drained.bench.decodeErrors.isEmpty, "\(name)")
    }

    @Test("pipelines of every kind of request: what upstream has seen is answered, and only the last answer says so")
    func pipelines() {
        for seed in 0..<500 {
            var random = SeededRandom(seed: UInt64(seed))
            let count = Int(random.next() % 7) + 1
            run((0..<count).map { GovernedRequest.draw(&random, mark: $0) }, seed: UInt64(seed))
        }
    }
}
