internal import Calls
internal import HTTP2
internal import Policy
internal import Wire

/// Drains of HTTP/2: the end of the connection in two steps, and connections that come too late.
///
/// GOAWAY first names the highest stream there can be, so that requests on their way are not lost; what the client has
/// opened is known when it answers the PING that goes with it (RFC 9113 §6.8). Requests are never refused for a drain:
/// Java does not try them elsewhere.
extension HTTP2Session {
    func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan) {
        connectionEnd.review(isRefusing: context.pipeline.drains.turnsAway(context.session, now: context.now))
        learnDrains(context)
        let state = state(requests.opposite)
        if state.isAtBoundary, hasAnswers(for: state) { plan.reply(with: takeAnswers(context)) }
    }

    /// Looks what the client is to be told of the drains that there are.
    func learnDrains(_ context: ConnectionContext) {
        guard isSignalled(context), let gate = context.pipeline.drains.gate else { return }
        goAway.update(isEnding: gate.service?.endsConnections(begunAt: began, now: context.now) == true)
        updateWatches(context)
        refreshEdits()
    }

    /// True if the client can be told of drains.
    func isSignalled(_ context: ConnectionContext) -> Bool {
        context.session.side == .provider && requests == .toUpstream && connectionEnd == .none
            && !down.decoder.isMidstream
    }

    /// Sees what the client is to be told, and which directions must be edited for it.
    func refreshEdits() {
        let isStatusDue = watches.isStatusDue
        let isThrottled = watches.hasDebt || throttle.isStalled
        edits = []
        if goAway.isDue || isStatusDue { edits.insert([.signals, .requests]) }
        if state(requests).rewriter.isRewriting || isThrottled || goAway.isAwaited { edits.insert(.requests) }
        if goAway.isActive || isStatusDue || isThrottled || watches.filtersReplies { edits.insert(.replies) }
    }

    /// Writes what the client is to be told, as far as that is possible here.
    func tellNews(_ context: ConnectionContext, into frames: inout [UInt8]) {
        switch goAway.next(highestStreamID: streams.highestID, ping: UInt64.random(in: .min ... .max)) {
        case .announce(let last, let ping):
            HTTP2FrameWriter.goAway(lastStreamID: last, errorCode: HTTP2ErrorCode.noError, into: &frames)
            HTTP2FrameWriter.ping(ping, isAck: false, into: &frames)
            context.pipeline.drains.note(.goAway, on: context.session)
        case .conclude(let last):
            HTTP2FrameWriter.goAway(lastStreamID: last, errorCode: HTTP2ErrorCode.noError, into: &frames)
        case nil: break
        }
        writeStatuses(context, into: &frames)
        refreshEdits()
    }

    // MARK: New connections

    /// Drops the bytes of a connection that began when its service refused requests: the server gets nothing, and the
    /// client learns that none of its requests was looked at.
    func reject(_ state: HTTP2Direction, byteCount: Int, _ context: ConnectionContext, plan: inout Plan) {
        plan.drop(state.heldBytes + byteCount)
        state.heldBytes = 0
        plan.close()
        guard connectionEnd.tell(), down.isAtBoundary else { return }
        var frames: [UInt8] = []
        if !down.hasSettings { HTTP2FrameWriter.settings([], into: &frames) }
        HTTP2FrameWriter.goAway(lastStreamID: 0, errorCode: HTTP2ErrorCode.noError, into: &frames)
        plan.reply(with: frames)
        context.pipeline.drains.note(.goAway, on: context.session)
    }
}
