internal import Calls
internal import Policy
internal import Synchronization

/// A subscription to calls as they end: an operator's, or the log's.
///
/// Threads that inspect put lines into a bounded buffer and never wait: what does not fit is dropped, counted, and told
/// in a line of its own, `{"dropped":17}`, when the buffer is emptied. One task takes the lines with ``next()``.
public final class CallSubscription: Sendable {
    /// The most bytes of lines that wait for a subscriber.
    public static let bufferBytes = 262_144
    /// The most bytes of lines that wait for the log.
    public static let logBufferBytes = 1_048_576

    let filter: CallFilter
    /// The share of the calls that the log wants, 0…1; `nil` for other subscribers, which get all.
    let share: Double?
    private let subscribers: CallSubscribers
    private let state: Mutex<State>

    private struct State {
        var lines: [UInt8] = []
        /// The number of lines that found no room since the buffer was last emptied.
        var dropped: UInt64 = 0
        /// The number of lines that may still come; `nil` for any number.
        var remaining: UInt64?
        var isOver = false
        /// The subscriber's task while the buffer is empty.
        var waiter: CheckedContinuation<[UInt8]?, Never>?

        /// Empties the buffer; `nil` if nothing waits.
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

    init(_ filter: CallFilter, share: Double? = nil, subscribers: CallSubscribers) {
        self.filter = filter
        self.share = share
        self.subscribers = subscribers
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

    /// Ends the subscription; the lines that wait can still be taken.
    public func cancel() {
        subscribers.remove(self)
        finish()
    }

    /// Accepts no more lines.
    func finish() {
        let waiter = state.withLock { state in
            state.isOver = true
            return Self.waiter(of: &state)
        }
        waiter?.resume(returning: nil)
    }

    /// Hands a line to the subscriber, or drops it.
    ///
    /// Threads that inspect call it: the lock is held for one copy at most.
    ///
    /// - Parameter line: A whole line.
    func offer(_ line: [UInt8]) {
        let waiter: CheckedContinuation<[UInt8]?, Never>? = state.withLock { state in
            guard !state.isOver else { return nil }
            // Lines after dropped ones are dropped too, so that the notice stands where lines are missing.
            let room = share == nil ? Self.bufferBytes : Self.logBufferBytes
            guard state.dropped == 0, state.lines.count + line.count <= room else {
                state.dropped += 1
                subscribers.countDropped(share == nil ? .subscriber : .log)
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

/// The reason that calls cannot be subscribed to now.
public enum CallSubscriptionError: Error, Equatable, Sendable {
    /// There are ``CallSubscribers/maxCount`` subscribers.
    case tooMany
    /// Nothing inspects traffic any more.
    case ended
}
