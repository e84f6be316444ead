internal import Synchronization
internal import Wire

/// Finished spans in the order in which they ended.
public struct SpanBatch: Sendable {
    /// The spans.
    public var spans: [SpanFacts] = []
    /// The texts of all of them; each span's ``SpanFacts/texts`` gives the place of its own.
    public var texts: [UInt8] = []

    /// An empty batch.
    public init() {}

    /// Forgets the spans and keeps the memory.
    public mutating func removeAll() {
        spans.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
    }
}

/// The buffer between one worker and the exporter of its spans.
///
/// The worker never waits: the exporter holds the lock only while it exchanges one batch for another. At most
/// ``maxSpans`` wait for it; further ones are counted as dropped.
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
    ///   - counters: The counters of drops.
    public init(maxSpans: Int, counters: TracingCounters) {
        self.maxSpans = maxSpans
        self.counters = counters
    }

    /// Adds a span; drops and counts it if too many wait.
    ///
    /// - Parameters:
    ///   - span: The span; the place of its texts is filled in here.
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
    /// - Parameter empty: An emptied batch whose memory is used next; holds the spans afterwards.
    public func exchange(_ empty: inout SpanBatch) {
        batch.withLock { swap(&$0, &empty) }
    }
}
