import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct ExemplarTests {
    static let name = "weir_call_duration_seconds_bucket"

    private func lines(_ page: String) -> [Substring] { page.split(separator: "\n").filter { $0.contains(" # {") } }

    @Test("an exemplar follows its bucket, in OpenMetrics only") func spelling() {
        let bench = Bench()
        let finished = call(bench.operation("get"), nanoseconds: 1_500_000, start: 2_000_000_000)
        bench.recorder.callFinished(finished, wasInFlight: false)
        bench.recorder.exemplar(finished, traceID: TraceID(high: 1, low: 0xff), spanID: 0xabcd)
        let page = bench.page(.openMetrics, offset: 1_700_000_000_000_000_000)
        let labels = #"side="provider",protocol="dubbo",interface="com.x.S",method="get",le="0.0025""#
        let exemplar = #"{trace_id="000000000000000100000000000000ff",span_id="000000000000abcd"}"#
        #expect(lines(page) == ["\(Self.name){\(labels)} 1 # \(exemplar) 0.0015 1700000002.0015"])
        #expect(lines(bench.page(.openMetrics)).first?.hasSuffix("} 0.0015") == true)
        #expect(lines(bench.page()) == [])
    }

    @Test("an exemplar of a capture has the capture's time") func wallClock() {
        var bench = Bench()
        bench.recorders = [Recorder(labels: bench.labels, clock: .wall)]
        let finished = call(bench.operation("get"), nanoseconds: 1_500_000, start: 2_000_000_000)
        bench.recorder.callFinished(finished, wasInFlight: false)
        bench.recorder.exemplar(finished, traceID: TraceID(high: 1, low: 2), spanID: 3)
        for offset in [0, 1_700_000_000_000_000_000] as [Int64] {
            let page = bench.page(.openMetrics, offset: offset)
            #expect(page.split(separator: "\n").contains { $0.hasSuffix("\"} 0.0015 2.0015") })
        }
    }

    @Test("every bucket keeps its last exemplar") func last() {
        let bench = Bench()
        let operation = bench.operation("get")
        for (number, bound) in (HistogramScale.classicBoundsNanoseconds + [.max]).enumerated() {
            for round in UInt64(1)...3 {
                let finished = call(operation, nanoseconds: bound - round, start: 0)
                bench.recorder.callFinished(finished, wasInFlight: false)
                bench.recorder.exemplar(finished, traceID: TraceID(high: 0, low: round), spanID: UInt64(number) + 1)
            }
        }
        let exemplars = bench.snapshot().operations[0].duration.exemplars
        #expect(exemplars.map(\.bucket) == Array(0..<17))
        #expect(exemplars.allSatisfy { $0.traceID == TraceID(high: 0, low: 3) })
        #expect(exemplars.map(\.spanID) == (1...17).map { UInt64($0) })
        #expect(lines(bench.page(.openMetrics)).count == 17)
    }

    @Test("of workers, versions and groups the newest exemplar counts", arguments: [0, 1, 2, 3]) func newest(_ at: Int)
    {
        let bench = Bench(workers: 2)
        for number in 0..<4 {
            let operation = bench.operation("get", version: "\(number % 2)")
            let finished = call(operation, start: number == at ? 9_000 : UInt64(number))
            bench.recorders[number / 2].callFinished(finished, wasInFlight: false)
            bench.recorders[number / 2].exemplar(
                finished,
                traceID: TraceID(high: 0, low: 1),
                spanID: UInt64(number) + 1
            )
        }
        let found = lines(bench.page(.openMetrics))
        #expect(found.count == 1)
        #expect(found.first?.contains("span_id=\"000000000000000\(at + 1)\"") == true)
    }

    @Test("what has no duration has no exemplar", arguments: Outcome.allCases) func unanswered(_ outcome: Outcome) {
        let bench = Bench()
        let finished = call(bench.operation("get"), outcome)
        bench.recorder.callFinished(finished, wasInFlight: false)
        bench.recorder.exemplar(finished, traceID: TraceID(high: 0, low: 1), spanID: 1)
        #expect(bench.snapshot().operations[0].duration.exemplars.count == (outcome.isAnswered ? 1 : 0))
        let other = Bench()
        other.recorder.callFinished(call(other.operation("get"), outcome), wasInFlight: false, isStream: true)
        other.recorder.exemplar(finished, traceID: TraceID(high: 0, low: 1), spanID: 1, isStream: true)
        #expect(other.snapshot().operations[0].duration.exemplars == [])
    }

    @Test("an exemplar costs no allocation after an operation's first") func allocation() {
        let bench = Bench()
        let operation = bench.operation("get")
        func one(_ nanoseconds: UInt64) {
            let finished = call(operation, nanoseconds: nanoseconds)
            bench.recorder.callFinished(finished, wasInFlight: false)
            bench.recorder.exemplar(finished, traceID: TraceID(high: 0, low: nanoseconds), spanID: 1)
        }
        let all = HistogramScale.classicBoundsNanoseconds
        func round() {
            // Ranges and iterators would allocate in debug builds.
            var at = 0
            while at < all.count {
                one(all[at])
                at += 1
            }
        }
        round()
        let made = allocations { round() }
        #expect(made == 0)
        let held = bench.snapshot()
        one(1)
        #expect(held.operations[0].duration.exemplars.count == 16)
    }
}
