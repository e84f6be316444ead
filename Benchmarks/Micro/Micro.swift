import Benchmark
import Workloads

let benchmarks: @Sendable () -> Void = {
    for workload in Workload.all {
        let configuration = Benchmark.Configuration(
            metrics: [.wallClock, .throughput],
            warmupIterations: 1,
            scalingFactor: .mega,
            maxDuration: .seconds(3),
            maxIterations: 30
        )
        Benchmark(workload.name, configuration: configuration) { benchmark, run in
            benchmark.startMeasurement()
            run(benchmark.scaledIterations.count)
        } setup: {
            try workload.prepare()
        }
    }
}
