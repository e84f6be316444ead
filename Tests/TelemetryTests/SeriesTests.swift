import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct SeriesTests {
    @Test("no counter goes backwards, whatever happens", arguments: [UInt64(1), 2, 3]) func monotonic(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let bench = Bench(workers: 3)
        var page = MetricsPage()
        var before: [String: Double] = [:]
        for round in 0..<25 {
            for _ in 0..<200 {
                for recorder in bench.recorders { Self.something(recorder, bench, &random) }
            }
            let text = page.render(bench.snapshot(), Bench.context(), format: .text)
            let now = samples(String(decoding: text, as: UTF8.self))
            for (name, value) in before where !Self.isGauge(name) {
                #expect((now[name] ?? -1) >= value, "seed \(seed), round \(round): \(name)")
            }
            before = now
        }
        #expect(before.count > 500)
    }

    private static func isGauge(_ name: String) -> Bool {
        ["weir_calls_in_flight", "weir_open_connections", "weir_call_table_entries"].contains { name.hasPrefix($0) }
    }

    private static func something(_ recorder: Recorder, _ bench: Bench, _ random: inout SeededRandom) {
        let method = "m\(random.next() % 12)"
        let operation = bench.operation(
            method,
            version: random.next() % 2 == 0 ? "" : "1",
            in: CallProtocol.allCases[Int(random.next() % 3)]
        )
        let side = Side.allCases[Int(random.next() % 2)]
        switch random.next() % 8 {
        case 0: recorder.callStarted(operation, side: side)
        case 1: recorder.exception(operation, side: side, "E\(random.next() % 40)")
        case 2: recorder.lateReply(operation, side: side)
        case 3: recorder.decodeError(.triple, reason: random.next() % 2 == 0 ? "a" : "b")
        case 4:
            recorder.connectionOpened(side: side)
            recorder.connectionIdentified(side: side, from: .silent, to: .http)
            recorder.connectionClosed(side: side, connectionProtocol: .http)
        default:
            let outcome = Outcome.allCases[Int(random.next() % UInt64(Outcome.allCases.count))]
            let nanoseconds = random.next() >> UInt64.random(in: 20...63, using: &random)
            let code = Int32(truncatingIfNeeded: random.next() % 30)
            recorder.callFinished(
                call(operation, outcome, code: code, side: side, nanoseconds: nanoseconds),
                wasInFlight: true
            )
        }
    }
}
