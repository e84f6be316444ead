/// One TCP connection of a consumer: its pending calls, and the thread that reads replies.
protocol ConsumerLink: Sendable {
    /// The calls that are sent on it.
    associatedtype Call: Sendable
    /// The state of a pending call.
    associatedtype Waiting: Sendable

    var pending: PendingCalls<Waiting> { get }

    /// A link on a connection that has just been made.
    init(_ socket: DemoSocket, _ tally: DemoTally)

    /// Sends the protocol's opening bytes.
    func begin()

    /// Sends a call, counted before; not when too many wait already.
    func send(_ call: Call, by application: DemoApplication<Call>, traceParent: String?)

    /// Checks that the peer is there, if the protocol has such a request.
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
