import Foundation
import Telemetry
import Testing

@testable import Export

/// The exporter against a collector of other people's making.
@Suite(.serialized, .enabled(if: Collector.isThere, Collector.missing))
struct CollectorTests {
    typealias Transport = ExportConfiguration.Transport
    typealias Compression = ExportConfiguration.Compression

    /// The ids of spans that should be there, as the collector spells them.
    private func hex(_ ids: Range<UInt64>) -> Set<String> {
        Set(ids.map { String(repeating: "0", count: 16 - String($0, radix: 16).count) + String($0, radix: 16) })
    }

    @Test(
        "every span arrives exactly once and says what was recorded",
        arguments: Transport.allCases,
        Compression.allCases
    )
    func everySpanOnce(_ transport: Transport, _ compression: Compression) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        let configuration = try collector.configuration(
            transport,
            compression: compression,
            headers: [("x-tenant", "north")]
        )
        fixture.record(1..<1_001)
        let before = UInt64(Date().timeIntervalSince1970 * 1_000_000_000)
        try await running(fixture.exporter(configuration)) {
            try await eventually("the first spans arrive") { fixture.haveEnded(1_000) }
            fixture.record(1_001..<3_001)
            try await eventually("all arrive") { fixture.haveEnded(3_000) }
        }
        #expect(fixture.counts == [3_000, 0, 0])
        let spans = try await collector.spans
        #expect(collector.problems.isEmpty)
        #expect(spans.count == 3_000)
        #expect(Set(spans.map(\.id)) == hex(1..<3_001))
        let requests = try await collector.requests
        #expect(requests.allSatisfy { $0.headers["x-tenant"] == "north" && $0.spans <= 512 })
        if transport == .http {
            #expect(requests.allSatisfy { $0.headers[":path"] == "/v1/traces" })
            #expect(requests.allSatisfy { $0.headers["content-encoding"] == (compression == .gzip ? "gzip" : nil) })
            #expect(requests.allSatisfy { compression == .none ? $0.bytes == $0.raw : $0.bytes < $0.raw })
        }
        let one = try #require(spans.first { $0.id.hasSuffix("00a") })
        #expect(one.trace == "0000000000000007000000000000000a")
        #expect(one.parent == "000000000000001e")
        #expect(one.name == "com.example.Greeter/greet")
        #expect(one.kind == 2)
        #expect(one.end - one.start == 510)
        #expect(one.flags == 0x301)
        // The offset to the time of day is the machine's; a day either way only shows that there is one.
        let uptime = UInt64(ProcessInfo.processInfo.systemUptime * 1_000_000_000)
        #expect(one.start > before - uptime - 86_400_000_000_000 && one.start < before + 86_400_000_000_000)
        #expect(one.attributes["rpc.system"]?.stringValue == "apache_dubbo")
        #expect(one.attributes["dubbo.request_id"]?.intValue == 10)
        #expect(one.attributes["weir.caller"]?.stringValue == "shop")
        #expect(one.attributes["weir.response.bytes"]?.intValue == 20)
        #expect(one.resource["service.name"]?.stringValue == "greeter")
        #expect(one.resource["host.name"]?.stringValue == "machine")
        #expect(one.scope == ["weir", "1.2.3"])
        let other = try #require(spans.first { $0.id.hasSuffix("00b") })
        #expect(other.kind == 3)
        #expect(other.start - one.start == 1_000 || other.start > one.start - 1_000_000_000)
    }

    @Test(
        "nothing is lost to a collector that fails temporarily",
        arguments: Transport.allCases,
        ["slow 200 2", "status 429 1 1", "status 503 2", "reset 2"]
    )
    func failsTemporarily(_ transport: Transport, _ fault: String) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await collector.obey(fault)
        var configuration = try collector.configuration(transport)
        // A busy machine may take its time; a batch whose answer was not waited for would go twice.
        configuration.timeout = .seconds(60)
        try await running(fixture.exporter(configuration)) {
            fixture.record(1..<601)
            try await eventually("all arrive") { fixture.haveEnded(600) }
        }
        #expect(fixture.counts == [600, 0, 0])
        #expect(try await Set(collector.spans.map(\.id)) == hex(1..<601))
        // A reset can hit the answer; what was judged was judged once.
        if !fault.hasPrefix("reset") { #expect(try await collector.spans.count == 600) }
    }

    @Test("a collector that says when is left alone until then")
    func retryAfter() async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await collector.obey("status 429 1 2")
        fixture.record(1..<11)
        try await running(fixture.exporter(try collector.configuration(.http))) {
            try await eventually("all arrive") { fixture.haveEnded(10) }
        }
        let requests = try await collector.requests
        #expect(requests.map(\.status) == [429, 200])
        #expect(requests[1].at - requests[0].at >= 2)
        #expect(fixture.counts == [10, 0, 0])
    }

    @Test("what fits waits for a collector that is away", arguments: Transport.allCases)
    func awayAndBack(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await running(fixture.exporter(try collector.configuration(transport))) {
            fixture.record(1..<101)
            try await eventually("the first arrive") { fixture.haveEnded(100) }
            try await collector.obey("away")
            fixture.record(101..<1_101)
            try await eventually("the trouble is told") {
                fixture.log.lines.contains { $0.contains("cannot be reached") }
            }
            fixture.record(1_101..<2_001)
            try await collector.obey("back")
            try await eventually("all arrive") { fixture.haveEnded(2_000) }
        }
        #expect(fixture.counts == [2_000, 0, 0])
        #expect(try await Set(collector.spans.map(\.id)) == hex(1..<2_001))
        #expect(fixture.log.lines.count { $0.contains("cannot be reached") } == 1)
    }

    @Test("the oldest are dropped when too many wait", arguments: Transport.allCases)
    func overflow(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture(spanBuffers: 1)
        var configuration = try collector.configuration(transport)
        configuration.maxQueuedSpans = 100
        configuration.maxBatchSpans = 10
        try await collector.obey("away")
        try await running(fixture.exporter(configuration)) {
            fixture.record(1..<11)
            try await eventually("the first are tried") { !fixture.log.lines.filter { $0.contains("reached") }.isEmpty }
            fixture.record(11..<1_011)
            try await eventually("some are dropped") { fixture.counters.readings.dropped >= 900 }
            try await collector.obey("back")
            try await eventually("the others arrive") { fixture.haveEnded(1_010) }
        }
        #expect(fixture.counts == [110, 900, 0])
        #expect(try await Set(collector.spans.map(\.id)) == hex(1..<11).union(hex(911..<1_011)))
    }

    @Test("spans that the collector refuses are failed at once", arguments: Transport.allCases, [400, 401])
    func refused(_ transport: Transport, _ status: Int) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await collector.obey("status \(status) 1")
        fixture.record(1..<21)
        try await running(fixture.exporter(try collector.configuration(transport))) {
            try await eventually("they are given up") { fixture.haveEnded(20) }
            fixture.record(21..<31)
            try await eventually("later ones arrive") { fixture.haveEnded(30) }
        }
        #expect(fixture.counts == [10, 0, 20])
        #expect(try await collector.requests.map(\.status) == [status, 200])
    }

    @Test("redirects are not followed")
    func redirects() async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await collector.obey("status 307")
        fixture.record(1..<6)
        try await running(fixture.exporter(try collector.configuration(.http))) {
            try await eventually("they are given up") { fixture.haveEnded(5) }
        }
        #expect(fixture.counts == [0, 0, 5])
        #expect(try await collector.requests.count == 1)
    }

    @Test("spans that a collector refuses in part are counted as failed", arguments: Transport.allCases)
    func partialSuccess(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await collector.obey("partial 3 1")
        fixture.record(1..<21)
        try await running(fixture.exporter(try collector.configuration(transport))) {
            try await eventually("all are judged") { fixture.haveEnded(20) }
        }
        #expect(fixture.counts == [17, 0, 3])
        #expect(try await collector.spans.count == 17)
        #expect(fixture.log.lines.contains { $0.contains("refused as it was told to") })
    }

    @Test("a batch is given up after so many refusals")
    func attempts() async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        var configuration = try collector.configuration(.http)
        configuration.initialBackoff = .milliseconds(1)
        try await collector.obey("status 503 5")
        fixture.record(1..<11)
        try await running(fixture.exporter(configuration)) {
            try await eventually("they are given up") { fixture.haveEnded(10) }
            fixture.record(11..<21)
            try await eventually("later ones arrive") { fixture.haveEnded(20) }
        }
        #expect(fixture.counts == [10, 0, 10])
        #expect(try await collector.requests.map(\.status) == [503, 503, 503, 503, 503, 200])
    }

    @Test("the last spans leave before the end", arguments: Transport.allCases)
    func flush(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        var configuration = try collector.configuration(transport)
        // Nothing would be taken in time without a last look.
        configuration.pollInterval = .seconds(600)
        try await running(fixture.exporter(configuration)) { fixture.record(1..<1_501) }
        #expect(fixture.counts == [1_500, 0, 0])
        #expect(try await collector.spans.count == 1_500)
    }

    @Test("the end does not wait for a collector that does not answer", arguments: Transport.allCases)
    func flushGivesUp(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        var configuration = try collector.configuration(transport)
        configuration.flushTimeout = .milliseconds(200)
        configuration.timeout = .seconds(600)
        try await collector.obey("slow 5000")
        let start = ContinuousClock.now
        try await running(fixture.exporter(configuration)) { fixture.record(1..<1_501) }
        // A guard: without a limit it would be 600 s.
        #expect(ContinuousClock.now - start < .seconds(500))
        #expect(fixture.counts == [0, 0, 1_500])
    }

    @Test("the end does not wait for a collector that is away", arguments: Transport.allCases)
    func flushUnreachable(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        var configuration = try collector.configuration(transport)
        configuration.flushTimeout = .milliseconds(300)
        configuration.initialBackoff = .seconds(30)
        configuration.maxBackoff = .seconds(30)
        try await collector.obey("away")
        try await running(fixture.exporter(configuration)) {
            fixture.record(1..<101)
            try await eventually("it is tried") { fixture.log.lines.contains { $0.contains("cannot be reached") } }
            fixture.record(101..<201)
        }
        #expect(fixture.counts == [0, 0, 200])
    }

    @Test("an exporter that is cancelled ends at once", arguments: Transport.allCases)
    func cancelled(_ transport: Transport) async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        try await collector.obey("slow 5000")
        let exporter = fixture.exporter(try collector.configuration(transport))
        let task = Task { try await exporter.run() }
        fixture.record(1..<101)
        try await eventually("it runs") { fixture.log.lines.contains { $0.contains("exporting spans") } }
        // A request may be under way by now, or not: neither makes a difference.
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        try await task.value
        #expect(fixture.counts == [0, 0, 100])
    }

    @Test("a name that was learnt from traffic is the service's")
    func learnedName() async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        let learned = LearnedName()
        let exporter = fixture.exporter(try collector.configuration(.http), serviceName: nil, learned: learned)
        try await running(exporter) {
            // Spans are there before the name is: they wait for it.
            fixture.record(1..<3)
            try await Task.sleep(for: .milliseconds(500))
            #expect(fixture.counts == [0, 0, 0])
            learned.learn("orders")
            try await eventually("they leave") { fixture.haveEnded(2) }
            learned.learn("others")
            fixture.record(3..<5)
        }
        #expect(try await collector.spans.allSatisfy { $0.resource["service.name"]?.stringValue == "orders" })
        #expect(try await collector.spans.count == 4)
    }

    @Test("spans of one run keep their service's name, though one turns up later")
    func unknownName() async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        let learned = LearnedName()
        var configuration = try collector.configuration(.http)
        configuration.maxQueuedSpans = 10
        try await running(fixture.exporter(configuration, serviceName: nil, learned: learned)) {
            // More than half of the queue: there is no room to wait.
            fixture.record(1..<8)
            try await eventually("the first leave") { fixture.haveEnded(7) }
            learned.learn("orders")
            fixture.record(8..<11)
        }
        let names = Set(try await collector.spans.map { $0.resource["service.name"]?.stringValue ?? "" })
        #expect(names == [ResourceDescription.unknownServiceName] && fixture.counts == [10, 0, 0])
    }

    @Test("a large batch is cut into requests that are not too large")
    func batchBytes() async throws {
        let collector = try await Collector()
        let fixture = Fixture()
        var configuration = try collector.configuration(.http)
        configuration.maxBatchBytes = 10_000
        fixture.record(1..<501)
        try await running(fixture.exporter(configuration)) {
            try await eventually("all arrive") { fixture.haveEnded(500) }
        }
        #expect(fixture.counts == [500, 0, 0])
        #expect(try await collector.spans.count == 500)
        // The resource comes on top.
        #expect(try await collector.requests.allSatisfy { $0.bytes < 10_500 })
    }
}
