internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Wire

/// The completion of plans, and the frames of Weir's own that they put into the replies' direction.
extension HTTP2Session {
    /// Completes the plan for the requests' direction.
    func finishRequests(
        _ state: HTTP2Direction,
        count: Int,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        if connectionEnd.isAbandoned { return abandonRequests(state, count: count, walk: &walk, plan: &plan) }
        guard case .other = context.session.decoder else {
            walk.forward(to: count, &plan)
            return plan.reply(with: own.throttle.takeAll())
        }
        let isHeld = context.isGoverned || state.rewriter.isRewriting || own.edits.contains(.requests)
        if !isHeld { state.stopDeciding(at: count, walk: &walk, plan: &plan) }
        if count - walk.at > HoldLimits.requestBytes {
            // A block that large is passed on as it comes; its request is not judged.
            state.passed.insert(.block)
            context.recorder.verdictPartial(.tooLarge)
            walk.forward(to: count, &plan)
        }
        state.finish(walk, count: count)
        if state.isAtBoundary || (state.heldBytes > 0 && !state.passed.contains(.block)) { plan.markBoundary() }
        if own.throttle.isStalled { plan.reply(with: release(context, &plan)) }
        replyIfDue(context, &plan)
    }

    /// Completes the plan for the replies' direction.
    func finishReplies(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        from end: Int,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        let count = bytes.byteCount
        if connectionEnd.isAbandoned { return abandonReplies(state, bytes, from: end, walk: &walk, plan: &plan) }
        if state.reader.phase == .stalled { return stall(state, bytes, from: end, walk: &walk, plan: &plan) }
        guard case .other = context.session.decoder else { return walk.forward(to: count, &plan) }
        if !own.edits.contains(.replies) { state.stopDeciding(at: count, walk: &walk, plan: &plan) }
        state.finish(walk, count: count)
        if state.isAtBoundary { plan.markBoundary() }
        let credit = own.takeCredit()
        if !credit.isEmpty { plan.reply(with: credit) }
    }

    /// Forwards all of a direction that is not edited, marking where frames of Weir's own may go in.
    func forward(_ count: Int, _ state: HTTP2Direction, boundary: Int?, plan: inout Plan) {
        var walk = PlanBuilder(at: 0, isEdited: true)
        if let boundary {
            walk.forward(to: boundary, &plan)
            if !own.localReplies.staged.isEmpty {
                walk.replace(to: boundary, with: own.localReplies.takeStaged(), &plan)
            }
            plan.markBoundary()
        }
        walk.forward(to: count, &plan)
        if state.isAtBoundary { plan.markBoundary() }
    }

    // MARK: Frames of Weir's own

    /// True if frames of Weir's own are to be put into a direction.
    @inline(__always)
    func isDue(_ state: HTTP2Direction) -> Bool { own.isDue(in: state) && state.direction != requests }

    /// A direction stands between two frames, for the first time in these bytes or with frames to be put in.
    func passBoundary(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        walk.boundary = at
        guard state.direction != requests else { return }
        let frames = isDue(state) ? own.take(for: state, of: calls, context) : []
        guard walk.isEdited else {
            if !frames.isEmpty { own.localReplies.staged = frames }
            return
        }
        if !frames.isEmpty { walk.replace(to: at, with: frames, &plan) }
        plan.markBoundary()
    }

    /// Puts frames of Weir's own in where no replies are on their way.
    private func replyIfDue(_ context: ConnectionContext, _ plan: inout Plan) {
        let replies = state(requests.opposite)
        if replies.isAtBoundary, isDue(replies) { plan.reply(with: own.take(for: replies, of: calls, context)) }
    }

    // MARK: Drains

    func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan) {
        connectionEnd.review(isRefusing: context.pipeline.drains.turnsAway(context.session, now: context.now))
        learnDrains(context)
        replyIfDue(context, &plan)
    }

    /// Looks what the client is to be told of the drains that there are.
    func learnDrains(_ context: ConnectionContext) {
        guard isSignalled(context), let gate = context.pipeline.drains.gate else { return }
        own.learnDrains(gate, began: began, context)
    }

    /// True if the client can be told of drains.
    func isSignalled(_ context: ConnectionContext) -> Bool {
        context.session.side == .provider && requests == .toUpstream && connectionEnd == .none
            && !down.decoder.isMidstream
    }
}
