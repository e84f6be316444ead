import Foundation
import Testing

extension Integration {
    /// JSON-RPC over HTTP/2, between peers made of another implementation of HTTP/2.
    @Suite struct HTTP2RPCTests {
        private static let isThere = PeerProgram.h2rpc.isThere

        @Test(
            "JSON-RPC over HTTP/2: every kind of call, 80 at once, batches of 1,500, 3 MB messages",
            .enabled(if: isThere, PeerProgram.missing(.h2rpc)),
            .timeLimit(.minutes(10)),
            arguments: Pieces.allCases
        )
        func calls(_ pieces: Pieces) throws {
            let run = try PeerRun(.h2rpc, [], pieces)
            var calls: [CallKey: Int] = [:]
            for (method, results) in run.summary.counts {
                for (result, count) in results {
                    let key = CallKey(rpc: method, result: result)
                    calls[result == "404" ? CallKey("html", "echo", "client_error", "404") : key] = count
                }
            }
            #expect(differences(run.metrics.calls(["side": "provider"]), calls) == [])
            #expect(run.metrics.sum("weir_calls_total", ["protocol": "jsonrpc"]) == run.summary.calls)
            // One for each step; what `others` sends is none of JSON-RPC.
            #expect(run.metrics.connections == ["jsonrpc": 6, "http": 1])
        }

        /// What the client says of calls of one method.
        private struct Said: Decodable {
            let counts: [String: Int]
            let trace: String?
        }

        private static func count(_ weir: Address, _ calls: Int, _ headers: String...) throws -> Said {
            let command = try PeerProgram.h2rpc.command(["count", "\(weir.port)", "\(calls)"] + headers)
            let run = try ChildProcess.run(command)
            guard run.end == .exited(0) else { throw Failure("count: \(run.errorText)") }
            return try JSONDecoder().decode(Said.self, from: Data(run.output))
        }

        @Test(
            "A limit refuses exactly so many, on either side, by an answer that the client understands",
            .enabled(if: isThere, PeerProgram.missing(.h2rpc)),
            .timeLimit(.minutes(5)),
            arguments: ["provider", "consumer"]
        )
        func limits(_ side: String) throws {
            let server = try PeerServer(.h2rpc)
            let folder = try TemporaryFolder()
            let limit = "limits: [{name: add, match: {interface: shop, method: add}, limit: 7, window: 1h}]\n"
            _ = try folder.file("limits.yaml", text: limit)
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            let weir = try WeirProcess([
                "--upstream", "\(server.address)", "--config", config, "--consumer-listen", "127.0.0.1:0", "--set",
                "consumer.upstream=\(server.address)", "--set", "consumer.enabled=true",
            ])
            let address = weir.addresses[side == "provider" ? 0 : 1]
            #expect(try Self.count(address, 40).counts == ["200 result": 7, "200 -32000": 33])
            let metrics = try weir.settledMetrics()
            #expect(metrics.sum("weir_calls_total", ["side": side, "outcome": "limited"]) == 33)
            #expect(metrics.sum("weir_calls_total", ["side": side, "outcome": "ok", "method": "add"]) == 7)
            #expect(metrics.sum("weir_limit_decisions_total", ["limit": "add", "decision": "rejected"]) == 33)
            #expect(try weir.stop() == .exited(0))
            #expect(try server.stop()["add"] == 8, "those that passed, and the one that asks for its context")
        }

        @Test(
            "A call that came with a context is a span of that trace, and the server gets Weir's own",
            .enabled(if: isThere && PeerProgram.collector.isThere, PeerProgram.missing(.h2rpc, .collector)),
            .timeLimit(.minutes(5))
        )
        func spans() throws {
            let (server, collector) = (try PeerServer(.h2rpc), try SpanCollector())
            let weir = try WeirProcess(
                upstream: server.address,
                "--traces",
                "http://\(collector.http)",
                "--set",
                "propagate.jsonrpc=inject"
            )
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            let said = try Self.count(weir.address, 5, "traceparent=00-\(trace)-00f067aa0ba902b7-01")
            #expect(said.counts == ["200 result": 5])
            try weir.metrics("all connections ended") { $0.sum("weir_open_connections") == 0 }
            #expect(try weir.stop() == .exited(0))
            let spans = try collector.spans()
            #expect(spans.count == 6 && spans.allSatisfy { $0.trace == trace && $0.parent == "00f067aa0ba902b7" })
            #expect(
                spans.allSatisfy {
                    $0.text("rpc.system") == "jsonrpc" && $0.text("rpc.service") == "shop"
                        || $0.text("rpc.service") == "trace"
                }
            )
            let last = spans.first { $0.name.hasSuffix("/trace") }
            #expect(said.trace == "00-\(trace)-\(last?.id ?? "")-01")
        }

        /// What the client that obeys says at its end.
        private struct Obeyed: Decodable {
            let last: [Int]
            let answered: Int
            let failed: Int
        }

        @Test(
            "A drain is told by GOAWAY, and loses no call",
            .enabled(if: isThere, PeerProgram.missing(.h2rpc)),
            .timeLimit(.minutes(5))
        )
        func drain() throws {
            let server = try PeerServer(.h2rpc)
            let weir = try WeirProcess(upstream: server.address, "--set", "drain.grace=60s")
            let client = try ChildProcess(PeerProgram.h2rpc.command(["obey", "\(weir.address.port)"]))
            try weir.metrics("calls pass") { $0.sum("weir_calls_total", ["outcome": "ok"]) > 20 }
            #expect(try weir.ask("POST", "/v1/drain").status < 300)
            #expect(try client.wait() == .exited(0), "\(client.errorText)")
            let line = client.outputText.split(separator: "\n").last ?? ""
            let obeyed = try JSONDecoder().decode(Obeyed.self, from: Data(line.utf8))
            #expect(obeyed.last.first == Int(Int32.max) && obeyed.failed == 0 && obeyed.answered > 20)
            #expect(obeyed.last.last == obeyed.answered * 2 - 1, "the second one names the last call")
        }
    }
}
