import Calls
import Foundation
import Inspection
import Policy
import Synchronization
import Telemetry
import TestSupport
import Testing
import Wire

/// A core without sockets: what a worker, or a reader of a capture, does with it.
@Suite struct InspectionCoreTests {
    /// The owner of a core's connections; it counts what it is asked for.
    private final class Owner: ConnectionOwner {
        let core: InspectionCore
        var sessions: [Session] = []
        var signals = 0
        private var plan = Plan()

        init(_ core: InspectionCore) { self.core = core }

        var connectionReports: [ConnectionReport] {
            sessions.enumerated().map { index, session in
                let ends = ConnectionReport.Ends(
                    id: UInt64(index),
                    peer: Bench.client.clientEnd,
                    upstream: Bench.client.serverEnd,
                    bytesToUpstream: 7,
                    bytesToDownstream: 8
                )
                return ConnectionReport(
                    ends,
                    session: session,
                    since: 500,
                    marks: CallMarks(),
                    times: CallMarkTimes(),
                    now: 2500
                )
            }
        }

        func signalDrains() { signals += 1 }

        /// A call on a connection of its own; the request may wait for its reply.
        func call(_ id: UInt64, isAnswered: Bool = true, method: String = "hello") {
            let session = core.inspector.open(side: .provider, connection: Bench.client)
            sessions.append(session)
            give(Frames.request(id: id, method: method), .toUpstream, session, now: 1000)
            if isAnswered { give(Frames.reply(id: id), .toDownstream, session, now: 2000) }
        }

        private func give(_ bytes: [UInt8], _ direction: Direction, _ session: Session, now: UInt64) {
            plan.removeAll()
            core.inspector.receive(session, bytes: bytes.span.bytes, going: direction, now: now, plan: &plan)
        }
    }

    private static func configuration(subscribers: CallSubscribers? = nil) -> InspectionCore.Configuration {
        var configuration = InspectionCore.Configuration(
            registry: OperationRegistry(capacity: 100),
            labels: SeriesLabels()
        )
        configuration.subscribers = subscribers
        return configuration
    }

    @Test("snapshots and connections are handed over by command")
    func reports() {
        let configuration = Self.configuration()
        let owner = Owner(InspectionCore(configuration))
        owner.call(1)
        owner.call(2, isAnswered: false)
        let snapshots = Mutex<[RecorderSnapshot]>([])
        let connections = Mutex<[ConnectionReport]>([])
        owner.core.handle(.snapshot { snapshot in snapshots.withLock { $0.append(snapshot) } }, for: owner)
        owner.core.handle(.connections { reports in connections.withLock { $0 = reports } }, for: owner)
        let metrics = MetricsSnapshot(
            merging: snapshots.withLock { $0 },
            registry: configuration.registry,
            labels: configuration.labels
        )
        #expect(metrics.operations.first?.calls == 1 && metrics.operations.first?.inFlight == 1)
        let reports = connections.withLock { $0 }
        #expect(reports.map(\.inFlight) == [0, 1] && reports.map(\.finishedCalls) == [1, 0])
        #expect(reports.allSatisfy { $0.connectionProtocol == .dubbo && $0.ageNanoseconds == 2000 })
        #expect(reports.allSatisfy { $0.bytesToUpstream == 7 && $0.bytesToDownstream == 8 && !$0.isConnecting })
    }

    @Test("limits and drains that change reach the gates, and the owner tells its consumers")
    func gates() throws {
        var configuration = Self.configuration()
        let limits = LimitRegistry(try LimitSet(definitions: [], clock: { 0 }))
        let drains = DrainRegistry()
        configuration.limitRegistry = limits
        configuration.drainRegistry = drains
        let owner = Owner(InspectionCore(configuration))
        #expect(!owner.core.inspector.isDraining)
        drains.begin(DrainOrder(target: .service, reason: "", now: 0, grace: 10, deadline: 20))
        #expect(!owner.core.inspector.isDraining)
        owner.core.handle(.drainsChanged, for: owner)
        #expect(owner.core.inspector.isDraining && owner.signals == 1)
        owner.core.handle(.limitsChanged, for: owner)
        #expect(owner.signals == 1)
    }

    /// A source of one thread, which owns its core and handles commands until it is told to end.
    private final class ThreadSource: TrafficSource {
        let subscribers: CallSubscribers
        let receivers: CommandReceivers
        private let queue = CommandQueue()
        private let calls = Mutex<[UInt64]>([])
        private let isOver = Atomic<Bool>(false)

        init(subscribers: CallSubscribers) {
            self.subscribers = subscribers
            receivers = CommandReceivers([queue])
            subscribers.attach(receivers)
            Thread { [self] in run() }.start()
        }

        private func run() {
            var configuration = InspectionCoreTests.configuration(subscribers: subscribers)
            configuration.epochOffset = { 1_700_000_000_000_000_000 }
            let owner = Owner(InspectionCore(configuration))
            while !isOver.load(ordering: .relaxed) {
                // Whoever asked for a call sees its own earlier commands done.
                let wanted = calls.withLock { calls in
                    defer { calls = [] }
                    return calls
                }
                for command in queue.take() { owner.core.handle(command, for: owner) }
                for id in wanted { owner.call(id) }
                usleep(100)
            }
            owner.core.finish(now: 3000)
            subscribers.detach(receivers)
        }

        func call(_ ids: [UInt64]) { calls.withLock { $0 += ids } }
        func stop() { isOver.store(true, ordering: .relaxed) }

        func snapshots() async -> (snapshots: [RecorderSnapshot], stale: Int) {
            let answers: [RecorderSnapshot?] = await receivers.ask { .snapshot($0) }
            return (answers.compactMap { $0 }, answers.count { $0 == nil })
        }
    }

    private static func take(_ count: Int, _ subscription: CallSubscription) async throws -> [Line] {
        var lines: [Line] = []
        while lines.count < count, let bytes = await subscription.next() { lines += try objects(bytes) }
        return lines
    }

    @Test("subscribers are told the calls of all sources that share them", .timeLimit(.minutes(2)))
    func subscribers() async throws {
        let subscribers = CallSubscribers()
        // The log is there before any source is.
        let log = subscribers.log(CallFilter(), share: 1)
        let sources = [ThreadSource(subscribers: subscribers), ThreadSource(subscribers: subscribers)]
        let some = try await sources[1].subscribe(CallFilter(parameters: [(name: "limit", value: "3")]))
        let other = try await sources[0].subscribe(CallFilter(parameters: [(name: "method", value: "no")]))
        sources[0].call([1, 2, 3])
        sources[1].call([4, 5, 6])
        let lines = try await Self.take(6, log)
        #expect(Set(lines.compactMap { $0.text("id") }) == ["1", "2", "3", "4", "5", "6"])
        // The monotonic time 1000, as it is since 1970.
        #expect(lines.allSatisfy { $0.text("ts") == "1700000000.000001000" })
        #expect(try await Self.take(.max, some).count == 3)
        for source in sources {
            while await source.connections().count != 3 { await Task.yield() }
        }
        sources[0].stop()
        sources[1].stop()
        // Subscriptions end with the last source.
        #expect(await log.next() == nil)
        #expect(await other.next() == nil)
        await #expect(throws: CallSubscriptionError.ended) { try await subscribers.subscribe(CallFilter()) }
        #expect(subscribers.droppedLines == 0 && subscribers.droppedLogLines == 0)
    }

    @Test("a thread that does not answer is not waited for", .timeLimit(.minutes(2)))
    func silent() async {
        let receivers = CommandReceivers([CommandQueue(), CommandQueue()])
        let answers: [Bool?] = await receivers.ask { answer in .subscribersChanged { answer(true) } }
        #expect(answers == [nil, nil])
        let none: [Bool?] = await CommandReceivers([]).ask { answer in .subscribersChanged { answer(true) } }
        #expect(none.isEmpty)
    }

    @Test("a core's calls are of its clock")
    func clock() throws {
        for clock in [CallClock.monotonic, .wall] {
            var configuration = Self.configuration()
            configuration.clock = clock
            let counters = TracingCounters()
            let spans = SpanBuffer(maxSpans: 10, counters: counters)
            var sampling = SamplingOptions()
            sampling.ratio = 1
            configuration.tracer = Tracer(
                options: TracingOptions(),
                sampler: Sampler(options: sampling, registry: configuration.registry),
                spanBuffer: spans,
                counters: counters
            )
            let owner = Owner(InspectionCore(configuration))
            let calls = CallRecord()
            owner.core.inspector.callObserver = calls
            owner.call(1)
            owner.core.finish(now: 3000)
            var batch = SpanBatch()
            spans.exchange(&batch)
            #expect(batch.spans.map(\.call.clock) == [clock] && calls.all.map(\.call.clock) == [clock])
            #expect(batch.spans.first?.call.startNanoseconds == 1000)
        }
    }
}
