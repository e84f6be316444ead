import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct CallerTests {
    /// A worker's cache behind a reference: expectations and closures may not hold it itself.
    private final class Worker {
        private var cache: CallerCache
        init(_ registry: CallerRegistry) { cache = CallerCache(registry: registry) }
        func place(of name: [UInt8]) -> UInt8 { cache.place(of: name.span.bytes) }
    }

    private func name(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("names are numbered from 1 and found again") func registry() {
        let registry = CallerRegistry()
        for (text, place) in [("web", 1), ("batch", 2), ("web", 1), ("", 0)] as [(String, UInt8)] {
            #expect(registry.place(of: name(text).span.bytes) == place)
        }
        #expect(registry.names == ["web", "batch"])
        #expect(CallerRegistry.name(of: 0, in: registry.names) == "")
        #expect(CallerRegistry.name(of: 2, in: registry.names) == "batch")
        #expect(CallerRegistry.name(of: 255, in: registry.names) == "_other")
    }

    @Test("the 255th name is _other and stays so") func bound() {
        let registry = CallerRegistry()
        for number in 1...300 {
            let expected = number <= 254 ? UInt8(number) : CallerRegistry.other
            #expect(registry.place(of: name("app\(number)").span.bytes) == expected)
        }
        #expect(registry.place(of: name("app7").span.bytes) == 7)
        #expect(registry.place(of: name("app299").span.bytes) == CallerRegistry.other)
        #expect(registry.names.count == 254)
    }

    @Test("a long name is cut, broken UTF-8 is repaired", arguments: [254, 255, 256, 5000]) func longNames(_ count: Int)
    {
        let registry = CallerRegistry()
        let cache = Worker(registry)
        let long = [UInt8](repeating: 0x61, count: count)
        #expect(cache.place(of: long) == 1)
        #expect(registry.names[0].utf8.count == min(count, 255))
        let broken: [UInt8] = [0x41, 0xff]
        #expect(cache.place(of: broken) == 2)
        #expect(registry.names[1] == "A\u{fffd}")
    }

    @Test("the cache agrees with the registry, however many names there are") func cache() {
        let registry = CallerRegistry()
        let cache = Worker(registry)
        var random = SeededRandom(seed: 3)
        for _ in 0..<20_000 {
            let text = name("app\(random.next() % 3000)")
            #expect(cache.place(of: text) == registry.place(of: text.span.bytes))
        }
        #expect(cache.place(of: name("")) == 0)
    }

    @Test("finding a known name allocates nothing") func allocation() {
        let cache = Worker(CallerRegistry())
        let names = (0..<60).map { name("com.example.application\($0)") }
        for name in names { _ = cache.place(of: name) }
        var sum = 0
        let made = allocationsWhenWarm {
            var at = 0
            while at < names.count {
                let name = names[at]
                sum += Int(cache.place(of: name))
                at += 1
            }
        }
        #expect(made == 0)
        #expect(sum == 2 * (1...60).reduce(0, +))
    }

    // MARK: Series

    @Test("calls are counted by caller, and the page tells them apart only when asked") func series() {
        let bench = Bench(workers: 2)
        let operation = bench.operation("get")
        for (at, recorder) in bench.recorders.enumerated() {
            for caller in [0, 1, 2, 1, 255] as [UInt8] {
                recorder.callFinished(call(operation, caller: caller), wasInFlight: false)
            }
            recorder.callFinished(call(operation, .timeout, code: 31, caller: UInt8(at + 1)), wasInFlight: false)
        }
        var additions = MetricsAdditions()
        let labels = #"side="provider",protocol="dubbo",interface="com.x.S",method="get",version="",group="""#
        let all = samples(bench.page(additions: additions))
        #expect(all["weir_calls_total{\(labels),outcome=\"ok\",code=\"OK\"}"] == 10)
        #expect(all["weir_calls_total{\(labels),outcome=\"timeout\",code=\"SERVER_TIMEOUT\"}"] == 2)
        additions.callers = ["web", "batch"]
        let told = samples(bench.page(additions: additions))
        for (caller, count) in [("", 2), ("web", 4), ("batch", 2), ("_other", 2)] as [(String, Double)] {
            #expect(told["weir_calls_total{\(labels),outcome=\"ok\",code=\"OK\",caller=\"\(caller)\"}"] == count)
        }
        for caller in ["web", "batch"] {
            let series = "weir_calls_total{\(labels),outcome=\"timeout\",code=\"SERVER_TIMEOUT\",caller=\"\(caller)\"}"
            #expect(told[series] == 1)
        }
        #expect(bench.snapshot().operations[0].calls == 12)
        var json = JSONText()
        bench.snapshot().writeOperations(to: &json)
        #expect(String(decoding: json.bytes, as: UTF8.self).contains(#""codes":{"OK":10,"SERVER_TIMEOUT":2}"#))
    }

    @Test("codes past the sixteenth are other for every caller") func codes() {
        let bench = Bench()
        let operation = bench.operation("get", in: .jsonrpc)
        for code in Int32(0)..<40 {
            for caller in UInt8(0)..<3 {
                bench.recorder.callFinished(
                    call(operation, .businessError, code: code, caller: caller),
                    wasInFlight: false
                )
            }
        }
        let results = bench.snapshot().operations[0].results
        #expect(results.count == 51)
        #expect(results.filter { $0.code == "other" }.map(\.count) == [24, 24, 24])
        #expect(results.filter { $0.code == "other" }.map(\.caller) == [0, 1, 2])
    }

    @Test("series by caller are bounded and no call is lost") func bounded() {
        let bench = Bench()
        var calls: UInt64 = 0
        for number in 0..<300 {
            let operation = bench.operation("m\(number)")
            for caller in UInt8(1)...254 {
                bench.recorder.callFinished(call(operation, caller: caller), wasInFlight: false)
                calls += 1
            }
        }
        let reports = bench.snapshot().operations
        #expect(reports.reduce(0) { $0 + $1.calls } == calls)
        let series = reports.reduce(0) { $0 + $1.results.count }
        #expect(series <= Recorder.maxCallerResults + reports.count)
        #expect(reports.last?.results.map(\.caller) == [255])
    }

    @Test("counting with a caller costs no allocation once the caller was seen") func steadyState() {
        let bench = Bench()
        let operation = bench.operation("get")
        func round() {
            var caller: UInt8 = 0
            while caller < 255 {
                bench.recorder.callFinished(call(operation, caller: caller), wasInFlight: false)
                caller += 1
            }
        }
        round()
        #expect(allocations { round() } == 0)
    }
}
