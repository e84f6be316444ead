public import Policy
public import Telemetry

/// A source of inspected traffic: a relay with its workers, or a capture that goes on.
///
/// The rest of the process asks its sources alike, whatever brings them their bytes.
public protocol TrafficSource: AnyObject, Sendable {
    /// The receivers of its threads.
    var receivers: CommandReceivers { get }
    /// The subscribers that its calls are told to; sources of one process share them.
    var subscribers: CallSubscribers { get }

    /// The numbers of every thread, asked at once; of one that does not answer in time, those that it gave last.
    ///
    /// - Returns: The snapshots, and the number of those that are old.
    func snapshots() async -> (snapshots: [RecorderSnapshot], stale: Int)
}

extension TrafficSource {
    /// The open connections, by thread; those of a thread that does not answer in time are missing.
    public func connections() async -> [ConnectionReport] {
        let answers: [[ConnectionReport]?] = await receivers.ask { .connections($0) }
        return answers.flatMap { $0 ?? [] }
    }

    /// Has every thread look at the limits in force, which have been replaced.
    ///
    /// Without it threads take them up too, unless there were none before: then they pass calls on unread.
    public func limitsChanged() { receivers.post(.limitsChanged) }

    /// Has every thread look at the drains and tell the consumers of its connections.
    public func drainsChanged() { receivers.post(.drainsChanged) }

    /// Subscribes to calls as they end; see ``CallSubscribers/subscribe(_:)``.
    public func subscribe(_ filter: CallFilter) async throws(CallSubscriptionError) -> CallSubscription {
        try await subscribers.subscribe(filter)
    }
}
