import Calls
import Capture
import Foundation
import Inspection
import Policy
import Synchronization
import Telemetry
import TestSupport
import Testing
import Wire

/// A capture that comes through a pipe and stalls, while other threads ask its reader.
@Suite struct CaptureReaderTests {
    private static let seconds: UInt64 = 1_700_000_000

    /// A pcap file of raw IP with nanoseconds: one connection, whose calls begin a second after each other.
    private struct Traffic {
        var file = little(0xa1b2_3c4d) + [2, 0, 4, 0] + little(0) + little(0) + little(65_535) + little(101)
        private var sequences: (client: UInt32, server: UInt32) = (1000, 2000)

        init() {
            add(0, fromClient: true, flags: 0x02, sequence: 999, [])
            add(0, fromClient: false, flags: 0x12, sequence: 1999, [])
        }

        private static func little(_ value: UInt32) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }

        private static func big(_ value: UInt32) -> [UInt8] { little(value).reversed() }
        private static func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }

        mutating func request(_ id: UInt64) {
            let request = Frames.request(id: id)
            add(id, fromClient: true, flags: 0x18, sequence: sequences.client, request)
            sequences.client += UInt32(request.count)
        }

        mutating func reply(_ id: UInt64) {
            let reply = Frames.reply(id: id)
            add(id, fromClient: false, flags: 0x18, sequence: sequences.server, reply)
            sequences.server += UInt32(reply.count)
        }

        private mutating func add(
            _ second: UInt64,
            fromClient: Bool,
            flags: UInt8,
            sequence: UInt32,
            _ payload: [UInt8]
        ) {
            let ports: [UInt16] = fromClient ? [40_000, 20_880] : [20_880, 40_000]
            let segment =
                Self.big(ports[0]) + Self.big(ports[1]) + Self.big(sequence)
                + [0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0] + payload
            let hosts: [UInt8] = fromClient ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1]
            let packet =
                [0x45, 0] + Self.big(UInt16(20 + segment.count)) + [0, 1, 0x40, 0, 64, 6, 0, 0] + hosts + segment
            let stamp = Self.little(UInt32(CaptureReaderTests.seconds + second)) + Self.little(5)
            file += stamp + Self.little(UInt32(packet.count)) + Self.little(UInt32(packet.count)) + packet
        }
    }

    /// The thread that reads the capture, and the pipe into it.
    private final class Reading: TrafficSource {
        let subscribers: CallSubscribers
        let receivers: CommandReceivers
        private let commands = CommandQueue()
        private let registry = OperationRegistry(capacity: 100)
        private let pipe = Pipe()
        private let idleTime = Atomic<UInt64>(0)
        let timeouts = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)

        init(subscribers: CallSubscribers) {
            self.subscribers = subscribers
            receivers = CommandReceivers([commands])
            subscribers.attach(receivers)
            Thread { [self] in
                do { try run() } catch { Issue.record("\(error)") }
                subscribers.detach(receivers)
                isOver.store(true, ordering: .sequentiallyConsistent)
            }.start()
        }

        private func run() throws {
            var configuration = InspectionCore.Configuration(registry: registry, labels: SeriesLabels())
            configuration.clock = .wall
            configuration.subscribers = subscribers
            configuration.limits = Inspector.Limits(callTimeoutNanoseconds: 30_000_000_000)
            // Nothing of a capture needs it.
            configuration.epochOffset = { 77 }
            let core = InspectionCore(configuration)
            let reader = CaptureReader(core: core, side: .provider, commands: commands)
            let waits = CaptureWaits(stop: -1, timeoutMilliseconds: 1) {}
            var file = try CaptureFile(path: "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)", waits: waits)
            steps: while true {
                switch try reader.step(&file) {
                case .packet: continue
                case .timeout:
                    timeouts.add(1, ordering: .relaxed)
                    reader.advance(to: idleTime.load(ordering: .relaxed))
                case .end: break steps
                }
            }
            reader.finish()
        }

        func write(_ bytes: some Sequence<UInt8>) throws {
            try pipe.fileHandleForWriting.write(contentsOf: Data(bytes))
        }

        func close() throws { try pipe.fileHandleForWriting.close() }

        /// Lets time pass whenever no packet comes.
        func pass(to time: UInt64) { idleTime.store(time, ordering: .relaxed) }

        func snapshots() async -> (snapshots: [RecorderSnapshot], stale: Int) {
            let answers: [RecorderSnapshot?] = await receivers.ask { .snapshot($0) }
            return (answers.compactMap { $0 }, answers.count { $0 == nil })
        }
    }

    @Test(
        "while it stalls, its reader answers, tells subscribers of calls, and gives up late ones",
        .timeLimit(.minutes(2))
    )
    func stalled() async throws {
        let subscribers = CallSubscribers()
        let reading = Reading(subscribers: subscribers)
        var traffic = Traffic()
        for id in UInt64(1)...3 {
            traffic.request(id)
            if id < 3 { traffic.reply(id) }
        }
        // A file's header is waited for without an end.
        let subscription = Task { try await reading.subscribe(CallFilter()) }
        try reading.write(traffic.file.prefix(24))
        let calls = try await subscription.value
        // The reader knows the subscriber.
        while reading.timeouts.load(ordering: .relaxed) < 2 { try await Task.sleep(for: .milliseconds(1)) }
        // In the middle of a record.
        try reading.write(traffic.file[24..<traffic.file.count - 10])
        let before = reading.timeouts.load(ordering: .relaxed)
        while reading.timeouts.load(ordering: .relaxed) < before + 2 { try await Task.sleep(for: .milliseconds(1)) }
        var lines = try await Self.take(2, calls)
        #expect(lines.map { $0.text("id") } == ["1", "2"] && lines.allSatisfy { $0.text("outcome") == "ok" })
        // The packets' own time.
        #expect(lines.map { $0.text("ts") } == (1...2 as ClosedRange<UInt64>).map { "\(Self.seconds + $0).000000005" })
        try reading.write(traffic.file.suffix(10))
        var reports: [ConnectionReport] = []
        while reports.first?.inFlight != 1 { reports = await reading.connections() }
        let report = try #require(reports.first)
        #expect(reports.count == 1 && report.finishedCalls == 2 && report.connectionProtocol == .dubbo)
        #expect(report.peer == Endpoint(ipv4: 0x0a00_0001, port: 40_000))
        #expect(report.upstream == Endpoint(ipv4: 0x0a00_0002, port: 20_880))
        #expect(report.bytesToUpstream == UInt64(3 * Frames.request(id: 1).count))
        #expect(report.bytesToDownstream == UInt64(2 * Frames.reply(id: 1).count))
        // No packet comes any more, and the third call's time is over.
        reading.pass(to: (Self.seconds + 40) * 1_000_000_000)
        lines = try await Self.take(1, calls)
        #expect(lines.map { $0.text("id") } == ["3"] && lines.map { $0.text("outcome") } == ["timeout"])
        try reading.close()
        #expect(await calls.next() == nil)
        while !reading.isOver.load(ordering: .sequentiallyConsistent) { try await Task.sleep(for: .milliseconds(1)) }
    }

    private static func take(_ count: Int, _ subscription: CallSubscription) async throws -> [Line] {
        var lines: [Line] = []
        while lines.count < count, let bytes = await subscription.next() { lines += try objects(bytes) }
        return lines
    }
}
