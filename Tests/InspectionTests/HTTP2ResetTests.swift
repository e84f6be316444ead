import Calls
import Inspection
import Policy
import Telemetry
import TestSupport
import Testing

/// Streams that their caller or callee resets, and what comes afterwards.
@Suite struct HTTP2ResetTests {
    private static let start: UInt64 = 1000
    private static let millisecond: UInt64 = 1_000_000
    /// So long trailers are waited for, and a turn of the timing wheel.
    private static let wait: UInt64 = 700_000_000

    @Test(
        "a caller that gives up at its deadline was not answered in time, whatever it rounded the header to",
        arguments: [
            // The header, after how many milliseconds it gives up, and whether that is its deadline.
            ("1m", 2, true), ("1m", 0, false), ("8m", 6, true), ("8m", 5, false), ("250m", 250, true),
            ("250m", 238, true), ("250m", 200, false), ("1010m", 1001, true), ("1010m", 900, false),
            ("10100m", 10_010, true), ("10100m", 9500, false), ("301S", 300_000, true), ("301S", 290_000, false),
            ("1S", 400, false), ("1M", 59_901, true), ("1M", 30_000, false), ("5S", 4000, false),
        ] as [(String, UInt64, Bool)]
    )
    func atDeadline(timeout: String, milliseconds: UInt64, isTimeout: Bool) {
        let http2 = HTTP2Bench(limits: Inspector.Limits(callTimeoutNanoseconds: 600_000_000_000))
        http2.up(http2.client.call(1, "/com.x.Shop/buy", [("grpc-timeout", timeout)]))
        let reset = Self.start + milliseconds * Self.millisecond
        http2.up(H2.reset(1, 8), now: reset)
        #expect(http2.counts.isEmpty && http2.session.inFlight == 0 && http2.bench.inspector.callsInFlight == 0)
        #expect(http2.bench.inspector.needsTicks && http2.session.isIdle)
        http2.bench.inspector.tick(now: reset + 400_000_000)
        #expect(http2.counts.isEmpty)
        http2.bench.inspector.tick(now: reset + Self.wait)
        #expect(http2.counts == [isTimeout ? "com.x.Shop.buy timeout  1" : "com.x.Shop.buy cancelled CANCELLED 1"])
        #expect(http2.bench.calls.all.map(\.call.durationNanoseconds) == [milliseconds * Self.millisecond])
        // What comes now is late, and no reply.
        http2.down(http2.server.reply(1), now: reset + Self.wait)
        #expect(http2.bench.snapshot.report("buy")?.lateReplies == 0 && http2.counts.count == 1)
        #expect(http2.bench.snapshot.report("buy")?.inFlight == 0)
    }

    @Test(
        "trailers that come behind the caller's reset decide, in time",
        arguments: [
            ("0", 499, "ok OK"), ("0", 501, "cancelled CANCELLED"), ("4", 10, "timeout DEADLINE_EXCEEDED"),
            ("1", 10, "cancelled CANCELLED"), ("13", 10, "server_error INTERNAL"),
        ] as [(String, UInt64, String)],
        Watching.allCases
    )
    func trailers(_ asked: (String, UInt64, String), watching: Watching) {
        let (status, milliseconds, expected) = asked
        let http2 = HTTP2Bench(watching)
        http2.up(http2.client.request(1) + H2.data(1, H2.message([1]) + H2.message([2]), end: false), now: Self.start)
        http2.down(http2.server.head(1) + H2.data(1, H2.message([3]), end: false), now: 5000)
        http2.up(H2.reset(1, 8), now: 10_000)
        let later = 10_000 + milliseconds * Self.millisecond
        for byte in H2.data(1, H2.message([4]), end: false) + http2.server.trailers(1, status) {
            http2.down([byte], now: later)
        }
        #expect(http2.counts == ["com.x.Shop.buy \(expected) 1"])
        let report = http2.bench.snapshot.report("buy")
        #expect(report?.streamedRequests == 2 && report?.streamedResponses == 2 && report?.inFlight == 0)
        #expect(http2.session.inFlight == 0 && http2.bench.inspector.callsInFlight == 0)
        http2.bench.inspector.tick(now: later + Self.wait)
        #expect(http2.counts == ["com.x.Shop.buy \(expected) 1"] && !http2.bench.inspector.needsTicks)
    }

    @Test(
        "a stream that is reset ends as the code and its sender say",
        arguments: [
            (true, 8, "cancelled CANCELLED"), (true, 2, "cancelled CANCELLED"), (false, 8, "cancelled CANCELLED"),
            (false, 7, "server_error UNAVAILABLE"), (false, 11, "server_error RESOURCE_EXHAUSTED"),
            (false, 0, "server_error INTERNAL"),
        ] as [(Bool, UInt32, String)]
    )
    func resets(_ isCaller: Bool, _ code: UInt32, _ expected: String) {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1))
        if isCaller { http2.up(H2.reset(1, code)) } else { http2.down(H2.reset(1, code)) }
        http2.bench.inspector.tick(now: Self.wait)
        #expect(http2.counts == ["com.x.Shop.buy \(expected) 1"])
        // Behind a complete reply it changes nothing.
        http2.up(http2.client.request(3) + H2.data(3, H2.message([1]), end: false))
        http2.down(http2.server.reply(3) + H2.reset(3, 0))
        #expect(http2.counts.contains("com.x.Shop.buy ok OK 1") && http2.session.inFlight == 0)
        http2.down(http2.server.reply(3))
        #expect(http2.counts.count == 2)
    }

    @Test("whatever ends the wait, the call ends as it was given up", arguments: 0..<6)
    func endsOfTheWait(kind: Int) {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1, "/com.x.Shop/buy", [("grpc-timeout", "1m")]) + http2.client.call(3))
        http2.up(H2.reset(1, 8), now: 2 * Self.millisecond)
        http2.up(H2.reset(3, 8) + H2.reset(3, 8), now: 2 * Self.millisecond)
        #expect(http2.counts.isEmpty && http2.session.inFlight == 0)
        switch kind {
        case 0: http2.down(H2.reset(1, 8) + H2.reset(3, 8))
        case 1: http2.down(H2.goAway(0))
        case 2: http2.close()
        case 3: http2.down(H2.frame(9, 0, 0, []))
        // An end without a status says nothing.
        case 4: http2.down(http2.server.head(1) + H2.data(1, [], end: true) + H2.data(3, [], end: true))
        default: http2.bench.inspector.overran(http2.session, now: 3000)
        }
        #expect(http2.counts == ["com.x.Shop.buy cancelled CANCELLED 1", "com.x.Shop.buy timeout  1"])
        #expect(http2.bench.calls.all.map(\.call.durationNanoseconds) == [1_999_000, 1_999_000])
        #expect(http2.bench.inspector.callsInFlight == 0 && http2.bench.snapshot.report("buy")?.inFlight == 0)
    }

    @Test("so many calls wait for trailers at most; further ones end at once, and none takes a new call's place")
    func bound() {
        let http2 = HTTP2Bench(.nothing, limits: Inspector.Limits(maxCalls: 10))
        for number in 0..<5000 {
            let id = UInt32(number) * 2 + 1
            http2.up(http2.client.call(id) + H2.reset(id, 8))
        }
        #expect(http2.counts == ["com.x.Shop.buy cancelled CANCELLED 904"])
        http2.bench.inspector.tick(now: Self.wait)
        #expect(http2.counts == ["com.x.Shop.buy cancelled CANCELLED 5000"] && !http2.bench.inspector.needsTicks)
    }

    @Test("what a call took of limits goes back with the caller's reset")
    func limits() throws {
        let ends = GovernedHTTP2()
        let limited = try LimitedBench([.inFlight(1)], on: ends.governed)
        ends.greet()
        for id: UInt32 in [1, 3, 5] {
            ends.client.open(id)
            ends.upQueue += ends.fromClient.call(id, "/com.x.Shop/buy") + (id == 1 ? H2.reset(1, 8) : [])
            ends.moveAll()
        }
        #expect(limited.counts().allowed == 2 && limited.counts().rejected == 1 && limited.session.inFlight == 1)
        #expect(ends.server.streams.keys.sorted() == [1, 3] && ends.server.streams[1]?.isReset == true)
        // Late trailers give back nothing that another call has.
        ends.downQueue = ends.fromServer.reply(1)
        ends.moveAll()
        ends.client.open(7)
        ends.upQueue = ends.fromClient.call(7, "/com.x.Shop/buy")
        ends.moveAll()
        #expect(limited.counts().rejected == 2 && ends.server.faults.isEmpty && ends.client.faults.isEmpty)
    }

    @Test("a call that is given up is a span that ends with the reset, or with its trailers", arguments: [false, true])
    func spans(isAnswered: Bool) throws {
        let traced = TracedBench()
        var (client, server) = (HTTP2Speaker(), HTTP2Speaker())
        traced.up(H2.preface + H2.settings() + client.call(1) + H2.reset(1, 8), now: 5000)
        #expect(traced.spans().isEmpty)
        if isAnswered { traced.down(H2.settings() + server.reply(1), now: 9000) }
        traced.bench.inspector.tick(now: Self.wait)
        let spans = traced.spans()
        #expect(spans.map { "\($0.facts.call.outcome)" } == [isAnswered ? "ok" : "cancelled"])
        #expect(spans.first?.facts.call.durationNanoseconds == (isAnswered ? 4000 : 0))
    }

    @Test(
        "a request of one message and an empty one is unary, as dubbo-python writes it, in whatever frames",
        arguments: 0..<4
    )
    func emptyEnd(form: Int) throws {
        let http2 = HTTP2Bench()
        let (first, empty) = (H2.message([1, 2]), H2.message([]))
        let body: [UInt8] =
            switch form {
            case 0: H2.data(1, first, end: false) + H2.data(1, empty, end: true)
            case 1: H2.data(1, first + empty, end: true)
            case 2: H2.data(1, first + empty, end: false) + H2.data(1, [], end: true)
            default: H2.data(1, first, end: false) + H2.padded(1, empty, 9, end: true)
            }
        for byte in http2.client.request(1) + body { http2.up([byte]) }
        http2.down(http2.server.reply(1), now: 51_000)
        let report = try #require(http2.bench.snapshot.report("buy"))
        #expect(http2.counts == ["com.x.Shop.buy ok OK 1"])
        #expect(report.duration.count == 1 && report.duration.sumNanoseconds == 50_000 && report.streams.count == 0)
        #expect(report.streamedRequests == 2 && report.streamedResponses == 1)
        // The deadline of a call holds.
        for byte in http2.client.request(3) { http2.up([byte]) }
        http2.up(H2.data(3, first, end: false) + H2.data(3, empty, end: form == 0) + H2.data(3, [], end: form != 0))
        http2.bench.inspector.tick(now: 70_000_000_000)
        #expect(http2.counts == ["com.x.Shop.buy ok OK 1", "com.x.Shop.buy timeout  1"])
        #expect(http2.bench.lines.first { $0.contains("request") }?.contains(#""grpc_messages":[2,0]"#) == true)
    }

    @Test(
        "what only looks like it is a stream",
        arguments: [
            ([[1], []], 2, true), ([[], []], 1, true), ([[1], [], []], 1, true), ([[1], [2]], 1, true),
            ([[], [1]], 1, true), ([[1], []], 1, false),
        ] as [([[UInt8]], Int, Bool)]
    )
    func notUnary(messages: [[UInt8]], replies: Int, ends: Bool) throws {
        let isUnary = messages == [[], []]
        let isAmbiguous = ends && messages.last == [] && messages.count == 2
        let http2 = HTTP2Bench()
        http2.up(http2.client.request(1) + H2.data(1, messages.flatMap { H2.message($0) }, end: ends))
        let body = (0..<replies).flatMap { _ in H2.message([1]) }
        if !isAmbiguous { http2.bench.inspector.tick(now: 70_000_000_000) }
        #expect(http2.session.inFlight == 1)
        let later: UInt64 = isAmbiguous ? 3000 : 71_000_000_000
        http2.down(http2.server.head(1) + H2.data(1, body, end: false) + http2.server.trailers(1), now: later)
        let report = try #require(http2.bench.snapshot.report("buy"))
        #expect((report.streams.count == 1) == !isUnary && (report.duration.count == 1) == isUnary)
    }
}
