import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct RecorderTests {
    @Test("a call counts its outcome, code, bytes and duration") func oneCall() throws {
        let bench = Bench()
        let operation = bench.operation("get")
        bench.recorder.callStarted(operation, side: .provider)
        #expect(bench.snapshot().operations.first?.inFlight == 1)
        bench.recorder.callFinished(call(operation, nanoseconds: 3_000_000), wasInFlight: true)
        let report = try #require(bench.snapshot().operations.first)
        #expect(report.inFlight == 0)
        #expect(report.requestBytes == 100)
        #expect(report.responseBytes == 50)
        #expect(report.calls == 1)
        #expect(report.errors == 0)
        #expect(report.results.map(\.code) == ["OK"])
        #expect(report.duration.count == 1)
        #expect(report.duration.sumNanoseconds == 3_000_000)
        #expect(report.duration.maxNanoseconds == 3_000_000)
        #expect(report.duration.classic == [0, 0, 0, 0, 0, 1] + [UInt64](repeating: 0, count: 11))
        #expect(report.duration.buckets.map(\.count) == [1])
    }

    @Test("only answered calls have a duration", arguments: Outcome.allCases) func durations(_ outcome: Outcome) {
        let bench = Bench()
        bench.recorder.callFinished(call(bench.operation("m"), outcome), wasInFlight: false)
        let report = bench.snapshot().operations.first
        #expect(report?.duration.count == (outcome.isAnswered ? 1 : 0))
        #expect(report?.calls == 1)
        #expect(report?.errors == (outcome.isError ? 1 : 0))
        #expect(report?.inFlight == 0)
    }

    @Test("a stream has no duration") func streams() {
        let bench = Bench()
        bench.recorder.callFinished(call(bench.operation("m")), wasInFlight: false, isStream: true)
        #expect(bench.snapshot().operations.first?.duration.count == 0)
    }

    @Test("sides are told apart, late replies are counted") func sides() {
        let bench = Bench()
        let operation = bench.operation("m")
        bench.recorder.callFinished(call(operation, side: .consumer), wasInFlight: false)
        bench.recorder.lateReply(operation, side: .provider)
        let reports = bench.snapshot().operations
        #expect(reports.map(\.side) == [.provider, .consumer])
        #expect(reports.map(\.calls) == [0, 1])
        #expect(reports.map(\.lateReplies) == [1, 0])
    }

    @Test("16 codes are told apart, the rest is other, whichever worker saw them first") func codes() {
        let bench = Bench(workers: 2)
        let operation = bench.operation("m", in: .jsonrpc)
        for code in Int32(0)..<40 {
            for recorder in bench.recorders {
                // The second worker meets the codes the other way round.
                let mine = recorder === bench.recorder ? code : 39 - code
                for outcome in [Outcome.businessError, .clientError] {
                    recorder.callFinished(call(operation, outcome, code: mine), wasInFlight: false)
                }
            }
        }
        let results = bench.snapshot().operations[0].results
        #expect(Set(results.map(\.code)).count == 17)
        #expect(results.count == 34)
        #expect(results.filter { $0.code == "other" }.map(\.count) == [48, 48])
        #expect(results.filter { $0.code != "other" }.allSatisfy { $0.count == 2 })
        #expect(results.reduce(0) { $0 + $1.count } == 160)
    }

    @Test(
        "each protocol's own codes are all told apart, however many others came before",
        arguments: CallProtocol.allCases
    )
    func ownCodes(callProtocol: CallProtocol) {
        let bench = Bench(workers: 2)
        for recorder in bench.recorders { recorder.operations = bench.registry }
        let operation = bench.operation("m", in: callProtocol)
        let own: [Int32] =
            switch callProtocol {
            case .dubbo: [20, 25, 30, 31, 35, 40, 50, 60, 70, 80, 90, 100]
            case .triple: Array(0...17)
            case .jsonrpc: [-32700, -32600, -32601, -32602, -32603]
            default: []
            }
        let others = Array(Int32(1000)..<1100)
        for code in others + own + [ResultCode.none] {
            for recorder in bench.recorders {
                recorder.callFinished(call(operation, .serverError, code: code), wasInFlight: false)
            }
        }
        let results = bench.snapshot().operations[0].results
        let room = callProtocol == .triple ? 64 : 16
        #expect(results.count == room + own.count + 2)
        for code in own + [ResultCode.none] {
            let name = ResultCode.name(of: code, in: callProtocol)
            #expect(results.filter { $0.code == name }.map(\.count) == [2], "\(name)")
        }
        #expect(results.filter { $0.code == "other" }.map(\.count) == [UInt64(others.count - room) * 2])
    }

    @Test("16 exception classes are told apart, the rest is other") func exceptions() {
        let bench = Bench(workers: 2)
        let operation = bench.operation("m")
        for number in 0..<40 {
            bench.recorders[0].exception(operation, "java.lang.E\(number)")
            bench.recorders[1].exception(operation, "java.lang.E\(39 - number)")
        }
        bench.recorders[1].exception(operation, "java.lang.E0")
        let exceptions = bench.snapshot().operations[0].exceptions
        #expect(exceptions.count == 17)
        #expect(exceptions.last?.className == "other")
        #expect(exceptions.last?.count == 48)
        #expect(exceptions.first?.className == "java.lang.E0")
        #expect(exceptions.first?.count == 3)
        #expect(exceptions.reduce(0) { $0 + $1.count } == 81)
    }

    @Test("a class name is cut to its limit, and what is not UTF-8 is repaired", arguments: [255, 256, 257])
    func classNames(_ count: Int) {
        let bench = Bench()
        let operation = bench.operation("m")
        bench.recorder.exception(operation, String(repeating: "a", count: count))
        #expect(bench.snapshot().operations[0].exceptions[0].className.utf8.count == min(count, 256))
        let broken: [UInt8] = [0x41, 0xff]
        bench.recorder.exception(operation, side: .provider, className: broken.span.bytes)
        #expect(bench.snapshot().operations[0].exceptions[1].className == "A\u{fffd}")
    }

    @Test("connections are counted by what they speak") func connections() {
        let bench = Bench()
        let recorder = bench.recorder
        for _ in 0..<3 { recorder.connectionOpened(side: .consumer) }
        recorder.connectionIdentified(side: .consumer, from: .silent, to: .dubbo)
        recorder.connectionIdentified(side: .consumer, from: .silent, to: .tls)
        recorder.connectionClosed(side: .consumer, connectionProtocol: .tls)
        recorder.connectionClosed(side: .consumer, connectionProtocol: .silent)
        let rows = bench.snapshot().connections.filter { $0.side == .consumer }
        #expect(rows.filter { $0.open != 0 }.map(\.connectionProtocol) == [.dubbo])
        #expect(rows.filter { $0.total == 1 }.map(\.connectionProtocol) == [.silent, .dubbo, .tls])
    }

    @Test("every other number is found on the page") func others() {
        let bench = Bench(workers: 2)
        for recorder in bench.recorders {
            recorder.heartbeat(side: .provider)
            recorder.event(.readonly, side: .consumer)
            recorder.heartbeatRoundTrip(side: .provider, nanoseconds: 500_000)
            recorder.decodeError(.dubbo, reason: "bad_magic")
            recorder.uninspectedBytes(10, reason: .tls)
            recorder.connectionRefused(reason: .connectTimeout)
            recorder.loopLag(nanoseconds: 20_000)
            recorder.setCallTableEntries(7)
            recorder.verdictPartial(.tooLarge)
        }
        let found = samples(bench.page(process: Bench.readings))
        let expected: [(String, Double)] = [
            ("weir_heartbeats_total{side=\"provider\"}", 2),
            ("weir_events_total{side=\"consumer\",event=\"readonly\"}", 2),
            ("weir_events_total{side=\"provider\",event=\"heartbeat\"}", 2),
            ("weir_heartbeat_round_trip_seconds_count{side=\"provider\"}", 2),
            ("weir_heartbeat_round_trip_seconds_sum{side=\"provider\"}", 0.001),
            ("weir_decode_errors_total{protocol=\"dubbo\",reason=\"bad_magic\"}", 2),
            ("weir_uninspected_bytes_total{reason=\"tls\"}", 20),
            ("weir_connections_refused_total{reason=\"connect_timeout\"}", 2),
            ("weir_loop_lag_seconds_bucket{le=\"0.0001\"}", 2), ("weir_loop_lag_seconds_sum", 0.000_04),
            ("weir_call_table_entries", 14), ("weir_verdicts_partial_total{reason=\"too_large\"}", 2),
            ("weir_scrape_stale_workers_total", 3),
            ("weir_operations", 0), ("weir_operations_overflow_total", 0),
            ("weir_build_info{version=\"1.0\",revision=\"abc\"}", 1), ("process_cpu_seconds_total", 1.25),
            ("process_resident_memory_bytes", 20_971_520), ("process_virtual_memory_bytes", 94_371_840),
            ("process_open_fds", 12), ("process_max_fds", 1024), ("process_start_time_seconds", 1_700_000_000.5),
        ]
        for (name, value) in expected { #expect(found[name] == value, "\(name)") }
    }

    @Test("reasons of decode errors are bounded") func decodeReasons() {
        let bench = Bench()
        for connectionProtocol in ConnectionProtocol.allCases {
            for reason in [
                "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
            ] as [StaticString] { bench.recorder.decodeError(connectionProtocol, reason: reason) }
        }
        let errors = bench.snapshot().decodeErrors
        #expect(errors.count <= Recorder.maxDecodeReasons + ConnectionProtocol.allCases.count)
        #expect(errors.reduce(0) { $0 + $1.count } == 77)
        #expect(errors.contains { $0.reason == "other" })
    }

    @Test("operations past the registry's capacity count together") func overflow() {
        let registry = OperationRegistry(capacity: 2)
        let labels = SeriesLabels()
        let recorder = Recorder(labels: labels)
        for number in 0..<5 {
            let operation = Operation(
                callProtocol: .dubbo,
                interface: "I",
                version: "",
                group: "",
                method: "m\(number)"
            )
            recorder.callFinished(call(registry.intern(operation)), wasInFlight: false)
        }
        let snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
        #expect(snapshot.operationCount == 2)
        #expect(snapshot.operationsOverflowed == 3)
        #expect(snapshot.operations.first { $0.operation.method == "_other" }?.calls == 3)
    }
}
