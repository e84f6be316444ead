import Foundation
import Testing

extension Integration {
    /// Spans of real traffic, as a collector made of the official messages gets them.
    @Suite(.serialized) struct TracingTests {
        /// A capture, and how spans leave.
        struct Case: CustomTestStringConvertible, Sendable {
            let name: String
            let transport: String
            var testDescription: String { "\(name) over \(transport)" }
        }

        static let cases = [
            Case(name: "dubbo-all", transport: "http"), Case(name: "dubbo-load", transport: "grpc"),
            Case(name: "mixed-one-port", transport: "http"), Case(name: "triple-all", transport: "grpc"),
        ]

        @Test(
            "Every call that came with a context is one span with that trace and parent",
            .enabled(if: PeerProgram.collector.isThere, PeerProgram.missing(.collector)),
            .timeLimit(.minutes(10)),
            arguments: cases
        )
        func contexts(_ example: Case) throws {
            let capture = try JavaCapture.named(example.name)
            let collector = try SpanCollector()
            let listener = try Listener()
            let address = example.transport == "http" ? collector.http : collector.grpc
            let weir = try WeirProcess(
                upstream: listener.address,
                "--traces",
                "http://\(address)",
                "--set",
                "tracing.protocol=\(example.transport)",
                "--set",
                "tracing.ratio=0",
                "--set",
                "tracing.service-name=shop"
            )
            let before = UInt64(Date().timeIntervalSince1970 * 1e9)
            try ReplayTests.play(capture, .random, weir, listener)
            try weir.metrics("all connections ended") { $0.sum("weir_open_connections") == 0 }
            #expect(try weir.stop() == .exited(0))
            let after = UInt64(Date().timeIntervalSince1970 * 1e9)
            let spans = try collector.spans()
            let calls = capture.calls.filter { $0.sampled == true }
            #expect(!calls.isEmpty && spans.count == calls.count)
            let expected = calls.map { call in
                let kind = call.side == "provider" ? 2 : 3
                return
                    "\(call.trace_id) \(call.parent_span_id) \(call.interface)/\(call.method) \(kind) \(call.outcome)"
            }
            let seen = spans.map { span in
                "\(span.trace) \(span.parent) \(span.name) \(span.kind) \(span.text("weir.outcome") ?? "")"
            }
            #expect(differences(counts(seen), counts(expected)) == [])
            #expect(Set(spans.map(\.id)).count == spans.count)
            for span in spans { check(span, between: before, and: after) }
        }

        /// What holds for every span.
        private func check(_ span: SpanCollector.Span, between first: UInt64, and last: UInt64) {
            // Two clocks are compared here: the workers' is turned into wall time when spans leave.
            #expect(first - 1_000_000_000 < span.start && span.start <= span.end && span.end < last + 1_000_000_000)
            #expect(span.resource["service.name"]?.string_value == "shop")
            let outcome = span.text("weir.outcome") ?? ""
            let isFailed = ["server_error", "timeout", "unanswered"].contains(outcome)
            if isFailed { #expect(span.text("error.type") != nil, "\(span.name) \(outcome)") }
            if outcome == "ok" { #expect(span.status != 2 && span.text("error.type") == nil) }
            let system = span.text("rpc.system") ?? ""
            #expect(["apache_dubbo", "grpc", "jsonrpc"].contains(system))
            #expect("\(span.text("rpc.service") ?? "")/\(span.text("rpc.method") ?? "")" == span.name)
            #expect(span.text("network.peer.address") == "127.0.0.1")
            if system == "apache_dubbo" {
                #expect(span.text("dubbo.serialization") != nil && span.attributes["dubbo.request_id"] != nil)
            }
            let parts = ["request_transfer", "service", "response_transfer"].compactMap {
                span.attributes["weir.time.\($0)"]?.double_value
            }
            if parts.count == 3 {
                #expect(abs(parts.reduce(0, +) - Double(span.end - span.start) / 1e9) < 1e-6)
                #expect(parts.allSatisfy { $0 >= 0 })
            }
        }

        @Test(
            "Two of them in a row: the second's spans are the first's children",
            .enabled(if: PeerProgram.collector.isThere, PeerProgram.missing(.collector)),
            .timeLimit(.minutes(10))
        )
        func chain() throws {
            let collector = try SpanCollector()
            let provider = try EchoProvider()
            defer { provider.stop() }
            let traces = ["--traces", "http://\(collector.http)", "--set", "tracing.rate=100000"]
            let near = try WeirProcess(["--upstream", provider.address.description] + traces)
            let far = try WeirProcess(
                [
                    "--set", "provider.enabled=false", "--consumer-listen", "127.0.0.1:0", "--consumer-upstream",
                    near.address.description, "--set", "propagate.dubbo=inject",
                ] + traces
            )
            let connection = try Connection(to: far.address)
            for id in 1...200 { try connection.call(UInt64(id)) }
            #expect(try far.stop() == .exited(0))
            #expect(try near.stop() == .exited(0))
            let spans = try collector.spans()
            let (client, server) = (spans.filter { $0.kind == 3 }, spans.filter { $0.kind == 2 })
            #expect(client.count == 200 && server.count == 200 && client.allSatisfy { $0.parent == "" })
            #expect(Set(client.map { "\($0.trace) \($0.id)" }) == Set(server.map { "\($0.trace) \($0.parent)" }))
        }

        private struct Summary: Decodable {
            let answered: Int
            let problems: [String]
            let contexts: [String: String]
        }

        private struct Seen: Decodable {
            struct Call: Decodable {
                let traceparent: [String]
                let tracestate: [String]
            }
            let seen: [String: Call]
        }

        @Test(
            "A gRPC server sees the context of the span, and one context only",
            .enabled(
                if: PeerProgram.collector.isThere && PeerProgram.traced.isThere,
                PeerProgram.missing(.collector, .traced)
            ),
            .timeLimit(.minutes(10))
        )
        func grpc() throws {
            let collector = try SpanCollector()
            let server = try PeerServer(.traced)
            let weir = try WeirProcess(
                upstream: server.address,
                "--traces",
                "http://\(collector.grpc)",
                "--set",
                "tracing.protocol=grpc",
                "--set",
                "propagate.triple=inject",
                "--set",
                "tracing.rate=100000",
                "--set",
                "tracing.attachments=x-number"
            )
            let client = try PeerProgram.traced.client(weir.address, ["2000"])
            let end = try client.wait(within: 4 * patience)
            #expect(end == .exited(0), "\(client.outputText) \(client.errorText)")
            let said = try JSONDecoder().decode(Summary.self, from: Data(client.output))
            #expect(said.problems == [] && said.answered == 2000)
            let injected = try weir.metrics("counted") { $0.sum("weir_calls_total") == 2000 }
            #expect(try weir.stop() == .exited(0))
            let seen = try JSONDecoder().decode(Seen.self, from: Data(server.lastLine().utf8)).seen
            let spans = try collector.spans()
            let byNumber = Dictionary(
                uniqueKeysWithValues: spans.map { ($0.text("dubbo.attachment.x-number") ?? "", $0) }
            )
            #expect(seen.count == 2000 && spans.count == 2000 - said.contexts.count { $0.value.hasSuffix("-00") })
            #expect(injected.sum("weir_context_injections_total", ["result": "injected"]) == spans.count)
            for (number, context) in said.contexts {
                let call = try #require(seen[number])
                #expect(call.tracestate == ["a=\((Int(number) ?? 0) % 5)"])
                if context.hasSuffix("-00") {
                    #expect(call.traceparent == [context] && byNumber[number] == nil)
                } else {
                    let span = try #require(byNumber[number])
                    #expect(call.traceparent == ["00-\(span.trace)-\(span.id)-01"])
                    let parts = context.split(separator: "-")
                    #expect(context.isEmpty ? span.parent == "" : span.trace == parts[1] && span.parent == parts[2])
                }
            }
        }

        @Test(
            "A collector that is slow, refuses, resets or is away costs no call, and every span is accounted for",
            .enabled(if: PeerProgram.collector.isThere, PeerProgram.missing(.collector)),
            .timeLimit(.minutes(10)),
            arguments: ["slow 1000", "status 503", "status 400", "reset", "away"]
        )
        func trouble(_ trouble: String) throws {
            let collector = try SpanCollector()
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(
                upstream: provider.address,
                "--traces",
                "http://\(collector.http)",
                "--set",
                "tracing.rate=100000",
                "--set",
                "tracing.queue=200",
                "--set",
                "tracing.batch=50"
            )
            try collector.obey(trouble)
            let connection = try Connection(to: weir.address)
            for id in 1...1000 { try connection.call(UInt64(id)) }
            let metrics = try weir.metrics("counted") { $0.sum("weir_calls_total", ["outcome": "ok"]) == 1000 }
            #expect(metrics.sum("weir_calls_total") == 1000)
            if trouble == "status 400" {
                try weir.metrics("spans were refused") { $0.sum("weir_spans_total", ["result": "failed"]) > 0 }
            }
            try collector.obey(trouble == "away" ? "back" : "ok")
            // Recovered: what is called now arrives.
            for id in 1001...1100 { try connection.call(UInt64(id)) }
            let settled = try weir.metrics("all spans are accounted for", within: 4 * patience) {
                $0.sum("weir_spans_total") == 1100
            }
            #expect(settled.sum("weir_spans_total", ["result": "exported"]) >= 100)
            #expect(try weir.stop() == .exited(0))
        }

        @Test(
            "Every panel of every dashboard has its answer in a real Prometheus, and exemplars lead to exported spans",
            .enabled(if: PeerProgram.collector.isThere, PeerProgram.missing(.collector)),
            .enabled(if: isInstalled("prometheus"), "not tested: no prometheus"),
            .timeLimit(.minutes(10))
        )
        func dashboards() throws {
            let collector = try SpanCollector()
            let admin = Address.loopback(try Listener.freePort())
            let demo = try ChildProcess([
                WeirBinary.path, "demo", "--rate", "300", "--admin", admin.description, "--traces",
                "http://\(collector.http)", "--set", "metrics.callers=true", "--set", "tracing.rate=1000",
            ])
            try eventually("the demo is ready") {
                guard demo.isRunning() else { throw Failure("weir demo ended: \(demo.errorText)") }
                return (try? HTTPAnswer.get("/readyz", from: admin).status) == 200
            }
            let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().path
            let rules = ["recording", "alerts"].map { "\(top)/rules/weir.\($0).rules.yml" }
            let prometheus = try Prometheus(target: admin, rules: rules, features: ["exemplar-storage"])
            try eventually("a quarter of a minute of scrapes", within: 4 * patience) {
                (try prometheus.query("count_over_time(up[2m])").first?.value ?? 0) >= 20
            }
            // What Prometheus makes of the counters, beside what Weir says at the same time.
            let window = try prometheus.query("sum(increase(weir_calls_total[10s])) > 0")
            // 300 a second, or as many as a busy machine makes of them.
            #expect(window.count == 1 && (300...4500).contains(window.first?.value ?? 0))
            let checked = try ChildProcess.run(
                [
                    "python3", "\(top)/scripts/check-dashboards", "http://\(prometheus.address)", "--rate-interval",
                    "15s",
                    "--range", "1m",
                ],
                within: 4 * patience
            )
            let failures = checked.outputText.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
            #expect(checked.end == .exited(0), "\(failures.joined(separator: "\n")) \(checked.errorText)")
            let exemplars = try eventually("exemplars") { try prometheus.exemplarTraces() }
            demo.send(SIGTERM)
            #expect(try demo.wait() == .exited(0))
            let traces = Set(try collector.spans().map(\.trace))
            #expect(!exemplars.isEmpty && exemplars.isSubset(of: traces))
        }

        @Test(
            "A collector's strategies decide which calls are traced",
            .enabled(if: PeerProgram.collector.isThere, PeerProgram.missing(.collector)),
            .timeLimit(.minutes(10))
        )
        func remoteSampling() throws {
            let collector = try SpanCollector()
            try collector.obey(
                #"strategies {"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0},"#
                    + #""operationSampling":{"defaultSamplingProbability":0,"perOperationStrategies":"#
                    + #"[{"operation":"demo.Greeter/traced","probabilisticSampling":{"samplingRate":1}}]}}"#
            )
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(
                upstream: provider.address,
                "--traces",
                "http://\(collector.http)",
                "--set",
                "tracing.remote-sampling=http://\(collector.http)/api/sampling",
                "--set",
                "tracing.remote-interval=1s",
                "--set",
                "tracing.ratio=0"
            )
            let connection = try Connection(to: weir.address)
            var id: UInt64 = 0
            _ = try eventually("the strategies are in force") {
                id += 2
                try connection.call(id, method: "traced")
                try connection.call(id + 1, method: "untraced")
                return try collector.spans().isEmpty ? nil : true
            }
            #expect(try weir.stop() == .exited(0))
            #expect(try collector.spans().allSatisfy { $0.name == "demo.Greeter/traced" })
        }
    }
}
