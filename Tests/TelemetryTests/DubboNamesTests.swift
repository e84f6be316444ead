import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct DubboNamesTests {
    /// A page that is asked again and again, as a scraper does.
    struct Scraper {
        let bench = Bench(workers: 2)
        var page = MetricsPage(startNanoseconds: 0)
        var additions: MetricsAdditions = {
            var additions = MetricsAdditions()
            additions.names = [.weir, .dubbo]
            additions.dubbo = DubboIdentity(applicationName: "shop", hostname: "pod-1", ip: "10.0.0.1")
            return additions
        }()

        mutating func scrape(at seconds: Double) -> [String: Double] {
            var context = Bench.context()
            context.nowNanoseconds = UInt64(seconds * 1e9)
            context.additions = additions
            return samples(String(decoding: page.render(bench.snapshot(), context, format: .text), as: UTF8.self))
        }
    }

    static let labels =
        #"application_name="shop",group="g",hostname="pod-1",interface="com.x.S",ip="10.0.0.1",method="get",version="1""#

    private func value(_ found: [String: Double], _ name: String) -> Double? { found["dubbo_\(name){\(Self.labels)}"] }

    @Test("calls are counted under the names of Dubbo, protocols together") func counts() {
        var scraper = Scraper()
        let outcomes: [(Outcome, Int32)] = [
            (.ok, 20), (.ok, 20), (.oneway, ResultCode.none), (.businessError, 20), (.timeout, 31), (.limited, 100),
            (.drained, 80), (.unanswered, ResultCode.none), (.serverError, 70), (.serverError, 60), (.serverError, 100),
            (.clientError, 40), (.cancelled, ResultCode.none), (.lost, ResultCode.none),
        ]
        let dubbo = scraper.bench.operation("get", version: "1", group: "g")
        let triple = scraper.bench.operation("get", version: "1", group: "g", in: .triple)
        for side in Side.allCases {
            for (outcome, code) in outcomes {
                scraper.bench.recorder.callFinished(call(dubbo, outcome, code: code, side: side), wasInFlight: false)
            }
            for code in [14, 8, 13] as [Int32] {
                scraper.bench.recorder.callFinished(
                    call(triple, .serverError, code: code, side: side),
                    wasInFlight: false
                )
            }
            scraper.bench.recorder.callStarted(dubbo, side: side)
            scraper.bench.recorder.callStarted(triple, side: side)
        }
        let found = scraper.scrape(at: 30)
        for side in ["provider", "consumer"] {
            let isConsumer = side == "consumer"
            let expected: [(String, Double?)] = [
                ("requests_total", 17), ("requests_succeed_total", 3), ("requests_failed_total", 12),
                ("requests_business_failed_total", 1), ("requests_timeout_total", 1), ("requests_limit_total", 3),
                ("requests_failed_service_unavailable_total", 3), ("requests_failed_codec_total", 1),
                ("requests_failed_network_total", isConsumer ? 1 : nil),
                ("requests_unknown_failed_total", isConsumer ? 2 : 3), ("requests_processing_total", 2),
                ("qps_total", 19.0 / 30), ("requests_total_aggregate", 17), ("requests_succeed_aggregate", 3),
                ("requests_succeed_total_aggregate", 3), ("requests_failed_total_aggregate", 12),
                ("requests_failed_aggregate", isConsumer ? 2 : 3),
                ("requests_unknown_failed_total_aggregate", isConsumer ? 2 : 3),
                ("requests_business_failed_aggregate", 1), ("requests_business_failed_total_aggregate", 1),
                ("requests_timeout_failed_aggregate", 1), ("requests_timeout_total_aggregate", 1),
                ("requests_limit_aggregate", 3), ("requests_limit_total_aggregate", 3),
                ("requests_failed_service_unavailable_total_aggregate", 3),
                ("requests_failed_codec_total_aggregate", 1),
                ("requests_failed_network_total_aggregate", isConsumer ? 1 : nil), ("rt_milliseconds_last", nil),
            ]
            for (name, value) in expected { #expect(self.value(found, "\(side)_\(name)") == value, "\(side)_\(name)") }
        }
    }

    @Test("a kind of failure appears with its first one") func absent() {
        var scraper = Scraper()
        let operation = scraper.bench.operation("get", version: "1", group: "g")
        scraper.bench.recorder.callFinished(call(operation), wasInFlight: false)
        let found = scraper.scrape(at: 30)
        #expect(value(found, "provider_requests_failed_total") == 0)
        #expect(value(found, "provider_requests_timeout_total") == nil)
        #expect(value(found, "provider_requests_timeout_total_aggregate") == nil)
        #expect(value(found, "consumer_requests_total") == nil)
    }

    @Test("times are in milliseconds") func times() {
        var scraper = Scraper()
        let operation = scraper.bench.operation("get", version: "1", group: "g")
        for milliseconds in UInt64(1)...100 {
            scraper.bench.recorders[Int(milliseconds % 2)].callFinished(
                call(operation, nanoseconds: milliseconds * 1_000_000),
                wasInFlight: false
            )
        }
        let found = scraper.scrape(at: 30)
        #expect(value(found, "provider_rt_milliseconds_max") == 100)
        #expect(value(found, "provider_rt_milliseconds_sum") == 5050)
        #expect(value(found, "provider_rt_milliseconds_avg") == 50.5)
        #expect(value(found, "provider_rt_avg_milliseconds_aggregate") == 50.5)
        #expect(value(found, "provider_rt_max_milliseconds_aggregate") == 100)
        for name in ["rt_milliseconds_min", "rt_min_milliseconds_aggregate"] {
            let shortest = value(found, "provider_\(name)") ?? .nan
            #expect(shortest <= 1 && shortest > 0.9)
        }
        for (name, truth) in [("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)] as [(String, Double)] {
            let found = value(found, "provider_rt_milliseconds_\(name)") ?? .nan
            #expect(abs(found - truth) / truth < 0.095, "\(name): \(found)")
        }
    }

    @Test("calls a second are over the time since the scrape at least 3 s ago") func rates() {
        var scraper = Scraper()
        let operation = scraper.bench.operation("get", version: "1", group: "g")
        func calls(_ count: Int) {
            for _ in 0..<count { scraper.bench.recorder.callFinished(call(operation), wasInFlight: false) }
        }
        func rate(at seconds: Double) -> Double? { value(scraper.scrape(at: seconds), "provider_qps_total") }
        calls(20)
        #expect(rate(at: 2) == nil)
        #expect(rate(at: 4) == 5)
        calls(10)
        #expect(rate(at: 5) == 6)
        #expect(rate(at: 9) == 2)
        #expect(rate(at: 11) == 10.0 / 7)
        #expect(rate(at: 12) == 0)
        #expect(rate(at: 192) == 0)
        // Nobody asked for longer than a window can be.
        #expect(rate(at: 373) == nil)
        calls(8)
        #expect(rate(at: 377) == 2)
    }

    @Test(
        "sums are over about two minutes, whatever the scrape interval",
        arguments: [1, 5, 12, 15, 30, 45, 60, 100, 170]
    )
    func windows(_ interval: Double) {
        var scraper = Scraper()
        let operation = scraper.bench.operation("get", version: "1", group: "g")
        var now = 0.0
        var done = 0.0
        while now < 1000 {
            now += interval
            // Ten calls a second, of 1 ms at first and of 4 ms from 500 s on.
            while done < now * 10 {
                let nanoseconds: UInt64 = done < 5000 ? 1_000_000 : 4_000_000
                scraper.bench.recorder.callFinished(call(operation, nanoseconds: nanoseconds), wasInFlight: false)
                done += 1
            }
            let found = scraper.scrape(at: now)
            let recent = value(found, "provider_requests_total_aggregate") ?? .nan
            if now <= 120 {
                #expect(recent == done, "at \(now)")
            } else {
                #expect(recent >= 595 && recent <= 1805, "at \(now)")
                if interval <= 12 { #expect(abs(recent - 1200) <= 120, "at \(now)") }
            }
            let longest = value(found, "provider_rt_max_milliseconds_aggregate") ?? .nan
            let average = value(found, "provider_rt_avg_milliseconds_aggregate") ?? .nan
            if now > 700 { #expect(longest == 4 && average == 4, "at \(now)") }
            if now < 500 { #expect(longest == 1 && average == 1, "at \(now)") }
            if now > 700 { #expect((value(found, "provider_rt_min_milliseconds_aggregate") ?? 0) > 3.6) }
            #expect(value(found, "provider_rt_milliseconds_max") == (now > 500 ? 4 : 1))
        }
    }

    @Test("a quiet operation has no times of the last minutes, and its sums are 0") func quiet() {
        var scraper = Scraper()
        let operation = scraper.bench.operation("get", version: "1", group: "g")
        scraper.bench.recorder.callFinished(call(operation), wasInFlight: false)
        for at in stride(from: 15.0, through: 400, by: 15) { _ = scraper.scrape(at: at) }
        let found = scraper.scrape(at: 415)
        #expect(value(found, "provider_requests_total_aggregate") == 0)
        #expect(value(found, "provider_rt_milliseconds_p99") == nil)
        #expect(value(found, "provider_rt_avg_milliseconds_aggregate") == nil)
        #expect(value(found, "provider_rt_milliseconds_avg") == 1)
        #expect(value(found, "provider_qps_total") == 0)
    }

    @Test("a page asked too seldom does not know the last minutes") func seldom() {
        var scraper = Scraper()
        let operation = scraper.bench.operation("get", version: "1", group: "g")
        scraper.bench.recorder.callFinished(call(operation), wasInFlight: false)
        for at in [200.0, 500, 800] {
            let found = scraper.scrape(at: at)
            #expect(value(found, "provider_requests_total_aggregate") == nil)
            #expect(value(found, "provider_qps_total") == nil)
            #expect(value(found, "provider_requests_total") == 1)
        }
        #expect(value(scraper.scrape(at: 920), "provider_requests_total_aggregate") == 0)
    }

    @Test("counters do not go backwards, and the identity may change", arguments: [UInt64(1), 2])
    func monotonic(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var scraper = Scraper()
        var before: [String: Double] = [:]
        for round in 1...20 {
            for _ in 0..<100 {
                let operation = scraper.bench.operation(
                    "m\(random.next() % 5)",
                    in: CallProtocol.allCases[Int(random.next() % 3)]
                )
                let recorder = scraper.bench.recorders[Int(random.next() % 2)]
                if random.next() % 2 == 0 { recorder.callStarted(operation, side: .consumer) }
                let outcome = Outcome.allCases[Int(random.next() % UInt64(Outcome.allCases.count))]
                let code = Int32(random.next() % 101)
                recorder.callFinished(call(operation, outcome, code: code, side: .consumer), wasInFlight: false)
            }
            let now = scraper.scrape(at: Double(round) * 7)
            for (name, value) in before where name.contains("_total{") && !name.contains("in_flight") {
                if name.contains("qps") { continue }
                #expect((now[name] ?? -1) >= value, "seed \(seed), round \(round): \(name)")
            }
            before = now
        }
        scraper.additions.dubbo.ip = "10.0.0.2"
        #expect(scraper.scrape(at: 200).keys.contains { $0.contains("ip=\"10.0.0.2\"") })
    }
}
