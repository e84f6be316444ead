internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// The disposition of each frame of the requests' direction.
extension HTTP2Session {
    /// True if upstream knows nothing of the stream, or has no use for more of it.
    ///
    /// Streams that were refused are not told from those that have ended: of either upstream needs no frame. What comes
    /// behind its reset would only take room that it gives back.
    private func isWithheld(_ state: HTTP2Direction, _ id: UInt32) -> Bool {
        state.rewriter.isRewriting && id != 0 && id <= streams.highestID && streams.place(of: id) < 0
    }

    /// A frame of the requests' direction begins: what becomes of it, unless it is part of a header block.
    func decide(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        let frame = state.frame
        let end = at + Int(frame.payloadBytes)
        switch frame.type {
        case HTTP2FrameType.headers:
            state.passed.remove(.block)
            if state.passed.contains(.unit) { state.passed.insert(.block) }
            state.passed.remove(.unit)
            state.rewriter.begin(isWithheld: isWithheld(state, frame.streamID))
            // Only the block waits, and not what a client without SETTINGS said before it.
            walk.forward(to: at - HTTP2FrameHeader.byteCount, &plan)
            // A context that a request came with gives way to Weir's own, which takes a block written anew.
            if !state.rewriter.isRewriting, !state.passed.contains(.block), context.isGoverned,
                context.tracker.tracer?.injects(.triple) == true
            {
                startRewriting(state)
            }
            // What is written anew is made of the fields.
            if state.rewriter.isRewriting { walk.drop(to: end, &plan) }
            return
        case HTTP2FrameType.continuation:
            if state.rewriter.isRewriting { walk.drop(to: end, &plan) }
            return
        case HTTP2FrameType.data, HTTP2FrameType.resetStream, HTTP2FrameType.windowUpdate, HTTP2FrameType.priority:
            guard isWithheld(state, frame.streamID) else { break }
            walk.drop(to: end, &plan)
            if frame.type == HTTP2FrameType.data { localReplies.credit(frame.payloadBytes) }
            return
        default: break
        }
        state.passed.remove(.unit)
        walk.forward(to: end, &plan)
    }

    /// A frame of the requests' direction has ended: what becomes of the header block that it completes.
    func decideBlock(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if state.disposition != .forward {
            return decideHeld(state, at: at, context: context, walk: &walk, plan: &plan)
        }
        let type = state.frame.type
        guard type == HTTP2FrameType.headers || type == HTTP2FrameType.continuation, !state.assembler.isOpen else {
            return
        }
        defer { state.passed.remove(.block) }
        guard !connectionEnd.isAbandoned else { return state.rewriter.forgetBlock() }
        let edit = state.rewriter.finish(
            state.assembler.frame,
            last: state.frame,
            sizeUpdates: state.decoder.sizeUpdates,
            maxFrameBytes: state.maxFrameBytes
        )
        if state.rewriter.isRewriting { edits.insert(.requests) }
        switch edit {
        case .forward: walk.forward(to: at, &plan)
        case .drop: walk.drop(to: at, &plan)
        case .replace(let frames): walk.replace(to: at, with: frames, &plan)
        case .extend(let header, let tail):
            let start = at - state.frame.frameBytes
            walk.forward(to: start, &plan)
            walk.replace(to: start + HTTP2FrameHeader.byteCount, with: header, &plan)
            walk.forward(to: at, &plan)
            walk.replace(to: at, with: tail, &plan)
        }
    }

    private func startRewriting(_ state: HTTP2Direction) {
        state.rewriter.start()
        edits.insert(.requests)
    }

    /// A frame begins: what becomes of it.
    func decideFrame(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        guard state.direction == requests else { return decideReply(state, at: at, walk: &walk, plan: &plan) }
        guard edits.contains(.requests), isUndecided(state) else {
            return decide(state, at: at, context: context, walk: &walk, plan: &plan)
        }
        state.disposition = .hold
        walk.forward(to: at - HTTP2FrameHeader.byteCount, &plan)
    }

    /// True if it depends on the frame's payload what becomes of it: it may be the answer to a PING of Weir's own, or
    /// give the sender room that Weir has taken.
    func isUndecided(_ state: HTTP2Direction) -> Bool {
        let frame = state.frame
        guard !state.passed.contains(.unit) else { return false }
        switch frame.type {
        case HTTP2FrameType.ping:
            return goAway.isAwaited && frame.has(HTTP2Flag.ack) && frame.payloadBytes == 8
        case HTTP2FrameType.windowUpdate: return frame.payloadBytes == 4 && watches.hasDebt(on: frame.streamID)
        default: return false
        }
    }

    /// The payload of a PING that may be the client's answer.
    func takeAcknowledgement(_ state: HTTP2Direction, _ payload: RawSpan) {
        guard state.direction == requests, payload.byteCount == 8, goAway.acknowledge(ping: payload.uint64(at: 0))
        else {
            return
        }
        state.disposition = .drop
        refreshEdits()
    }

    /// A frame that was held has ended.
    func decideHeld(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        switch state.disposition {
        case .forward, .hold: walk.forward(to: at, &plan)
        case .drop: walk.drop(to: at, &plan)
        case .rewrite(let increment):
            var frame: [UInt8] = []
            HTTP2FrameWriter.windowUpdate(increment, streamID: state.frame.streamID, into: &frame)
            walk.replace(to: at, with: frame, &plan)
        }
        state.disposition = .forward
    }
}
