internal import Calls
internal import HTTP2
internal import Wire

/// The disposition of each frame of the replies' direction.
extension HTTP2Session {
    /// A frame of the replies' direction begins: what becomes of it.
    func decideReply(_ state: HTTP2Direction, at: Int, walk: inout PlanWalk, plan: inout Plan) {
        let frame = state.frame
        let end = at + Int(frame.payloadBytes)
        let isPassed = state.passed.contains(.unit)
        state.passed.remove(.unit)
        if frame.type == HTTP2FrameType.goAway, goAway.isActive, frame.payloadBytes >= 8 {
            state.disposition = .hold
            return walk.forward(to: at, &plan)
        }
        guard frame.type == HTTP2FrameType.data else { return walk.forward(to: end, &plan) }
        guard !watches.isEmpty, watches.withholds(frame, isPassed: isPassed) else {
            if !isPassed, throttle.stalls(frame), watches.overruns(frame) {
                state.reader.stall()
            } else {
                walk.forward(to: end, &plan)
            }
            return
        }
        state.disposition = .drop
        if frame.has(HTTP2Flag.endStream) {
            var last: [UInt8] = []
            HTTP2FrameWriter.data(
                RawSpan(),
                streamID: frame.streamID,
                endsStream: true,
                maxFrameBytes: state.maxFrameBytes,
                into: &last
            )
            walk.replace(to: at, with: last, &plan)
        }
        walk.drop(to: end, &plan)
    }

    /// More of a frame's payload was read: a GOAWAY of upstream's own must not name a later stream than Weir's did.
    func decideRead(_ state: HTTP2Direction, _ bytes: RawSpan, at: Int, walk: inout PlanWalk, plan: inout Plan) {
        guard state.disposition == .hold, state.frame.type == HTTP2FrameType.goAway, state.reader.payloadRead >= 4
        else {
            return
        }
        state.disposition = .forward
        let start = at - state.reader.payloadRead
        let first = state.reader.firstNumber(in: bytes, endingAt: at)
        if let last = goAway.replacement(for: first & 0x7fff_ffff) {
            let last = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: last >> $0) }
            walk.replace(to: start + 4, with: last, &plan)
        }
        walk.forward(to: start + Int(state.frame.payloadBytes), &plan)
    }

    /// Puts in, between two frames of replies, what waits for that.
    func insertAnswers(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        guard state.direction != requests else { return }
        let frames = hasAnswers(for: state) ? takeAnswers(context) : []
        if !frames.isEmpty { walk.replace(to: at, with: frames, &plan) }
        plan.markBoundary()
    }

    /// Completes the plan for the replies' direction.
    func finishReplies(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        from end: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        let count = bytes.byteCount
        if connectionEnd.isAbandoned { return abandonForwarded(state, bytes, from: end, walk: &walk, plan: &plan) }
        if state.reader.phase == .stalled { return stall(state, bytes, from: end, walk: &walk, plan: &plan) }
        guard case .other = context.session.decoder else { return walk.forward(to: count, &plan) }
        if !edits.contains(.replies) {
            if state.disposition == .hold { state.disposition = .forward }
            state.passed.insert(.bytes)
            walk.forward(to: count, &plan)
        }
        state.heldBytes = max(0, count - walk.at)
        state.reachBytes = max(0, walk.at - count)
        if state.isAtBoundary { plan.markBoundary() }
        let credit = watches.takeCredit()
        if !credit.isEmpty { plan.reply(with: credit) }
    }
}
