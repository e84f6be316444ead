import Foundation
import Testing

extension Integration {
    /// Real traffic that looks like JSON-RPC and is none, while limits and drains are in force.
    @Suite(.serialized) struct BystanderTests {
        private static let calls = 40

        private struct Run {
            let summary: PeerSummary
            let metrics: Metrics
            let served: [String: Int]

            func counts(_ kind: String) -> [String: Int] { summary.counts[kind] ?? [:] }
        }

        private static func run(_ limits: String, draining interfaces: [String] = []) throws -> Run {
            let server = try PeerServer(.bystander)
            let folder = try TemporaryFolder()
            _ = try folder.file("limits.yaml", text: limits)
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\ndrain: {grace: 0s}\n")
            let web = try WeirProcess(upstream: server.address, "--config", config)
            let sink = try WeirProcess(upstream: .loopback(try server.port(line: 1)), "--config", config)
            for interface in interfaces {
                #expect(try web.ask("POST", "/v1/drain?interface=\(interface)").status == 200)
                #expect(try sink.ask("POST", "/v1/drain?interface=\(interface)").status == 200)
            }
            let client = try PeerProgram.bystander.client(web.address, ["\(sink.address.port)", "\(calls)"])
            let summary = try PeerSummary.of(client).summary
            let metrics = try web.settledMetrics()
            let lines = try sink.settledMetrics()
            #expect(lines.all("weir_calls_total").isEmpty && lines.sum("weir_verdicts_partial_total") == 0)
            #expect(try web.stop() == .exited(0) && sink.stop() == .exited(0))
            let served = try server.stop()
            #expect(summary.problems == [])
            // What is no JSON-RPC reaches its service once, and counts as nothing.
            for kind in ["json", "gzip", "json2"] {
                #expect(summary.counts[kind] == ["ok": calls] && served[kind] == calls, "\(kind)")
            }
            #expect(served["log"] == calls && served["torn"] == nil && served["twice"] == nil)
            let others = metrics.all("weir_calls_total").filter { $0.labels["method"] == "card" }
            #expect(others.isEmpty)
            return Run(summary: summary, metrics: metrics, served: served)
        }

        @Test(
            "connect's JSON and log lines pass a limit without a matcher, which gRPC and JSON-RPC meet",
            .enabled(if: PeerProgram.bystander.isThere, PeerProgram.missing(.bystander)),
            .timeLimit(.minutes(2))
        )
        func limited() throws {
            let run = try Self.run("limits:\n  - {name: all, limit: 10, window: 1h}\n")
            let (grpc, rpc) = (run.counts("grpc"), run.counts("rpc"))
            #expect((grpc["ok"] ?? 0) + (rpc["ok"] ?? 0) == 10)
            #expect(grpc.values.reduce(0, +) == Self.calls && rpc.values.reduce(0, +) == Self.calls)
            #expect(run.served["grpc"] == grpc["ok"] && run.served["rpc"] == rpc["ok"])
            #expect(run.metrics.sum("weir_calls_total", ["outcome": "ok"]) == 10)
            #expect(run.metrics.sum("weir_calls_total", ["outcome": "limited"]) == 2 * Self.calls - 10)
            #expect(run.metrics.sum("weir_limit_decisions_total", ["decision": "rejected"]) == 2 * Self.calls - 10)
        }

        @Test(
            "they pass a drain of their own interface, too",
            .enabled(if: PeerProgram.bystander.isThere, PeerProgram.missing(.bystander)),
            .timeLimit(.minutes(2))
        )
        func drained() throws {
            let run = try Self.run(
                "limits:\n  - {name: all, limit: 100000, window: 1h}\n",
                draining: ["demo.Payments", "rpc"]
            )
            // Calls of Triple and gRPC are served in a drain: their consumers would not try elsewhere.
            #expect(run.counts("grpc") == ["ok": Self.calls] && run.served["grpc"] == Self.calls)
            #expect(run.counts("rpc")["ok"] == nil && run.served["rpc"] == nil)
            #expect(run.metrics.sum("weir_calls_total", ["outcome": "drained"]) == Self.calls)
        }
    }
}
