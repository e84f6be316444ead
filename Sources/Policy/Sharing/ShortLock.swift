internal import Synchronization

/// A lock for what takes some tens of nanoseconds.
///
/// Taking it is one exchange and giving it back one store. Who finds it taken tries for a moment and then queues at an
/// ordinary lock, so that of those who wait one tries on and the others sleep. The library's `Mutex` alone hands itself
/// over from thread to thread through the kernel once anybody waits: with four workers on two processors a decision
/// then took twelve microseconds.
///
/// Not recursive; to be given back by the thread that took it.
struct ShortLock: ~Copyable, Sendable {
    /// How often it is tried before queueing: a microsecond or so.
    private static let tries = 200

    private let isHeld = Atomic<Bool>(false)
    private let queue = Mutex(())

    init() {}

    /// Takes the lock, when it is free at last.
    @inline(__always)
    borrowing func take() {
        if !attempt() { wait() }
    }

    /// Gives the lock back.
    @inline(__always)
    borrowing func giveBack() { isHeld.store(false, ordering: .releasing) }

    @inline(__always)
    private borrowing func attempt() -> Bool { !isHeld.exchange(true, ordering: .acquiring) }

    @inline(never)
    private borrowing func wait() {
        for _ in 0..<Self.tries where !isHeld.load(ordering: .relaxed) {
            if attempt() { return }
        }
        queue.withLock { _ in
            while true {
                if !isHeld.load(ordering: .relaxed), attempt() { return }
            }
        }
    }
}
