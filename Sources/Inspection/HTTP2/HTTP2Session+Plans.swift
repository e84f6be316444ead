internal import Calls
internal import HTTP2
internal import Telemetry
internal import Wire

/// The completion of plans, and the frames of Weir's own that they put into the replies' direction.
extension HTTP2Session {
    /// Completes the plan for the requests' direction.
    func finishPlan(
        _ state: HTTP2Direction,
        count: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if connectionEnd.isAbandoned { return abandonDecided(state, count: count, walk: &walk, plan: &plan) }
        guard case .other = context.session.decoder else {
            walk.forward(to: count, &plan)
            return plan.reply(with: throttle.takeAll())
        }
        let isHeld = context.isGoverned || state.rewriter.isRewriting || edits.contains(.requests)
        if !isHeld {
            if state.disposition == .hold { state.disposition = .forward }
            // What has begun cannot be taken back, should it be decided about again.
            state.passed.insert(.bytes)
            walk.forward(to: count, &plan)
        }
        if count - walk.at > HoldLimits.requestBytes {
            // A block that large is passed on as it comes; its request is not judged.
            state.passed.insert(.block)
            context.recorder.verdictPartial(.tooLarge)
            walk.forward(to: count, &plan)
        }
        state.heldBytes = max(0, count - walk.at)
        state.reachBytes = max(0, walk.at - count)
        if state.isAtBoundary || (state.heldBytes > 0 && !state.passed.contains(.block)) { plan.markBoundary() }
        if throttle.isStalled { plan.reply(with: release(context, &plan)) }
        let opposite = self.state(requests.opposite)
        if opposite.isAtBoundary, hasAnswers(for: opposite) { plan.reply(with: takeAnswers(context)) }
    }

    /// True if there is something to be put into the replies' direction; not before the server's SETTINGS, which must
    /// be its first frame.
    @inline(__always)
    func hasAnswers(for state: HTTP2Direction) -> Bool {
        (!localReplies.isEmpty || edits.contains(.signals)) && state.direction != requests
            && state.hasSettings
    }

    /// The frames that wait, to be put in exactly here: where the client's table stands decides how a block begins.
    func takeAnswers(_ context: ConnectionContext) -> [UInt8] {
        let state = state(requests.opposite)
        var frames: [UInt8] = []
        if edits.contains(.signals) { tellNews(context, into: &frames) }
        localReplies.take(
            tableBytes: state.decoder.dueUpdateBytes,
            maxFrameBytes: state.maxFrameBytes,
            into: &frames
        )
        return frames
    }

    /// Forwards all of a direction that is not edited, marking where frames of Weir's own may go in.
    func forward(_ count: Int, _ state: HTTP2Direction, boundary: Int?, plan: inout Plan) {
        var walk = PlanWalk(at: 0, isEdited: true)
        if let boundary {
            walk.forward(to: boundary, &plan)
            if !localReplies.staged.isEmpty { walk.replace(to: boundary, with: localReplies.takeStaged(), &plan) }
            plan.markBoundary()
        }
        walk.forward(to: count, &plan)
        if state.isAtBoundary { plan.markBoundary() }
    }
}
