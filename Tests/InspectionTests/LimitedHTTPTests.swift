import Calls
import Inspection
import Policy
import Telemetry
import TestSupport
import Testing

@Suite struct LimitedTripleTests {
    /// Two ends with limits between them.
    private static func ends(_ definitions: [LimitDefinition]) throws -> (ends: GovernedHTTP2, limited: LimitedBench) {
        let ends = GovernedHTTP2()
        let limited = try LimitedBench(definitions, on: ends.governed)
        ends.greet()
        ends.moveAll()
        return (ends, limited)
    }

    @Test("trailers-only RESOURCE_EXHAUSTED, with a hint; upstream sees what is admitted, whatever the pieces")
    func everySplit() throws {
        var definition = LimitDefinition.window(1, method: "buy")
        definition.localReply.givesRetryAfter = true
        var length = 0
        var piece = 1
        while piece == 1 || piece < length {
            let (ends, limited) = try Self.ends([definition])
            for id in [UInt32(1), 3, 5] {
                ends.client.open(id)
                ends.upQueue += ends.fromClient.call(id, id == 5 ? "/com.x.Shop/see" : "/com.x.Shop/buy")
            }
            length = ends.upQueue.count
            while !ends.upQueue.isEmpty { ends.moveUp(piece) }
            ends.moveAll()
            #expect(ends.server.streams.keys.sorted() == [1, 5] && ends.server.faults.isEmpty)
            let answer = ends.client.streams[3]
            #expect(answer?.fields["grpc-status"] == "8" && answer?.fields["grpc-message"] == "limit l exceeded")
            #expect(answer?.fields["grpc-retry-pushback-ms"] == "1000" && answer?.isEnded == true)
            #expect(ends.client.faults.isEmpty && limited.session.inFlight == 2)
            #expect(limited.counts().allowed == 1 && limited.counts().rejected == 1)
            piece += piece < 40 ? 1 : 37
        }
    }

    @Test("callers and headers in any case; health checks, reflection and probes are never limited")
    func keys() throws {
        let (ends, limited) = try Self.ends([
            .window(1) {
                $0.keys = [.caller]
                $0.match.attachments = [RequestMatcher.Attachment(name: "X-Level", value: .exact("gold"))]
            }
        ])
        let asked: [(String, [(String, String)], Bool)] = [
            ("/com.x.Shop/buy", [("tri-consumer-appname", "a"), ("x-level", "gold")], true),
            ("/com.x.Shop/buy", [("tri-consumer-appname", "a"), ("x-level", "gold")], false),
            ("/com.x.Shop/buy", [("x-level", "gold")], false),
            ("/com.x.Shop/buy", [("tri-consumer-appname", "a"), ("x-level", "tin")], true),
            ("/com.x.Shop/buy", [("tri-consumer-appname", "b"), ("x-level", "gold")], true),
            ("/grpc.health.v1.Health/Check", [("tri-consumer-appname", "a"), ("x-level", "gold")], true),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [("x-level", "gold")], true),
            ("/com.x.Shop/$echo", [("tri-consumer-appname", "a"), ("x-level", "gold")], true),
        ]
        for (number, (path, fields, isAdmitted)) in asked.enumerated() {
            let id = UInt32(number * 2 + 1)
            ends.client.open(id)
            ends.upQueue += ends.fromClient.call(id, path, fields)
            ends.moveAll()
            #expect((ends.server.streams[id] != nil) == isAdmitted, "request \(number)")
        }
        #expect(ends.client.faults.isEmpty && ends.server.faults.isEmpty)
        #expect(limited.counts().allowed == 2 && limited.counts().rejected == 2)
    }

    @Test("a stream holds its place until it has ended, however it ends")
    func inFlight() throws {
        let (ends, limited) = try Self.ends([.inFlight(3)])
        func ask(_ id: UInt32, _ path: String = "/com.x.Shop/buy", _ message: [UInt8] = [1]) {
            ends.client.open(id)
            ends.upQueue += ends.fromClient.call(id, path, [], message)
            ends.moveAll()
        }
        for id in [UInt32(1), 3, 5, 7] { ask(id) }
        #expect(limited.gate.heldTokens == 3 && ends.client.streams[7]?.fields["grpc-status"] == "8")
        ends.downQueue += ends.fromServer.head(1, [("grpc-status", "0")], end: true)
        ends.moveAll()
        #expect(limited.gate.heldTokens == 2, "answered")
        ends.upQueue += H2.reset(3, 8)
        ends.moveAll()
        #expect(limited.gate.heldTokens == 1, "cancelled")
        ask(9)
        ends.upQueue += ends.fromClient.request(11, "/com.x.Shop/$invoke")
        ends.client.open(11)
        ends.moveAll()
        ends.release(now: 1 << 30)
        #expect(limited.gate.heldTokens == 3, "a generic call, though not counted yet")
        ends.downQueue += H2.goAway(9)
        ends.moveAll()
        #expect(limited.gate.heldTokens == 2, "not looked at")
        limited.bench.inspector.tick(now: 200_000_000_000)
        #expect(limited.gate.heldTokens == 0, "given up")
    }

    @Test("a generic call that is answered before it has named its method gives back what it took")
    func earlyAnswer() throws {
        let (ends, limited) = try Self.ends([.inFlight(3)])
        ends.client.open(1)
        ends.upQueue += ends.fromClient.request(1, "/com.x.Shop/$invoke")
        ends.moveAll()
        #expect(limited.gate.heldTokens == 0)
        ends.release(now: 1 << 30)
        #expect(limited.gate.heldTokens == 1)
        ends.downQueue += ends.fromServer.head(1, [("tri-exception-code", "3")])
        ends.moveAll()
        ends.downQueue += ends.fromServer.trailers(1)
        ends.moveAll()
        #expect(limited.gate.heldTokens == 0 && limited.session.inFlight == 0)
    }

    @Test("a generic call that has not named its method gives back what it took when its connection ends")
    func generic() throws {
        let (ends, limited) = try Self.ends([.inFlight(3)])
        ends.client.open(1)
        ends.upQueue += ends.fromClient.request(1, "/com.x.Shop/$invoke")
        ends.moveAll()
        #expect(limited.gate.heldTokens == 0)
        ends.release(now: 1 << 30)
        #expect(limited.gate.heldTokens == 1)
        limited.bench.inspector.close(limited.session, now: 3000)
        #expect(limited.gate.heldTokens == 0)
    }
}

@Suite struct LimitedHTTP1Tests {
    @Test("Triple over HTTP/1.1: 429, JSON and a hint, cut at every place")
    func triple() throws {
        let bytes = H1.triple("no") + H1.triple("no") + H1.triple("ok")
        for cut in 0...bytes.count {
            var definition = LimitDefinition.window(1, method: "no")
            definition.localReply.givesRetryAfter = true
            let limited = try LimitedBench([definition])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == H1.triple("no") + H1.triple("ok"))
            limited.give(H1.response(200, "1") + H1.response(200, "2"), .toDownstream)
            let messages = StrictHTTP.messages(limited.down, answering: ["POST", "POST", "POST"]) ?? []
            #expect(messages.map { String($0.line.dropFirst(9).prefix(3)) } == ["200", "429", "200"])
            #expect(messages.map { $0.headers["retry-after"] } == [nil, "1", nil])
            #expect(limited.session.inFlight == 0)
        }
    }

    @Test("JSON-RPC: the error object in 200 or 429, cut at every place", arguments: [UInt16(200), 429])
    func rpc(status: UInt16) throws {
        let bytes = H1.request(RPC.call("1", "no")) + H1.request(RPC.call("2", "no"))
        for cut in 0...bytes.count {
            var definition = LimitDefinition.window(1, method: "no")
            definition.localReply.httpStatus = status
            definition.localReply.codes[.jsonrpc] = -32_029
            let limited = try LimitedBench([definition])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == H1.request(RPC.call("1", "no")))
            limited.give(H1.response(200, RPC.result()), .toDownstream)
            let messages = StrictHTTP.messages(limited.down, answering: ["POST", "POST"]) ?? []
            #expect(messages.map { String($0.line.dropFirst(9).prefix(3)) } == ["200", "\(status)"])
            #expect(
                messages.last?.body
                    == "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32029,\"message\":\"limit l exceeded\"},\"id\":2}"
            )
        }
    }

    @Test("headers of any name, in any case")
    func headers() throws {
        let limited = try LimitedBench([
            .window(1) {
                $0.keys = [.attachment("x-tenant")]
                $0.match.attachments = [RequestMatcher.Attachment(name: "x-level", value: .exact("gold"))]
            }
        ])
        func ask(_ headers: [String]) -> Bool {
            let before = limited.up.count
            limited.give(H1.request(RPC.call("1", "get"), headers))
            return limited.up.count > before
        }
        #expect(ask(["X-LEVEL: gold", "X-Tenant: t"]))
        #expect(!ask(["X-LEVEL: gold", "X-Tenant: t"]))
        #expect(ask(["x-level: gold", "X-Tenant: u"]))
        #expect(ask(["x-level: tin", "X-Tenant: t"]))
    }

    @Test("a batch passes or is refused as a whole, at the cost of its members, whatever their order")
    func batch() throws {
        let limited = try LimitedBench([.window(2, method: "no")])
        limited.give(H1.request(RPC.batch(RPC.call("1", "no"), RPC.call("2", "ok"))))
        #expect(limited.counts().allowed == 1)
        limited.give(H1.request(RPC.batch(RPC.call("1", "ok"), RPC.call("2", "no"), RPC.call(nil, "no"))))
        #expect(limited.counts().allowed == 1 && limited.counts().rejected == 2, "hidden behind another method")
        limited.give(H1.request(RPC.batch(RPC.call("1", "ok"), RPC.call("2", "no"))))
        #expect(limited.counts().allowed == 2)
        #expect(limited.session.inFlight == 4)
    }

    @Test("a batch of several methods under one limit costs their sum; refused for one method it uses up no other's")
    func mixedBatch() throws {
        let whole = try LimitedBench([.window(3)])
        whole.give(H1.request(RPC.batch(RPC.call("1", "a"), RPC.call("2", "b"))))
        whole.give(H1.request(RPC.batch(RPC.call("3", "a"), RPC.call("4", "b"))))
        #expect(whole.counts().allowed == 2 && whole.counts().rejected == 2)
        whole.give(H1.request(RPC.call("5", "a")))
        #expect(whole.counts().allowed == 3)

        let apart = try LimitedBench([.window(1, "a", method: "a"), .window(1, "b", method: "b")])
        apart.give(H1.request(RPC.call("1", "b")))
        apart.give(H1.request(RPC.batch(RPC.call("2", "a"), RPC.call("3", "b"))))
        #expect(apart.counts("b").rejected == 1 && apart.counts("a").allowed == 0)
        apart.give(H1.request(RPC.call("4", "a")))
        #expect(apart.counts("a").allowed == 1 && apart.counts("a").rejected == 0)
    }

    @Test("the members of a batch hold their places until the last of each method has ended")
    func batchInFlight() throws {
        let limited = try LimitedBench([.inFlight(3, method: "no")])
        let batch = RPC.batch(RPC.call("1", "no"), RPC.call("2", "ok"), RPC.call("3", "no"), RPC.call(nil, "no"))
        limited.give(H1.request(batch))
        #expect(limited.gate.heldTokens == 1)
        limited.give(H1.request(RPC.call("9", "no")))
        #expect(limited.counts().rejected == 1)
        limited.give(H1.response(200, RPC.batch(RPC.result("1"), RPC.result("2"), RPC.result("3"))), .toDownstream)
        #expect(limited.gate.heldTokens == 0)
        limited.give(H1.request(RPC.batch(RPC.call(nil, "no"), RPC.call(nil, "no"))))
        #expect(limited.gate.heldTokens == 0 && limited.counts().rejected == 1)
        limited.give(H1.request(batch))
        #expect(limited.gate.heldTokens == 1)
        limited.bench.inspector.close(limited.session, now: 5)
        #expect(limited.gate.heldTokens == 0)
    }
}

@Suite struct LimitedJSONTests {
    @Test("calls on raw TCP, cut at every place; batches at the cost of their members")
    func everySplit() throws {
        let texts = [
            RPC.call("1", "no"), RPC.call("2", "no"), RPC.call("3", "ok"),
            RPC.batch(RPC.call("4", "ok"), RPC.call("5", "no")), RPC.call(nil, "no"),
        ]
        let bytes = Array(texts.map { $0 + "\n" }.joined().utf8)
        let error = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"limit l exceeded\"},\"id\":"
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1, method: "no")])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == Array((texts[0] + "\n" + texts[2] + "\n").utf8), "cut at \(cut)")
            let expected = "\(error)2}\n[\(error)4},\(error)5}]\n"
            #expect(String(decoding: limited.down, as: UTF8.self) == expected, "cut at \(cut)")
            #expect(limited.counts().rejected == 3)
        }
    }

    @Test("a call in flight holds its place until it has ended")
    func inFlight() throws {
        let limited = try LimitedBench([.inFlight(2)])
        let long = "\"" + String(repeating: "i", count: 400) + "\""
        limited.give(Array((RPC.call("1") + RPC.call(long)).utf8))
        #expect(limited.gate.heldTokens == 1, "an id too long to keep is lost at once")
        limited.give(Array(RPC.batch(RPC.call("2"), RPC.call("3")).utf8))
        #expect(limited.counts().rejected == 2)
        limited.give(Array(RPC.result("1").utf8), .toDownstream)
        limited.give(Array(RPC.batch(RPC.call("2"), RPC.call("3")).utf8))
        limited.give(Array(RPC.result("2").utf8), .toDownstream)
        #expect(limited.gate.heldTokens == 1, "the batch holds its places together")
        limited.give(Array(RPC.result("3").utf8), .toDownstream)
        #expect(limited.gate.heldTokens == 0)
    }
}
