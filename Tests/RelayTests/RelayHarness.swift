import Calls
import Foundation
import Inspection
import Policy
import Relay
import Synchronization
import Telemetry
import TestSupport
import Testing
import Wire

/// Suites whose tests use sockets: one after the other, since they measure and the machine is small.
@Suite(.serialized)
struct RelaySocketTests {}

/// A relay with its surroundings.
final class Harness: Sendable {
    let relay: Relay
    let registry: OperationRegistry
    let labels: SeriesLabels
    /// What the hooks were told.
    let told: Told

    /// What the relay's hooks were told.
    final class Told: Sendable {
        let refusals = Mutex<[ConnectionRejectReason]>([])
        let pauses = Mutex<[String]>([])
        /// The clock of the worker that has accepted a connection last.
        let clock = Atomic<clockid_t>(0)
    }

    /// A relay with one listener on loopback.
    convenience init(
        to destination: ListenerConfiguration.Destination,
        at address: Endpoint = .loopback(),
        isDualStack: Bool = false,
        _ change: (inout RelayConfiguration) -> Void = { _ in },
        makeSession: (@Sendable (Inspector, Side) -> Session)? = nil
    ) throws {
        var configuration = RelayConfiguration(listeners: [
            ListenerConfiguration(side: .provider, address: address, isDualStack: isDualStack, destination: destination)
        ])
        configuration.workers = 1
        change(&configuration)
        try self.init(configuration, makeSession: makeSession)
    }

    convenience init(
        to listener: TestListener,
        _ change: (inout RelayConfiguration) -> Void = { _ in },
        makeSession: (@Sendable (Inspector, Side) -> Session)? = nil
    ) throws {
        try self.init(to: .fixed(listener.endpoint), change, makeSession: makeSession)
    }

    /// A relay with one listener on loopback and one worker, which can be drained and has limits.
    convenience init(to listener: TestListener, drains: DrainRegistry, limits: LimitRegistry? = nil) throws {
        var configuration = RelayConfiguration(listeners: [
            ListenerConfiguration(
                side: .provider,
                address: .loopback(),
                isDualStack: false,
                destination: .fixed(listener.endpoint)
            )
        ])
        configuration.workers = 1
        try self.init(configuration, drains: drains, limits: limits)
    }

    init(
        _ configuration: RelayConfiguration,
        inherited: [ListeningSocket] = [],
        makeSession: (@Sendable (Inspector, Side) -> Session)? = nil,
        drains: DrainRegistry? = nil,
        limits: LimitRegistry? = nil
    ) throws {
        let told = Told()
        var hooks = RelayHooks()
        hooks.refused = { refused in told.refusals.withLock { $0.append(refused.reason) } }
        hooks.acceptPaused = { why in told.pauses.withLock { $0.append(why) } }
        let make = makeSession ?? hooks.makeSession
        hooks.makeSession = { inspector, side in
            var clock = clockid_t()
            if pthread_getcpuclockid(pthread_self(), &clock) == 0 {
                told.clock.store(clock, ordering: .relaxed)
            }
            return make(inspector, side)
        }
        hooks.drains = drains
        hooks.limits = limits
        registry = OperationRegistry(capacity: 1000)
        labels = SeriesLabels()
        self.told = told
        relay = try Relay(
            configuration: configuration,
            registry: registry,
            labels: labels,
            hooks: hooks,
            inherited: inherited
        )
    }

    var address: Endpoint { relay.addresses[0] }

    func connect(receiveBuffer: Int32? = nil) throws -> TestSocket {
        try .connect(to: address, receiveBuffer: receiveBuffer)
    }

    /// A client and the application's end of its connection.
    func pair(_ listener: TestListener, receiveBuffer: Int32? = nil) throws -> (client: TestSocket, server: TestSocket)
    {
        let client = try connect(receiveBuffer: receiveBuffer)
        return (client, try listener.accept())
    }

    /// Ends the relay at once.
    func stop() async { await relay.drain(within: 0) }

    /// The numbers of all workers, none of them old.
    func metrics() async -> MetricsSnapshot {
        while true {
            let (snapshots, stale) = await relay.snapshots()
            if stale == 0 { return MetricsSnapshot(merging: snapshots, registry: registry, labels: labels) }
        }
    }

    /// The processor time of the worker that has accepted a connection last.
    var clock: WorkerClock { WorkerClock([told.clock.load(ordering: .relaxed)]) }

    func refused(_ reason: ConnectionRejectReason) async -> UInt64 {
        await metrics().refused.first { $0.reason == reason }?.count ?? 0
    }

    /// Waits until so many connections are open.
    func waitForConnections(_ count: Int) async throws {
        try await eventually("\(count) connections") { await self.relay.connections().count == count }
    }
}

/// Waits until `condition` holds; throws after two minutes: a guard, for a machine may be slow and busy.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = Date(timeIntervalSinceNow: 120)
    while true {
        let isLast = Date() >= deadline
        if try await condition() { return }
        guard !isLast else { throw SocketError("never: \(what)", ETIMEDOUT) }
        try await Task.sleep(nanoseconds: 1_000_000)
    }
}

/// An endless stream of bytes that look random and can be checked anywhere.
struct Pattern: Sendable {
    /// Prime, so that no buffer's size hides a shift.
    private static let period = 65_521
    /// What all patterns repeat, twice; made once, since that takes a second under a sanitizer.
    private static let block: [UInt8] = {
        var random = SeededRandom(seed: 1)
        let once = (0..<period).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return once + once
    }()
    /// Where in it a pattern begins.
    private let first: Int

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        first = Int(random.next() % UInt64(Self.period))
    }

    /// At most a period of bytes.
    func bytes(at offset: Int, count: Int) -> ArraySlice<UInt8> {
        let start = (first + offset) % Self.period
        return Self.block[start..<start + min(count, Self.period)]
    }

    func bytes(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count { all += bytes(at: all.count, count: count - all.count) }
        return all
    }

    func matches(_ bytes: [UInt8], at offset: Int) -> Bool {
        var at = 0
        while at < bytes.count {
            let expected = self.bytes(at: (offset + at) % Self.period, count: bytes.count - at)
            guard
                expected.withUnsafeBytes({ a in
                    bytes.withUnsafeBytes { memcmp(a.baseAddress!, $0.baseAddress! + at, a.count) == 0 }
                })
            else { return false }
            at += expected.count
        }
        return true
    }
}

/// What the system says about this process.
enum ThisProcess {
    /// Whether a sanitizer is part of it: memory and time mean little then.
    static let isSanitized: Bool =
        dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

    /// Anonymous resident memory, in bytes.
    static func residentBytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") } ?? ""
        return (line.split(separator: " ").dropFirst().compactMap { Int($0) }.first ?? 0) * 1024
    }

    /// How many descriptors are open, but for those that the runtime's timers keep.
    static func openDescriptors() throws -> Int {
        let files = FileManager.default
        return try files.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
            let file = try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
            return file != "anon_inode:[timerfd]" && file != "anon_inode:[eventpoll]"
        }
    }

    /// Lets the process have so many descriptors, if it may: how many it has.
    static func wantDescriptors(_ count: UInt64) -> UInt64 {
        var limit = rlimit(rlim_cur: rlim_t(count), rlim_max: rlim_t(count))
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { return count }
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt64(limit.rlim_cur)
    }
}

/// The processor time of threads.
struct WorkerClock {
    private let clocks: [clockid_t]

    init(_ clocks: [clockid_t]) { self.clocks = clocks }

    /// Of all workers of the process; reading the clock later takes no descriptor.
    init() {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        clocks = tasks.compactMap { task in
            let name = try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)
            // How Linux writes the clock of a thread (clock_getcpuclockid(3) does it for processes).
            return name == "weir-worker\n" ? Int32(task).map { ~$0 << 3 | 6 } : nil
        }
    }

    /// Of each thread; `nil` for one that has ended: other tests have relays, too.
    private var times: [UInt64?] {
        clocks.map { clock in
            var time = timespec()
            guard clock_gettime(clock, &time) == 0 else { return nil }
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
    }

    /// Whether the threads do next to nothing for a third of a second; a busy machine gets some of them, for a relay
    /// that spins does so in all.
    func isAtRest() async throws -> Bool {
        for _ in 0..<5 {
            let before = times
            try await Task.sleep(nanoseconds: 300_000_000)
            let spent = zip(before, times).map { before, after in
                if let before, let after, after > before { after - before } else { UInt64(0) }
            }
            if !clocks.isEmpty, spent.reduce(0, +) < 60_000_000 { return true }
        }
        return false
    }
}
