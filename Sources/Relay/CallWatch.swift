internal import Calls
internal import Inspection
internal import Policy
internal import Synchronization

/// Someone who watches calls as they end: a viewer, or the log of calls.
///
/// The workers put lines into a bounded buffer and never wait: what does not fit is dropped, counted, and told with a
/// line of its own, `{"dropped":17}`, when the buffer is emptied. One task takes the lines with ``next()``.
public final class CallWatch: Sendable {
    /// How many bytes of lines may wait for a viewer.
    public static let bufferBytes = 262_144
    /// How many bytes of lines may wait for the log.
    public static let logBufferBytes = 1_048_576

    let filter: CallFilter
    /// The share of the calls that are wanted, 0…1; `nil` for a viewer, who gets all.
    let share: Double?
    private let watchers: CallWatchers
    private let state: Mutex<State>

    private struct State {
        var lines: [UInt8] = []
        /// How many lines found no room since the buffer was last emptied.
        var dropped: UInt64 = 0
        /// How many lines may still come; `nil` for any number.
        var remaining: UInt64?
        var isOver = false
        /// The viewer, while there is nothing to be had.
        var waiter: CheckedContinuation<[UInt8]?, Never>?

        /// Empties the buffer; `nil` when nothing waits.
        mutating func take() -> [UInt8]? {
            guard !lines.isEmpty || dropped > 0 else { return nil }
            var taken: [UInt8] = []
            swap(&taken, &lines)
            if dropped > 0 {
                var notice = JSONText()
                notice.beginObject()
                notice.key("dropped")
                notice.number(dropped)
                notice.endObject()
                notice.endLine()
                taken += notice.bytes
                dropped = 0
            }
            return taken
        }
    }

    init(_ filter: CallFilter, share: Double? = nil, _ watchers: CallWatchers) {
        self.filter = filter
        self.share = share
        self.watchers = watchers
        state = Mutex(State(remaining: filter.limit))
    }

    /// Waits for lines.
    ///
    /// - Returns: One or more whole lines; `nil` after the last one.
    public func next() async -> [UInt8]? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: [UInt8]?? = state.withLock { state in
                    if let lines = state.take() { return .some(lines) }
                    if state.isOver { return .some(nil) }
                    state.waiter = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Ends the watch; the lines that wait can still be taken.
    public func cancel() {
        watchers.remove(self)
        finish()
    }

    /// Takes no more lines.
    func finish() {
        let waiter = state.withLock { state in
            state.isOver = true
            return Self.waiter(of: &state)
        }
        waiter?.resume(returning: nil)
    }

    /// Hands a line to the viewer, or drops it.
    ///
    /// Called by the workers: the lock is held for a copy at most, by whoever holds it.
    ///
    /// - Parameter line: A whole line.
    func offer(_ line: [UInt8]) {
        let waiter: CheckedContinuation<[UInt8]?, Never>? = state.withLock { state in
            guard !state.isOver else { return nil }
            // Nothing passes the lines that were dropped, so that the notice stands where they are missing.
            let room = share == nil ? Self.bufferBytes : Self.logBufferBytes
            guard state.dropped == 0, state.lines.count + line.count <= room else {
                state.dropped += 1
                watchers.countDropped(share == nil ? .viewers : .log)
                return nil
            }
            if let remaining = state.remaining {
                state.remaining = remaining - 1
                state.isOver = remaining == 1
            }
            if let waiter = Self.waiter(of: &state) { return waiter }
            state.lines += line
            return nil
        }
        waiter?.resume(returning: line)
    }

    /// Hands on lines of another process's calls.
    ///
    /// - Parameter lines: Whole lines, one or more.
    public func add(_ lines: [UInt8]) {
        for line in lines.split(separator: UInt8(ascii: "\n")) { offer(Array(line) + [UInt8(ascii: "\n")]) }
    }

    private static func waiter(of state: inout State) -> CheckedContinuation<[UInt8]?, Never>? {
        defer { state.waiter = nil }
        return state.waiter
    }
}

/// Why calls cannot be watched now.
public enum CallWatchError: Error, Equatable, Sendable {
    /// There are as many viewers as there may be.
    case tooMany
    /// The relay has ended.
    case ended
}

/// The viewers of a relay, and the log.
final class CallWatchers: Sendable {
    /// Who misses lines.
    enum Loser {
        case viewers
        case log
    }

    private struct State {
        var viewers: [CallWatch] = []
        /// The way into the workers; empty once the relay has ended.
        var mailboxes: [Mailbox]
    }

    private let state: Mutex<State>
    private let dropped = Atomic<UInt64>(0)
    private let droppedFromLog = Atomic<UInt64>(0)

    init(_ mailboxes: [Mailbox]) { state = Mutex(State(mailboxes: mailboxes)) }

    /// Who watches now.
    var viewers: [CallWatch] { state.withLock { $0.viewers } }

    /// How many lines found no room in a viewer's buffer, all viewers together, since the start.
    var droppedLines: UInt64 { dropped.load(ordering: .relaxed) }

    /// How many calls should have been logged and are not, since the start.
    var droppedLogLines: UInt64 { droppedFromLog.load(ordering: .relaxed) }

    func countDropped(_ loser: Loser, _ count: UInt64 = 1) {
        switch loser {
        case .viewers: dropped.add(count, ordering: .relaxed)
        case .log: droppedFromLog.add(count, ordering: .relaxed)
        }
    }

    /// Begins the log; the workers are told, and nobody waits for them.
    func log(_ filter: CallFilter, share: Double) -> CallWatch {
        let watch = CallWatch(filter, share: share, self)
        let mailboxes = state.withLock { state in
            state.viewers.append(watch)
            return state.mailboxes
        }
        for mailbox in mailboxes { mailbox.post(.watch(self) {}) }
        if mailboxes.isEmpty { watch.finish() }
        return watch
    }

    /// Lets someone watch; the workers have still to be told.
    func add(_ filter: CallFilter) throws(CallWatchError) -> CallWatch {
        let watch = CallWatch(filter, self)
        let refusal: CallWatchError? = state.withLock { state in
            guard !state.mailboxes.isEmpty else { return .ended }
            guard state.viewers.count(where: { $0.share == nil }) < Relay.maxCallWatches else { return .tooMany }
            state.viewers.append(watch)
            return nil
        }
        if let refusal { throw refusal }
        return watch
    }

    /// Forgets a viewer and tells the workers.
    func remove(_ watch: CallWatch) {
        let mailboxes: [Mailbox] = state.withLock { state in
            guard let index = state.viewers.firstIndex(where: { $0 === watch }) else { return [] }
            state.viewers.remove(at: index)
            return state.mailboxes
        }
        for mailbox in mailboxes { mailbox.post(.watch(self) {}) }
    }

    /// The relay has ended: there will be no more calls.
    func end() {
        let viewers = state.withLock { state in
            defer { state = State(mailboxes: []) }
            return state.viewers
        }
        for viewer in viewers { viewer.finish() }
    }
}
