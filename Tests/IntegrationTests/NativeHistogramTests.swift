import Calls
import Foundation
import Telemetry
import Testing

extension Integration {
    /// What a real Prometheus makes of the metrics in protobuf; needs the program `prometheus`.
    @Suite struct NativeHistogramTests {
        /// What Prometheus 2.42 asks for when native histograms are switched on.
        static let accept =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
            + "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

        private func canRun() -> Bool {
            if isInstalled("prometheus") { return true }
            print("not tested against Prometheus: no prometheus")
            return false
        }

        @Test("Native histograms and exemplars arrive in a real Prometheus", .timeLimit(.minutes(10)))
        func storesNativeHistograms() throws {
            guard canRun() else { return }
            let server = try PageServer()
            defer { server.stop() }
            let prometheus = try NativePrometheus(target: server.address)
            let rate = "sum(rate(weir_call_duration_seconds[1m]))"
            let median = try eventually("a quantile of a native histogram", within: 4 * patience) {
                try prometheus.query("histogram_quantile(0.5, \(rate))").first?.value
            }
            #expect(server.accepts.allSatisfy { $0.contains("application/vnd.google.protobuf") })
            // Every page has 100 calls more, of 1 to 100 ms; a bucket is 9 % wide.
            #expect(abs(median - 0.050) < 0.005, "\(median)")
            let high = try #require(try prometheus.query("histogram_quantile(0.99, \(rate))").first?.value)
            #expect(abs(high - 0.099) < 0.009, "\(high)")
            let mean = try prometheus.query("histogram_sum(\(rate)) / histogram_count(\(rate))").first?.value ?? .nan
            #expect(abs(mean - 0.0505) < 1e-9, "\(mean)")
            let share = try prometheus.query("histogram_fraction(0, 0.05, \(rate))").first?.value ?? .nan
            #expect(abs(share - 0.5) < 0.05, "\(share)")
            // Native ones take the place of the classic ones there.
            #expect(try prometheus.query("weir_call_duration_seconds_bucket").isEmpty)
            #expect(try prometheus.query("weir_calls_total{outcome=\"ok\"} > 0").count == 1)
            #expect(try prometheus.query("up").map(\.value) == [1])

            let found = try eventually("exemplars") { try prometheus.exemplars("weir_call_duration_seconds") }
            #expect(found.allSatisfy { $0.labels["trace_id"] == PageServer.traceID.text })
            #expect(found.contains { $0.labels["span_id"] == TraceID.hex(PageServer.spanID) })
            #expect(found.allSatisfy { abs($0.seconds - Date().timeIntervalSince1970) < 120 })
            #expect(found.allSatisfy { $0.value > 0 && $0.value <= 0.1 })
        }

        @Test("A Prometheus that takes native histograms gets the demo's", .timeLimit(.minutes(10)))
        func scrapesDemo() throws {
            guard canRun() else { return }
            let admin = Address.loopback(try Listener.freePort())
            let demo = try ChildProcess([WeirBinary.path, "demo", "--rate", "300", "--admin", admin.description])
            try eventually("the demo is ready") {
                guard demo.isRunning() else { throw Failure("weir demo ended: \(demo.errorText)") }
                return (try? HTTPAnswer.get("/readyz", from: admin).status) == 200
            }
            let page = try HTTPAnswer.get("/metrics", from: admin, accept: Self.accept)
            let type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            #expect(page.headers["content-type"] == type)
            let prometheus = try NativePrometheus(target: admin)
            let rates = "sum by (interface, method) (rate(weir_call_duration_seconds[10s]))"
            let rows = try eventually("quantiles of several operations", within: 4 * patience) {
                let rows = try prometheus.query("histogram_quantile(0.99, \(rates))").filter { $0.value.isFinite }
                return rows.count >= 6 ? rows : nil
            }
            #expect(rows.allSatisfy { $0.value > 0 && $0.value <= 10 && $0.labels["method"]?.isEmpty == false })
            #expect(try prometheus.query("min_over_time(up[2m])").map(\.value) == [1])
            demo.send(SIGTERM)
            #expect(try demo.wait() == .exited(0))
        }
    }
}

/// A page of metrics whose numbers the test knows: each time it is asked for, 100 calls of 1 to 100 ms have been made.
private final class PageServer: @unchecked Sendable {
    static let traceID = TraceID(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)
    static let spanID: UInt64 = 0x1122_3344_5566_7788

    let address: Address
    private let listener: Listener
    private let lock = NSLock()
    private var isStopped = false
    private var asked: [String] = []

    init() throws {
        listener = try Listener()
        address = listener.address
        Thread.detachNewThread { [self] in serve() }
    }

    /// What the readers said they take.
    var accepts: [String] { lock.withLock { asked } }

    func stop() { lock.withLock { isStopped = true } }

    private func serve() {
        let (registry, labels) = (OperationRegistry(capacity: 10), SeriesLabels())
        let recorder = Recorder(labels: labels)
        let operation = registry.intern(
            Operation(callProtocol: .dubbo, interface: "com.x.S", version: "", group: "", method: "get")
        )
        var page = MetricsPage()
        while !lock.withLock({ isStopped }) {
            guard let connection = try? listener.accept(within: 0.2), let request = try? Self.head(connection) else {
                continue
            }
            let accept = request.split(separator: "\r\n").first { $0.lowercased().hasPrefix("accept:") } ?? ""
            lock.withLock { asked.append(String(accept)) }
            Self.makeCalls(recorder, operation)
            var context = MetricsPage.Context(
                build: BuildInfo(version: "1", revision: ""),
                process: nil,
                staleWorkers: 0
            )
            context.wallClockOffsetNanoseconds = 0
            let snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
            let body = page.render(snapshot, context, format: .protobuf)
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: \(ExpositionFormat.protobuf.contentType)\r\n"
                + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
            try? connection.write(Array(head.utf8) + body)
        }
    }

    /// Calls that end now.
    private static func makeCalls(_ recorder: Recorder, _ operation: OperationID) {
        let now = UInt64(Date().timeIntervalSince1970 * 1e9)
        for milliseconds in UInt64(1)...100 {
            let duration = milliseconds * 1_000_000
            let call = FinishedCall(
                operation: operation,
                side: .provider,
                outcome: .ok,
                code: 20,
                startNanoseconds: now - duration,
                durationNanoseconds: duration,
                requestBytes: 1,
                responseBytes: 1
            )
            recorder.callFinished(call, wasInFlight: false)
            if milliseconds == 40 { recorder.exemplar(call, traceID: traceID, spanID: spanID) }
        }
    }

    private static func head(_ connection: Connection) throws -> String {
        var bytes: [UInt8] = []
        while bytes.firstRange(of: Array("\r\n\r\n".utf8)) == nil {
            guard connection.isReady(POLLIN, milliseconds: 5000), try connection.readSome(into: &bytes) == nil else {
                throw Failure("no request")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A Prometheus with native histograms and exemplars that scrapes one target every second.
private final class NativePrometheus {
    private let process: ChildProcess
    private let folder: TemporaryFolder
    private let address: Address

    init(target: Address) throws {
        folder = try TemporaryFolder()
        address = .loopback(try Listener.freePort())
        let configuration = """
            global:
              scrape_interval: 1s
              scrape_timeout: 1s
            scrape_configs:
              - job_name: weir
                static_configs:
                  - targets: ["\(target)"]

            """
        process = try ChildProcess([
            "prometheus", "--config.file", folder.file("prometheus.yml", text: configuration), "--storage.tsdb.path",
            folder.path + "/data", "--web.listen-address", address.description, "--log.level", "warn",
            "--enable-feature=native-histograms,exemplar-storage",
        ])
        try eventually("Prometheus is ready", within: 4 * patience) { [process, address] in
            guard process.isRunning() else { throw Failure("prometheus ended: \(process.errorText)") }
            return (try? HTTPAnswer.get("/-/ready", from: address).status) == 200
        }
    }

    deinit {
        process.send(SIGTERM)
        _ = try? process.wait()
    }

    /// The answer to a query: a row a series.
    func query(_ expression: String) throws -> [(labels: [String: String], value: Double)] {
        let answer = try get("/api/v1/query?query=\(escaped(expression))")
        guard let rows = (answer["data"] as? [String: Any])?["result"] as? [[String: Any]] else {
            throw Failure("Prometheus did not like \(expression)")
        }
        return rows.map { row in
            let text = (row["value"] as? [Any])?.last as? String ?? ""
            return (row["metric"] as? [String: String] ?? [:], Double(text) ?? .nan)
        }
    }

    /// The exemplars of the last hour, or `nil` while there are none.
    func exemplars(_ expression: String) throws -> [(labels: [String: String], value: Double, seconds: Double)]? {
        let now = Date().timeIntervalSince1970
        let range = "&start=\(Int(now) - 3600)&end=\(Int(now) + 60)"
        let answer = try get("/api/v1/query_exemplars?query=\(escaped(expression))\(range)")
        let series = answer["data"] as? [[String: Any]] ?? []
        let all = series.flatMap { $0["exemplars"] as? [[String: Any]] ?? [] }
        guard !all.isEmpty else { return nil }
        return all.map { exemplar in
            let value = Double(exemplar["value"] as? String ?? "") ?? .nan
            let labels = exemplar["labels"] as? [String: String] ?? [:]
            return (labels, value, exemplar["timestamp"] as? Double ?? .nan)
        }
    }

    private func get(_ path: String) throws -> [String: Any] {
        try HTTPAnswer.get(path, from: address).json as? [String: Any] ?? [:]
    }

    private func escaped(_ expression: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        return expression.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }
}
