internal import CLinux
internal import Synchronization

/// A lock in memory that processes share, for what takes some tens of nanoseconds; its holder may die.
///
/// Its word is 0, or says which process holds it (``LimitSharing/id``). Taking it is one exchange and giving it back
/// one store. Who finds it taken tries for a moment and then queues at an ordinary lock of its process, so that of the
/// threads that wait here one tries on and the others sleep: the library's `Mutex` alone hands itself over from thread
/// to thread through the kernel once anybody waits, and with four workers on two processors a decision then took
/// twelve microseconds.
///
/// Who has tried for some microseconds more looks whether the holder lives, and takes the lock over if it does not. A
/// holder that lives and does not come on for ``maxNaps`` looks, some seconds (stopped by a signal or a debugger),
/// counts as dead: a process that stands still must not stop another. It finds out when it gives the lock back.
/// Whoever has taken a lock over mends what it protects before anything else.
///
/// Not recursive; to be given back by the thread that took it.
struct RobustLock: ~Copyable, Sendable {
    /// How often it is tried before queueing: a microsecond or so.
    private static let tries = 200
    /// How often it is tried between two looks at the holder.
    private static let spins = 5000
    /// How long is slept after each look, in microseconds.
    private static let napMicroseconds = 50
    /// After how many looks a holder is given up.
    ///
    /// Looks are counted, not time: where all processes of a container wait for processor time, the holder gets some
    /// before so many looks have been taken.
    static let maxNaps = 20_000

    private let words: SharedWords
    private let me: UInt64
    private let queue = Mutex(())

    /// The lock of a memory.
    ///
    /// - Parameters:
    ///   - words: The memory; the lock is its word ``LimitLayout/lock``.
    ///   - me: What stands for this process; not 0.
    init(_ words: SharedWords, me: UInt64) {
        self.words = words
        self.me = me
    }

    /// Takes the lock if it is free.
    @inline(__always)
    borrowing func attempt() -> Bool { words.exchange(LimitLayout.lock, 0, for: me) }

    /// Gives the lock back.
    ///
    /// - Returns: Whether it was still there to be given back; if not, others may have seen half a change.
    @inline(__always)
    borrowing func giveBack() -> Bool {
        guard words[LimitLayout.lock] == me else { return false }
        words.commit(LimitLayout.lock, 0)
        return true
    }

    /// Takes the lock when it is free at last, or from a holder that is dead.
    ///
    /// - Parameter sharing: Which processes there are.
    /// - Returns: Whether it was taken over: what it protects has to be mended.
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
