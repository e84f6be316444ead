import Calls
import Foundation
import Telemetry
import TestSupport
import Testing

@Suite struct MetricsPageTests {
    static func busy() -> Bench {
        let bench = Bench()
        let operation = bench.operation("get", version: "1.0", group: "g")
        bench.recorder.callStarted(operation, side: .provider)
        bench.recorder.callFinished(call(operation, nanoseconds: 1_500_000_000), wasInFlight: true)
        bench.recorder.callFinished(call(operation, .unanswered, code: ResultCode.none), wasInFlight: false)
        bench.recorder.exception(operation, "java.lang.IllegalStateException")
        bench.recorder.lateReply(operation, side: .provider)
        bench.recorder.decodeError(.dubbo, reason: "bad_magic")
        return bench
    }

    static let labels = #"side="provider",protocol="dubbo",interface="com.x.S",method="get""#

    @Test("a call's series are spelled as dashboards expect") func spelling() {
        let found = samples(Self.busy().page())
        let full = Self.labels + #",version="1.0",group="g""#
        #expect(found["weir_calls_total{\(full),outcome=\"ok\",code=\"OK\"}"] == 1)
        #expect(found["weir_calls_total{\(full),outcome=\"unanswered\",code=\"\"}"] == 1)
        #expect(found["weir_calls_in_flight{\(full)}"] == 0)
        #expect(found["weir_request_bytes_total{\(full)}"] == 200)
        #expect(found["weir_response_bytes_total{\(full)}"] == 100)
        #expect(found["weir_exceptions_total{\(full),exception=\"java.lang.IllegalStateException\"}"] == 1)
        #expect(found["weir_late_replies_total{\(full)}"] == 1)
        #expect(found["weir_call_duration_seconds_bucket{\(Self.labels),le=\"1\"}"] == 0)
        #expect(found["weir_call_duration_seconds_bucket{\(Self.labels),le=\"2.5\"}"] == 1)
        #expect(found["weir_call_duration_seconds_bucket{\(Self.labels),le=\"+Inf\"}"] == 1)
        #expect(found["weir_call_duration_seconds_sum{\(Self.labels)}"] == 1.5)
        #expect(found["weir_call_duration_seconds_count{\(Self.labels)}"] == 1)
    }

    @Test("versions and groups share one duration histogram") func durations() {
        let bench = Bench()
        for version in ["1", "2", "3"] {
            bench.recorder.callFinished(call(bench.operation("get", version: version)), wasInFlight: false)
        }
        let page = bench.page()
        #expect(samples(page)["weir_call_duration_seconds_count{\(Self.labels)}"] == 3)
        #expect(page.split(separator: "\n").count { $0.hasPrefix("weir_call_duration_seconds_count") } == 1)
    }

    @Test("OpenMetrics has families without _total, units and an end") func openMetrics() {
        let page = Self.busy().page(.openMetrics, process: Bench.readings)
        #expect(page.hasSuffix("\n# EOF\n"))
        #expect(page.contains("# TYPE weir_calls counter\n"))
        #expect(page.contains("\nweir_calls_total{"))
        #expect(page.contains("# UNIT weir_request_bytes bytes\n"))
        #expect(page.contains("# UNIT weir_call_duration_seconds seconds\n"))
        #expect(page.contains(#",le="1.0"} 0"#))
        #expect(!Self.busy().page().contains("EOF"))
        #expect(Self.busy().page().contains("# TYPE weir_calls_total counter\n"))
    }

    @Test(
        "each family is written once, whole, with help and type",
        arguments: [ExpositionFormat.text, .openMetrics]
    )
    func families(_ format: ExpositionFormat) {
        var seen: Set<String> = []
        var current = ""
        let page = Self.busy().page(format, process: Bench.readings, additions: Self.everything)
        for line in page.split(separator: "\n") {
            if line.hasPrefix("# HELP ") {
                current = String(line.split(separator: " ")[2])
                #expect(seen.insert(current).inserted, "\(current)")
            } else if line.hasPrefix("#") {
                #expect(line == "# EOF" || line.split(separator: " ")[2] == current)
            } else {
                #expect(line.hasPrefix(current), "\(line)")
            }
        }
        #expect(seen.count >= 110)
    }

    /// Additions that put every family on the page.
    static let everything: MetricsAdditions = {
        var additions = MetricsAdditions()
        additions.names = [.weir, .dubbo]
        additions.dubbo = DubboIdentity(applicationName: "shop", hostname: "pod-1", ip: "10.0.0.1")
        additions.callers = ["web", "a\"b\\c\nd\u{0}"]
        additions.tracing = TracingCounters.Readings()
        additions.tapLinesDropped = 4
        additions.stuckWorkers = 2
        additions.predecessors = (3, 1)
        additions.operation = ProcessOperation(reloads: 3, failedReloads: 1, logLinesDropped: 5)
        additions.adminCuts = [
            ("shed", 1), ("idle", 2), ("slow_request", 3), ("large_request", 4), ("slow_reader", 5), ("old_page", 6),
        ]
        additions.consumers = [
            ConsumerConnection(side: .provider, consumer: "web", calls: 10),
            ConsumerConnection(side: .provider, consumer: "web", calls: 20),
            ConsumerConnection(side: .consumer, consumer: "\u{1}", calls: 0),
        ]
        return additions
    }()

    @Test("names from the wire are escaped") func escaping() {
        let bench = Bench()
        let operation = bench.operation("a\"b\\c\nd\u{0}e\u{7f}é")
        bench.recorder.callFinished(call(operation), wasInFlight: false)
        #expect(bench.page().contains(#"method="a\"b\\c\nd\\x00e\\x7fé","#))
        #expect(!bench.page().utf8.contains(0))
    }

    /// A page with every family, and with names no one would give.
    static func hostile() -> Bench {
        let bench = busy()
        for name in ["", "a\"b", "\\", "\n", "\u{0}\r\u{1}", "é𝄞", "}", "{", " ", "#", "\\n", "\u{2028}"] {
            let operation = bench.operation(name, interface: name, version: name, group: name)
            let finished = call(operation, .businessError, nanoseconds: 3_000_000, start: 5_000_000_000, caller: 2)
            bench.recorder.callFinished(finished, wasInFlight: false)
            bench.recorder.exemplar(finished, traceID: TraceID(high: 1, low: 0xabcd), spanID: 0xef)
            bench.recorder.exception(operation, name)
            for outcome in Outcome.allCases {
                bench.recorder.callFinished(call(operation, outcome, side: .consumer), wasInFlight: false)
            }
        }
        return bench
    }

    /// ``everything`` without the Dubbo names, whose units and suffixes promtool dislikes.
    static var tidy: MetricsAdditions {
        var additions = everything
        additions.names = .weir
        return additions
    }

    @Test("promtool reads Dubbo's names, and finds only their style at fault") func promtoolDubbo() throws {
        let page = Self.hostile().page(process: Bench.readings, additions: Self.everything)
        let said = try promtool(["check", "metrics"], input: page)
        // 3: lint.
        #expect(said?.status == 3 || said == nil)
        for line in said?.output.split(separator: "\n") ?? [] {
            #expect(line.hasPrefix("dubbo_"))
            #expect(line.contains("milliseconds") || line.contains("_total"), "\(line)")
        }
    }

    @Test("promtool finds nothing wrong with the text form") func promtoolText() throws {
        let said = try promtool(
            ["check", "metrics"],
            input: Self.hostile().page(process: Bench.readings, additions: Self.tidy)
        )
        #expect(said?.output == "" || said == nil)
        #expect(said?.status == 0 || said == nil)
    }

    @Test("promtool reads the OpenMetrics form") func promtoolOpenMetrics() throws {
        // It reads files of samples with times only.
        let bench = Self.hostile()
        let page = bench.page(.openMetrics, process: Bench.readings, offset: 0, additions: Self.everything)
        let text = page.split(separator: "\n").map { line -> String in
            if line.hasPrefix("#") { return "\(line)\n" }
            let parts = line.split(separator: " # {trace_id", maxSplits: 1)
            let exemplar = parts.count == 2 ? " # {trace_id\(parts[1])" : ""
            return "\(parts[0]) 1700000000\(exemplar)\n"
        }.joined()
        #expect(text.contains(" # {trace_id"))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "weir-\(UInt64.random(in: 0 ... .max))"
        )
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("page")
        try Data(text.utf8).write(to: file)
        let blocks = folder.appendingPathComponent("blocks").path
        let said = try promtool(["tsdb", "create-blocks-from", "openmetrics", file.path, blocks], input: "")
        #expect(said?.status == 0 || said == nil, "\(said?.output ?? "")")
    }

    private func promtool(_ arguments: [String], input text: String) throws -> (output: String, status: Int32)? {
        let places = ["/usr/bin/promtool", "/usr/local/bin/promtool"]
        guard let tool = places.first(where: FileManager.default.isExecutableFile) else {
            print("promtool is not installed: its check was left out")
            return nil
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = arguments
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try input.fileHandleForWriting.close()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (said, process.terminationStatus)
    }

    @Test("operations as JSON have every count") func json() throws {
        var json = JSONText()
        Self.busy().snapshot().writeOperations(to: &json)
        let all = try #require(try JSONSerialization.jsonObject(with: Data(json.bytes)) as? [[String: Any]])
        let first = try #require(all.first)
        #expect(all.count == 1)
        #expect(first["side"] as? String == "provider")
        #expect(first["protocol"] as? String == "dubbo")
        #expect(first["interface"] as? String == "com.x.S")
        #expect(first["method"] as? String == "get")
        #expect(first["version"] as? String == "1.0")
        #expect(first["group"] as? String == "g")
        #expect(first["calls"] as? Int == 2)
        #expect(first["errors"] as? Int == 1)
        #expect(first["in_flight"] as? Int == 0)
        #expect(first["outcomes"] as? [String: Int] == ["ok": 1, "unanswered": 1])
        #expect(first["codes"] as? [String: Int] == ["OK": 1])
        #expect(first["exceptions"] as? [String: Int] == ["java.lang.IllegalStateException": 1])
        #expect(first["late_replies"] as? Int == 1)
        #expect(first["answered"] as? Int == 1)
        #expect(first["max_seconds"] as? Double == 1.5)
        let median = try #require(first["p50_seconds"] as? Double)
        #expect(abs(median - 1.5) < 0.14)
    }
}
