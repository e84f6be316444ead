import Calls
import Hessian
import Inspection
import PlanModel
import Telemetry
import TestSupport
import Testing
import Wire

@Suite struct InjectionTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let sampled = "00-\(trace)-00f067aa0ba902b7-01"
    private static let unsampled = "00-\(trace)-00f067aa0ba902b7-00"

    private static func bench(_ formats: [TraceFormat] = [.traceparent]) -> TracedBench {
        TracedBench { tracing, _ in
            tracing.injected = [.dubbo, .triple, .jsonrpc]
            tracing.injectedFormats = formats
        }
    }

    /// The frame with attachments put behind its others.
    private static func adding(_ pairs: [(String, String)], to frame: [UInt8]) -> [UInt8] {
        var longer = frame
        let added = Frames.hessian { encoder in
            for (key, value) in pairs {
                encoder.string(key)
                encoder.string(value)
            }
        }
        longer.insert(contentsOf: added, at: longer.count - 1)
        let count = UInt32(longer.count - 16)
        longer.replaceSubrange(12..<16, with: (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) })
        return longer
    }

    /// What a span wrote into its request as `traceparent`.
    private static func traceparent(_ span: SeenSpan) -> String {
        "00-\(span.facts.traceID.text)-\(TraceID.hex(span.facts.spanID))-01"
    }

    @Test("a Dubbo request is given the pair and nothing else, cut at every place")
    func everySplit() {
        let frames = [
            Frames.request(id: 1, attachments: [("traceparent", Self.sampled)]), Frames.heartbeat(),
            Frames.request(id: 2), Frames.request(id: 3, attachments: [("traceparent", Self.unsampled)]),
            Frames.request(id: 4, isTwoWay: false),
        ]
        let bytes = frames.flatMap { $0 }
        for cut in 0...bytes.count {
            let traced = Self.bench()
            traced.up(Array(bytes[..<cut]))
            traced.up(Array(bytes[cut...]))
            traced.down(Frames.reply(id: 1) + Frames.reply(id: 2) + Frames.reply(id: 3))
            let spans = traced.spans().sorted { $0.facts.requestID < $1.facts.requestID }
            #expect(spans.map(\.facts.requestID) == [1, 2, 4])
            #expect(spans[0].facts.traceID.text == Self.trace && spans[0].facts.marks.contains(.isInjected))
            guard spans.count == 3 else { return }
            let expected =
                Self.adding([("traceparent", Self.traceparent(spans[0]))], to: frames[0]) + frames[1]
                + Self.adding([("traceparent", Self.traceparent(spans[1]))], to: frames[2]) + frames[3]
                + Self.adding([("traceparent", Self.traceparent(spans[2]))], to: frames[4])
            #expect(traced.governed.up.output == expected, "cut at \(cut)")
        }
    }

    @Test("every form, as its readers expect it")
    func everyForm() {
        let traced = Self.bench(TraceFormat.allCases)
        let frame = Frames.request(id: 1, attachments: [("traceparent", Self.sampled)])
        traced.up(frame)
        traced.down(Frames.reply(id: 1))
        let span = traced.spans()[0]
        let id = TraceID.hex(span.facts.spanID)
        let pairs = [
            ("traceparent", "00-\(Self.trace)-\(id)-01"), ("uber-trace-id", "\(Self.trace):\(id):00f067aa0ba902b7:01"),
            ("b3", "\(Self.trace)-\(id)-1"), ("X-B3-TraceId", Self.trace), ("X-B3-SpanId", id), ("X-B3-Sampled", "1"),
        ]
        #expect(traced.governed.up.output == Self.adding(pairs, to: frame))
    }

    @Test("frames that cannot be added to are passed on untouched and counted")
    func untouched() {
        let plain = Frames.request(id: 1)
        var kryo = plain
        kryo[2] = 0xc8
        var null = Frames.request(id: 2, attachments: [])
        null.removeLast(2)
        null.append(0x4e)
        null[15] -= 1
        let large = Frames.request(id: 3, arguments: { $0.binary([UInt8](repeating: 7, count: 70_000)) })
        for (frame, result) in [
            (kryo, TracingCounters.Injection.serialization), (null, .noMap), (large, .tooLarge),
        ] {
            let traced = Self.bench()
            for start in stride(from: 0, to: frame.count, by: 40_000) {
                traced.up(Array(frame[start..<min(frame.count, start + 40_000)]))
            }
            #expect(traced.governed.up.output == frame)
            #expect(traced.counters.readings.injections[result.rawValue] == 1, "\(result)")
            #expect(traced.counters.readings.injections.reduce(0, +) == 1)
        }
    }

    /// A value of any kind.
    private static func argument(_ encoder: inout HessianEncoder, _ random: inout SeededRandom) {
        switch random.next() % 7 {
        case 0: encoder.string(String(repeating: "é中x", count: Int(random.next() % 40)))
        case 1: encoder.binary((0..<random.next() % 300).map { UInt8(truncatingIfNeeded: $0 &* 37) })
        case 2: encoder.int(Int32(truncatingIfNeeded: random.next()))
        case 3: encoder.long(Int64(bitPattern: random.next()))
        case 4: encoder.double(Double(bitPattern: random.next() >> 2))
        case 5: encoder.null()
        default:
            encoder.beginMap()
            encoder.string("Z")
            encoder.binary([0x5a, 0x48, 0x5a])
            encoder.end()
        }
    }

    @Test("many calls with random arguments are the same but for the pair")
    func randomCalls() {
        #if DEBUG
            let count = 10_000
        #else
            let count = 100_000
        #endif
        var random = SeededRandom(seed: 11)
        let traced = Self.bench()
        var same = 0
        for number in 0..<count {
            let isTraced = random.next() % 2 == 0
            var attachments = [("path", "a.B"), ("k", String(repeating: "v", count: Int(random.next() % 50)))]
            if isTraced { attachments.insert(("traceparent", Self.sampled), at: Int(random.next() % 3)) }
            let frame = Frames.request(
                id: UInt64(number),
                arguments: { encoder in for _ in 0...random.next() % 3 { Self.argument(&encoder, &random) } },
                attachments: attachments
            )
            let cut = Int(random.next() % UInt64(frame.count))
            traced.governed.up = .init()
            traced.up(Array(frame[..<cut]))
            traced.up(Array(frame[cut...]))
            traced.down(Frames.reply(id: UInt64(number)))
            let spans = traced.spans()
            guard spans.count == 1 else { continue }
            let expected = Self.adding([("traceparent", Self.traceparent(spans[0]))], to: frame)
            if traced.governed.up.output == expected { same += 1 }
        }
        #expect(same == count)
        #expect(traced.counters.readings.injections[TracingCounters.Injection.injected.rawValue] == UInt64(count))
    }

    @Test("HTTP/1 headers take the place of those of the same form, cut at every place")
    func http1() {
        let body = #"{"jsonrpc":"2.0","id":1,"method":"add","params":[1]}"#
        func request(_ context: String) -> String {
            "POST /com.x.Svc HTTP/1.1\r\nHost: a\r\n\(context)B3: 0\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n" + #"{"jsonrpc":"2.0","id":1,"result":12}"#
        for context in ["", "TraceParent:  \(Self.sampled)\r\n"] {
            let bytes = Array(request(context).utf8)
            for cut in 0...bytes.count {
                let traced = TracedBench { tracing, _ in
                    tracing.injected = [.jsonrpc]
                    tracing.formats = [.traceparent]
                }
                traced.up(Array(bytes[..<cut]))
                traced.up(Array(bytes[cut...]))
                traced.down(Array(response.utf8))
                let spans = traced.spans()
                #expect(spans.count == 1, "cut at \(cut)")
                guard let span = spans.first else { return }
                let head = "POST /com.x.Svc HTTP/1.1\r\n"
                let expected = head + "traceparent: \(Self.traceparent(span))\r\n" + request("").dropFirst(head.count)
                #expect(String(decoding: traced.governed.up.output, as: UTF8.self) == expected, "cut at \(cut)")
                #expect(span.text(.requestID) == "1" && span.facts.marks.contains(.hasTextID))
                #expect((span.facts.traceID.text == Self.trace) == !context.isEmpty)
            }
        }
    }

    @Test("a Triple request has one context, Weir's own, whatever table the client used", arguments: 1...4)
    func http2(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let ends = GovernedHTTP2()
        let counters = TracingCounters()
        let spanBuffer = SpanBuffer(maxSpans: 10_000, counters: counters)
        var options = TracingOptions()
        options.injected = [.triple]
        let registry = ends.governed.bench.registry
        ends.governed.bench.inspector.tracer = Tracer(
            options: options,
            sampler: Sampler(options: SamplingOptions(), registry: registry),
            spanBuffer: spanBuffer,
            counters: counters
        )
        ends.greet()
        var contexts: [UInt32: String] = [:]
        for number in 0..<200 {
            let id = UInt32(number * 2 + 1)
            let context = ["", Self.sampled, Self.unsampled][Int(random.next() % 3)]
            contexts[id] = context
            var fields = [("tracestate", "a=\(number % 3)"), ("user", "u\(random.next() % 9)")]
            if !context.isEmpty { fields.append(("traceparent", context)) }
            ends.client.open(id)
            let piece = UInt32.random(in: 20...16_384, using: &random)
            ends.upQueue += ends.fromClient.request(id, "/com.x.Shop/yes", fields, end: false, piece: piece)
            ends.upQueue += H2.data(id, H2.message([1, 2, 3]), end: true)
            while !ends.upQueue.isEmpty { ends.moveUp(Int.random(in: 1...200, using: &random)) }
        }
        #expect(ends.server.faults == [])
        ends.governed.bench.inspector.close(ends.governed.session, now: 9000)
        var batch = SpanBatch()
        spanBuffer.exchange(&batch)
        let spans = Dictionary(uniqueKeysWithValues: batch.spans.map { (UInt32($0.requestID), $0) })
        #expect(ends.server.streams.count == 200)
        for (id, stream) in ends.server.streams {
            let context = contexts[id] ?? ""
            #expect(stream.fields["tracestate"] == "a=\((id - 1) / 2 % 3)" && stream.isEnded)
            guard context != Self.unsampled else {
                #expect(stream.fields["traceparent"] == context && spans[id] == nil)
                continue
            }
            let span = spans[id]
            let own = span.map { "00-\($0.traceID.text)-\(TraceID.hex($0.spanID))-01" }
            #expect(stream.fields["traceparent"] == own && own != nil)
            #expect((span?.traceID.text == Self.trace) == (context == Self.sampled))
        }
    }
}
