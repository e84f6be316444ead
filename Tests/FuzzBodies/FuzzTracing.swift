import Calls
import Inspection
import Telemetry
import Wire

/// Spans of a fuzzed session, with ids that come again in another run.
final class FuzzTracing {
    private let spanBuffer: SpanBuffer
    private let counters = TracingCounters()

    /// Whether a request was given a context.
    var hasInjected: Bool { counters.readings.injections[TracingCounters.Injection.injected.rawValue] > 0 }

    /// Traces an inspector's calls.
    ///
    /// - Parameters:
    ///   - inspector: Whose calls.
    ///   - registry: Its operations.
    ///   - isInjecting: Whether requests are given a context.
    init(_ inspector: Inspector, _ registry: OperationRegistry, isInjecting: Bool) {
        spanBuffer = SpanBuffer(maxSpans: 100_000, counters: counters)
        var options = TracingOptions()
        options.attachments = ["a", "user_level"]
        if isInjecting {
            options.injected = [.dubbo, .triple, .jsonrpc]
            options.injectedFormats = [.traceparent, .b3Multi]
        }
        inspector.tracer = Tracer(
            options: options,
            sampler: Sampler(options: SamplingOptions(), registry: registry),
            spanBuffer: spanBuffer,
            counters: counters,
            seed: 7
        )
    }

    /// What the spans say, once everything has ended.
    func facts(_ inspector: Inspector) -> [String] {
        inspector.flushSpans()
        var batch = SpanBatch()
        spanBuffer.exchange(&batch)
        return batch.spans.map { span in
            precondition(span.spanID != 0 && !span.traceID.isZero, "a span without an id")
            precondition(span.spanID != span.parentSpanID, "a span is its own parent")
            var texts: [String] = []
            SpanTexts.forEach(batch.texts[span.texts.indices]) { kind, number, text in
                texts.append("\(kind) \(number) \(Array(text))")
            }
            let call = "\(span.call.operation.rawValue) \(span.call.outcome) \(span.call.code) \(span.requestID)"
            return "\(call) \(span.traceID) \(span.spanID) \(span.parentSpanID) \(span.marks.rawValue) \(texts)"
        }
    }
}
