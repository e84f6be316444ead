import Calls
import Inspection
import PlanModel
import Policy
import Synchronization
import Telemetry
import Testing
import Wire

/// A worker's inspector with the line protocol, and one connection.
final class LineBench {
    let registry = OperationRegistry(capacity: 100)
    let labels = SeriesLabels()
    let recorder: Recorder
    let inspector: Inspector
    let session: Session
    var plan = Plan()
    var up = PlanModel()
    var down = PlanModel()

    init() throws {
        recorder = Recorder(labels: labels)
        inspector = Inspector(registry: registry, recorder: recorder)
        inspector.extensions = [try #require(LineProtocol())]
        session = inspector.open(side: .provider)
    }

    func give(_ text: some StringProtocol, _ direction: Direction = .toUpstream, now: UInt64 = 1000) {
        give(Array(text.utf8), direction, now: now)
    }

    func give(_ bytes: [UInt8], _ direction: Direction, now: UInt64) {
        plan.removeAll()
        inspector.receive(session, bytes: bytes.span.bytes, going: direction, now: now, plan: &plan)
        if direction == .toUpstream {
            let isWithin = up.take(bytes, plan)
            #expect(isWithin)
            down.addReplies(plan.reply)
        } else {
            let isWithin = down.take(bytes, plan)
            #expect(isWithin)
            up.addReplies(plan.reply)
        }
    }

    var sent: String { String(decoding: up.output, as: UTF8.self) }
    var answered: String { String(decoding: down.output, as: UTF8.self) }

    func page() -> String {
        var page = MetricsPage(startNanoseconds: 0)
        let context = MetricsPage.Context(build: BuildInfo(version: "1", revision: "a"), process: nil, staleWorkers: 0)
        let snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
        return String(decoding: page.render(snapshot, context, format: .text), as: UTF8.self)
    }

    /// The value of the series whose labels contain all of the texts.
    func metric(_ name: String, _ labels: String...) -> String? {
        let lines = page().split(separator: "\n").filter { line in
            line.hasPrefix(name + "{") && labels.allSatisfy { line.contains($0) }
        }
        return lines.count == 1 ? lines[0].split(separator: " ").last.map(String.init) : nil
    }
}

@Suite("A protocol that is registered from outside")
struct ExtensionTests {
    @Test("calls are recognised, named, timed and counted, cut at every place")
    func calls() throws {
        let request = Array("CALL 7 shop.Cart.add from=web\nTELL shop.Cart.touch\nCALL 8 shop.Cart.add\n".utf8)
        let reply = Array("OK 7\nERR 8 no such item\n".utf8)
        for cut in 0...request.count {
            let bench = try LineBench()
            if cut > 0 { bench.give(Array(request[..<cut]), .toUpstream, now: 1000) }
            if cut < request.count { bench.give(Array(request[cut...]), .toUpstream, now: 1000) }
            #expect(bench.up.output == request && bench.session.inFlight == 2, "cut at \(cut)")
            let half = min(cut, reply.count)
            if half > 0 { bench.give(Array(reply[..<half]), .toDownstream, now: 3000) }
            if half < reply.count { bench.give(Array(reply[half...]), .toDownstream, now: 3000) }
            #expect(bench.down.output == reply && bench.session.inFlight == 0 && bench.session.isIdle)
            let name = "protocol=\"line\",interface=\"shop.Cart\",method=\"add\""
            #expect(bench.metric("weir_calls_total", name, "outcome=\"ok\"") == "1", "cut at \(cut)")
            #expect(bench.metric("weir_calls_total", name, "outcome=\"server_error\"") == "1", "cut at \(cut)")
            #expect(bench.metric("weir_calls_total", "method=\"touch\"", "outcome=\"oneway\"") == "1")
            let isCounted = bench.page().contains("weir_connections_total{side=\"provider\",protocol=\"line\"} 1")
            #expect(bench.session.connectionProtocol.label.description == "line" && isCounted)
            bench.inspector.close(bench.session, now: 4000)
        }
    }

    @Test("what is no beginning of the protocol is left to the product's own")
    func others() throws {
        let bench = try LineBench()
        bench.give("GET /", now: 1000)
        bench.give(" HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(bench.session.connectionProtocol == .http)
        let text = try LineBench()
        text.give("CALLS\n")
        #expect(text.session.connectionProtocol == .opaque && text.sent == "CALLS\n")
    }

    @Test("a line that is too long ends decoding, not the connection")
    func tooLong() throws {
        let bench = try LineBench()
        let line = "CALL 1 a.b " + String(repeating: "x", count: LineSession.maxLineBytes)
        bench.give(line)
        bench.give("\nCALL 2 a.b\n")
        #expect(bench.sent == line + "\nCALL 2 a.b\n" && bench.session.inFlight == 0)
    }

    @Test("limits refuse in the protocol's own words, cut at every place")
    func limits() throws {
        var limit = LimitDefinition(name: "l", algorithm: .slidingWindow(limit: 1, window: .seconds(1)))
        limit.match.method = .exact("add")
        let requests = Array("CALL 1 s.Cart.add\nCALL 2 s.Cart.add\nTELL s.Cart.add\nCALL 3 s.Cart.get\n".utf8)
        for cut in 0...requests.count {
            let bench = try LineBench()
            let registry = LimitRegistry(try LimitSet(definitions: [limit], clock: { 0 }))
            bench.inspector.gate = LimitGate(registry: registry, operations: bench.registry)
            if cut > 0 { bench.give(Array(requests[..<cut]), .toUpstream, now: 1000) }
            if cut < requests.count { bench.give(Array(requests[cut...]), .toUpstream, now: 1000) }
            #expect(bench.sent == "CALL 1 s.Cart.add\nCALL 3 s.Cart.get\n", "cut at \(cut)")
            bench.give("OK 1\nOK 3\n", .toDownstream)
            #expect(bench.answered.contains("ERR 2 ") && bench.answered.hasSuffix("OK 1\nOK 3\n"))
            #expect(bench.metric("weir_calls_total", "method=\"add\"", "outcome=\"limited\"") == "2")
        }
    }

    @Test("a half-said request is passed on after its time, and what follows it is not refused")
    func late() throws {
        let limit = LimitDefinition(name: "l", algorithm: .slidingWindow(limit: 1, window: .seconds(1)))
        let bench = try LineBench()
        let registry = LimitRegistry(try LimitSet(definitions: [limit], clock: { 0 }))
        bench.inspector.gate = LimitGate(registry: registry, operations: bench.registry)
        bench.give("CALL 1 s.Cart")
        #expect(bench.sent.isEmpty && bench.inspector.holdsRequests)
        let now = 1001 + Inspector.lateNanoseconds
        #expect(bench.inspector.isReleaseDue(now: now) && bench.inspector.isReleaseDue(bench.session, now: now))
        bench.plan.removeAll()
        #expect(bench.inspector.release(bench.session, .toUpstream, now: now, plan: &bench.plan))
        let isWithin = bench.up.take([], bench.plan)
        #expect(isWithin && bench.sent == "CALL 1 s.Cart")
        bench.give(".add\n", now: now)
        #expect(bench.sent == "CALL 1 s.Cart.add\n" && bench.session.inFlight == 1)
    }

    @Test("a drain lets calls pass in its grace and refuses them afterwards")
    func drain() throws {
        let bench = try LineBench()
        let drains = DrainRegistry()
        bench.inspector.drainGate = DrainGate(registry: drains, operations: bench.registry)
        drains.begin(
            DrainOrder(
                target: DrainTarget(interface: "s.Cart", method: ""),
                reason: "update",
                now: 0,
                grace: 10_000,
                deadline: 50_000
            )
        )
        bench.inspector.drainsChanged()
        bench.give("CALL 1 s.Cart.add\nCALL 2 s.Other.add\n", now: 5000)
        #expect(bench.session.inFlight == 2)
        bench.give("CALL 3 s.Cart.add\nCALL 4 s.Other.add\n", now: 20_000)
        #expect(bench.sent.hasSuffix("CALL 4 s.Other.add\n") && !bench.sent.contains("CALL 3"))
        bench.give("OK 1\n", .toDownstream, now: 21_000)
        #expect(bench.answered.contains("ERR 3 this provider is being drained (update)\n"))
        #expect(bench.metric("weir_calls_total", "interface=\"s.Cart\"", "outcome=\"drained\"") == "1")
    }

    @Test("a connection moves to another process between two lines, its calls in flight with it")
    func moves() throws {
        let (bench, other) = (try LineBench(), try LineBench())
        bench.give("CALL 1 s.Cart.add\nCALL")
        #expect(bench.inspector.state(of: bench.session) == nil)
        bench.give(" 2 s.Cart.get\n")
        let state = try #require(bench.inspector.state(of: bench.session))
        bench.inspector.handOver(bench.session)
        let moved = try other.inspector.restore(state, side: .provider, connection: nil, now: 2000)
        let reply = Array("OK 2\n".utf8)
        other.inspector.receive(moved, bytes: reply.span.bytes, going: .toDownstream, now: 3000, plan: &other.plan)
        #expect(moved.inFlight == 1 && other.metric("weir_calls_total", "method=\"get\"", "outcome=\"ok\"") == "1")
        #expect(throws: ReportError.self) {
            try Inspector(registry: other.registry, recorder: other.recorder).restore(
                state,
                side: .provider,
                connection: nil,
                now: 1
            )
        }
    }

    @Test("spans continue the request's own context")
    func spans() throws {
        let bench = try LineBench()
        let counters = TracingCounters()
        let buffer = SpanBuffer(maxSpans: 10, counters: counters)
        var sampling = SamplingOptions()
        sampling.ratio = 1
        bench.inspector.tracer = Tracer(
            options: TracingOptions(),
            sampler: Sampler(options: sampling, registry: bench.registry),
            spanBuffer: buffer,
            counters: counters
        )
        let trace = "0af7651916cd43dd8448eb211c80319c"
        bench.give("CALL 1 s.Cart.add from=web traceparent=00-\(trace)-b7ad6b7169203331-01\n", now: 1000)
        bench.give("OK 1\n", .toDownstream, now: 4000)
        var batch = SpanBatch()
        buffer.exchange(&batch)
        let span = try #require(batch.spans.first)
        #expect(batch.spans.count == 1 && span.traceID.text == trace && span.parentSpanID == 0xb7ad_6b71_6920_3331)
        #expect(span.call.durationNanoseconds == 3000 && bench.registry[span.call.operation].method == "add")
    }
}
