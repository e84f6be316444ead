import Calls
import Telemetry
import Testing

/// Calls whose reply is there, but could not be read.
@Suite struct UnknownOutcomeTests {
    private func bench() -> Bench {
        let bench = Bench()
        for callProtocol in CallProtocol.allCases {
            let operation = bench.operation("get", in: callProtocol)
            for _ in 0..<3 {
                let unknown = call(operation, .unknown, code: ResultCode.none, nanoseconds: 3_000_000)
                bench.recorder.callFinished(unknown, wasInFlight: false)
            }
        }
        return bench
    }

    @Test("they are counted with an empty code, their duration with them, and none is an error")
    func numbers() {
        let bench = bench()
        for report in bench.snapshot().operations {
            #expect(report.calls == 3 && report.errors == 0)
            #expect(report.results.map { "\($0.outcome.label) \($0.code)|" } == ["unknown |"])
            #expect(report.duration.count == 3 && report.duration.sumNanoseconds == 9_000_000)
            #expect(report.exceptions.isEmpty)
        }
        let found = samples(bench.page())
        for callProtocol in CallProtocol.allCases {
            let names = #"side="provider",protocol="\#(callProtocol.label)",interface="com.x.S",method="get""#
            let labels = #"{\#(names),version="",group="",outcome="unknown",code=""}"#
            #expect(found["weir_calls_total\(labels)"] == 3)
            #expect(found["weir_call_duration_seconds_count{\(names)}"] == 3)
        }
    }

    @Test("in Dubbo's own names they are requests, and of no class of failures")
    func dubboNames() {
        var additions = MetricsAdditions()
        additions.names = [.dubbo]
        let found = samples(bench().page(additions: additions))
        let numbers = found.filter { $0.key.hasPrefix("dubbo_provider_requests_") }.map { ($0.key, $0.value) }
        #expect(numbers.contains { $0.0.hasPrefix("dubbo_provider_requests_total{") && $0.1 == 9 })
        for (name, value) in numbers where name.contains("fail") || name.contains("succeed") || name.contains("timeout")
        {
            #expect(value == 0, "\(name)")
        }
    }

    @Test("the admin API counts them, and not as errors")
    func operations() {
        var json = JSONText()
        bench().snapshot().writeOperations(to: &json)
        let text = String(decoding: json.bytes, as: UTF8.self)
        #expect(text.split(separator: #""calls":3,"errors":0,"outcomes":{"unknown":3},"codes":{}"#).count == 4)
        #expect(text.contains(#""answered":3"#))
    }

    @Test("none is kept for having failed")
    func notKept() {
        #expect(!Outcome.unknown.isError && !Outcome.unknown.isFailure && Outcome.unknown.isAnswered)
    }
}
