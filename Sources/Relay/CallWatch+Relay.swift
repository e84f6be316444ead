internal import Calls
internal import Clocks
internal import Inspection
public import Policy

extension Relay {
    /// The most viewers at a time.
    public static let maxCallWatches = 8

    /// Lets someone watch calls as they end, until ``CallWatch/cancel()``.
    ///
    /// - Parameter filter: Which calls.
    /// - Returns: The watch; calls that end from now on are seen.
    /// - Throws: ``CallWatchError`` when there are too many viewers, or nothing more to see.
    public func watchCalls(_ filter: CallFilter) async throws(CallWatchError) -> CallWatch {
        let watch = try watchers.add(filter)
        let _: [Bool?] = await ask { answer in .watch(watchers) { answer(true) } }
        return watch
    }

    /// Has finished calls logged, in a line each, until ``CallWatch/cancel()`` or the relay's end.
    ///
    /// - Parameters:
    ///   - filter: Which calls.
    ///   - share: How many of them, 0…1: by their trace where they belong to one, else by chance.
    /// - Returns: The lines; those that are not taken in time are dropped and counted.
    public func logCalls(_ filter: CallFilter, share: Double) -> CallWatch { watchers.log(filter, share: share) }

    /// How many lines found no room in a viewer's buffer, since the start.
    public var droppedCallLines: UInt64 { watchers.droppedLines }

    /// How many calls are missing from the log, since the start.
    public var droppedLogLines: UInt64 { watchers.droppedLogLines }

    /// Lines of calls could not be written where the log goes.
    ///
    /// - Parameter count: How many.
    public func countLostLogLines(_ count: Int) { watchers.countDropped(.log, UInt64(clamping: count)) }
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
        let sieve: CallSieve
        var sample: CallSample

        mutating func admits(_ call: ObservedCall) -> Bool { sieve.admits(call) && sample.admits(call.trace) }
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
                ?? Seat(
                    watch: viewer,
                    sieve: CallSieve(viewer.filter, registry: registry),
                    sample: CallSample(share: viewer.share ?? 1)
                )
        }
    }

    func finished(_ call: ObservedCall) {
        var isMade = false
        for index in seats.indices where seats[index].admits(call) {
            if !isMade {
                lines.removeAll()
                lines.clockOffset = UInt64(bitPattern: SystemClock.epochOffset())
                lines.finished(call)
                isMade = true
            }
            seats[index].watch.offer(lines.json.bytes)
        }
    }
}

/// A share of the calls: all of a trace or none, and any others by chance.
struct CallSample {
    /// A number below is chosen; `nil`: every call is.
    private let threshold: UInt64?
    private var random = SystemRandomNumberGenerator()

    init(share: Double) {
        // The largest double below 2⁶⁴ is 2⁶⁴ − 2048, so that what is below 1 fits.
        threshold = share < 1 ? UInt64(max(0, share) * 0x1p64) : nil
    }

    mutating func admits(_ trace: TraceContext?) -> Bool {
        guard let threshold else { return true }
        guard let trace, !trace.traceID.isZero else { return random.next() < threshold }
        // Some number their traces: multiplied so, the highest bits of such ids are as even as those of random ones.
        return trace.traceID.low &* 0x9e37_79b9_7f4a_7c15 < threshold
    }
}
