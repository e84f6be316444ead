internal import Synchronization
internal import Telemetry

/// What a worker can be asked to do by other threads.
enum Command: Sendable {
    case snapshot(@Sendable (RecorderSnapshot) -> Void)
    case connections(@Sendable ([ConnectionReport]) -> Void)
    /// Look who watches calls now, and say when that is done.
    case watch(CallWatchers, @Sendable () -> Void)
    /// Other limits are in force.
    case limitsChanged
    /// Drains were started or undone.
    case drainsChanged
    /// Close the listeners, and end with the last connection; from this time on (monotonic nanoseconds) end them.
    case leave(deadline: UInt64)
    /// Stop accepting, finish what is in flight, end by this time (monotonic nanoseconds).
    case drain(deadline: UInt64)
}

/// The way into a worker: a queue and the event that wakes it.
final class Mailbox: Sendable {
    let event: Int32
    private let commands = Mutex<[Command]>([])

    init?() {
        event = Linux.eventDescriptor()
        guard event >= 0 else { return nil }
    }

    deinit { Linux.close(event) }

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
