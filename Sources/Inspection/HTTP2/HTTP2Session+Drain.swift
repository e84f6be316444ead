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
        let half = half(requests.opposite)
        if half.isAtBoundary, hasAnswers(for: half) { plan.reply(with: takeAnswers(context)) }
    }

    /// Looks what the client is to be told of the drains that there are.
    func learnDrains(_ context: ConnectionContext) {
        guard isSignalled(context), let gate = context.pipeline.drains.gate else { return }
        goAway.update(isEnding: gate.service?.endsConnections(begunAt: began, now: context.now) == true)
        updateWatches(context)
        refreshEdits()
    }

    /// Whether the client can be told of drains.
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
        if half(requests).rewriter.isRewriting || isThrottled || goAway.isAwaited { edits.insert(.requests) }
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
    func reject(_ half: HTTP2Direction, byteCount: Int, _ context: ConnectionContext, plan: inout Plan) {
        plan.drop(half.heldBytes + byteCount)
        half.heldBytes = 0
        plan.close()
        guard connectionEnd.tell(), down.isAtBoundary else { return }
        var frames: [UInt8] = []
        if !down.hasSettings { HTTP2FrameWriter.settings([], into: &frames) }
        HTTP2FrameWriter.goAway(lastStreamID: 0, errorCode: HTTP2ErrorCode.noError, into: &frames)
        plan.reply(with: frames)
        context.pipeline.drains.note(.goAway, on: context.session)
    }

    // MARK: Requests

    /// A frame begins: what becomes of it.
    func decideFrame(
        _ half: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        guard half.direction == requests else { return decideReply(half, at: at, walk: &walk, plan: &plan) }
        guard edits.contains(.requests), isUndecided(half) else {
            return decide(half, at: at, context: context, walk: &walk, plan: &plan)
        }
        half.disposition = .hold
        walk.forward(to: at - HTTP2FrameHeader.byteCount, &plan)
    }

    /// Whether it depends on the frame's payload what becomes of it: it may be the answer to a PING of Weir's own, or
    /// give the sender room that Weir has taken.
    func isUndecided(_ half: HTTP2Direction) -> Bool {
        let frame = half.frame
        guard !half.passed.contains(.unit) else { return false }
        switch frame.type {
        case HTTP2FrameType.ping:
            return goAway.isAwaited && frame.has(HTTP2Flag.ack) && frame.payloadBytes == 8
        case HTTP2FrameType.windowUpdate: return frame.payloadBytes == 4 && watches.hasDebt(on: frame.streamID)
        default: return false
        }
    }

    /// The payload of a PING that may be the client's answer.
    func takeAcknowledgement(_ half: HTTP2Direction, _ payload: RawSpan) {
        guard half.direction == requests, payload.byteCount == 8, goAway.acknowledge(ping: payload.uint64(at: 0)) else {
            return
        }
        half.disposition = .drop
        refreshEdits()
    }

    /// A frame that was held has ended.
    func decideHeld(
        _ half: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        switch half.disposition {
        case .forward, .hold: walk.forward(to: at, &plan)
        case .drop: walk.drop(to: at, &plan)
        case .rewrite(let increment):
            var frame: [UInt8] = []
            HTTP2FrameWriter.windowUpdate(increment, streamID: half.frame.streamID, into: &frame)
            walk.replace(to: at, with: frame, &plan)
        }
        half.disposition = .forward
    }

    // MARK: Replies

    /// A frame of the replies' direction begins: what becomes of it.
    func decideReply(_ half: HTTP2Direction, at: Int, walk: inout PlanWalk, plan: inout Plan) {
        let frame = half.frame
        let end = at + Int(frame.payloadBytes)
        let isPassed = half.passed.contains(.unit)
        half.passed.remove(.unit)
        if frame.type == HTTP2FrameType.goAway, goAway.isActive, frame.payloadBytes >= 8 {
            half.disposition = .hold
            return walk.forward(to: at, &plan)
        }
        guard frame.type == HTTP2FrameType.data else { return walk.forward(to: end, &plan) }
        guard !watches.isEmpty, watches.withholds(frame, isPassed: isPassed) else {
            if !isPassed, throttle.stalls(frame), watches.overruns(frame) {
                half.reader.stall()
            } else {
                walk.forward(to: end, &plan)
            }
            return
        }
        half.disposition = .drop
        if frame.has(HTTP2Flag.endStream) {
            var last: [UInt8] = []
            HTTP2FrameWriter.data(
                RawSpan(),
                streamID: frame.streamID,
                endsStream: true,
                maxFrameBytes: half.maxFrameBytes,
                into: &last
            )
            walk.replace(to: at, with: last, &plan)
        }
        walk.drop(to: end, &plan)
    }

    /// More of a frame's payload was read: a GOAWAY of upstream's own must not name a later stream than Weir's did.
    func decideRead(_ half: HTTP2Direction, _ bytes: RawSpan, at: Int, walk: inout PlanWalk, plan: inout Plan) {
        guard half.disposition == .hold, half.frame.type == HTTP2FrameType.goAway, half.reader.payloadRead >= 4 else {
            return
        }
        half.disposition = .forward
        let start = at - half.reader.payloadRead
        let first = half.reader.firstNumber(in: bytes, endingAt: at)
        if let last = goAway.replacement(for: first & 0x7fff_ffff) {
            let last = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: last >> $0) }
            walk.replace(to: start + 4, with: last, &plan)
        }
        walk.forward(to: start + Int(half.frame.payloadBytes), &plan)
    }

    /// Puts in, between two frames of replies, what waits for that.
    func insertAnswers(
        _ half: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        guard half.direction != requests else { return }
        let frames = hasAnswers(for: half) ? takeAnswers(context) : []
        if !frames.isEmpty { walk.replace(to: at, with: frames, &plan) }
        plan.markBoundary()
    }

    /// Completes the plan for the replies' direction.
    func finishReplies(
        _ half: HTTP2Direction,
        _ bytes: RawSpan,
        from end: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        let count = bytes.byteCount
        if connectionEnd.isAbandoned { return abandonForwarded(half, bytes, from: end, walk: &walk, plan: &plan) }
        if half.reader.phase == .stalled { return stall(half, bytes, from: end, walk: &walk, plan: &plan) }
        guard case .other = context.session.decoder else { return walk.forward(to: count, &plan) }
        if !edits.contains(.replies) {
            if half.disposition == .hold { half.disposition = .forward }
            half.passed.insert(.bytes)
            walk.forward(to: count, &plan)
        }
        half.heldBytes = max(0, count - walk.at)
        half.reachBytes = max(0, walk.at - count)
        if half.isAtBoundary { plan.markBoundary() }
        let credit = watches.takeCredit()
        if !credit.isEmpty { plan.reply(with: credit) }
    }
}
