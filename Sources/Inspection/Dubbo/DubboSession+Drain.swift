internal import Calls
internal import Dubbo
internal import Policy
internal import Wire

/// The signals of drains to Dubbo consumers.
extension DubboSession {
    func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan) {
        signal(isDrained: context.pipeline.drains.gate?.service?.isSignalled == true, isNew: false, context, &plan)
    }

    /// Bytes came from downstream while something is drained: tells a consumer that came after the drain had begun.
    func signalNewcomer(_ context: ConnectionContext, _ plan: inout Plan) {
        guard context.session.side == .provider, context.pipeline.drains.gate?.service?.isSignalled == true else {
            return
        }
        signal(isDrained: true, isNew: true, context, &plan)
    }

    private func signal(isDrained: Bool, isNew: Bool, _ context: ConnectionContext, _ plan: inout Plan) {
        let session = context.session
        // Before a header was whole it may still turn out to speak something else.
        guard isConfirmed, isDrained != session.drainSignals.contains(DrainSignals(.readonly)) else { return }
        var random = SystemRandomNumberGenerator()
        let id = freshEventID(context, &random)
        ownEvents.add(id, context.now)
        plan.reply(with: FrameWriter.event(isDrained ? .readonly : .writeable, requestID: id))
        context.pipeline.drains.note(isDrained ? .readonly : .writeable, on: session)
        if isDrained {
            context.inspector.noteReadonly(session, isNew: isNew)
        } else {
            context.inspector.noteWriteable(session, now: context.now)
        }
    }

    /// A frame begins on a connection that was told something, or while something is drained: looks whether it is the
    /// answer to an event of Weir's own, or a reply that is to say that its service is leaving.
    func beginDrained(
        _ state: inout DubboDirection,
        header: FrameHeader,
        at: Int,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        // What was passed on before the header was whole cannot be called back.
        guard !header.isRequest, !state.split.isGuess, at - 16 >= -state.heldBytes,
            header.frameBytes <= UInt64(HoldLimits.dubboFrameBytes)
        else { return }
        if header.isEvent {
            state.isOwnAnswer = direction == .toUpstream && ownEvents.contains(header.requestID)
        } else if direction == .toDownstream, header.status == 20, header.serialization == Serialization.hessian2 {
            let (calls, session) = (context.tracker.table, context.session)
            let index = calls.find(session: session.number, direction: .toUpstream, id: header.requestID)
            // What is in flight would be lost: dubbo-go destroys its client with the reply that says so.
            guard index >= 0, calls.kind(index) != .heartbeat, session.inFlight <= 1 else { return }
            let call = calls[index]
            guard context.pipeline.drains.isLeaving(call.operation, side: call.side) else { return }
            state.reply = ReplyBytes(operation: call.operation, side: call.side)
        }
    }

    /// Such a frame is complete.
    func finishDrained(
        _ state: inout DubboDirection,
        in context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int
    ) {
        let header = state.header
        let start = end - Int(header.frameBytes)
        defer {
            state.isOwnAnswer = false
            state.reply = nil
        }
        guard let reply = state.reply else {
            ownEvents.remove(header.requestID)
            context.session.drain.answersEvents = true
            return turn.drop(header, start: start)
        }
        // The drain may have been undone since the reply began, and calls may have begun.
        let drains = context.pipeline.drains
        guard !state.isDamaged, drains.isLeaving(reply.operation, side: reply.side), isNothingInFlight(context) else {
            return
        }
        let frame = ReplyPatch.attaching(
            key: "closing",
            value: "true",
            to: header,
            reply.body,
            mayAddMap: readsReplyAttachments
        )
        guard let frame else { return }
        turn.edit(FrameEdit(header, start: start, .replace(frame)))
        drains.note(.closing, on: context.session)
    }

    /// Whether, as far as is known here, no call of the connection waits for anything: none that is known, none that
    /// begins, and none may be unknown for want of room.
    private func isNothingInFlight(_ context: ConnectionContext) -> Bool {
        context.session.inFlight == 0 && up.isIdle && !context.tracker.table.isFull
    }

    /// Notes whether the consumer reads the attachments of replies: it says so by its version.
    func noteVersion(_ request: borrowing RequestMetadata, _ texts: RawSpan) {
        guard request.known.contains(.dubboVersion) else { return }
        readsReplyAttachments = ReplyPatch.readsAttachments(version: texts.slice(request.dubboVersion))
    }

    /// An id for an event of Weir's own: odd, and of no call or event of the connection's that waits for a reply.
    func freshEventID(_ context: ConnectionContext, _ random: inout some RandomNumberGenerator) -> UInt64 {
        let (calls, number) = (context.tracker.table, context.session.number)
        while true {
            let id = random.next() | 1
            let isTaken =
                calls.find(session: number, direction: .toUpstream, id: id) >= 0
                || calls.find(session: number, direction: .toDownstream, id: id) >= 0
            if !isTaken, !ownEvents.contains(id) { return id }
        }
    }
}
