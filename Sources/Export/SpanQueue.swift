internal import Synchronization
internal import Telemetry
internal import Wire

/// The spans of one batch.
struct SpanChunk: Sendable {
    /// The spans; those before ``first`` have been dropped.
    var spans: [SpanFacts] = []
    /// The texts; each span gives the place of its own.
    var texts: [UInt8] = []
    /// The first span that is still wanted.
    var first = 0

    /// The number of wanted spans.
    var count: Int { spans.count - first }
}

/// The spans that wait for the collector: a bounded number, of which the oldest make room for new ones.
///
/// They wait as the workers' facts, a third of the size of the messages that are made of them.
final class SpanQueue: Sendable {
    /// The most texts that wait, in bytes a span on average.
    private static let textBytesPerSpan = 512

    private struct State {
        var chunks: [SpanChunk] = []
        var spans = 0
        var textBytes = 0
    }

    private let maxSpans: Int
    private let maxChunkSpans: Int
    private let state = Mutex(State())

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - maxSpans: The most spans that wait.
    ///   - maxChunkSpans: The most spans of a batch.
    init(maxSpans: Int, maxChunkSpans: Int) {
        self.maxSpans = max(maxSpans, 1)
        self.maxChunkSpans = max(maxChunkSpans, 1)
    }

    /// The number of waiting spans.
    var count: Int { state.withLock { $0.spans } }

    /// Adds spans after those that wait.
    ///
    /// - Parameter batch: The spans.
    /// - Returns: The number of oldest spans dropped for them.
    func append(_ batch: borrowing SpanBatch) -> Int {
        state.withLock { state in
            var dropped = 0
            for span in batch.spans {
                let texts = batch.texts[span.texts.indices]
                while state.spans >= maxSpans || state.textBytes + texts.count > maxSpans * Self.textBytesPerSpan {
                    guard Self.dropOldest(&state) else { break }
                    dropped += 1
                }
                append(span, texts: texts, state: &state)
            }
            return dropped
        }
    }

    private func append(_ span: SpanFacts, texts: ArraySlice<UInt8>, state: inout State) {
        if state.chunks.last.map({ $0.spans.count >= maxChunkSpans }) ?? true { state.chunks.append(SpanChunk()) }
        let last = state.chunks.count - 1
        var span = span
        span.texts = ByteRange(offset: state.chunks[last].texts.count, count: texts.count)
        state.chunks[last].texts.append(contentsOf: texts)
        state.chunks[last].spans.append(span)
        state.spans += 1
        state.textBytes += texts.count
    }

    private static func dropOldest(_ state: inout State) -> Bool {
        guard let head = state.chunks.first else { return false }
        state.spans -= 1
        state.textBytes -= Int(head.spans[head.first].texts.count)
        if head.count == 1 { state.chunks.removeFirst() } else { state.chunks[0].first += 1 }
        return true
    }

    /// Takes the batch that has waited for longest.
    func next() -> SpanChunk? {
        state.withLock { state in
            guard !state.chunks.isEmpty else { return nil }
            let chunk = state.chunks.removeFirst()
            state.spans -= chunk.count
            state.textBytes -= chunk.spans[chunk.first...].reduce(0) { $0 + Int($1.texts.count) }
            return chunk
        }
    }

    /// Drops all that wait.
    ///
    /// - Returns: The number of spans dropped.
    func removeAll() -> Int {
        state.withLock { state in
            defer { state = State() }
            return state.spans
        }
    }
}
