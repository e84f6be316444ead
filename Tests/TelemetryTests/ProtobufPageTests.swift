import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct ProtobufPageTests {
    /// A process in which random things happened, and what to export of it.
    private static func random(_ seed: UInt64) -> (Bench, MetricsAdditions) {
        var random = SeededRandom(seed: seed)
        let bench = MetricsPageTests.hostile()
        for number in 0..<400 {
            let operation = bench.operation(
                "m\(random.next() % 9)",
                version: "\(random.next() % 2)",
                in: CallProtocol.allCases[Int(random.next() % 3)]
            )
            let finished = call(
                operation,
                Outcome.allCases[Int(random.next() % UInt64(Outcome.allCases.count))],
                code: Int32(random.next() % 40),
                side: Side.allCases[Int(random.next() % 2)],
                nanoseconds: random.next() >> UInt64.random(in: 8...63, using: &random),
                start: UInt64(number) << 30,
                caller: UInt8(random.next() % 3)
            )
            bench.recorder.callFinished(finished, wasInFlight: false)
            bench.recorder.exemplar(finished, traceID: TraceID(high: random.next(), low: 1), spanID: random.next() | 1)
            bench.recorder.streamFinished(finished, requests: 2, responses: 3)
        }
        bench.recorder.loopLag(nanoseconds: 0)
        bench.recorder.heartbeatRoundTrip(side: .consumer, nanoseconds: 1)
        return (bench, MetricsPageTests.everything)
    }

    @Test("protobuf says what the text says, family by family", arguments: [UInt64(1), 2, 3, 4])
    func sameAsText(_ seed: UInt64) throws {
        let (bench, additions) = Self.random(seed)
        let text = bench.page(process: Bench.readings, additions: additions)
        let expected = samples(text)
        let families = try DecodedFamily.all(
            bench.bytes(.protobuf, process: Bench.readings, additions: additions)
        )
        var found: [String: Double] = [:]
        for family in families {
            #expect(!family.metrics.isEmpty, "\(family.name)")
            for sample in family.samples { #expect(found.updateValue(sample.value, forKey: sample.name) == nil) }
        }
        #expect(found.count == expected.count, "seed \(seed)")
        for (name, value) in expected {
            let other = try #require(found[name], "\(name)")
            #expect(abs(other - value) <= abs(value) * 1e-12, "\(name)")
        }
        // Heads: every family that has samples, with its help and type.
        var heads: [String: (help: String, type: String)] = [:]
        var help = ""
        for line in text.split(separator: "\n") where line.hasPrefix("# ") {
            let parts = line.split(separator: " ", maxSplits: 3)
            if parts[1] == "HELP" {
                help = String(parts[3])
            } else {
                heads[String(parts[2])] = (help, String(parts[3]))
            }
        }
        let types: [UInt64: String] = [0: "counter", 1: "gauge", 4: "histogram"]
        for family in families {
            #expect(heads[family.name]?.help == family.help, "\(family.name)")
            #expect(heads[family.name]?.type == types[family.type], "\(family.name)")
        }
        #expect(families.count > 80)
    }

    @Test("native buckets are those of the histogram", arguments: [UInt64(5), 6, 7]) func native(_ seed: UInt64) throws
    {
        let (bench, _) = Self.random(seed)
        let families = try DecodedFamily.all(bench.bytes(.protobuf))
        let durations = try #require(families.first { $0.name == "weir_stream_duration_seconds" })
        var merged: [String: HistogramSnapshot] = [:]
        for report in bench.snapshot().operations where report.streams.count > 0 {
            let key = "\(report.side) \(report.operation.callProtocol) \(report.operation.method)"
            merged[key, default: HistogramSnapshot()].merge(report.streams)
        }
        #expect(merged.count == durations.metrics.count)
        for metric in durations.metrics {
            let labels = Dictionary(uniqueKeysWithValues: metric.labels.map { ($0.name, $0.value) })
            let key = "\(labels["side"] ?? "") \(labels["protocol"] ?? "") \(labels["method"] ?? "")"
            let expected = try #require(merged[key])
            let histogram = try #require(metric.histogram)
            #expect(histogram.schema == 3)
            #expect(histogram.zeroThreshold == 1.0 / 1_048_576)
            #expect(histogram.zeroCount == expected.zeroCount)
            #expect(histogram.native.map(\.index) == expected.buckets.map(\.schemaIndex))
            #expect(histogram.native.map(\.count) == expected.buckets.map { Int64($0.count) })
            #expect(histogram.native.reduce(histogram.zeroCount) { $0 + UInt64($1.count) } == histogram.count)
        }
    }

    @Test("exemplars are where both kinds of buckets have them") func exemplars() throws {
        let bench = Bench()
        let finished = call(bench.operation("get"), nanoseconds: 1_500_000, start: 7_000_000_000)
        bench.recorder.callFinished(finished, wasInFlight: false)
        bench.recorder.exemplar(finished, traceID: TraceID(high: 0xabc, low: 0xdef), spanID: 0x12)
        let expected = DecodedFamily.Exemplar(
            labels: ["trace_id": "0000000000000abc0000000000000def", "span_id": "0000000000000012"],
            value: 0.0015,
            seconds: 1_700_000_007.0015
        )
        let offset: Int64 = 1_700_000_000_000_000_000
        let family = try #require(
            try DecodedFamily.all(bench.bytes(.protobuf, offset: offset)).first {
                $0.name == "weir_call_duration_seconds"
            }
        )
        #expect(family.metrics.first?.histogram?.bucketExemplars == [4: expected])
        #expect(family.metrics.first?.histogram?.exemplars == [expected])
        let timeless = try DecodedFamily.all(bench.bytes(.protobuf)).first { $0.name == "weir_call_duration_seconds" }
        #expect(timeless?.metrics.first?.histogram?.bucketExemplars[4]?.seconds == nil)
        #expect(timeless?.metrics.first?.histogram?.exemplars == [])
    }

    @Test("an empty process has an empty histogram that readers take for a native one") func empty() throws {
        let families = try DecodedFamily.all(Bench().bytes(.protobuf))
        let lag = try #require(families.first { $0.name == "weir_loop_lag_seconds" }?.metrics.first?.histogram)
        #expect(lag.count == 0 && lag.native.isEmpty && lag.zeroThreshold > 0)
        #expect(!families.contains { $0.name == "weir_calls_total" })
        #expect(families.contains { $0.name == "weir_build_info" })
    }

    @Test("control characters are spelled as in text") func labels() throws {
        let bench = Bench()
        bench.recorder.callFinished(call(bench.operation("a\"b\\c\nd\u{0}e\u{7f}é")), wasInFlight: false)
        let calls = try #require(
            try DecodedFamily.all(bench.bytes(.protobuf)).first { $0.name == "weir_calls_total" }?.metrics.first
        )
        #expect(calls.labels.first { $0.name == "method" }?.value == "a\"b\\c\nd\\x00e\\x7fé")
    }
}
