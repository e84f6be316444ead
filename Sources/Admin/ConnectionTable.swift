internal import Clocks
internal import NIOCore
internal import Synchronization

/// The connections of the listeners that share one budget.
///
/// If a further one comes and there is no room, another is shed: an idle one first, the longest idle, then one whose
/// client does not take its answer. Connections that are being answered stay; otherwise the new one is closed.
final class ConnectionTable: Sendable {
    /// The interval of checks of deadlines.
    private static let sweepInterval = TimeAmount.milliseconds(500)

    /// The factor by which connections with tasks may exceed the open ones.
    private static let handledFactor = 3

    private struct State {
        var open: [ObjectIdentifier: AdminConnection] = [:]
        /// Connections that tasks are occupied with: some of them may have been shed a moment ago.
        var handled = 0
        var isSweeping = false
        var isQuiescing = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let limit: Int
    private let counters: AdminCounters
    private let state = Mutex(State())

    /// A table of at most `limit` connections.
    init(limit: Int, counters: AdminCounters) {
        self.limit = limit
        self.counters = counters
    }

    subscript(channel: any Channel) -> AdminConnection? { state.withLock { $0.open[ObjectIdentifier(channel)] } }

    /// Adds a new connection; `nil` if there is no room for it.
    ///
    /// Call it on the channel's event loop.
    func admit(_ channel: any Channel) -> AdminConnection? {
        let now = SystemClock.now()
        let connection = AdminConnection(channel, counters: counters, now: now)
        let (isAdmitted, victim, mustSweep) = state.withLock { state in
            var victim: AdminConnection?
            if state.open.count >= limit {
                victim = Self.victim(of: state.open)
                guard let victim else { return (false, AdminConnection?.none, false) }
                state.open[ObjectIdentifier(victim.channel)] = nil
            }
            state.open[ObjectIdentifier(channel)] = connection
            defer { state.isSweeping = true }
            return (true, victim, !state.isSweeping)
        }
        victim?.cut(.shed)
        guard isAdmitted else {
            counters.count(.shed)
            return nil
        }
        channel.closeFuture.whenComplete { [self] _ in closed(channel) }
        if mustSweep { sweepLater(channel.eventLoop) }
        return connection
    }

    /// A task is to deal with a connection; `false` when too many are occupied with connections that are gone.
    func beginHandling() -> Bool {
        state.withLock { state in
            guard state.handled < limit * Self.handledFactor else { return false }
            state.handled += 1
            return true
        }
    }

    /// The task is done with it.
    func endHandling() { state.withLock { $0.handled -= 1 } }

    private func closed(_ channel: any Channel) {
        let waiters = state.withLock { state in
            state.open[ObjectIdentifier(channel)] = nil
            guard state.open.isEmpty else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The first connection to shed, if any may be: among the idle ones, else among those that keep Weir waiting, the
    /// one that has done so for longest.
    private static func victim(of open: [ObjectIdentifier: AdminConnection]) -> AdminConnection? {
        var first: (connection: AdminConnection, rank: Int, since: UInt64)?
        for connection in open.values {
            let (activity, since) = connection.activity
            guard activity < .working else { continue }
            let rank = activity == .idle ? 0 : 1
            if let other = first, (other.rank, other.since) <= (rank, since) { continue }
            first = (connection, rank, since)
        }
        return first?.connection
    }

    private func sweepLater(_ loop: any EventLoop) {
        loop.scheduleTask(in: Self.sweepInterval) { [self] in
            let connections = state.withLock { Array($0.open.values) }
            let now = SystemClock.now()
            for connection in connections {
                if let reason = connection.overdue(at: now) { connection.cut(reason) }
            }
            let goesOn = state.withLock { state in
                state.isSweeping = !state.open.isEmpty
                return state.isSweeping
            }
            if goesOn { sweepLater(loop) }
        }
    }

    // MARK: The end

    /// True if connections are to close after their open requests are answered.
    var isQuiescing: Bool { state.withLock { $0.isQuiescing } }

    /// Closes each connection once what was asked on it is answered.
    func quiesce() {
        let open = state.withLock { state in
            state.isQuiescing = true
            return Array(state.open.values)
        }
        for connection in open { connection.quiesce() }
    }

    /// Closes each connection on which nothing is asked, for a second; then it closes the others when what was asked is
    /// answered.
    func leave() async {
        for _ in 0..<50 {
            let open = state.withLock { Array($0.open.values) }
            if open.isEmpty { return }
            for connection in open {
                switch connection.activity.0 {
                case .idle: connection.quiesce()
                case .endless: connection.channel.close(promise: nil)
                case .reading, .stalled, .working: break
                }
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        quiesce()
    }

    /// Closes each connection now.
    func close() {
        for connection in state.withLock({ Array($0.open.values) }) { connection.channel.close(promise: nil) }
    }

    /// Waits until there is no connection.
    func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.open.isEmpty { state.waiters.append(continuation) }
                return state.open.isEmpty
            }
            if isOver { continuation.resume() }
        }
    }

    static func quiesce(_ channel: any Channel) {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
}

/// The number of connections that were closed before their clients wanted it.
final class AdminCounters: Sendable {
    private let counts = Mutex([UInt64](repeating: 0, count: AdminCloseReason.allCases.count))

    func count(_ reason: AdminCloseReason) { counts.withLock { $0[reason.rawValue] += 1 } }

    subscript(reason: AdminCloseReason) -> UInt64 { counts.withLock { $0[reason.rawValue] } }
}
