import Calls
import OTLP
import SwiftProtobuf
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Export

/// The exporter before a collector whose answers are made up.
@Suite struct DeliveryTests {
    /// Takes requests apart and answers by chance.
    private final class Scripted: SpanTransport {
        private struct State {
            var random: SeededRandom
            var taken: [UInt64] = []
            var parallel = 0
            var mostParallel = 0
            var largest = 0
        }

        private let state: Mutex<State>
        private let isGenerous: Bool
        private let onStop: @Sendable () -> Void

        init(seed: UInt64, isGenerous: Bool = false, onStop: @escaping @Sendable () -> Void = {}) {
            state = Mutex(State(random: SeededRandom(seed: seed)))
            self.isGenerous = isGenerous
            self.onStop = onStop
        }

        /// The ids of all spans that it said it took.
        var taken: [UInt64] { state.withLock { $0.taken } }
        var mostParallel: Int { state.withLock { $0.mostParallel } }
        var largest: Int { state.withLock { $0.largest } }

        func run() async {}
        func stop() async { onStop() }

        func send(_ request: [UInt8]) async -> DeliveryAnswer {
            state.withLock {
                $0.parallel += 1
                $0.mostParallel = max($0.mostParallel, $0.parallel)
            }
            await Task.yield()
            return state.withLock { state in
                state.parallel -= 1
                return answer(request, &state)
            }
        }

        private func answer(_ request: [UInt8], _ state: inout State) -> DeliveryAnswer {
            typealias Request = Opentelemetry_Proto_Collector_Trace_V1_ExportTraceServiceRequest
            guard let message = try? Request(serializedBytes: request), message.resourceSpans.count == 1,
                message.resourceSpans[0].scopeSpans.count == 1
            else { return .refused(reason: "cannot be read") }
            let ids = message.resourceSpans[0].scopeSpans[0].spans.map { span in
                span.spanID.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            state.largest = max(state.largest, ids.count)
            switch isGenerous ? 0 : Int.random(in: 0..<8, using: &state.random) {
            case 0...2:
                state.taken += ids
                return .taken(rejected: 0, message: "")
            case 3:
                state.taken += ids.dropFirst()
                return .taken(rejected: 1, message: "one is odd")
            case 4: return .refused(reason: "no")
            case 5: return .later(after: nil, reason: "busy")
            case 6: return .later(after: .milliseconds(1), reason: "busy")
            default: return .unreachable(reason: "away")
            }
        }
    }

    private func configuration() throws -> ExportConfiguration {
        var configuration = try ExportConfiguration(endpoint: "http://unused")
        configuration.pollInterval = .milliseconds(1)
        configuration.initialBackoff = .microseconds(10)
        configuration.maxBackoff = .microseconds(100)
        configuration.flushTimeout = .seconds(60)
        return configuration
    }

    @Test("exported, dropped and failed are what was recorded", arguments: 0..<20 as Range<UInt64>)
    func counts(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let fixture = Fixture(spanBuffers: 3, maxSpans: 200)
        var configuration = try configuration()
        configuration.maxBatchSpans = Int.random(in: 1...40, using: &random)
        configuration.maxQueuedSpans = Int.random(in: 10...200, using: &random)
        configuration.maxAttempts = Int.random(in: 1...3, using: &random)
        let collector = Scripted(seed: seed)
        let exporter = fixture.exporter(configuration)
        let sizes = (0..<30).map { _ in UInt64.random(in: 1...50, using: &random) }
        let task = Task { await exporter.export(through: collector) }
        var next: UInt64 = 1
        for size in sizes {
            fixture.record(next..<next + size)
            next += size
            try await Task.sleep(for: .milliseconds(1))
        }
        let recorded = next - 1
        if seed % 2 == 0 { try await eventually("all have ended") { fixture.haveEnded(recorded) } }
        // What is cancelled has no time left; what waits then has failed.
        task.cancel()
        await task.value
        #expect(fixture.counts.reduce(0, +) == recorded)
        #expect(fixture.counters.readings.exported == UInt64(collector.taken.count))
        #expect(Set(collector.taken).count == collector.taken.count)
        #expect(collector.mostParallel <= 1)
        #expect(collector.largest <= configuration.maxBatchSpans)
    }

    @Test("spans that come after the last look are counted as failed")
    func stragglers() async throws {
        let fixture = Fixture()
        let exporter = fixture.exporter(try configuration())
        let collector = Scripted(seed: 1, isGenerous: true) { fixture.record(101..<104) }
        let task = Task { await exporter.export(through: collector) }
        fixture.record(1..<101)
        try await eventually("all are taken") { fixture.haveEnded(100) }
        task.cancel()
        await task.value
        #expect(fixture.counts == [100, 0, 3])
    }

    @Test("a request may hold spans of workers and of captures, each by its own clock")
    func clocks() throws {
        let fixture = Fixture(spanBuffers: 1)
        for clock in [CallClock.wall, .monotonic] {
            var facts = fixture.facts(1)
            facts.call.clock = clock
            fixture.spanBuffers[0].record(facts, texts: [])
        }
        var batch = SpanBatch()
        fixture.spanBuffers[0].exchange(&batch)
        let queue = SpanQueue(maxSpans: 100, maxChunkSpans: 100)
        _ = queue.append(batch)
        var chunk = try #require(queue.next())
        let encoder = TraceRequestEncoder(conventions: SpanConventions(), registry: fixture.registry, maxBytes: 10_000)
        let request = encoder.request(&chunk, OTLPResource(), version: "v")
        let message = try Opentelemetry_Proto_Collector_Trace_V1_ExportTraceServiceRequest(
            serializedBytes: request.bytes
        )
        let starts = message.resourceSpans[0].scopeSpans[0].spans.map(\.startTimeUnixNano)
        let start = fixture.facts(1).call.startNanoseconds
        try #require(starts.count == 2)
        #expect(starts[0] == start)
        // The monotonic clock counts from the machine's start, which was after 2001.
        #expect(starts[1] > 1_000_000_000_000_000_000)
    }

    @Test("a request has the form that the messages say")
    func requestForm() throws {
        let fixture = Fixture(spanBuffers: 1)
        fixture.record(1..<11)
        var batch = SpanBatch()
        fixture.spanBuffers[0].exchange(&batch)
        let queue = SpanQueue(maxSpans: 100, maxChunkSpans: 100)
        _ = queue.append(batch)
        var chunk = try #require(queue.next())
        let encoder = TraceRequestEncoder(
            conventions: SpanConventions(),
            registry: fixture.registry,
            maxBytes: 1
        )
        // Every span is larger than a byte, and still each leaves: one a request.
        for id: UInt8 in 1...10 {
            let request = encoder.request(&chunk, OTLPResource(), version: "v")
            #expect(request.spanCount == 1)
            let message = try Opentelemetry_Proto_Collector_Trace_V1_ExportTraceServiceRequest(
                serializedBytes: request.bytes
            )
            let spans = message.resourceSpans[0].scopeSpans[0].spans
            #expect(spans.map { Array($0.spanID) } == [[0, 0, 0, 0, 0, 0, 0, id]])
            // What was written by hand is what the library would write.
            #expect(try message.serializedBytes() == request.bytes)
        }
        #expect(chunk.count == 0)
    }
}
