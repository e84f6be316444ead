import Telemetry
import TestSupport
import Testing
import Wire

@testable import Export

/// The spans that wait.
@Suite struct SpanQueueTests {
    private func batch(_ ids: Range<UInt64>, text: String = "shop") -> SpanBatch {
        let fixture = Fixture(spanBuffers: 1)
        for id in ids { fixture.spanBuffers[0].record(fixture.facts(id), texts: texts([(.caller, "\(text)\(id)")])) }
        var batch = SpanBatch()
        fixture.spanBuffers[0].exchange(&batch)
        return batch
    }

    /// The ids and callers of a chunk.
    private func content(_ chunk: SpanChunk?) -> [String] {
        guard let chunk else { return [] }
        return chunk.spans[chunk.first...].map { span in
            "\(span.spanID) \(KnownTexts(chunk.texts[span.texts.indices]).caller)"
        }
    }

    @Test("spans leave in order, in batches of so many, with their own texts")
    func order() {
        let queue = SpanQueue(maxSpans: 100, maxChunkSpans: 4)
        #expect(queue.append(batch(0..<3)) == 0)
        #expect(queue.append(batch(3..<6)) == 0)
        #expect(queue.count == 6)
        #expect(content(queue.next()) == ["0 shop0", "1 shop1", "2 shop2", "3 shop3"])
        #expect(content(queue.next()) == ["4 shop4", "5 shop5"])
        #expect(content(queue.next()).isEmpty)
        #expect(queue.count == 0)
    }

    @Test("the oldest make room")
    func overflow() {
        let queue = SpanQueue(maxSpans: 5, maxChunkSpans: 4)
        #expect(queue.append(batch(0..<5)) == 0)
        #expect(queue.append(batch(5..<7)) == 2)
        #expect(content(queue.next()) == ["2 shop2", "3 shop3"])
        #expect(queue.append(batch(7..<27)) == 18)
        #expect(queue.count == 5)
        #expect(queue.removeAll() == 5)
        #expect(content(queue.next()).isEmpty)
    }

    @Test("long texts count too")
    func longTexts() {
        let queue = SpanQueue(maxSpans: 10, maxChunkSpans: 4)
        // Ten times 512 bytes are allowed, which nine texts of 512 with what they need besides do not exceed.
        let dropped = queue.append(batch(0..<20, text: String(repeating: "x", count: 600)))
        #expect(dropped == 11)
        #expect(queue.count == 9)
    }

    @Test("every span is either taken or dropped, whatever the order")
    func property() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<50 {
            let queue = SpanQueue(
                maxSpans: Int.random(in: 1...40, using: &random),
                maxChunkSpans: Int.random(in: 1...10, using: &random)
            )
            var next: UInt64 = 0
            var gone = 0
            var taken: [UInt64] = []
            for _ in 0..<100 {
                if Bool.random(using: &random) {
                    let count = UInt64.random(in: 0...15, using: &random)
                    gone += queue.append(batch(next..<next + count))
                    next += count
                } else if let chunk = queue.next() {
                    taken += chunk.spans[chunk.first...].map(\.spanID)
                }
            }
            #expect(taken == taken.sorted())
            #expect(Set(taken).count == taken.count)
            #expect(gone + taken.count + queue.count == Int(next))
        }
    }
}
