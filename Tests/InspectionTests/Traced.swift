import Calls
import Inspection
import Telemetry
import TestSupport
import Testing
import Wire

/// A governed bench whose calls become spans.
final class TracedBench {
    let governed: GovernedBench
    let counters = TracingCounters()
    let spanBuffer: SpanBuffer
    var bench: Bench { governed.bench }
    var session: Session { governed.session }

    init(_ change: (inout TracingOptions, inout SamplingOptions) -> Void = { _, _ in }) {
        var (tracing, sampling) = (TracingOptions(), SamplingOptions())
        change(&tracing, &sampling)
        governed = GovernedBench(.nothing)
        spanBuffer = SpanBuffer(maxSpans: 100_000, counters: counters)
        let sampler = Sampler(options: sampling, registry: governed.bench.registry)
        governed.bench.inspector.tracer = Tracer(
            options: tracing,
            sampler: sampler,
            spanBuffer: spanBuffer,
            counters: counters
        )
    }

    func up(_ bytes: [UInt8], now: UInt64 = 1000) { governed.give(bytes[...], .toUpstream, now: now) }

    func down(_ bytes: [UInt8], now: UInt64 = 2000) { governed.give(bytes[...], .toDownstream, now: now) }

    /// The spans so far, in the order in which they ended.
    func spans() -> [SeenSpan] {
        var batch = SpanBatch()
        spanBuffer.exchange(&batch)
        return batch.spans.map { facts in
            var span = SeenSpan(facts: facts, operation: bench.registry[facts.call.operation])
            SpanTexts.forEach(batch.texts[facts.texts.indices]) { kind, number, text in
                let text = String(decoding: text, as: UTF8.self)
                span.texts.append(SeenSpan.Text(kind: kind, number: number, text: text))
            }
            return span
        }
    }
}

/// A span with its texts.
struct SeenSpan {
    struct Text: Equatable {
        var kind: SpanText
        var number: UInt8 = 0
        var text: String
    }

    var facts: SpanFacts
    var operation: Calls.Operation
    var texts: [Text] = []

    /// `trace parent`, in hex.
    var context: String { "\(facts.traceID.text) \(TraceID.hex(facts.parentSpanID))" }

    func text(_ kind: SpanText) -> String? { texts.last { $0.kind == kind }?.text }
}
