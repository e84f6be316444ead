import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct SnapshotTests {
    @Test("a snapshot does not change while the recorder goes on") func isolated() async {
        let bench = Bench()
        let operation = bench.operation("m")
        bench.recorder.callFinished(call(operation), wasInFlight: false)
        let taken = bench.recorder.snapshot()
        let (registry, labels) = (bench.registry, bench.labels)
        async let elsewhere = Self.counts(taken, registry, labels)
        for number in 0..<20_000 {
            bench.recorder.callFinished(call(operation, code: Int32(number % 3)), wasInFlight: false)
            bench.recorder.exception(operation, "E\(number % 5)")
        }
        #expect(await elsewhere == [UInt64](repeating: 1, count: 50))
        #expect(bench.snapshot().operations[0].calls == 20_001)
    }

    @concurrent
    private static func counts(_ taken: RecorderSnapshot, _ registry: OperationRegistry, _ labels: SeriesLabels) async
        -> [UInt64]
    {
        (0..<50).map { _ in
            MetricsSnapshot(merging: [taken], registry: registry, labels: labels).operations[0].calls
        }
    }

    @Test("snapshots held together stay apart, held one by one they reuse memory") func reuse() {
        let bench = Bench()
        let operation = bench.operation("m")
        func finish() { bench.recorder.callFinished(call(operation), wasInFlight: false) }
        func counts(_ taken: RecorderSnapshot) -> UInt64? {
            let all = MetricsSnapshot(merging: [taken], registry: bench.registry, labels: bench.labels)
            return all.operations.first?.calls
        }
        var held: [RecorderSnapshot] = []
        for _ in 0..<5 {
            finish()
            held.append(bench.recorder.snapshot())
        }
        finish()
        #expect(held.map(counts) == [1, 2, 3, 4, 5])
        held = []
        for number in UInt64(7)..<12 {
            finish()
            #expect(counts(bench.recorder.snapshot()) == number)
        }
    }

    @Test("workers are summed") func merge() throws {
        let bench = Bench(workers: 3)
        let operation = bench.operation("m")
        for (number, recorder) in bench.recorders.enumerated() {
            recorder.callStarted(operation, side: .provider)
            let times = UInt64(number + 1)
            recorder.callFinished(call(operation, nanoseconds: times * 1_000_000), wasInFlight: number == 0)
            recorder.callFinished(call(operation, .serverError, code: 70, nanoseconds: 10), wasInFlight: false)
        }
        let report = try #require(bench.snapshot().operations.first)
        #expect(report.inFlight == 2)
        #expect(report.results.map(\.count) == [3, 3])
        #expect(report.results.map(\.code) == ["OK", "SERVICE_ERROR"])
        #expect(report.duration.count == 6)
        #expect(report.duration.zeroCount == 3)
        #expect(report.duration.sumNanoseconds == 6_000_030)
        #expect(report.duration.maxNanoseconds == 3_000_000)
        #expect(report.duration.buckets.count == 3)
        #expect(report.duration.classic[0] == 3)
    }

    @Test("quantiles are within a bucket of the truth") func quantiles() throws {
        let bench = Bench(workers: 2)
        let operation = bench.operation("m")
        var random = SeededRandom(seed: 11)
        var all: [UInt64] = []
        for _ in 0..<20_000 {
            let value = UInt64(1_000) << UInt64.random(in: 0...20, using: &random)
            let nanoseconds = value + UInt64.random(in: 0..<value, using: &random)
            all.append(nanoseconds)
            bench.recorders[Int(random.next() % 2)].callFinished(
                call(operation, nanoseconds: nanoseconds),
                wasInFlight: false
            )
        }
        all.sort()
        let duration = try #require(bench.snapshot().operations.first?.duration)
        for share in [0.01, 0.25, 0.5, 0.9, 0.99, 0.999] {
            let truth = Double(all[Int(share * 20_000) - 1]) / 1e9
            let estimate = try #require(duration.quantile(share))
            #expect(abs(estimate - truth) / truth < 0.095, "\(share): \(estimate) for \(truth)")
        }
        #expect(duration.quantile(1) == Double(all.last ?? 0) / 1e9)
        #expect(HistogramSnapshot().quantile(0.5) == nil)
    }

    @Test("quantiles of one value are that value or a little less") func oneValue() throws {
        for nanoseconds in [0, 1, 953, 954, 1_000_000, UInt64.max] {
            let bench = Bench()
            bench.recorder.loopLag(nanoseconds: nanoseconds)
            let lag = bench.snapshot().loopLag
            let truth = Double(nanoseconds) / 1e9
            #expect(try #require(lag.quantile(1)) <= truth)
            #expect(try #require(lag.quantile(0.5)) <= truth)
        }
    }
}
