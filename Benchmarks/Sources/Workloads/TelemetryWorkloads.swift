import Calls
import Telemetry

extension Workload {
    static let telemetry = [
        Workload("telemetry.histogram.record") {
            let recorder = Recorder(labels: SeriesLabels())
            return { repetitions in
                for turn in 0..<repetitions { recorder.loopLag(nanoseconds: duration(turn)) }
            }
        },
        Workload("telemetry.call.start-and-finish") {
            let recorder = Recorder(labels: SeriesLabels())
            return { repetitions in
                for turn in 0..<repetitions {
                    // Eight operations: whoever comes next is not the one just counted.
                    let operation = OperationID(rawValue: UInt32(truncatingIfNeeded: 3 + turn & 7))
                    recorder.callStarted(operation, side: .provider)
                    let call = FinishedCall(
                        operation: operation,
                        side: .provider,
                        outcome: .ok,
                        code: 20,
                        startNanoseconds: 0,
                        durationNanoseconds: duration(turn),
                        requestBytes: 355,
                        responseBytes: 107
                    )
                    recorder.callFinished(call, wasInFlight: true)
                }
            }
        },
    ]

    /// From 1 ms to 1.26 ms and back: a few neighbouring buckets, as the durations of a service are.
    @inline(__always)
    private static func duration(_ turn: Int) -> UInt64 { 1_000_000 &+ UInt64(truncatingIfNeeded: turn & 255) &<< 10 }
}
