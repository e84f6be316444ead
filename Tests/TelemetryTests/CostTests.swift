import Calls
import Telemetry
import Testing

/// Prints what things cost; asserts nothing about time, which depends on the machine.
@Suite(.serialized) struct CostTests {
    @Test("what recording a call costs") func record() {
        let bench = Bench()
        let operations = (0..<64).map { bench.operation("m\($0)") }
        func round(_ count: Int) -> Duration {
            ContinuousClock().measure {
                for number in 0..<count {
                    let operation = operations[number & 63]
                    bench.recorder.callStarted(operation, side: .provider)
                    let nanoseconds = UInt64(truncatingIfNeeded: number &* 7919) & 0xf_ffff
                    bench.recorder.callFinished(call(operation, nanoseconds: nanoseconds), wasInFlight: true)
                }
            }
        }
        _ = round(10_000)
        let count = 20_000
        let best = (0..<50).map { _ in round(count) }.min() ?? .zero
        print("callStarted and callFinished: \(best / count) a call")
        let lag = (0..<50).map { _ in
            ContinuousClock().measure {
                for number in 0..<count { bench.recorder.loopLag(nanoseconds: UInt64(number & 0xff_ffff)) }
            }
        }
        print("one duration into a histogram: \((lag.min() ?? .zero) / count)")
        #expect(bench.snapshot().operations.count == 64)
    }

    @Test("what a page of 2,000 operations costs") func page() {
        let bench = Bench(workers: 2)
        for number in 0..<2000 {
            let operation = bench.operation(
                "method\(number % 20)",
                interface: "com.example.service.Service\(number / 20)"
            )
            for recorder in bench.recorders {
                for shift in UInt64(0)..<8 {
                    let ended = call(operation, nanoseconds: 20_000 << shift)
                    recorder.callFinished(ended, wasInFlight: false)
                    recorder.exemplar(ended, traceID: TraceID(high: 1, low: shift), spanID: 1)
                }
                recorder.callFinished(call(operation, .serverError, code: 70), wasInFlight: false)
                recorder.callFinished(call(operation, .timeout, code: 31), wasInFlight: false)
            }
        }
        let clock = ContinuousClock()
        var page = MetricsPage()
        var additions = MetricsAdditions()
        for names in [MetricNameFamilies.weir, [.weir, .dubbo]] {
            additions.names = names
            for format in ExpositionFormat.allCases {
                for round in 0..<3 {
                    let context = Self.context(round, additions)
                    var snapshot = bench.snapshot()
                    let snapshots = clock.measure { _ = bench.recorders.map { $0.snapshot() } }
                    let merge = clock.measure { snapshot = bench.snapshot() }
                    var bytes: [UInt8] = []
                    let render = clock.measure { bytes = page.render(snapshot, context, format: format) }
                    let one = bench.operation("method1")
                    let copy = withExtendedLifetime(bench.recorder.snapshot()) {
                        clock.measure { bench.recorder.callFinished(call(one), wasInFlight: false) }
                    }
                    print(
                        "\(format) \(names.rawValue) round \(round): snapshots \(snapshots), merge \(merge), "
                            + "page \(render), \(bytes.count) B, copy \(copy)"
                    )
                    #expect(snapshot.operations.count >= 2000)
                }
            }
        }
    }

    private static func context(_ round: Int, _ additions: MetricsAdditions) -> MetricsPage.Context {
        var context = Bench.context()
        context.nowNanoseconds = UInt64(round + 1) * 15_000_000_000
        context.wallClockOffsetNanoseconds = 0
        context.additions = additions
        return context
    }
}
