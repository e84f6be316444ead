internal import Inspection
internal import Synchronization

/// A request of another thread to a worker.
enum Command: Sendable {
    /// A command for the worker's core.
    case inspection(InspectionCommand)
    /// Close the listeners, and end with the last connection; from this time on (monotonic nanoseconds) end them.
    case leave(deadline: UInt64)
    /// Stop accepting, finish what is in flight, end by this time (monotonic nanoseconds).
    case drain(deadline: UInt64)
}

/// The way into a worker: a queue and the event that wakes it.
final class Mailbox: CommandReceiver {
    let event: Int32
    private let commands = Mutex<[Command]>([])
    private let turnCount = Atomic<UInt64>(0)
    /// A duplicate of the worker's event queue, which can be asked whether something waits in it; -1 before and after
    /// the worker.
    private let queue = Mutex<Int32>(-1)

    init?() {
        event = Linux.eventDescriptor()
        guard event >= 0 else { return nil }
    }

    deinit {
        Linux.close(event)
        ended()
    }

    // MARK: What is seen from outside

    /// Lets the worker's event queue be looked at.
    func watch(_ queue: borrowing EventQueue) {
        let duplicate = queue.duplicate()
        self.queue.withLock { $0 = duplicate }
    }

    /// The worker begins a turn.
    @inline(__always)
    func turnBegan(_ number: UInt64) { turnCount.store(number, ordering: .relaxed) }

    /// The worker takes no further turns.
    func ended() {
        queue.withLock { queue in
            if queue >= 0 { Linux.close(queue) }
            queue = -1
        }
    }

    /// The number of turns that the worker has begun.
    var turns: UInt64 { turnCount.load(ordering: .relaxed) }

    /// True if events wait for the worker.
    var hasEvents: Bool {
        queue.withLock { queue in
            guard queue >= 0, case .ready = Linux.wait(queue, stop: -1, milliseconds: 0) else { return false }
            return true
        }
    }

    func post(_ command: InspectionCommand) { post(.inspection(command)) }

    func post(_ command: Command) {
        commands.withLock { $0.append(command) }
        Linux.signal(event)
    }

    func take() -> [Command] {
        commands.withLock { commands in
            var taken: [Command] = []
            swap(&taken, &commands)
            return taken
        }
    }
}
