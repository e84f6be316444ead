internal import Calls
public import Inspection

extension Relay {
    /// The most viewers at a time.
    public static let maxCallWatches = 8

    /// Lets someone watch calls as they end, until ``CallWatch/cancel()``.
    ///
    /// - Parameter filter: Which calls.
    /// - Returns: The watch; calls that end from now on are seen.
    /// - Throws: ``CallWatchRefusal`` when there are too many viewers, or nothing more to see.
    public func watchCalls(_ filter: CallFilter) async throws(CallWatchRefusal) -> CallWatch {
        let watch = try watchers.add(filter)
        let _: [Bool?] = await ask { answer in .watch(watchers) { answer(true) } }
        return watch
    }

    /// How many lines found no room in a viewer's buffer, since the start.
    public var droppedCallLines: UInt64 { watchers.droppedLines }
}

extension Worker {
    /// Looks again who watches calls: without viewers there is no observer, and nothing is made for one.
    func watch(_ watchers: CallWatchers) {
        let viewers = watchers.viewers
        guard !viewers.isEmpty else {
            inspector.callObserver = nil
            return
        }
        let watched = inspector.callObserver as? WatchedCalls ?? WatchedCalls(registry: shared.registry)
        watched.setViewers(viewers)
        inspector.callObserver = watched
    }
}

/// Hands one worker's calls to their viewers; a line is made once, and only if a viewer wants it.
private final class WatchedCalls: CallObserver {
    private struct Seat {
        let watch: CallWatch
        var sieve: CallSieve
    }

    private let registry: OperationRegistry
    private let lines: CallLines
    private var seats: [Seat] = []

    init(registry: OperationRegistry) {
        self.registry = registry
        lines = CallLines(registry: registry)
    }

    func setViewers(_ viewers: [CallWatch]) {
        seats = viewers.map { viewer in
            seats.first { $0.watch === viewer }
                ?? Seat(watch: viewer, sieve: CallSieve(viewer.filter, registry: registry))
        }
    }

    func finished(_ call: ObservedCall) {
        var isMade = false
        for index in seats.indices where seats[index].sieve.admits(call) {
            if !isMade {
                lines.removeAll()
                lines.clockOffset = Linux.wallClockOffset()
                lines.finished(call)
                isMade = true
            }
            seats[index].watch.offer(lines.json.bytes)
        }
    }
}
