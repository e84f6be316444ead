internal import Synchronization

/// A lock for sections of some tens of nanoseconds.
///
/// Taking it is one exchange and releasing it one store. A thread that finds it taken tries for a moment and then
/// queues at an ordinary lock, so that one of the waiting threads tries on and the others sleep. The library's `Mutex`
/// alone passes itself on from thread to thread through the kernel once any thread waits: with four workers on two
/// processors a decision then took twelve microseconds.
///
/// Not recursive; it must be released by the thread that took it.
struct ShortLock: ~Copyable, Sendable {
    /// The number of tries before queueing: a microsecond or so.
    private static let tries = 200

    private let isHeld = Atomic<Bool>(false)
    private let queue = Mutex(())

    init() {}

    /// Waits for the lock and takes it.
    @inline(__always)
    borrowing func take() {
        if !attempt() { wait() }
    }

    /// Releases the lock.
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
