internal import Calls
internal import Dubbo
internal import Policy
internal import Telemetry
internal import Wire

/// A Dubbo connection: its frames are calls, and may be held back, answered or changed one by one.
final class DubboSession: ProtocolSession {
    var up = DubboDirection()
    var down = DubboDirection()
    /// Whether a whole header was good: two bytes of magic may be another protocol's.
    var isConfirmed = false
    /// Events that Weir has sent downstream; their answers go no further.
    var ownEvents = OwnEvents()
    /// Whether the consumer reads attachments of replies; known from its requests once something is drained.
    var readsReplyAttachments = false
    /// Whether requests of the server are decided about: not where its first frame was found behind text, for of that
    /// frame nothing could be held back.
    var judgesCallbacks = true

    var isQuiet: Bool { isQuiet(.toUpstream) && isQuiet(.toDownstream) }

    /// Whether a direction is between two messages.
    ///
    /// Its fields one by one: a property of the direction would be asked of a copy of all of it.
    @inline(__always)
    func isQuiet(_ direction: Direction) -> Bool {
        if direction == .toUpstream { return up.phase == .header && up.headerHas == 0 && !up.isGuess }
        return down.phase == .header && down.headerHas == 0 && !down.isGuess
    }

    /// Whether requests of a direction are decided about.
    @inline(__always)
    func isJudged(_ direction: Direction) -> Bool { direction == .toUpstream || judgesCallbacks }

    @inline(__always)
    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let earlier = direction == .toUpstream ? up.earlier : down.earlier
        var turn = DubboTurn()
        follow(bytes, going: direction, in: context, turn: &turn)
        guard context.isGoverned || earlier.isAny || !ownEvents.isEmpty || turn.changes != nil else {
            return forward(bytes.byteCount, turn: turn, plan: &plan)
        }
        apply(turn, count: bytes.byteCount, earlier: earlier, going: direction, plan: &plan)
        if !context.pipeline.drains.isActive {
            ownEvents.removeOld(context.now)
        } else if context.isGoverned, direction == .toUpstream {
            signalNewcomer(context, &plan)
        }
    }

    /// Passes everything on, with the boundaries that the relay wants to know.
    @inline(__always)
    private func forward(_ count: Int, turn: borrowing DubboTurn, plan: inout Plan) {
        guard plan.isBoundaryWanted, let first = turn.firstBoundary else {
            return plan.forwardAll(endsAtBoundary: turn.endsAtBoundary)
        }
        plan.forward(first)
        plan.markBoundary()
        guard first < count else { return }
        plan.forward(count - first)
        if turn.endsAtBoundary { plan.markBoundary() }
    }

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        if direction == .toUpstream { stop(&up, context) } else { stop(&down, context) }
        plan.forwardAll(endsAtBoundary: true)
    }

    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) {
        if direction == .toUpstream {
            miss(&up, count: count, going: direction, in: context)
        } else {
            miss(&down, count: count, going: direction, in: context)
        }
    }

    func goBlind(_ context: ConnectionContext) {
        stop(&up, context)
        stop(&down, context)
    }

    func close(_ context: ConnectionContext) { goBlind(context) }

    // MARK: Time

    func isWaiting(_ direction: Direction) -> Bool { direction == .toUpstream ? up.isWaiting : down.isWaiting }

    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        guard isWaiting(direction) else { return false }
        var state = direction == .toUpstream ? up.take() : down.take()
        let earlier = state.earlier
        var turn = DubboTurn()
        turn.endsAtBoundary = false
        if state.phase == .body, state.holdState == .held {
            decideEarly(&state, going: direction, in: context, turn: &turn, end: 0, reason: .late)
        } else {
            context.recorder.verdictPartial(.late)
        }
        // A reply that was to tell of a drain goes on as it is.
        state.reply = nil
        state.heldBytes = 0
        if direction == .toUpstream { up = state } else { down = state }
        apply(turn, count: 0, earlier: earlier, going: direction, plan: &plan)
        return true
    }
}
