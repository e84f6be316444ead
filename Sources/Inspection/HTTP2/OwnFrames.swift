internal import Calls
internal import HTTP2
internal import Policy
internal import Wire

/// The frames of Weir's own in a connection's replies (GOAWAY, statuses of health streams, local replies, room), and
/// what they demand of the peers' frames.
///
/// What Weir has told or put in must hold against what the peers say: a server's GOAWAY may not name a later stream,
/// the client's room is less than the server believes, the acknowledgement of a PING of Weir's is not the server's.
/// Bounds: those of its parts.
struct OwnFrames {
    /// The GOAWAY frames that tell the client of drains.
    var goAway = GoAwayCoordinator()
    /// The streams on which the client waits for a service's health, and its windows.
    var watches: HealthWatchTable
    /// The replies that wait for room.
    var throttle = ReplyThrottle()
    /// The frames that wait for the replies' direction to be between two frames.
    var localReplies = LocalReplyQueue()
    /// The directions that are edited for more than decisions.
    private(set) var edits: EditedDirections = []
    /// True once requests' header blocks are written anew.
    private var isRewriting = false

    /// No frames.
    ///
    /// - Parameter areWindowsKnown: True if the connection is seen from its beginning.
    init(areWindowsKnown: Bool) { watches = HealthWatchTable(areWindowsKnown: areWindowsKnown) }

    /// Sees what the client is to be told, and which directions must be edited for it.
    mutating func refresh() {
        let isStatusDue = watches.isStatusDue
        let isThrottled = watches.hasDebt || throttle.isStalled
        edits = []
        if goAway.isDue || isStatusDue { edits.insert([.signals, .requests]) }
        if isRewriting || isThrottled || goAway.isAwaited { edits.insert(.requests) }
        if goAway.isActive || isStatusDue || isThrottled || watches.filtersReplies { edits.insert(.replies) }
    }

    /// Requests' header blocks are written anew from here on.
    mutating func rewrites() {
        isRewriting = true
        edits.insert(.requests)
    }

    // MARK: Telling

    /// True if there is something to be put into the replies' direction; not before the server's SETTINGS, which must
    /// be its first frame.
    @inline(__always)
    func isDue(in replies: HTTP2Direction) -> Bool {
        (!localReplies.isEmpty || edits.contains(.signals)) && replies.hasSettings
    }

    /// Takes the frames that wait, to be put in exactly here: where the client's table stands decides how a block
    /// begins.
    ///
    /// - Parameters:
    ///   - replies: The direction of replies, between two frames.
    ///   - calls: The streams.
    ///   - context: Whom they belong to.
    /// - Returns: The frames.
    mutating func take(for replies: HTTP2Direction, of calls: StreamCalls, _ context: ConnectionContext) -> [UInt8] {
        var frames: [UInt8] = []
        if edits.contains(.signals) { tellNews(replies, calls, context: context, into: &frames) }
        let hasContent = localReplies.hasContent
        var room = watches
        localReplies.take(
            tableBytes: replies.decoder.dueUpdateBytes,
            maxFrameBytes: replies.maxFrameBytes,
            takesRoom: { !throttle.isStalled && room.takeRoom($0) },
            into: &frames
        )
        if hasContent {
            watches = room
            refresh()
        }
        return frames
    }

    /// Writes what the client is to be told of drains, as far as that is possible here.
    private mutating func tellNews(
        _ replies: HTTP2Direction,
        _ calls: StreamCalls,
        context: ConnectionContext,
        into frames: inout [UInt8]
    ) {
        switch goAway.next(highestStreamID: calls.streams.highestID, ping: UInt64.random(in: .min ... .max)) {
        case .announce(let last, let ping):
            HTTP2FrameWriter.goAway(lastStreamID: last, errorCode: HTTP2ErrorCode.noError, into: &frames)
            HTTP2FrameWriter.ping(ping, isAck: false, into: &frames)
            context.pipeline.drains.note(.goAway, on: context.session)
        case .conclude(let last):
            HTTP2FrameWriter.goAway(lastStreamID: last, errorCode: HTTP2ErrorCode.noError, into: &frames)
        case nil: break
        }
        writeStatuses(replies, calls, context: context, into: &frames)
        refresh()
    }

    /// Puts what clients are to be told into their streams, where these have begun, stand between two messages, and
    /// have room.
    private mutating func writeStatuses(
        _ replies: HTTP2Direction,
        _ calls: StreamCalls,
        context: ConnectionContext,
        into frames: inout [UInt8]
    ) {
        guard !watches.isEmpty, !throttle.isStalled else { return }
        for id in watches.streamIDs {
            guard calls.hasReplyBegun(id), let notice = watches.tell(id) else { continue }
            HTTP2FrameWriter.data(
                notice.message.byteSpan,
                streamID: id,
                endsStream: false,
                maxFrameBytes: replies.maxFrameBytes,
                into: &frames
            )
            switch notice.change {
            case .drained: context.pipeline.drains.note(.notServing, on: context.session)
            case .restored:
                context.pipeline.drains.note(.serving, on: context.session)
                if watches.isToldNotServing { context.session.drain.signals.insert(DrainSignals(.notServing)) }
            case .none: break
            }
        }
    }

    // MARK: Drains

    /// Drains have changed: sees what the client is to be told of those that there are.
    ///
    /// - Parameters:
    ///   - gate: The drains.
    ///   - began: The time of the connection's first bytes, in nanoseconds.
    ///   - context: Whom it belongs to.
    mutating func learnDrains(_ gate: DrainGate, began: UInt64, _ context: ConnectionContext) {
        goAway.update(isEnding: gate.service?.endsConnections(begunAt: began, now: context.now) == true)
        updateWatches(context)
        refresh()
    }

    /// Sees which health streams are about something that is drained.
    private mutating func updateWatches(_ context: ConnectionContext) {
        guard !watches.isEmpty, let gate = context.pipeline.drains.gate else { return }
        watches.update { gate.isSignalled(interface: $0) }
        if !watches.isToldNotServing { context.session.drain.signals.remove(DrainSignals(.notServing)) }
    }

    /// A client begins to wait.
    mutating func beginWatch(_ id: UInt32, _ context: ConnectionContext) {
        guard watches.begin(id), context.pipeline.drains.isActive else { return }
        updateWatches(context)
        refresh()
    }

    /// A client waits no longer, or the server has said everything.
    mutating func endWatch(_ id: UInt32) {
        if !watches.isEmpty, watches.end(id) { refresh() }
    }

    /// The server looks at no stream above `last`.
    ///
    /// - Parameters:
    ///   - last: The highest stream that the server looks at.
    ///   - highestStreamID: The highest stream that the client has opened.
    /// - Returns: True if streams above `last` may be open.
    mutating func receiveGoAway(_ last: UInt32, highestStreamID: UInt32) -> Bool {
        guard goAway.receive(last: last, highestStreamID: highestStreamID) else { return false }
        for id in watches.streamIDs where id > last { endWatch(id) }
        return true
    }

    /// Content of DATA of a stream that is no call.
    mutating func watchData(_ piece: RawSpan, on id: UInt32, isRequest: Bool, _ context: ConnectionContext) {
        guard watches.contains(id) else { return }
        if !isRequest {
            watches.receiveReply(piece, on: id)
        } else if watches.receiveRequest(piece, on: id), context.pipeline.drains.isActive {
            updateWatches(context)
        }
        watches.removeDamaged(id)
        refresh()
    }
}
