public import Policy
internal import Synchronization

/// The subscribers of a process's calls, the log among them.
///
/// Sources attach the receivers of their threads, which are told of each change of the list.
public final class CallSubscribers: Sendable {
    /// The most subscribers at a time, the log not counted.
    public static let maxCount = 8

    /// The loser of lines that found no room.
    enum Loser {
        case subscriber
        case log
    }

    private struct State {
        var subscriptions: [CallSubscription] = []
        /// The receivers of the threads that inspect.
        var receivers: [any CommandReceiver] = []
        /// True once the last thread has ended.
        var isOver = false

        var attached: CommandReceivers { CommandReceivers(receivers) }
    }

    private let state = Mutex(State())
    private let dropped = Atomic<UInt64>(0)
    private let droppedFromLog = Atomic<UInt64>(0)

    /// A list without subscribers, to which no thread tells calls yet.
    public init() {}

    /// The current subscriptions.
    var subscriptions: [CallSubscription] { state.withLock { $0.subscriptions } }

    /// The number of lines that found no room in a subscriber's buffer, all subscribers together, since the start.
    public var droppedLines: UInt64 { dropped.load(ordering: .relaxed) }

    /// The number of calls missing from the log, since the start.
    public var droppedLogLines: UInt64 { droppedFromLog.load(ordering: .relaxed) }

    /// Counts lines that could not be written where the log goes.
    ///
    /// - Parameter count: The number of lines.
    public func countLostLogLines(_ count: Int) { countDropped(.log, UInt64(clamping: count)) }

    func countDropped(_ loser: Loser, _ count: UInt64 = 1) {
        switch loser {
        case .subscriber: dropped.add(count, ordering: .relaxed)
        case .log: droppedFromLog.add(count, ordering: .relaxed)
        }
    }

    /// Subscribes to calls as they end, until ``CallSubscription/cancel()``.
    ///
    /// - Parameter filter: The wanted calls.
    /// - Returns: The subscription; it is told of calls that end from now on.
    /// - Throws: ``CallSubscriptionError`` if there are too many subscribers, or nothing inspects traffic any more.
    public func subscribe(_ filter: CallFilter) async throws(CallSubscriptionError) -> CallSubscription {
        let subscription = CallSubscription(filter, subscribers: self)
        let result: Result<CommandReceivers, CallSubscriptionError> = state.withLock { state in
            guard !state.isOver else { return .failure(.ended) }
            guard state.subscriptions.count(where: { $0.share == nil }) < Self.maxCount else {
                return .failure(.tooMany)
            }
            state.subscriptions.append(subscription)
            return .success(state.attached)
        }
        let _: [Bool?] = await (try result.get()).ask { answer in .subscribersChanged { answer(true) } }
        return subscription
    }

    /// Has finished calls logged, in a line each, until ``CallSubscription/cancel()`` or the end of all threads; nobody
    /// waits for the threads.
    ///
    /// - Parameters:
    ///   - filter: The wanted calls.
    ///   - share: The share of them, 0…1: by their trace where they belong to one, else by chance.
    /// - Returns: The lines; those that are not taken in time are dropped and counted.
    public func log(_ filter: CallFilter, share: Double) -> CallSubscription {
        let subscription = CallSubscription(filter, share: share, subscribers: self)
        let (receivers, isOver) = state.withLock { state in
            if !state.isOver { state.subscriptions.append(subscription) }
            return (state.attached, state.isOver)
        }
        receivers.post(.subscribersChanged {})
        if isOver { subscription.finish() }
        return subscription
    }

    /// Removes a subscription and tells the threads.
    func remove(_ subscription: CallSubscription) {
        let receivers: CommandReceivers? = state.withLock { state in
            guard let index = state.subscriptions.firstIndex(where: { $0 === subscription }) else { return nil }
            state.subscriptions.remove(at: index)
            return state.attached
        }
        receivers?.post(.subscribersChanged {})
    }

    /// Tells threads of every change from now on; their cores learn of the present subscribers when they are made.
    ///
    /// - Parameter receivers: The receivers of the threads.
    public func attach(_ receivers: CommandReceivers) { state.withLock { $0.receivers += receivers.all } }

    /// Tells threads of no change any more; when none is left, all subscriptions end.
    ///
    /// - Parameter receivers: The receivers of the threads, which tell no more calls.
    public func detach(_ receivers: CommandReceivers) {
        let ended: [CallSubscription] = state.withLock { state in
            state.receivers.removeAll { receiver in receivers.all.contains { $0 === receiver } }
            guard state.receivers.isEmpty else { return [] }
            defer { state.subscriptions = [] }
            state.isOver = true
            return state.subscriptions
        }
        for subscription in ended { subscription.finish() }
    }
}
