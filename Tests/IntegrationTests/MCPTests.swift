import Foundation
import Testing

extension Integration {
    /// Servers and clients of the `mcp` package with Weir between them: it counts what they say of their calls.
    @Suite(.serialized) struct MCPTests {
        /// What a client says.
        private struct Summary: Decodable {
            let counts: [String: [String: Int]]
            let progress: Int
            let asked: Int
            let problems: [String]
        }

        @Test(
            "MCP over streamable HTTP, with sessions and without, and over the transport of 2024",
            .enabled(if: PeerProgram.mcp.isThere, PeerProgram.missing(.mcp)),
            .timeLimit(.minutes(2)),
            arguments: ["legacy", "auto", "sse"]
        )
        func calls(_ mode: String) throws {
            let server = try PeerServer(.mcp)
            // Streams last longer than calls may, and their events come in time.
            let weir = try WeirProcess(
                upstream: server.address,
                "--workers",
                "2",
                "--set",
                "inspection.call-timeout=8s"
            )
            let client = try PeerProgram.mcp.client(weir.address, [mode, "--long", "12"])
            let end = try client.wait(within: 100)
            #expect(end == .exited(0), "\(client.outputText) \(client.errorText)")
            let summary = try JSONDecoder().decode(Summary.self, from: Data(client.output))
            let served = try server.stop()
            let metrics = try weir.settledMetrics()
            #expect(summary.problems == [])
            expectNoTrouble(metrics)
            let interface = mode == "sse" ? "messages/" : "mcp"

            // What came to the server: every message that was posted, tools together with those not told apart yet.
            let posted = Self.together(served.filter { $0.key != "response" })
            #expect(differences(Self.methods(metrics, "provider", interface), posted) == [])
            // What the server asked and told its client.
            var told = ["notifications/progress": summary.progress]
            if summary.asked > 0 { told["elicitation/create"] = summary.asked }
            #expect(summary.asked == served["response"] ?? 0)
            #expect(differences(Self.methods(metrics, "consumer", interface), told) == [])
            let asked = metrics.calls(["side": "consumer", "method": "elicitation/create"])
            #expect(asked.keys.allSatisfy { $0.outcome == "ok" })

            // What became of them, by the client's own count.
            let results = metrics.calls(["side": "provider"])
            #expect(Self.outcomes(results) == Self.outcomes(of: summary, mode))
            // The second call of a tool that was answered is told apart from others.
            #expect(results[CallKey(interface, "tools/call:add", "ok", "OK")] ?? 0 >= 49)
            #expect(results[CallKey(interface, "tools/call:count", "ok", "OK")] == 1)
            #expect(try weir.stop() == .exited(0))
        }

        /// Calls by method on a side.
        private static func methods(_ metrics: Metrics, _ side: String, _ interface: String) -> [String: Int] {
            let calls = metrics.calls(["side": side, "interface": interface])
            return together(calls.reduce(into: [:]) { $0[$1.key.method, default: 0] += $1.value })
        }

        private static func together(_ counts: [String: Int]) -> [String: Int] {
            counts.reduce(into: [:]) { sums, count in
                sums[count.key.hasPrefix("tools/call") ? "tools/call" : count.key, default: 0] += count.value
            }
        }

        /// Calls of tools and lists by outcome and code.
        private static func outcomes(_ calls: [CallKey: Int]) -> [String: Int] {
            calls.reduce(into: [:]) { sums, call in
                guard call.key.method.hasPrefix("tools/") else { return }
                // What is never answered may time out before its stream ends.
                let outcome = call.key.outcome == "timeout" ? "unanswered" : call.key.outcome
                sums["\(outcome) \(call.key.code)", default: 0] += call.value
            }
        }

        private static func outcomes(of summary: Summary, _ mode: String) -> [String: Int] {
            var sums: [String: Int] = [:]
            for results in summary.counts.values {
                for (result, count) in results {
                    let name =
                        switch result {
                        case "result": "ok OK"
                        // Sessions are told of it and answer so; to leave is to cancel since 2026; in 2024 a call that
                        // was taken back has no reply at all.
                        case "cancelled":
                            ["legacy": "cancelled -32800", "auto": "cancelled ", "sse": "unanswered "][mode] ?? ""
                        default: "client_error \(result)"
                        }
                    sums[name, default: 0] += count
                }
            }
            return sums
        }
    }
}
