import Calls
import Inspection
import Telemetry
import Wire

extension Workload {
    static let inspection = [
        calls("", callsPerRead: 1) { (Frames.request(id: $0), Frames.reply(id: $0)) },
        calls(".16-a-read", callsPerRead: 16) { (Frames.request(id: $0), Frames.reply(id: $0)) },
        // Every call a span; the frames say that their trace is wanted.
        calls(".traced", callsPerRead: 1, isTraced: true) { (Frames.request(id: $0), Frames.reply(id: $0)) },
        // The first read ends in the argument, 200 bytes into the frame.
        calls(".split-request", callsPerRead: 1, firstReadBytes: 200) {
            (Frames.request(id: $0), Frames.reply(id: $0))
        },
        // The classes of the object and those in it are defined in the frame, as always.
        calls(".object-argument", callsPerRead: 1) { id in
            var (request, reply) = try Frames.recordedObjectCall.get()
            request.replaceSubrange(4..<12, with: Frames.bigEndian(id))
            reply.replaceSubrange(4..<12, with: Frames.bigEndian(id))
            return (request, reply)
        },
        Workload("dubbo.call.decode-and-account.1000-operations") {
            let worker = InspectedWorker()
            worker.callMethodsInTurn(1600)
            worker.check(calls: 1600, operations: 1000)
            return { worker.callMethodsInTurn($0) }
        },
    ]

    /// Decodes and accounts one call: its request and its reply.
    private static func calls(
        _ variant: String,
        callsPerRead: Int,
        firstReadBytes: Int? = nil,
        isTraced: Bool = false,
        _ makeCall: @escaping @Sendable (_ id: UInt64) throws -> (request: [UInt8], reply: [UInt8])
    ) -> Workload {
        Workload("dubbo.call.decode-and-account\(variant)") {
            let calls = try (0..<16).map { try makeCall($0) }
            var reads = Reads()
            for first in stride(from: 0, to: 16, by: callsPerRead) {
                let together = calls[first..<first + callsPerRead]
                var request = together.flatMap(\.request)
                if let firstReadBytes {
                    reads.append(Array(request.prefix(firstReadBytes)), .toUpstream)
                    request.removeFirst(firstReadBytes)
                }
                reads.append(request, .toUpstream)
                reads.append(together.flatMap(\.reply), .toDownstream)
            }
            let worker = InspectedWorker(isTraced: isTraced)
            worker.run(reads, rounds: 100)
            worker.check(calls: 1600, operations: 1)
            worker.check(spans: isTraced ? 1600 : 0)
            return { worker.run(reads, rounds: $0 / 16) }
        }
    }
}

/// What arrives, read after read, in one block of memory.
private struct Reads {
    var bytes: [UInt8] = []
    var reads: [(end: Int, direction: Direction)] = []

    mutating func append(_ read: [UInt8], _ direction: Direction) {
        bytes += read
        reads.append((bytes.count, direction))
    }
}

/// An inspector with one session and everything around it, as a worker of the relay has it.
final class InspectedWorker {
    private let registry = OperationRegistry(capacity: 2000)
    private let labels = SeriesLabels()
    private let inspector: Inspector
    private let session: Session
    private var plan = Plan()
    private var now: UInt64 = 1_000_000_000
    private let counters = TracingCounters()
    private let spanBuffer: SpanBuffer
    private var batch = SpanBatch()
    private var spans = 0

    init(isTraced: Bool = false) {
        inspector = Inspector(registry: registry, recorder: Recorder(labels: labels))
        spanBuffer = SpanBuffer(maxSpans: 100_000, counters: counters)
        if isTraced {
            inspector.tracer = Tracer(
                options: TracingOptions(),
                sampler: Sampler(options: SamplingOptions(), registry: registry),
                spanBuffer: spanBuffer,
                counters: counters
            )
        }
        let ends = ObservedConnection(
            client: Endpoint(ipv4: 0x0a00_0001, port: 5000),
            server: Endpoint(ipv4: 0x0a00_0002, port: 20880)
        )
        session = inspector.open(side: .provider, connection: ends)
    }

    /// Takes the spans, as the exporter does.
    private func takeSpans() {
        spanBuffer.exchange(&batch)
        spans += batch.spans.count
        batch.removeAll()
    }

    /// Looks whether all calls became spans.
    func check(spans expected: Int) {
        takeSpans()
        precondition(spans == expected && counters.readings.dropped == 0, "\(spans) spans of \(expected)")
    }

    @inline(__always)
    private func receive(_ bytes: RawSpan, _ direction: Direction) {
        plan.removeAll()
        now &+= 700_000
        inspector.receive(session, bytes: bytes, going: direction, now: now, plan: &plan)
    }

    fileprivate func run(_ what: Reads, rounds: Int) {
        let bytes = what.bytes.span.bytes
        for round in 0..<rounds {
            var start = 0
            for read in what.reads {
                receive(bytes.extracting(start..<read.end), read.direction)
                start = read.end
            }
            if round % 64 == 0 { takeSpans() }
        }
    }

    /// What both peers say before the first call.
    func begin(_ client: [UInt8], _ server: [UInt8]) {
        receive(client.span.bytes, .toUpstream)
        receive(server.span.bytes, .toDownstream)
    }

    /// Makes the same call again and again, a request and its reply a read each.
    func exchange(_ request: [UInt8], _ reply: [UInt8], _ count: Int) {
        for _ in 0..<count {
            receive(request.span.bytes, .toUpstream)
            receive(reply.span.bytes, .toDownstream)
        }
    }

    /// Calls a thousand methods, one after the other, each by a frame in the same memory.
    func callMethodsInTurn(_ calls: Int) {
        var request = Frames.request(id: 1, method: "method1000")
        let reply = Frames.reply(id: 1)
        // Behind the header, "2.0.2", the interface, "1.0.0", all with a length byte, and "\(length)method1".
        let digits = 16 + 6 + 30 + 6 + 8
        for call in 0..<calls {
            request[digits] = 0x30 &+ UInt8(truncatingIfNeeded: call / 100 % 10)
            request[digits + 1] = 0x30 &+ UInt8(truncatingIfNeeded: call / 10 % 10)
            request[digits + 2] = 0x30 &+ UInt8(truncatingIfNeeded: call % 10)
            receive(request.span.bytes, .toUpstream)
            receive(reply.span.bytes, .toDownstream)
        }
    }

    /// Stops everything when what is measured is not what should be.
    func check(calls: UInt64, operations: Int) {
        let seen = MetricsSnapshot(merging: [inspector.recorder.snapshot()], registry: registry, labels: labels)
        let results = seen.operations.flatMap(\.results)
        let counted = results.reduce(0) { $0 + ($1.outcome == .ok ? $1.count : 0) }
        precondition(seen.operations.count == operations, "calls were taken for others")
        precondition(counted == calls && seen.operations.allSatisfy { $0.errors == 0 }, "calls were not counted")
        precondition(seen.uninspectedBytes.allSatisfy { $0.count == 0 }, "bytes were not understood")
    }
}
