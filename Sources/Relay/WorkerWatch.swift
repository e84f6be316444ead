internal import Clocks
internal import Synchronization

/// Tells for how long a worker has had events waiting and taken no turn.
struct StallClock {
    private var turns: UInt64?
    private(set) var stalledNanoseconds: UInt64 = 0

    /// Takes what is seen of a worker.
    ///
    /// - Parameters:
    ///   - turns: The number of turns that it has begun.
    ///   - hasEvents: True if its event queue is not empty.
    ///   - elapsed: The time since the last look in which it could have run, in nanoseconds.
    mutating func observe(turns: UInt64, hasEvents: Bool, elapsed: UInt64) {
        let isStalled = hasEvents && turns == self.turns
        stalledNanoseconds = isStalled ? stalledNanoseconds &+ elapsed : 0
        self.turns = turns
    }
}

/// The observation of workers from outside.
final class WorkerWatch: Sendable {
    /// A longer time between two looks counts as this: the process was stopped, or the machine.
    static let maxElapsedNanoseconds: UInt64 = 2_000_000_000

    private struct State {
        var clocks: [StallClock]
        var last: (now: UInt64, throttled: UInt64)?
    }

    private let mailboxes: [Mailbox]
    private let state: Mutex<State>

    init(_ mailboxes: [Mailbox]) {
        self.mailboxes = mailboxes
        state = Mutex(State(clocks: mailboxes.map { _ in StallClock() }))
    }

    /// Looks at each worker.
    ///
    /// - Parameters:
    ///   - now: The time, in nanoseconds.
    ///   - throttled: The total time that the control group has been throttled, in nanoseconds.
    func observe(now: UInt64, throttled: UInt64) {
        state.withLock { state in
            var elapsed: UInt64 = 0
            if let last = state.last, now > last.now {
                elapsed = min(now - last.now, Self.maxElapsedNanoseconds)
                elapsed -= min(elapsed, throttled > last.throttled ? throttled - last.throttled : 0)
            }
            state.last = (now, throttled)
            for (at, mailbox) in mailboxes.enumerated() {
                // Turns first: a worker that takes one in between is not taken for one that does not.
                let turns = mailbox.turns
                state.clocks[at].observe(turns: turns, hasEvents: mailbox.hasEvents, elapsed: elapsed)
            }
        }
    }

    /// For how long each worker has had events waiting and taken no turn, in nanoseconds.
    var stalls: [UInt64] { state.withLock { $0.clocks.map(\.stalledNanoseconds) } }
}

extension Relay {
    /// A worker that has had events waiting and taken no turn for this long is stuck, in nanoseconds.
    public static let stuckNanoseconds: UInt64 = 30_000_000_000

    /// Looks at the workers from outside; to be called about once a second.
    ///
    /// - Parameter throttledNanoseconds: The total time that the control group has been throttled; a worker is not
    ///   stuck while it gets no processor time.
    public func watchWorkers(throttledNanoseconds: UInt64) {
        watch.observe(now: SystemClock.now(), throttled: throttledNanoseconds)
    }

    /// The number of workers are stuck, as ``watchWorkers(throttledNanoseconds:)`` has seen.
    public var stuckWorkers: Int { watch.stalls.count { $0 >= Self.stuckNanoseconds } }
}
