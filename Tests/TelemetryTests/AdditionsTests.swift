import Calls
import Telemetry
import Testing

@Suite struct AdditionsTests {
    @Test("what is not switched on is not there", arguments: ExpositionFormat.allCases)
    func off(_ format: ExpositionFormat) {
        let page = MetricsPageTests.busy().page(format)
        for name in ["dubbo_", "caller=", "weir_spans", "weir_trace_", "weir_context_", "weir_tap_", "weir_consumer_"] {
            #expect(!page.contains(name), "\(name)")
        }
    }

    @Test("without Weir's names only the others are there") func dubboOnly() {
        var additions = MetricsPageTests.everything
        additions.names = .dubbo
        let page = MetricsPageTests.busy().page(process: Bench.readings, additions: additions)
        #expect(!page.contains("weir_"))
        #expect(page.contains("dubbo_provider_requests_total"))
        #expect(page.contains("process_cpu_seconds_total"))
    }

    @Test("tracing's numbers are spelled out") func tracing() {
        let counters = TracingCounters()
        counters.exported(5)
        counters.dropped(2)
        counters.failed(1)
        counters.malformed(.b3)
        counters.injection(.tooLarge)
        counters.injection(.injected)
        var additions = MetricsAdditions()
        additions.tracing = counters.readings
        additions.tapLinesDropped = 9
        let found = samples(Bench().page(additions: additions))
        let expected: [(String, Double)] = [
            ("weir_spans_total{result=\"exported\"}", 5), ("weir_spans_total{result=\"dropped\"}", 2),
            ("weir_spans_total{result=\"failed\"}", 1), ("weir_trace_contexts_malformed_total{format=\"b3\"}", 1),
            ("weir_trace_contexts_malformed_total{format=\"traceparent\"}", 0),
            ("weir_context_injections_total{result=\"too_large\"}", 1),
            ("weir_context_injections_total{result=\"injected\"}", 1), ("weir_tap_lines_dropped_total", 9),
        ]
        for (name, value) in expected { #expect(found[name] == value, "\(name)") }
    }

    @Test("connections that are redirected are counted by side, those that go past Weir by port") func intercepted() {
        let bench = Bench()
        bench.recorder.connectionIntercepted(side: .provider)
        bench.recorder.connectionIntercepted(side: .provider)
        bench.recorder.connectionIntercepted(side: .consumer)
        #expect(!bench.page(additions: MetricsAdditions()).contains("weir_direct_connections"))
        var additions = MetricsAdditions()
        additions.directConnections = [(20880, 3), (50051, 0)]
        let found = samples(bench.page(additions: additions))
        #expect(found["weir_intercepted_connections_total{side=\"provider\"}"] == 2)
        #expect(found["weir_intercepted_connections_total{side=\"consumer\"}"] == 1)
        #expect(found["weir_direct_connections{port=\"20880\"}"] == 3)
        #expect(found["weir_direct_connections{port=\"50051\"}"] == 0)
    }

    @Test("a consumer's balance is its busiest connection over the mean") func balance() {
        var additions = MetricsAdditions()
        additions.consumers = [("a", 10), ("a", 30), ("a", 20), ("b", 0), ("b", 0), ("c", 7)].map {
            ConsumerConnection(side: .provider, consumer: $0.0, calls: $0.1)
        }
        additions.consumers?.append(ConsumerConnection(side: .consumer, consumer: "a", calls: 4))
        let found = samples(Bench().page(additions: additions))
        for (side, consumer, connections, imbalance) in [
            ("provider", "a", 3, 1.5), ("provider", "b", 2, 1), ("provider", "c", 1, 1), ("consumer", "a", 1, 1),
        ] as [(String, String, Double, Double)] {
            let labels = "side=\"\(side)\",consumer=\"\(consumer)\""
            #expect(found["weir_consumer_connections{\(labels)}"] == connections)
            #expect(found["weir_consumer_connection_imbalance{\(labels)}"] == imbalance)
        }
    }

    @Test("past a hundred consumers the rest is _other", arguments: [99, 100, 101, 500]) func consumers(_ count: Int) {
        var additions = MetricsAdditions()
        // The first ones have two connections and must be told apart; one is called _other itself.
        additions.consumers = (0..<count).flatMap { number in
            let name = number == 0 ? "_other" : "c\(number)"
            let one = ConsumerConnection(side: .provider, consumer: name, calls: 1)
            return number < 50 ? [one, one] : [one]
        }
        let found = samples(Bench().page(additions: additions))
        let connections = found.filter { $0.key.hasPrefix("weir_consumer_connections{") }
        #expect(connections.count == min(count, 100))
        #expect(connections.values.reduce(0, +) == Double(count + 50))
        let rest = found["weir_consumer_connections{side=\"provider\",consumer=\"_other\"}"]
        #expect(rest == Double(2 + max(0, count - 100)))
        let imbalance = found["weir_consumer_connection_imbalance{side=\"provider\",consumer=\"_other\"}"]
        #expect(imbalance == (count > 100 ? nil : 1))
    }
}
