import Foundation
import Testing

extension Integration {
    /// What a real Prometheus makes of the metrics; needs the programs `prometheus` and `promtool`.
    @Suite struct PrometheusTests {
        /// Whether the programs are there; says if not.
        private func canRun(_ programs: String...) -> Bool {
            let missing = programs.filter { !isInstalled($0) }
            if !missing.isEmpty { print("not tested against Prometheus: no \(missing.joined(separator: ", "))") }
            return missing.isEmpty
        }

        @Test("promtool finds nothing to complain of", .timeLimit(.minutes(10)))
        func promtoolIsContent() throws {
            guard canRun("promtool") else { return }
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(upstream: provider.address)
            let connection = try Connection(to: weir.address)
            for id in 1...20 { try connection.call(UInt64(id), method: "m\(id % 3)") }
            try connection.write(DubboBytes.request(99, isOneway: true))
            // Something that is no Dubbo, and a refusal, for their families to have samples.
            let other = try Connection(to: weir.address)
            try other.write(Array("hello there, this is not Dubbo at all".utf8))
            try weir.metrics("a oneway call") { $0.sum("weir_calls_total", ["outcome": "oneway"]) == 1 }
            let page = try weir.get("/metrics")
            let folder = try TemporaryFolder()
            let checked = try ChildProcess.run(
                ["promtool", "check", "metrics"],
                input: folder.file("metrics", page.body)
            )
            #expect(checked.end == .exited(0))
            #expect(checked.outputText + checked.errorText == "")
        }

        @Test("The form of the page follows the Accept header")
        func negotiation() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(upstream: provider.address)
            let plain = try weir.get("/metrics")
            #expect(plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(!plain.text.contains("# EOF"))
            let accept =
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
            let open = try weir.get("/metrics", accept: accept)
            #expect(open.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            #expect(open.text.hasSuffix("# EOF\n"))
            let names = { (metrics: Metrics) in Set(metrics.samples.map(\.name)) }
            #expect(names(try Metrics(text: plain.text)) == names(try Metrics(text: open.text)))
        }

        @Test("A real Prometheus scrapes the demo and answers rates and quantiles per method", .timeLimit(.minutes(10)))
        func scrapesDemo() throws {
            guard canRun("prometheus") else { return }
            let admin = Address.loopback(try Listener.freePort())
            let demo = try ChildProcess([WeirBinary.path, "demo", "--rate", "300", "--admin", admin.description])
            try eventually("the demo is ready") {
                guard demo.isRunning() else { throw Failure("weir demo ended: \(demo.errorText)") }
                return (try? HTTPAnswer.get("/readyz", from: admin).status) == 200
            }
            let server = try Prometheus(target: admin)
            // Every operation that has answered calls shows up once two scrapes have seen it.
            let rates = try eventually("rates of several operations", within: 4 * patience) {
                let rows = try server.query("sum by (interface, method) (rate(weir_calls_total[10s])) > 0")
                return rows.count >= 6 ? rows : nil
            }
            #expect(Set(rates.map { $0.labels["interface"] ?? "" }).count >= 2)
            #expect(rates.allSatisfy { $0.labels["method"]?.isEmpty == false })

            let buckets = "sum by (le, interface, method) (rate(weir_call_duration_seconds_bucket[10s]))"
            let quantile = "histogram_quantile(0.99, \(buckets))"
            let quantiles = try eventually("quantiles of several operations") {
                let rows = try server.query(quantile).filter { $0.value.isFinite }
                return rows.count >= 6 ? rows : nil
            }
            #expect(quantiles.allSatisfy { $0.value > 0 && $0.value <= 10 })
            let errors = try server.query("sum by (outcome) (rate(weir_calls_total{outcome!=\"ok\"}[10s]))")
            #expect(errors.contains { $0.labels["outcome"] == "business_error" })
            #expect(try server.query("up").map(\.value) == [1])

            // Units are part of OpenMetrics only: Prometheus asked for it and got it.
            let metadata = try server.get("/api/v1/targets/metadata?metric=weir_call_duration_seconds")
            let rows = (metadata as? [String: Any])?["data"] as? [[String: Any]]
            #expect(rows?.first?["type"] as? String == "histogram")
            #expect(rows?.first?["unit"] as? String == "seconds")

            // A quarter of a minute of scrapes, and no series ever went backwards.
            try eventually("15 scrapes", within: 4 * patience) {
                (try server.query("count_over_time(up[2m])").first?.value ?? 0) >= 15
            }
            // A busy machine may be late for one.
            #expect(try server.query("avg_over_time(up[2m])").allSatisfy { $0.value > 0.75 })
            for counter in ["weir_calls_total", "weir_call_duration_seconds_bucket", "weir_request_bytes_total"] {
                #expect(try server.query("max(resets(\(counter)[2m]))").map(\.value) == [0])
            }

            demo.send(SIGTERM)
            #expect(try demo.wait() == .exited(0))
        }
    }
}

/// A Prometheus that scrapes one target every second.
final class Prometheus {
    private let process: ChildProcess
    private let folder: TemporaryFolder
    let address: Address

    /// - Parameters:
    ///   - target: What it scrapes.
    ///   - rules: Files of rules, which it evaluates every second.
    ///   - features: What is switched on besides.
    init(target: Address, rules: [String] = [], features: [String] = []) throws {
        folder = try TemporaryFolder()
        address = .loopback(try Listener.freePort())
        let configuration = """
            global:
              scrape_interval: 1s
              scrape_timeout: 1s
              evaluation_interval: 1s
            rule_files: [\(rules.joined(separator: ", "))]
            scrape_configs:
              - job_name: weir
                static_configs:
                  - targets: ["\(target)"]

            """
        process = try ChildProcess([
            "prometheus", "--config.file", folder.file("prometheus.yml", text: configuration), "--storage.tsdb.path",
            folder.path + "/data", "--web.listen-address", address.description, "--log.level", "warn",
            "--enable-feature=\(features.joined(separator: ","))",
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

    func get(_ path: String) throws -> Any { try HTTPAnswer.get(path, from: address).json }

    /// The answer to a query: a row a series.
    func query(_ expression: String) throws -> [(labels: [String: String], value: Double)] {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        let escaped = expression.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
        guard let answer = try get("/api/v1/query?query=\(escaped)") as? [String: Any],
            let rows = (answer["data"] as? [String: Any])?["result"] as? [[String: Any]]
        else { throw Failure("Prometheus did not like \(expression)") }
        return rows.map { row in
            let text = (row["value"] as? [Any])?.last as? String ?? ""
            return (row["metric"] as? [String: String] ?? [:], Double(text) ?? .nan)
        }
    }

    /// The trace ids of the exemplars that it has of call durations; `nil` while there are none.
    func exemplarTraces() throws -> Set<String>? {
        let end = Date().timeIntervalSince1970
        let path = "/api/v1/query_exemplars?query=weir_call_duration_seconds_bucket&start=\(end - 300)&end=\(end)"
        let series = (try get(path) as? [String: Any])?["data"] as? [[String: Any]] ?? []
        let labels = series.flatMap { $0["exemplars"] as? [[String: Any]] ?? [] }.map {
            $0["labels"] as? [String: String]
        }
        let traces = Set(labels.compactMap { $0?["trace_id"] })
        return traces.isEmpty ? nil : traces
    }
}
