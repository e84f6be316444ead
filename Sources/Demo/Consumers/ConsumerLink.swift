/// One TCP connection of a consumer: what waits for a reply on it, and the thread that reads replies.
protocol ConsumerLink: Sendable {
    /// What is sent on it.
    associatedtype Call: Sendable
    /// What waits for a reply.
    associatedtype Waiting: Sendable

    var pending: PendingCalls<Waiting> { get }

    /// A link on a connection that has just been made.
    init(_ socket: DemoSocket, _ tally: DemoTally)

    /// Says what the protocol has to be begun with.
    func begin()

    /// Sends a call, counted before; not when too many wait already.
    func send(_ call: Call, by application: DemoApplication<Call>, traceParent: String?)

    /// Asks whether the peer is there, if the protocol knows such a question.
    func heartbeat(id: UInt64)

    /// Gives up the calls whose deadline has passed.
    func expire(_ now: UInt64)

    /// Ends the connection; calls that still wait are unanswered.
    func end()

    /// Reads replies until the connection ends.
    func readReplies()
}

extension ConsumerLink {
    func begin() {}
}
