internal import CLinux
internal import Synchronization

/// A lock in memory that processes share, for sections of some tens of nanoseconds; its holder may die.
///
/// Its word is 0, or names the process that holds it (``LimitSharing/id``). Taking it is one exchange and releasing it
/// one store. A thread that finds it taken tries for a moment and then queues at an ordinary lock of its process, so
/// that one of the waiting threads tries on and the others sleep. The library's `Mutex` alone passes itself on from
/// thread to thread through the kernel once any thread waits, and with four workers on two processors a decision then
/// took twelve microseconds.
///
/// After some microseconds more the thread checks if the holder lives, and takes the lock over if it does not. A holder
/// that lives and makes no progress for ``maxNaps`` checks, some seconds (stopped by a signal or a debugger), counts as
/// dead: a stopped process must not stop another. It learns of it when it releases the lock. A thread that has taken a
/// lock over first repairs the data it protects.
///
/// Not recursive; it must be released by the thread that took it.
struct RobustLock: ~Copyable, Sendable {
    /// The number of tries before queueing: a microsecond or so.
    private static let tries = 200
    /// The number of tries between two checks of the holder.
    private static let spins = 5000
    /// The sleep after each check, in microseconds.
    private static let napMicroseconds = 50
    /// After how many looks a holder is given up.
    ///
    /// Checks are counted, not time: if all processes of a container wait for processor time, the holder gets some
    /// before that many checks.
    static let maxNaps = 20_000

    private let words: SharedWords
    private let me: UInt64
    private let queue = Mutex(())

    /// The lock of a memory.
    ///
    /// - Parameters:
    ///   - words: The memory; the lock is its word ``LimitLayout/lock``.
    ///   - me: The number of this process; not 0.
    init(_ words: SharedWords, me: UInt64) {
        self.words = words
        self.me = me
    }

    /// Takes the lock if it is free.
    @inline(__always)
    borrowing func attempt() -> Bool { words.exchange(LimitLayout.lock, 0, for: me) }

    /// Releases the lock.
    ///
    /// - Returns: True if it was still held; if not, others may have seen half a change.
    @inline(__always)
    borrowing func giveBack() -> Bool {
        guard words[LimitLayout.lock] == me else { return false }
        words.commit(LimitLayout.lock, 0)
        return true
    }

    /// Waits for the lock, or takes it from a holder that is dead.
    ///
    /// - Parameter sharing: The processes that share it.
    /// - Returns: True if it was taken over: the data it protects must be repaired.
    @inline(never)
    borrowing func wait(_ sharing: borrowing LimitProcesses) -> Bool {
        for _ in 0..<Self.tries where words[LimitLayout.lock] == 0 {
            if attempt() { return false }
        }
        return queue.withLock { _ in waitInFront(sharing) }
    }

    private borrowing func waitInFront(_ sharing: borrowing LimitProcesses) -> Bool {
        var naps = 0
        var progress: (holder: UInt64, time: UInt64) = (0, 0)
        while true {
            for _ in 0..<Self.spins where words[LimitLayout.lock] == 0 {
                if attempt() { return false }
            }
            let holder = words[LimitLayout.lock]
            guard holder != 0 else { continue }
            let now = (holder, words[LimitLayout.latest])
            if now != progress { naps = 0 }
            progress = now
            naps += 1
            if naps > Self.maxNaps || !sharing.lives(holder) {
                if words.exchange(LimitLayout.lock, holder, for: me) { return true }
                naps = 0
            }
            weir_pause(Self.napMicroseconds)
        }
    }
}
