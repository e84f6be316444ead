internal import Clocks
internal import Synchronization

/// The pending calls of one connection of a consumer, with their deadlines.
final class PendingCalls<Waiting: Sendable>: Sendable {
    private struct State {
        var isOpen = true
        var waiting: [UInt64: Waiting] = [:]
        /// The ids in `waiting`, and answered ones whose deadline has not come.
        var deadlines = DueQueue<UInt64>()
        var lastTimeout: UInt64 = 0
    }

    private let state = Mutex(State())

    /// True if the connection still takes calls.
    var isOpen: Bool { state.withLock { $0.isOpen } }
    var count: Int { state.withLock { $0.waiting.count } }
    var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }
    /// The next deadline, perhaps of an answered call; `nil` if there is none.
    var nextDeadline: UInt64? { state.withLock { $0.deadlines.nextDue } }
    /// The time of the last call that was given up; 0 for never.
    var lastTimeout: UInt64 { state.withLock { $0.lastTimeout } }

    func insert(_ waiting: Waiting, id: UInt64, nanoseconds: UInt64) {
        let deadline = SystemClock.now() + nanoseconds
        state.withLock {
            $0.waiting[id] = waiting
            $0.deadlines.insert(id, due: deadline)
        }
    }

    /// Removes the pending call of an id, which has been answered.
    func take(_ id: UInt64) -> Waiting? { state.withLock { $0.waiting.removeValue(forKey: id) } }

    /// Removes one call whose deadline has passed; `nil` if there is no more.
    func takeExpired(_ now: UInt64) -> (id: UInt64, waiting: Waiting)? {
        state.withLock { state in
            while let id = state.deadlines.popDue(at: now) {
                guard let waiting = state.waiting.removeValue(forKey: id) else { continue }
                state.lastTimeout = now
                return (id, waiting)
            }
            return nil
        }
    }

    /// Removes all pending calls.
    func takeAll() -> [Waiting] {
        state.withLock { state in
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
    }

    func close() { state.withLock { $0.isOpen = false } }
}
