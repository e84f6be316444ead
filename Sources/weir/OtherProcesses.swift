internal import Calls
internal import Relay
internal import Synchronization
internal import Telemetry

/// The processes that this one follows: what they have counted, and what they are told.
///
/// They answer over ``TakeoverPeers``. Of those that have gone, or do not answer, there is what they said last.
final class OtherProcesses: Sendable {
    /// The time that the first scrape waits for the numbers of the process that was taken over from.
    static let firstReport = Duration.seconds(5)

    private struct State {
        var ledger = ReportLedger()
        /// True if the numbers of the process that was taken over from are still to come.
        var isExpecting: Bool
        /// The process that was taken over from.
        var predecessor: UInt64?
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// A number that no other process has.
    let process = UInt64.random(in: 1 ... .max)
    private let registry: OperationRegistry
    private let labels: SeriesLabels
    private let callers: CallerRegistry?
    private let state: Mutex<State>
    let hooks = Mutex(Hooks())
    /// Those who look at calls here, by number.
    let subscribers = Mutex<[UInt64: RemoteSubscriber]>([:])
    let numbers = Atomic<UInt64>(0)
    /// True if others are being told to end.
    let isTelling = Atomic<Bool>(false)
    private let told: Told
    /// Those that report now.
    let peers: TakeoverPeers

    /// The handlers of events: the peers exist before this object does.
    private final class Told: Sendable {
        /// A function that a mutex held by itself would be wrapped once more, and kept so, each time it is read.
        struct Handler {
            var call: @Sendable (TakeoverPeers.Event) -> Void
        }

        let handler = Mutex<Handler?>(nil)
    }

    /// - Parameters:
    ///   - registry: This process's operations.
    ///   - labels: This process's codes and exception classes.
    ///   - callers: This process's callers, if they are told apart.
    ///   - isExpecting: True if there is a process to take over from.
    init(registry: OperationRegistry, labels: SeriesLabels, callers: CallerRegistry?, isExpecting: Bool) {
        self.registry = registry
        self.labels = labels
        self.callers = callers
        state = Mutex(State(isExpecting: isExpecting))
        let told = Told()
        self.told = told
        peers = TakeoverPeers { event in told.handler.withLock { $0 }?.call(event) }
        told.handler.withLock { $0 = Told.Handler { [weak self] event in self?.happened(event) } }
    }

    // MARK: Numbers

    /// The counts of the other processes.
    ///
    /// After a takeover it waits until the process that was taken over from has reported, for five seconds at most.
    func reports() async -> [MetricsReport] {
        await expected()
        let answers = await peers.ask("numbers")
        for answer in answers where answer.status == 200 { take(answer.body, of: answer.process) }
        let running = running
        let ledger = state.withLock { $0.ledger }
        return ledger.reports(running: running, registry: registry, labels: labels)
    }

    private var running: Set<UInt64> { Set(peers.processes.map(\.process)) }

    /// The bytes by which another process is told this one's numbers.
    ///
    /// - Parameters:
    ///   - report: This process's own numbers.
    ///   - time: When they were taken, in monotonic nanoseconds.
    ///   - withOthers: True if what is known of others is told too.
    /// - Returns: The bytes that ``take(_:of:)`` of the other process reads.
    func bytes(_ report: MetricsReport, time: UInt64, withOthers: Bool) -> [UInt8] {
        let ledger = withOthers ? state.withLock { $0.ledger } : ReportLedger()
        return ledger.bytes(own: ReportLedger.Entry(process: process, time: time, report: report.bytes))
    }

    /// Takes a report in; whatever it is, of processes that are not spoken of nothing changes.
    private func take(_ bytes: [UInt8], of reporter: UInt64) {
        guard let entries = try? ReportLedger.entries(of: bytes, registry: registry, labels: labels) else { return }
        let running = running
        state.withLock { state in
            for entry in entries where !entry.processes.contains(process) { state.ledger.take(entry) }
            state.ledger.fold(running: running, registry: registry, labels: labels, callers: callers)
        }
    }

    // MARK: The first report

    /// The process that was taken over from has stopped: its numbers come within ``firstReport``, or there are none.
    func takenOver() {
        Task {
            try? await Task.sleep(for: Self.firstReport)
            expectNothing()
        }
    }

    /// Waits until the process that was taken over from has reported, if that is still to come.
    func expected() async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.isExpecting { state.waiters.append(continuation) }
                return !state.isExpecting
            }
            if isThere { continuation.resume() }
        }
    }

    private func expectNothing() {
        let waiters = state.withLock { state in
            state.isExpecting = false
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: What happens

    private func happened(_ event: TakeoverPeers.Event) {
        switch event {
        case .came(let process, let isPredecessor):
            if isPredecessor { state.withLock { $0.predecessor = process } }
            Task { await came(process, isPredecessor) }
        case .last(let process, "numbers", let bytes): take(bytes, of: process)
        case .last(let process, "state", let bytes):
            // One that ends at once has no time for questions.
            let isAwaited = state.withLock { $0.isExpecting && $0.predecessor == process }
            if isAwaited { hooks.withLock { $0.adopt }(bytes) }
        case .last: break
        case .gone(let process):
            let running = running
            state.withLock { state in
                state.ledger.note(process, isGone: true)
                state.ledger.fold(running: running, registry: registry, labels: labels, callers: callers)
            }
        case .awoke(let process): Task { await tell(process) }
        case .lines(_, let number, let lines): subscribers.withLock { $0[number] }?.onLines(lines)
        }
    }

    /// Asks a process that has just come for all it knows.
    private func came(_ process: UInt64, _ isPredecessor: Bool) async {
        state.withLock { $0.ledger.note(process, isGone: false) }
        if let answer = await peers.ask(process, what: "numbers", body: Array("all".utf8)), answer.status == 200 {
            take(answer.body, of: process)
        }
        if isPredecessor {
            if let answer = await peers.ask(process, what: "state"), answer.status == 200 {
                hooks.withLock { $0.adopt }(answer.body)
            }
            expectNothing()
        }
        await tell(process)
    }
}
