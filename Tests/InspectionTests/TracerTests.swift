import Calls
import Hessian
import Inspection
import Telemetry
import TestSupport
import Testing
import Wire

@Suite struct TracerTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let parent = "00f067aa0ba902b7"
    private static let traceparent = "00-\(trace)-\(parent)-01"

    /// Forms of the same context among a Dubbo request's attachments.
    private static let contextForms: [[(String, String)]] = [
        [("traceparent", traceparent)], [("Traceparent", traceparent)], [("TRACEPARENT", traceparent)],
        [("uber-trace-id", "\(trace):\(parent):0:1")], [("Uber-Trace-Id", "\(trace)%3A\(parent)%3A0%3A03")],
        [("b3", "\(trace)-\(parent)-1")],
        [("X-B3-TraceId", trace), ("X-B3-SpanId", parent), ("X-B3-Sampled", "1")],
        [("x-b3-traceid", trace), ("x-b3-spanid", parent), ("x-b3-flags", "1")],
        // What cannot be read gives way to what can.
        [("traceparent", "00-zz-1"), ("b3", "\(trace)-\(parent)-d")],
    ]

    @Test("a Dubbo request's context in every form, key in any case", arguments: contextForms)
    func forms(_ attachments: [(String, String)]) {
        let traced = TracedBench()
        traced.up(Frames.request(id: 5, attachments: [("path", "com.x.Svc")] + attachments), now: 1000)
        traced.down(Frames.reply(id: 5), now: 3000)
        let spans = traced.spans()
        #expect(spans.map(\.context) == ["\(Self.trace) \(Self.parent)"])
        #expect(spans[0].facts.spanID != 0 && spans[0].facts.requestID == 5 && spans[0].facts.serialization == 2)
        #expect(spans[0].facts.call.outcome == .ok && spans[0].operation.method == "hello")
        #expect(spans[0].facts.client.description == "10.0.0.1:5000" && spans[0].facts.marks.contains(.hasEnds))
        let malformed = traced.counters.readings.malformed.reduce(0, +)
        #expect(malformed == (attachments[0].1 == "00-zz-1" ? 1 : 0))
    }

    @Test("dubbo-go writes a list of one text")
    func list() {
        var request = Frames.request(id: 5, attachments: [])
        request.removeLast()
        request += Frames.hessian {
            $0.string("traceparent")
            $0.beginList(type: "[string", count: 1)
            $0.string(Self.traceparent)
        }
        request.append(0x5a)
        let count = request.count - 16
        request.replaceSubrange(12..<16, with: [0, 0, UInt8(count >> 8), UInt8(count & 255)])
        let traced = TracedBench()
        traced.up(request)
        traced.down(Frames.reply(id: 5))
        #expect(traced.spans().map(\.context) == ["\(Self.trace) \(Self.parent)"])
    }

    @Test("the order of forms is the settings'")
    func order() {
        let other = "11111111111111111111111111111111"
        let attachments = [("traceparent", Self.traceparent), ("uber-trace-id", "\(other):2:0:1")]
        let traced = TracedBench { tracing, _ in tracing.formats = [.uberTraceID, .traceparent] }
        traced.up(Frames.request(id: 5, attachments: attachments))
        traced.down(Frames.reply(id: 5))
        #expect(traced.spans().map(\.context) == ["\(other) 0000000000000002"])
    }

    @Test("texts: caller, Seata, SkyWalking, EagleEye and what the settings list; exceptions")
    func texts() {
        let attachments = [
            ("TX_XID", "10.0.0.9:8091:42"), ("remote.application", "shop"), ("sw8", "1-aa"), ("User_Level", "gold"),
            ("EagleEye-TraceID", "ea1"), ("EagleEye-RpcID", "0.1"), ("tracestate", "a=b"), ("other", "x"),
        ]
        let traced = TracedBench { tracing, _ in tracing.attachments = ["tenant", "user_level"] }
        traced.up(Frames.request(id: 5, attachments: attachments))
        traced.down(Frames.exception(id: 5))
        let span = traced.spans()[0]
        #expect(span.text(.transaction) == "10.0.0.9:8091:42" && span.text(.caller) == "shop")
        #expect(span.text(.sw8) == "1-aa" && span.text(.eagleEyeTraceID) == "ea1")
        #expect(span.text(.eagleEyeRPCID) == "0.1" && span.text(.tracestate) == "a=b")
        #expect(span.texts.filter { $0.kind == .attachment } == [.init(kind: .attachment, number: 1, text: "gold")])
        #expect(span.text(.exception) == "com.x.Oops" && span.facts.call.outcome == .businessError)
        #expect(span.facts.parentSpanID == 0 && !span.facts.traceID.isZero)
    }

    @Test("the time is split, and replies in front are told")
    func times() {
        let traced = TracedBench()
        let first = Frames.request(id: 1)
        traced.up(Array(first[..<30]), now: 100)
        traced.up(Array(first[30...]), now: 250)
        traced.up(Frames.request(id: 2), now: 300)
        let (slow, quick) = (Frames.reply(id: 1, String(repeating: "x", count: 500)), Frames.reply(id: 2))
        traced.down(Array(slow[..<40]), now: 1000)
        traced.down(slow[40...] + quick, now: 1600)
        let spans = traced.spans()
        #expect(spans.map(\.facts.requestID) == [1, 2])
        let facts = spans.map(\.facts)
        #expect(facts.map(\.call.startNanoseconds) == [100, 300] && facts.map(\.requestEnd) == [250, 300])
        #expect(facts.map(\.replyStart) == [1000, 1600] && facts.map(\.call.durationNanoseconds) == [1500, 1300])
        #expect(facts.map(\.behindBytes) == [0, UInt64(slow.count)])
    }

    @Test("what is not sampled is no span, unless it fails or is slow and such are kept")
    func keeping() {
        let notSampled = [("traceparent", "00-\(Self.trace)-\(Self.parent)-00")]
        for keeps in [false, true] {
            let traced = TracedBench { _, sampling in
                sampling.keepsErrors = keeps
                sampling.keepSlowerNanoseconds = keeps ? 10_000 : nil
            }
            traced.up(Frames.request(id: 1, attachments: notSampled), now: 0)
            traced.down(Frames.reply(id: 1), now: 1000)
            traced.up(Frames.request(id: 2, attachments: notSampled), now: 2000)
            traced.down(Frames.failure(id: 2, status: 70), now: 3000)
            traced.up(Frames.request(id: 3, attachments: notSampled), now: 4000)
            traced.down(Frames.reply(id: 3), now: 40_000)
            let spans = traced.spans()
            #expect(spans.map(\.facts.requestID) == (keeps ? [2, 3] : []))
            #expect(spans.allSatisfy { $0.facts.marks.contains(.isKept) && $0.facts.parentSpanID != 0 })
        }
    }

    @Test("oneway, unanswered, refused and lost calls are spans too")
    func otherEnds() {
        let traced = TracedBench()
        traced.governed.governor.verdicts = ["no": .reply(LocalReply(text: "over"))]
        traced.bench.inspector.rules = traced.governed.governor
        traced.up(Frames.request(id: 1, isTwoWay: false))
        traced.up(Frames.request(id: 2, method: "no"))
        traced.up(Frames.request(id: 3))
        traced.bench.inspector.close(traced.session, now: 5000)
        let spans = traced.spans()
        #expect(spans.map(\.facts.call.outcome) == [.oneway, .limited, .unanswered])
        #expect(spans.map { $0.facts.marks.contains(.isRejected) } == [false, true, false])
    }

    @Test("a call that was given up waits a while for a late reply")
    func lateReply() {
        for isLate in [true, false] {
            let traced = TracedBench()
            let request = Frames.request(id: 1, attachments: [("timeout", "100")])
            traced.up(request, now: 0)
            traced.bench.inspector.tick(now: 400_000_000)
            #expect(traced.spans().isEmpty && traced.bench.inspector.needsTicks)
            if isLate { traced.down(Frames.reply(id: 1), now: 600_000_000) }
            // Another call may use the same place and draft.
            traced.up(Frames.request(id: 2), now: 700_000_000)
            traced.down(Frames.reply(id: 2), now: 800_000_000)
            #expect(traced.spans().map(\.facts.requestID) == [2])
            traced.bench.inspector.tick(now: 6_000_000_000)
            let spans = traced.spans()
            #expect(spans.map(\.facts.call.outcome) == [.timeout])
            #expect(spans[0].facts.lateReply == (isLate ? 600_000_000 : 0))
            #expect(spans[0].facts.marks.contains(.hasLateReply) == isLate)
            traced.down(Frames.reply(id: 1), now: 7_000_000_000)
            #expect(traced.spans().isEmpty)
        }
    }

    @Test("spans that wait are handed over when the worker ends")
    func flush() {
        let traced = TracedBench()
        traced.up(Frames.request(id: 1, attachments: [("timeout", "100")]), now: 0)
        traced.bench.inspector.tick(now: 400_000_000)
        traced.bench.inspector.flushSpans()
        #expect(traced.spans().count == 1)
    }

    @Test("the caller's span calling again after a failure is a retry")
    func retries() {
        let traced = TracedBench()
        func call(_ id: UInt64, _ status: UInt8, _ context: String = Self.traceparent) {
            traced.up(Frames.request(id: id, attachments: [("traceparent", context)]))
            traced.down(status == 20 ? Frames.reply(id: id) : Frames.failure(id: id, status: status))
        }
        call(1, 70)
        call(2, 100)
        call(3, 20)
        call(4, 20, "00-\(Self.trace)-0000000000000001-01")
        #expect(traced.spans().map(\.facts.previousAttempts) == [0, 1, 2, 0])
    }

    @Test("cut anywhere, the spans are the same")
    func everySplit() {
        let attachments = [("traceparent", Self.traceparent), ("remote.application", "shop")]
        let request = Frames.request(id: 1, attachments: attachments) + Frames.request(id: 2)
        let reply = Frames.reply(id: 2) + Frames.exception(id: 1)
        func spans(_ cut: Int, _ other: Int) -> [String] {
            let traced = TracedBench { tracing, _ in tracing.formats = [.traceparent] }
            traced.up(Array(request[..<cut]))
            traced.up(Array(request[cut...]))
            traced.down(Array(reply[..<other]))
            traced.down(Array(reply[other...]))
            return traced.spans().map { span in
                let context = span.facts.parentSpanID == 0 ? "root" : span.context
                let texts = span.texts.map { "\($0.kind)=\($0.text)" }
                return "\(span.facts.requestID) \(context) \(span.facts.call.outcome) \(texts)"
            }
        }
        let whole = spans(0, 0)
        #expect(whole.count == 2)
        for cut in 0...request.count { #expect(spans(cut, 7) == whole) }
        for cut in 0...reply.count { #expect(spans(9, cut) == whole) }
    }

    @Test("a sampled call is recorded without an allocation")
    func allocations() {
        #if DEBUG
            // Without the optimiser closures and borrowed spans cost some.
            return
        #else
            let bench = Bench(.nothing)
            let counters = TracingCounters()
            let spanBuffer = SpanBuffer(maxSpans: 100_000, counters: counters)
            let sampler = Sampler(options: SamplingOptions(), registry: bench.registry)
            let options = TracingOptions()
            bench.inspector.tracer = Tracer(
                options: options,
                sampler: sampler,
                spanBuffer: spanBuffer,
                counters: counters
            )
            let session = bench.open()
            let (request, reply) = (Frames.typicalRequest, Frames.reply(id: 7))
            func call(_ now: UInt64) {
                bench.plan.removeAll()
                bench.inspector.receive(
                    session,
                    bytes: request.span.bytes,
                    going: .toUpstream,
                    now: now,
                    plan: &bench.plan
                )
                bench.plan.removeAll()
                bench.inspector.receive(
                    session,
                    bytes: reply.span.bytes,
                    going: .toDownstream,
                    now: now &+ 50_000,
                    plan: &bench.plan
                )
            }
            var batch = SpanBatch()
            for round in 0..<20_000 { call(UInt64(round) * 100_000) }
            spanBuffer.exchange(&batch)
            #expect(batch.spans.count == 20_000)
            batch.removeAll()
            for round in 0..<20_000 { call(UInt64(round) * 100_000) }
            spanBuffer.exchange(&batch)
            batch.removeAll()
            #expect(
                TestSupport.allocations {
                    var round = 0
                    while round < 10_000 {
                        call(UInt64(truncatingIfNeeded: round) &* 100_000)
                        round &+= 1
                    }
                } == 0
            )
        #endif
    }
}
