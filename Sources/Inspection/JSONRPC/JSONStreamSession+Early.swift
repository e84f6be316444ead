internal import Calls
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Wire

/// Values of a stream that are decided about before their end, because they are too large to hold, and those that are
/// too many to be told apart.
extension JSONStreamSession {
    func isWaiting(_ direction: Direction) -> Bool { state(direction).heldBytes > 0 }

    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        let state = state(direction)
        guard state.heldBytes > 0 else { return false }
        context.recorder.verdictPartial(.late)
        state.isPassed = true
        if context.isGoverned { judgeEarly(state, going: direction, in: context) }
        // It is counted already.
        state.isUnasked = false
        var walk = PlanBuilder(at: -state.heldBytes, isEdited: true)
        if state.isDropped { walk.drop(to: 0, &plan) } else { walk.forward(to: 0, &plan) }
        state.heldBytes = 0
        return true
    }

    /// A call that a value makes.
    func entry(
        _ operation: OperationID,
        state: DirectionState,
        going direction: Direction,
        id: UInt64,
        bytes: UInt64,
        in context: ConnectionContext
    ) -> CallTable.Entry {
        CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: direction,
            id: id,
            side: context.session.side(of: direction),
            operation: operation,
            start: state.start,
            deadline: context.tracker.defaultDeadline(state.start),
            requestBytes: bytes
        )
    }

    /// Decides about the value going on by what is known of it: what it says so far, or that the connection speaks
    /// JSON-RPC.
    func judgeEarly(_ state: DirectionState, going direction: Direction, in context: ConnectionContext) {
        let inspector = context.inspector
        state.isUnasked = true
        guard let reader = state.reader, inspector.pipeline.mayRefuse else { return }
        let reading = reader.knowsMethods
        // Upstream's large values are replies nearly always.
        guard reading || (isIdentified && direction == .toUpstream) else { return }
        let nothing = RawSpan()
        var groups = [CallGroup(operation: inspector.operations.operation(ofMethod: nothing, interface: nothing))]
        groups[0].calls = 1
        if reading { groups = inspector.operations.groups(of: reader, interface: nothing) }
        // The id of a single one may still come.
        for place in groups.indices where !reader.scanner.isBatch || !reading {
            groups[place].isForAll = true
            groups[place].isOneway = false
        }
        var early = EarlyDecision(asked: groups, knowsMethods: reading)
        early.decided = decide(groups, going: direction, in: context)
        state.early = early
        state.isUnasked = !reading && early.reply == nil
    }

    /// A value that was decided about has ended: what came behind is charged.
    func chargeRest(
        _ early: EarlyDecision,
        reader: RPCReader,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        guard early.knowsMethods || reader.scanner.isBatch else { return }
        let inspector = context.inspector
        let groups = inspector.operations.groups(of: reader, interface: RawSpan())
        let side = context.session.side(of: direction)
        inspector.pipeline.chargeRest(early, groups: groups, side: side, fields: RequestFields(), on: context.session)
    }

    /// A value that was decided about is no call, or will not end.
    func dropEarly(_ state: DirectionState, _ context: ConnectionContext) {
        guard let early = state.early else { return }
        state.early = nil
        context.pipeline.end(early.decided.permits)
    }

    /// Counts the calls of a batch that are too many to be remembered, under the last operation that is: which of them
    /// are answered cannot be told.
    func countSurplus(
        _ reader: RPCReader,
        state: DirectionState,
        reply: LocalReply?,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        guard reader.surplus > reader.countedSurplus else { return }
        let inspector = context.inspector
        var operation = inspector.operations.unknown
        reader.lastCall { operation = inspector.operations.operation(ofMethod: $0, interface: $0.extracting(0..<0)) }
        let entry = entry(operation, state: state, going: direction, id: 0, bytes: 0, in: context)
        let outcome = reply?.outcome ?? .lost
        let code = reply?.code(in: .jsonrpc) ?? ResultCode.none
        while reader.countedSurplus < reader.surplus {
            reader.countedSurplus += 1
            inspector.tracker.count(entry, as: outcome, code: code, on: context.session, now: context.now) {
                CallTexts()
            }
        }
    }
}
