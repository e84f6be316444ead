import Foundation
import Testing

extension Integration {
    /// Clients and servers that others wrote see nothing of Weir between them, and Weir counts what they count.
    @Suite struct PeerTests {
        @Test(
            "gRPC: every kind of call, 4 MiB messages, 900 calls at once on three connections",
            .enabled(if: PeerProgram.grpc.isThere, PeerProgram.missing(.grpc)),
            .timeLimit(.minutes(10)),
            arguments: Pieces.allCases
        )
        func grpc(_ pieces: Pieces) throws {
            // Its server refuses some when more than 1,000 wait to be looked at: hence no more at once.
            // What it says of a call whose time is over may come when Weir has given it up.
            let run = try PeerRun(.grpc, ["--channels", "3", "--streams", "300"], pieces, lateReplies: 0...8)
            #expect(run.summary.counts["weir.test.Echo/Echo"]?["OK"] ?? 0 >= 900)
            #expect(differences(run.metrics.callsWithoutDeadlines, grpcCalls(run.summary)) == [])
            // The caller gives up when its time is over, however it has rounded it for the server.
            let late = run.metrics.all("weir_calls_total", ["method": "Sleep"]).filter {
                ["timeout", "cancelled"].contains($0.labels["outcome"])
            }
            let sleeps = run.summary.counts["weir.test.Echo/Sleep"] ?? [:]
            #expect(sleeps == ["OK": 1, "DEADLINE_EXCEEDED": 8, "CANCELLED": 3])
            #expect(late.reduce(0) { $0 + Int($1.value) } == 11)
            #expect(run.metrics.sum("weir_calls_total", ["method": "Sleep", "outcome": "timeout"]) == 8)
            #expect(run.metrics.sum("weir_calls_total", ["method": "Sleep", "code": "CANCELLED"]) == 3)
            #expect(run.metrics.connections == ["triple": 3])
            let exceptions = run.metrics.all("weir_exceptions_total").map { ($0.labels["exception"], Int($0.value)) }
            #expect(exceptions.map(\.0) == ["com.example.OutOfStockException"])
            #expect(exceptions.map(\.1) == [run.summary.exceptions?["com.example.OutOfStockException"]])

            // Calls with more than one message either way; one of Chat was cancelled after two.
            let streams = [
                StreamCounts("weir.test.Echo/Chat", calls: 4, requests: 115, responses: 115),
                StreamCounts("weir.test.Echo/Collect", calls: 2, requests: 120, responses: 2),
                StreamCounts("weir.test.Echo/Emit", calls: 2, requests: 2, responses: 120),
                StreamCounts("weir.test.Echo/EmitThenFail", calls: 1, requests: 1, responses: 2),
            ]
            #expect(run.metrics.streams == streams)
            let ends = run.metrics.all("weir_calls_total").filter {
                ["ok", "business_error", "client_error", "server_error"].contains($0.labels["outcome"])
            }
            let unary = ends.reduce(0) { $0 + Int($1.value) } - (streams.reduce(0) { $0 + $1.calls } - 1)
            #expect(run.metrics.sum("weir_call_duration_seconds_count") == unary)

            // What the server knows. Health/Watch stands open as long as its caller lives and is no call to Weir; a
            // generic call counts under the method that it names; two methods are nobody's.
            var served = run.served
            #expect(served.removeValue(forKey: "grpc.health.v1.Health/Watch") == 1)
            for name in ["$invoke", "$invokeAsync"] {
                let count = served.removeValue(forKey: "weir.test.Echo/\(name)") ?? 0
                served["weir.test.Echo/findOrder", default: 0] += count
            }
            for path in ["weir.test.Echo/NoSuchMethod", "no.such.Service/Method"] { served[path] = 1 }
            #expect(differences(run.metrics.callsByMethod(), served) == [])
        }

        /// What the client's counts are to Weir, without the calls of Sleep that it did not wait for.
        private func grpcCalls(_ summary: PeerSummary) -> [CallKey: Int] {
            var calls: [CallKey: Int] = [:]
            for (path, statuses) in summary.counts where path != "grpc.health.v1.Health/Watch" {
                let path = path.replacingOccurrences(of: "$invokeAsync", with: "findOrder")
                    .replacingOccurrences(of: "$invoke", with: "findOrder")
                for (status, count) in statuses {
                    guard !path.hasSuffix("/Sleep") || status == "OK" else { continue }
                    calls[CallKey(path: path, status: status), default: 0] += count
                }
            }
            // One call of the two names a version and a group.
            let metadata = CallKey(path: "weir.test.Echo/Metadata", status: "OK")
            calls[metadata, default: 0] -= 1
            calls[CallKey(path: "weir.test.Echo/Metadata", status: "OK", version: "1.0.0", group: "gray")] = 1
            // A status OK that brings an exception.
            if let count = calls.removeValue(forKey: CallKey(path: "weir.test.Stock/OutOfStock", status: "OK")) {
                calls[CallKey("weir.test.Stock", "OutOfStock", "business_error", "OK")] = count
            }
            return calls
        }

        @Test(
            "Triple of Apache Dubbo for Python",
            .enabled(if: PeerProgram.triple.isThere, PeerProgram.missing(.triple)),
            .timeLimit(.minutes(10)),
            arguments: Pieces.allCases
        )
        func triple(_ pieces: Pieces) throws {
            let service = "org.apache.dubbo.samples.HelloWorld"
            let run = try PeerRun(.triple, ["--calls", "400"], pieces)
            #expect(differences(run.metrics.calls(["side": "provider"]), tripleCalls(run.summary)) == [])
            #expect(run.metrics.connections == ["triple": 1])
            expectTripleStreams(run)
            var served = run.served
            served = [String: Int](uniqueKeysWithValues: served.map { ("\(service)/\($0.key)", $0.value) })
            for path in ["\(service)/missing", "org.apache.dubbo.samples.Other/unary"] { served[path] = 1 }
            #expect(differences(run.metrics.callsByMethod(), served) == [])
        }

        private func tripleCalls(_ summary: PeerSummary) -> [CallKey: Int] {
            var calls: [CallKey: Int] = [:]
            for (path, statuses) in summary.counts {
                for (status, count) in statuses { calls[CallKey(path: path, status: status)] = count }
            }
            // Three calls name a version and a group.
            let path = "org.apache.dubbo.samples.HelloWorld/unary"
            calls[CallKey(path: path, status: "OK"), default: 0] -= 3
            calls[CallKey(path: path, status: "OK", version: "2.0.0", group: "gray")] = 3
            return calls
        }

        /// The library ends every request with an empty message of its own, often after the reply has ended the call:
        /// a call of one message and that is unary to Weir, though both are counted.
        private func expectTripleStreams(_ run: PeerRun) {
            let service = "org.apache.dubbo.samples.HelloWorld"
            let streams = run.metrics.streams
            // These two are answered when the request has ended, so that its last message always counts.
            let whole = [
                StreamCounts("\(service)/biStream", calls: 1, requests: 51 + 2, responses: 51),
                StreamCounts("\(service)/clientStream", calls: 2, requests: 56 + 3, responses: 3),
            ]
            #expect(streams.filter { whole.map(\.path).contains($0.path) } == whole)
            let server = streams.first { $0.path == "\(service)/serverStream" }
            // Of its three calls one has one reply.
            #expect(server?.calls == 2 && (55...56).contains(server?.responses ?? 0))
            #expect((2...6).contains(server?.requests ?? 0))
            #expect(!streams.contains { $0.path == "\(service)/unary" })
            let lasting = streams.reduce(0) { $0 + $1.calls }
            #expect(run.metrics.sum("weir_call_duration_seconds_count") + lasting == run.summary.calls)
        }

        @Test(
            "JSON-RPC over HTTP and over plain TCP",
            .enabled(if: PeerProgram.jsonrpc.isThere, PeerProgram.missing(.jsonrpc)),
            .timeLimit(.minutes(10)),
            arguments: Pieces.allCases
        )
        func jsonrpc(_ pieces: Pieces) throws {
            let run = try PeerRun(.jsonrpc, [], pieces)
            var calls: [CallKey: Int] = [:]
            for (method, results) in run.summary.counts {
                for (result, count) in results { calls[CallKey(rpc: method, result: result)] = count }
            }
            // Over plain TCP a reply is found by its id alone, and one of the ids is longer than what is kept of them.
            calls[CallKey(rpc: "#echo", result: "result"), default: 0] -= 1
            calls[CallKey("", "echo", "lost", "")] = 1
            #expect(differences(run.metrics.calls(["side": "provider"]), calls) == [])
            // After the one subscription the server calls thrice, and wants no answer.
            #expect(run.metrics.calls(["side": "consumer"]) == [CallKey("", "tick", "oneway", ""): 3])
            // One for each step, two more for `dubbo`, nine for `connections`, one for `tcp_lines`.
            // The one of `other_http` counts as HTTP, too, as which it began.
            #expect(run.metrics.connections == ["jsonrpc": 31, "http": 1])
            #expect(run.metrics.streams == [])
            let byMethod = run.metrics.all("weir_calls_total", ["side": "provider"]).reduce(into: [String: Int]()) {
                $0[$1.labels["method"] ?? "", default: 0] += Int($1.value)
            }
            // The server counts what it understood.
            #expect(differences(byMethod.filter { !$0.key.isEmpty }, run.served) == [])
        }
    }
}

extension Metrics {
    /// Calls, but for those of Sleep that were not waited for.
    fileprivate var callsWithoutDeadlines: [CallKey: Int] {
        calls(["side": "provider"]).filter { $0.key.method != "Sleep" || $0.key.outcome == "ok" }
    }
}
