internal import Synchronization
internal import Wire

/// Finished spans in the order in which they ended.
public struct SpanBatch: Sendable {
    /// The spans.
    public var spans: [SpanFacts] = []
    /// The texts of all of them; each span's ``SpanFacts/texts`` says where its own lie.
    public var texts: [UInt8] = []

    /// An empty batch.
    public init() {}

    /// Forgets the spans and keeps the memory.
    public mutating func removeAll() {
        spans.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
    }
}

/// Where one worker leaves its spans and the exporter finds them.
///
/// The worker never waits: the exporter holds the lock only while it exchanges one batch for another. When nobody
/// takes them, at most ``maxSpans`` are kept and the rest are counted as dropped.
public final class SpanBuffer: Sendable {
    /// The most texts that are kept, in bytes a span on average.
    private static let textBytesPerSpan = 512

    /// The most spans that wait.
    public let maxSpans: Int
    private let counters: TracingCounters
    private let batch = Mutex(SpanBatch())

    /// An empty buffer.
    ///
    /// - Parameters:
    ///   - maxSpans: The most spans that wait.
    ///   - counters: Where drops are counted.
    public init(maxSpans: Int, counters: TracingCounters) {
        self.maxSpans = maxSpans
        self.counters = counters
    }

    /// Leaves a span; drops and counts it when too many wait.
    ///
    /// - Parameters:
    ///   - span: The span; where its texts lie is filled in here.
    ///   - texts: Its texts, made by ``SpanTexts``.
    public func record(_ span: SpanFacts, texts: [UInt8]) {
        let isKept = batch.withLock { batch in
            guard batch.spans.count < maxSpans, batch.texts.count + texts.count <= maxSpans * Self.textBytesPerSpan
            else { return false }
            var span = span
            span.texts = ByteRange(offset: batch.texts.count, count: texts.count)
            batch.texts.append(contentsOf: texts)
            batch.spans.append(span)
            return true
        }
        if !isKept { counters.dropped(1) }
    }

    /// Takes all spans that wait.
    ///
    /// - Parameter empty: An emptied batch whose memory is to be used next; holds the spans afterwards.
    public func exchange(_ empty: inout SpanBatch) {
        batch.withLock { swap(&$0, &empty) }
    }
}
