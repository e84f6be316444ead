import Calls
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

@Suite struct DrainHTTP1RefusalTests {
    private static let late = DrainedBench.late

    private func statuses(_ bytes: [UInt8], _ methods: [String]) -> [String] {
        (StrictHTTP.messages(bytes, answering: methods) ?? []).map {
            "\($0.line.dropFirst(9).prefix(3)) \($0.headers["connection"] ?? "-")"
        }
    }

    @Test("after the grace: 503, which says that it is the last, and the connection ends, cut at every place")
    func refusals() {
        for request in [H1.request(RPC.call("5")), H1.request(RPC.call("5"), chunks: 6), H1.triple()] {
            for cut in 0...request.count {
                let drained = DrainedBench()
                let order = drained.drain()
                drained.give(request[..<cut], now: Self.late)
                if cut < request.count {
                    #expect(!drained.isClosed && drained.down.isEmpty, "cut at \(cut)")
                    drained.give(request[cut...], now: Self.late)
                }
                #expect(statuses(drained.down, ["POST"]) == ["503 close"], "cut at \(cut)")
                #expect(drained.up.isEmpty && drained.isClosed && !drained.isHolding)
                #expect(order.rejectedCalls == 1 && drained.session.drainSignals.all == [.connectionClose])
            }
        }
    }

    @Test("the refusal of a call has its id and a text; clients of version 1.0 are told, too")
    func bodies() {
        let drained = DrainedBench()
        drained.drain(reason: "why")
        drained.give(H1.request(RPC.call("5"), ["Connection: keep-alive"], version: "1.0"), now: Self.late)
        let message = StrictHTTP.messages(drained.down, answering: ["POST"])?.first
        #expect(message?.headers["connection"] == "close")
        let text = "\(Frames.drained) (why)"
        let body = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"\(text)\"},\"id\":5}"
        #expect(message?.body == body && drained.isClosed)
    }

    @Test("of refusals in a row the last one says it; none while a request has begun to arrive")
    func several() {
        let call = H1.request(RPC.call("5"))
        let drained = DrainedBench()
        drained.drain()
        drained.give(call + H1.triple() + call.prefix(30), now: Self.late)
        #expect(statuses(drained.down, ["POST", "POST"]) == ["503 -", "503 -"] && !drained.isClosed)
        drained.give(call.dropFirst(30) + call, now: Self.late)
        #expect(
            statuses(drained.down, ["POST", "POST", "POST", "POST"]) == ["503 -", "503 -", "503 -", "503 close"]
        )
        #expect(drained.isClosed && drained.up.isEmpty)
    }

    @Test("a refusal behind requests that upstream answers waits for them, and is the last")
    func mixed() {
        let get = H1.request(method: "GET")
        let drained = DrainedBench()
        drained.drain()
        drained.give(get + H1.request(RPC.call("5")) + get + H1.triple(), now: Self.late)
        #expect(drained.up == get + get && drained.down.isEmpty)
        let response = H1.response(200, "x")
        for byte in response { drained.give([byte], .toDownstream, now: Self.late) }
        #expect(statuses(drained.down, ["GET", "POST"]) == ["200 -", "503 -"] && !drained.isClosed)
        drained.give(response, .toDownstream, now: Self.late)
        let all = ["200 -", "503 -", "200 -", "503 close"]
        #expect(statuses(drained.down, ["GET", "POST", "GET", "POST"]) == all && drained.isClosed)
        #expect(!drained.isHolding)
    }

    @Test("and one before such requests is not")
    func before() {
        let get = H1.request(method: "GET")
        let drained = DrainedBench()
        drained.drain()
        drained.give(H1.triple() + get, now: Self.late)
        #expect(statuses(drained.down, ["POST"]) == ["503 -"] && !drained.isClosed && drained.up == get)
        drained.give(H1.response(200, "x"), .toDownstream, now: Self.late)
        #expect(statuses(drained.down, ["POST", "GET"]) == ["503 -", "200 close"] && drained.isClosed)
    }

    @Test("single interfaces: 503 and the connection goes on", arguments: ["org.example.Users", "org.example.Greeter"])
    func interfaces(name: String) {
        let drained = DrainedBench()
        drained.drain(name)
        for _ in 0..<2 {
            drained.give(name.hasSuffix("Users") ? H1.request(RPC.call()) : H1.triple(), now: Self.late)
        }
        #expect(statuses(drained.down, ["POST", "POST"]) == ["503 -", "503 -"] && !drained.isClosed)
        let other = name.hasSuffix("Users") ? H1.triple() : H1.request(RPC.call())
        drained.give(other, now: Self.late)
        #expect(drained.up == other)
        drained.undrain(name)
        drained.give(H1.response(200, "x"), .toDownstream, now: Self.late)
        drained.give(H1.triple() + H1.request(RPC.call()), now: Self.late)
        #expect(drained.up == other + H1.triple() + H1.request(RPC.call()) && !drained.isClosed)
    }

    @Test("what limits refuse while the service is drained ends the connection, too")
    func limited() throws {
        let limited = try LimitedBench([.window(1)])
        let drained = DrainedBench(on: limited.governed)
        drained.give(H1.triple())
        drained.give(H1.response(200, "x"), .toDownstream)
        drained.drain()
        drained.give(H1.triple())
        #expect(statuses(drained.down, ["POST", "POST"]) == ["200 -", "429 close"] && drained.isClosed)
    }

    @Test(
        "a drain that begins anywhere in a request: it is refused whole or passes whole",
        arguments: ["rpc", "triple", "raw"]
    )
    func begun(kind: String) {
        let request =
            kind == "raw"
            ? Array(RPC.call("5").utf8) : kind == "rpc" ? H1.request(RPC.call("5"), chunks: 9) : H1.triple()
        for cut in 0...request.count {
            for piece in [1, 3, 1000] {
                let drained = DrainedBench()
                drained.give(request[..<cut])
                drained.drain()
                for start in stride(from: cut, to: request.count, by: piece) {
                    drained.give(request[start..<min(request.count, start + piece)], now: Self.late)
                }
                #expect(drained.up == (cut == 0 ? [] : request), "cut at \(cut), pieces of \(piece)")
                #expect(drained.down.isEmpty == (cut > 0) && !drained.isHolding, "cut at \(cut), pieces of \(piece)")
                let after = kind == "raw" ? request : H1.triple()
                if !drained.isClosed { drained.give(after, now: Self.late) }
                #expect(drained.up == (cut == 0 ? [] : request) && !drained.isHolding, "cut at \(cut)")
            }
        }
    }

    // MARK: Raw JSON-RPC

    @Test("raw JSON-RPC has no signal; after the grace a call is answered by an error, cut at every place")
    func raw() {
        let said = [
            RPC.call("1"), RPC.call(nil), RPC.batch(RPC.call("2"), RPC.call(nil), RPC.call("\"x\"")), RPC.result("9"),
        ].map { Array(($0 + "\n").utf8) }
        func error(_ id: String) -> String {
            "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"\(Frames.drained)\"},\"id\":\(id)}"
        }
        let answers = "\(error("1"))\n[\(error("2")),\(error("\"x\""))]\n"
        let all = said.flatMap { $0 }
        for cut in 0...all.count {
            let drained = DrainedBench()
            let order = drained.drain()
            drained.give(all[..<cut])
            drained.give(all[cut...])
            #expect(drained.up == all && drained.down.isEmpty && order.passedCalls == 5, "cut at \(cut)")
            drained.give(all[..<cut], now: Self.late)
            drained.give(all[cut...], now: Self.late)
            #expect(drained.up == all + said[3], "cut at \(cut)")
            #expect(String(decoding: drained.down, as: UTF8.self) == answers, "cut at \(cut)")
            #expect(order.rejectedCalls == 5 && !drained.isClosed && drained.session.drainSignals == [])
            drained.undrain()
            drained.give(said[0], now: Self.late)
            #expect(drained.up == all + said[3] + said[0])
        }
    }
}
