import Testing

extension Integration {
    /// Both sides of real captures, played through the proxy over real sockets.
    @Suite struct ReplayTests {
        /// A capture and a way to cut it.
        struct Case: CustomTestStringConvertible, Sendable {
            let name: String
            let segmentation: Segmentation
            var testDescription: String { "\(name), \(segmentation.rawValue)" }
        }

        static let dubbo = [
            "dubbo-all", "dubbo-c26-p33", "dubbo-fastjson2", "dubbo-heartbeat-shutdown", "dubbo-load", "dubbo-mtu1500",
            "dubbo-threadpool", "mixed-one-port",
        ]
        static let all = dubbo + ["triple-all", "triple-load"]
        /// Those that are small enough to go byte by byte.
        static let small = ["dubbo-heartbeat-shutdown", "dubbo-threadpool"]
        /// Those in which no call depends on another one's reply, nor on its own deadline.
        static let independent = ["dubbo-load", "dubbo-mtu1500", "dubbo-threadpool"]

        static let cases: [Case] =
            all.flatMap { name in [.random, .frames, .atOnce].map { Case(name: name, segmentation: $0) } }
            + small.map { Case(name: $0, segmentation: .bytewise) }
            + independent.map { Case(name: $0, segmentation: .requestsFirst) }

        @Test(
            "What goes in comes out, and every call is counted as weir read counts it",
            .timeLimit(.minutes(10)),
            arguments: cases
        )
        func replays(_ example: Case) throws {
            let capture = try JavaCapture.named(example.name)
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address, "--workers", "2")
            try Self.play(capture, example.segmentation, weir, listener)
            try compare(capture, weir) { $0.side }
            #expect(try weir.stop() == .exited(0))
        }

        @Test(
            "Calls in flight when the peers are killed end unanswered",
            .timeLimit(.minutes(10)),
            arguments: [100, 301, 702, 1503]
        )
        func killedPeers(packets: Int) throws {
            let capture = try JavaCapture.named("dubbo-load").beginning(packets: packets)
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address)
            try Self.play(capture, .random, weir, listener)
            #expect(capture.calls.contains { $0.outcome == "unanswered" })
            try compare(capture, weir) { $0.side }
        }

        @Test("The consumer side counts the same calls", .timeLimit(.minutes(10)))
        func consumerSide() throws {
            let capture = try JavaCapture.named("dubbo-all")
            let listener = try Listener()
            let weir = try WeirProcess([
                "--set", "provider.enabled=false", "--consumer-listen", "127.0.0.1:0", "--consumer-upstream",
                listener.address.description,
            ])
            try Self.play(capture, .random, weir, listener)
            try compare(capture, weir) { $0.otherSide }
        }

        @Test("The calls are those that consumer and provider logged", .timeLimit(.minutes(10)), arguments: dubbo)
        func agreesWithLogs(_ name: String) throws {
            let capture = try JavaCapture.named(name)
            let logs = try JavaLogs(capture)
            let calls = capture.calls.filter { $0.protocol == "dubbo" }
            #expect(differences(counts(calls.map(\.key)), logs.consumer) == [])

            // Callbacks are in nobody's provider log.
            let provided = calls.filter { $0.interface != "com.example.shop.ShopListener" && $0.method != "$echo" }
            let logged = logs.provider.filter { $0.key.method != "$echo" }
            #expect(differences(counts(provided.compactMap(\.key.asProvided)), logged) == [])

            // An exception that the provider could not write never reached the wire.
            let unwritten = calls.filter { $0.code == "BAD_RESPONSE" }.count
            var exceptions = logs.exceptions
            if unwritten > 0 { exceptions["java.lang.AssertionError", default: 0] -= unwritten }
            let seen = counts(calls.map(\.exception).filter { !$0.isEmpty })
            #expect(differences(seen, exceptions) == [])
        }

        static func play(
            _ capture: JavaCapture,
            _ segmentation: Segmentation,
            _ weir: WeirProcess,
            _ listener: Listener
        ) throws {
            // A call that timed out in the capture must do so here before its late reply, or the end, is played.
            let timeouts = capture.calls.filter { $0.outcome == "timeout" }.map(\.end).sorted()
            let script =
                segmentation == .requestsFirst
                ? capture.script.requestsFirst()
                : capture.script.joined { step in timeouts.contains { $0 <= step.time } }
            let seed = UInt64.random(in: 0 ... .max)
            let replay = Replay(script, through: weir.address, to: listener, segmentation, seed: seed)
            var awaited = 0
            do {
                try replay.run { step in
                    let due = timeouts.prefix { $0 <= step.time }.count
                    guard due > awaited else { return }
                    awaited = due
                    try weir.metrics("\(due) timeouts") { $0.sum("weir_calls_total", ["outcome": "timeout"]) == due }
                }
            } catch {
                throw Failure("seed \(seed): \(error); \(weir.process.errorText)")
            }
            replay.abandon()
            #expect(replay.relayedBytes > 0)
        }

        private func compare(
            _ capture: JavaCapture,
            _ weir: WeirProcess,
            side: (JavaCapture.Call) -> String
        ) throws {
            let metrics = try weir.metrics("all connections ended") { metrics in
                metrics.sum("weir_open_connections") == 0
                    && metrics.sum("weir_connections_total") == capture.script.connections
                    && metrics.sum("weir_calls_total") >= capture.calls.count
            }
            for name in ["provider", "consumer"] {
                let calls = capture.calls.filter { side($0) == name }
                compare(calls, metrics, ["side": name])
            }
            #expect(metrics.sum("weir_calls_in_flight") == 0)
            #expect(metrics.sum("weir_decode_errors_total") == 0)
            #expect(metrics.sum("weir_connections_refused_total") == 0)
            let answered = capture.calls.filter { !["oneway", "timeout", "unanswered"].contains($0.outcome) }.count
            #expect(
                metrics.sum("weir_call_duration_seconds_count") + metrics.sum("weir_stream_duration_seconds_count")
                    == answered
            )
            guard Self.dubbo.contains(capture.name) else { return }
            #expect(metrics.sum("weir_late_replies_total") == (try JavaLogs(capture).lateReplies))
        }

        /// The calls of one side, as read and as counted.
        private func compare(_ calls: [JavaCapture.Call], _ metrics: Metrics, _ side: [String: String]) {
            let counted = metrics.all("weir_calls_total", side).reduce(into: [JavaCapture.Key: Int]()) {
                $0[JavaCapture.Key($1.labels), default: 0] += Int($1.value)
            }
            #expect(differences(counted, counts(calls.map(\.key))) == [])
            #expect(metrics.sum("weir_request_bytes_total", side) == calls.reduce(0) { $0 + $1.request_bytes })
            #expect(metrics.sum("weir_response_bytes_total", side) == calls.reduce(0) { $0 + $1.response_bytes })
            let exceptions = metrics.all("weir_exceptions_total", side).reduce(into: [String: Int]()) {
                $0["\($1.labels["method"] ?? "") \($1.labels["exception"] ?? "")", default: 0] += Int($1.value)
            }
            let read = calls.filter { !$0.exception.isEmpty }.map { "\($0.method) \($0.exception)" }
            #expect(differences(exceptions, counts(read)) == [])
        }
    }
}

extension JavaCapture.Key {
    /// The labels of a sample.
    init(_ labels: [String: String]) {
        self.init(
            interface: labels["interface"] ?? "",
            method: labels["method"] ?? "",
            version: labels["version"] ?? "",
            group: labels["group"] ?? "",
            outcome: labels["outcome"] ?? "",
            code: labels["code"] ?? ""
        )
    }
}
