public import Calls
internal import Clocks
internal import Glibc
public import Inspection
public import Policy
internal import Synchronization
public import Telemetry
public import Wire

/// A connection that was not relayed.
public struct RefusedConnection: Sendable {
    /// The peer that opened it.
    public let peer: Endpoint
    /// The destination, if it is known: the last address that was tried.
    public let destination: Endpoint?
    /// The reason.
    public let reason: ConnectionRejectReason
    /// The system's error number; 0 for none.
    public let error: Int32
}

/// A connection whose bytes cannot be followed; they are relayed all the same.
public struct UndecodedConnection: Sendable {
    /// The peer that opened it.
    public let peer: Endpoint
    /// Its destination.
    public let destination: Endpoint
    /// The failure of its decoder.
    public let failure: DecodeFailure
}

/// The owner's handlers, called on the workers' threads and therefore quick, and the registries that workers share.
public struct RelayHooks: Sendable {
    /// A connection was not relayed.
    public var refused: @Sendable (RefusedConnection) -> Void = { _ in }
    /// A connection's bytes cannot be followed; told once a connection.
    public var decodeFailed: @Sendable (UndecodedConnection) -> Void = { _ in }
    /// Accepting pauses for want of what the text says.
    public var acceptPaused: @Sendable (String) -> Void = { _ in }
    /// The numbers of callers, if calls are counted by caller.
    public var callerRegistry: CallerRegistry?
    /// The limits in force, if calls can be limited; see ``TrafficSource/limitsChanged()``.
    public var limits: LimitRegistry?
    /// The drains, if anything can be drained; see ``TrafficSource/drainsChanged()``.
    public var drains: DrainRegistry?
    /// The subscribers of the workers' calls.
    public var subscribers = CallSubscribers()
    /// Makes a worker's tracer, called once for each worker; `nil` for none.
    public var makeTracer: @Sendable () -> Tracer? = { nil }
    /// Makes the session of a new connection.
    package var makeSession: @Sendable (Inspector, Side) -> Session = { $0.open(side: $1) }

    /// Hooks that do nothing.
    public init() {}
}

/// The reason that the relay could not start.
public enum RelayError: Error, Equatable, Sendable {
    /// An address cannot be listened on; the text is the system's.
    case cannotListen(Endpoint, String)
    /// The system gave no thread, event queue or descriptor.
    case outOfResources(String)
}

/// The state that the workers share: the operations, the labels, and the number of connections.
final class SharedState: Sendable {
    let registry: OperationRegistry
    let labels: SeriesLabels
    let listeners = ListenerTable()
    let correlation = CorrelationTable()
    let expected = ExpectedConnections()
    /// Descriptors from this number on are not for connections: a process whose last one is gone cannot be asked what
    /// is wrong, and the concurrency runtime ends it when it finds none for itself.
    let reservedDescriptors: Int32
    private let connections = Atomic<Int>(0)
    /// Bytes that wait in memory for sinks that did not take them; see ``maxWaitingBytes``.
    let waitingBytes = Atomic<Int>(0)

    init(registry: OperationRegistry, labels: SeriesLabels, descriptorLimit: UInt64) {
        self.registry = registry
        self.labels = labels
        reservedDescriptors = Int32(clamping: descriptorLimit - min(64, descriptorLimit / 4))
    }

    func takeConnection(limit: Int) -> Bool {
        let count = connections.add(1, ordering: .relaxed).newValue
        guard count <= limit else {
            releaseConnection()
            return false
        }
        return true
    }

    var connectionCount: Int { connections.load(ordering: .relaxed) }

    func releaseConnection() { connections.subtract(1, ordering: .relaxed) }
}

/// The proxy: workers that accept connections, join each with its destination, and pass bytes both ways.
public final class Relay: TrafficSource {
    let mailboxes: [Mailbox]
    let listenerTable: ListenerTable
    /// The subscribers of the workers' calls.
    public let subscribers: CallSubscribers
    /// The mailboxes, as the rest of the process sees them.
    public let receivers: CommandReceivers
    private let expected: ExpectedConnections
    let watch: WorkerWatch
    /// The addresses that are listened on, ports filled in.
    public let addresses: [Endpoint]
    private let running: Mutex<Running>
    private let last: Mutex<[RecorderSnapshot?]>

    private struct Running {
        var workers: Int
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Opens the listeners and starts the workers.
    ///
    /// - Parameters:
    ///   - configuration: What to listen on, where to connect, within what bounds.
    ///   - registry: The operations of the process.
    ///   - labels: The codes and exception classes of the process.
    ///   - hooks: What the owner wants to be told.
    ///   - inherited: Sockets to accept on instead of opening new ones; those of addresses that are not in the
    ///     configuration are left alone.
    /// - Throws: ``RelayError`` when an address cannot be used or the system is out of something.
    public init(
        configuration: RelayConfiguration,
        registry: OperationRegistry,
        labels: SeriesLabels,
        hooks: RelayHooks = RelayHooks(),
        inherited: [ListeningSocket] = []
    ) throws(RelayError) {
        let descriptorLimit = Linux.raiseFileLimit()
        let count = configuration.workers > 0 ? configuration.workers : Self.defaultWorkers()
        let shared = SharedState(registry: registry, labels: labels, descriptorLimit: descriptorLimit)
        var mailboxes: [Mailbox] = []
        for _ in 0..<count {
            guard let mailbox = Mailbox() else { throw .outOfResources("no event descriptor") }
            mailboxes.append(mailbox)
        }
        let open = try Self.openListeners(
            configuration.listeners,
            inherited: inherited,
            workers: count,
            table: shared.listeners
        )
        addresses = open.addresses
        listenerTable = shared.listeners
        expected = shared.expected
        self.mailboxes = mailboxes
        receivers = CommandReceivers(mailboxes)
        subscribers = hooks.subscribers
        subscribers.attach(receivers)
        watch = WorkerWatch(mailboxes)
        running = Mutex(Running(workers: count))
        last = Mutex(Array(repeating: nil, count: count))
        for index in 0..<count {
            let result = start(configuration, listeners: open.sets[index], shared: shared, index: index, hooks: hooks)
            guard result < 0 else { continue }
            subscribers.detach(receivers)
            // The workers that run already must not go on alone.
            for mailbox in mailboxes[..<index] { mailbox.post(.drain(deadline: 0)) }
            Self.close(open.sets[index...], shared.listeners)
            throw .outOfResources(Linux.message(result))
        }
    }

    /// Starts a worker's thread; a negative error number if the system does not give what it needs.
    private func start(
        _ configuration: RelayConfiguration,
        listeners: [Worker.Listener],
        shared: SharedState,
        index: Int,
        hooks: RelayHooks
    ) -> Int32 {
        let made = Worker(
            configuration: configuration,
            listeners: listeners,
            shared: shared,
            mailbox: mailboxes[index],
            hooks: hooks
        )
        guard let worker = made else { return -ENOMEM }
        return Linux.startThread(named: "weir-worker") { [self] in
            worker.run()
            let numbers = worker.recorder.snapshot()
            last.withLock { $0[index] = numbers }
            workerEnded()
        }
    }

    /// As many as processors may be used, at most four; the container's quota is the settings' matter.
    private static func defaultWorkers() -> Int { max(1, min(Defaults.maxWorkers, Linux.affinityCount())) }

    // MARK: Asking

    /// The numbers of every worker, asked at once; of one that does not answer in time, what it said last.
    ///
    /// - Returns: The snapshots, and how many of them are old.
    public func snapshots() async -> (snapshots: [RecorderSnapshot], stale: Int) {
        // Of workers that have ended the last numbers are there.
        if running.withLock({ $0.workers == 0 }) { return (last.withLock { $0.compactMap { $0 } }, 0) }
        let answers: [RecorderSnapshot?] = await receivers.ask { .snapshot($0) }
        let stale = answers.count { $0 == nil }
        let current = last.withLock { last in
            for (index, answer) in answers.enumerated() where answer != nil { last[index] = answer }
            return last
        }
        return (current.compactMap { $0 }, stale)
    }

    /// The number of workers.
    public var workerCount: Int { mailboxes.count }

    /// Announces a connection that is to be answered instead of relayed.
    ///
    /// It is told a line, `weir WORD SIDE DESTINATION`, whose last is where it was going before it was redirected, `-`
    /// if it was not, and closed. It is no connection in any count. At most ``maxExpectedConnections`` are expected at
    /// a time, each for 10 s; the oldest make room.
    ///
    /// - Parameters:
    ///   - peer: Whom it will come from.
    ///   - word: What shows that the answer is to this announcement, at most 32 bytes.
    public func expect(_ peer: Endpoint, word: String) { expected.add(peer, word: word, now: SystemClock.now()) }

    /// The most connections that may be announced at a time.
    public static let maxExpectedConnections = ExpectedConnections.maxCount

    // MARK: Ending

    /// Stops accepting because another process accepts in this one's place; ends with the last connection.
    ///
    /// No peer is told: connections live until a peer ends them. Those that wait to be accepted are reset,
    /// unless somebody else has duplicates of the listening sockets.
    ///
    /// - Parameter nanoseconds: After how long they are ended between two calls, and cut a second later; `nil` for
    ///   never.
    public func leave(within nanoseconds: UInt64?) {
        let now = SystemClock.now()
        let deadline = nanoseconds.map { now + min($0, .max - now) } ?? .max
        for mailbox in mailboxes { mailbox.post(.leave(deadline: deadline)) }
    }

    /// Stops accepting, lets calls in flight finish, and closes what is left after `nanoseconds`.
    ///
    /// While the whole service is drained, idle connections are closed only when that has come to refusing requests.
    ///
    /// - Parameter nanoseconds: The longest time for calls in flight.
    public func drain(within nanoseconds: UInt64) async {
        let now = SystemClock.now()
        let deadline = now + min(nanoseconds, .max - now)
        for mailbox in mailboxes { mailbox.post(.drain(deadline: deadline)) }
        await ended()
    }

    /// Waits until every worker has ended.
    public func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = running.withLock { running in
                if running.workers > 0 { running.waiters.append(continuation) }
                return running.workers == 0
            }
            if isOver { continuation.resume() }
        }
    }

    private func workerEnded() {
        let waiters: [CheckedContinuation<Void, Never>]? = running.withLock { running in
            running.workers -= 1
            guard running.workers == 0 else { return nil }
            defer { running.waiters = [] }
            return running.waiters
        }
        guard let waiters else { return }
        subscribers.detach(receivers)
        for waiter in waiters { waiter.resume() }
    }
}
