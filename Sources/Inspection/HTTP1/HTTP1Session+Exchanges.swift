internal import Calls
internal import HTTP1
internal import Telemetry
internal import Wire

/// Requests that wait for their responses, in order.
extension HTTP1Session {
    /// The kind of a request.
    enum Kind: UInt8 {
        case other
        case triple
        case rpc
    }

    /// A request that waits for its final response.
    struct Exchange {
        var number: UInt64 = 0
        /// The key of a single call's id; 0 when it has none that could be kept.
        var idKey: UInt64 = 0
        /// The hash of the MCP session that the request names; 0 for none.
        var mcpSession: UInt64 = 0
        var method = HTTP1Method.other
        var kind = Kind.other
        /// True if a call waits under the number.
        var hasCall = false
        /// True if all of it has arrived.
        var isComplete = false
        /// True if its final response came before its end.
        var isAnswered = false
        /// True if a call's reply may be an event stream, so that leaving cancels it.
        var acceptsEvents = false
        /// True if it asks for HTTP/2, or for something else that is no HTTP/1.
        var asksForUpgrade = false
        /// True if Weir answers; upstream never sees the request.
        var isRefused = false
        /// True if that answer may go.
        var isReplyDue = false
        /// True if the client is to be told to send the body; whether it has been, so that upstream's own word is left
        /// out.
        var interim = (isDue: false, isSwallowed: false)
        /// The key of its path among ``RPCPaths``; 0 without a body.
        var pathKey: UInt64 = 0
        /// The parts that few requests have.
        var details: Details?
    }

    /// The parts that few requests have.
    final class Details {
        /// The calls of a batch that wait, by their keys in the call table.
        var keys: [UInt64] = []
        /// Weir's answer.
        var queuedReply: QueuedReply?
        /// The target of a GET that asks for events.
        var eventsTarget: [UInt8]?
        /// The numbers of calls whose replies come on another connection; see ``CorrelationTable``.
        var correlated: [UInt64] = []
        /// The target and time of a body that is no JSON-RPC; see HTTP1Session+Unparsed.
        var unparsed: UnparsedRequest?
        /// For an observer of messages.
        var observed: ObservedStreamHalf?
        /// The header table that the client allows, of a request that asks for HTTP/2.
        var tableBytes: UInt32?
        /// The outcome of calls whose response came before they were known.
        var early: (outcome: Outcome, code: Int32) = (.serverError, ResultCode.none)
    }

    /// Weir's answer in upstream's place.
    struct QueuedReply {
        var head: HTTP1ResponseHead
        var body: [UInt8]
    }

    /// How many requests wait.
    var waiting: Int { queue.exchanges.count - queue.first }

    /// True if an answer of Weir's own waits for its turn.
    var hasLocalReplies: Bool { queue.exchanges[queue.first...].contains { $0.isRefused } }

    /// The request whose response is next from upstream; `nil` if upstream has seen none that waits.
    var oldest: Exchange? { hasOldest ? queue.exchanges[queue.first] : nil }

    /// True if upstream has seen a request that waits.
    var hasOldest: Bool {
        guard queue.first < queue.exchanges.count, !queue.exchanges[queue.first].isRefused else { return false }
        return queue.exchanges[queue.first].isComplete || asked.holdState == .admitted
    }

    /// The details of the request being read.
    var currentDetails: Details {
        if let details = current.details { return details }
        let details = Details()
        current.details = details
        return details
    }

    /// Lets the request being read, whose head has ended, wait for its response.
    func enqueue() {
        if queue.first > 64, queue.first * 2 > queue.exchanges.count {
            queue.exchanges.removeFirst(queue.first)
            queue.first = 0
        }
        queue.exchanges.append(current)
    }

    /// More is known of the request being read.
    func updateQueue() {
        guard !current.isAnswered, waiting > 0 else { return }
        queue.exchanges[queue.exchanges.count - 1] = current
    }

    /// Takes the first waiting request out.
    func removeFirst() {
        if queue.exchanges[queue.first].number == current.number { current.isAnswered = true }
        queue.exchanges[queue.first] = Exchange()
        queue.first += 1
        guard queue.first == queue.exchanges.count else { return }
        queue.exchanges.removeAll(keepingCapacity: queue.exchanges.capacity <= 16)
        queue.first = 0
    }

    /// Takes the request out whose response is next.
    func popOldest() -> Exchange? {
        guard let oldest else { return nil }
        removeFirst()
        return oldest
    }
}

/// The state of a direction that can no longer be followed.
extension HTTP1Session {
    /// The treatment of a direction's bytes.
    enum Reading: UInt8 {
        case follow
        /// They are passed on unread.
        case pass
        /// They are the rest of what upstream must not see.
        case drop
    }

    /// True if requests are still read.
    func isFollowing(_ context: ConnectionContext) -> Bool {
        guard case .other(let decoder) = context.session.decoder, decoder === self else { return false }
        return asked.reading == .follow
    }

    /// Requests are not HTTP/1 as everybody reads it, or too many: they are not followed any further.
    ///
    /// What Weir has to answer it answers still, in its turn, and what it began to leave out it goes on leaving out:
    /// the rest of a refused request would be another request to upstream.
    func failRequests(_ failure: HTTP1Failure, _ context: ConnectionContext) {
        count(failure, context)
        dropEarly(context)
        if asked.holdState == .refused {
            asked.reading = .drop
            closeAfterReply()
            current.isReplyDue = true
            updateQueue()
            sendIfNext(context)
        } else if hasLocalReplies {
            asked.reading = .pass
        } else {
            context.inspector.goBlind(context.session, now: context.now)
        }
    }

    /// Responses are not HTTP/1 as everybody reads it.
    func failResponses(_ failure: HTTP1Failure, _ context: ConnectionContext) {
        count(failure, context)
        guard asked.holdState == .refused || closing.isAnnounced else {
            return context.inspector.goBlind(context.session, now: context.now)
        }
        answering.isBlind = true
        context.tracker.endAll(on: context.session, as: .lost, now: context.now)
    }

    private func count(_ failure: HTTP1Failure, _ context: ConnectionContext) {
        let inspector = context.inspector
        let spoken = context.session.connectionProtocol
        inspector.recorder.decodeError(spoken == .silent || spoken == .opaque ? .http : spoken, reason: failure.label)
        if spoken == .silent { inspector.identify(context.session, .http) }
    }

    /// Nothing is left that the connection would have to be followed for.
    func goBlindIfDone(_ context: ConnectionContext) {
        let isDone = answering.isBlind ? asked.holdState != .refused : asked.reading == .pass && !hasLocalReplies
        if isDone { context.inspector.goBlind(context.session, now: context.now) }
    }
}
