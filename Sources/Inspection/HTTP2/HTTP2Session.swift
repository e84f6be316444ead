internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// An HTTP/2 connection read along: Triple and gRPC calls in it are told by their headers, JSON-RPC by bodies.
///
/// Both directions' header tables are followed; frames are forwarded untouched unless something decides about
/// requests. What cannot be followed makes the connection blind, never broken. The session is the wiring of its parts:
/// ``HTTP2Direction`` reads frames, ``StreamCalls`` makes calls of them, ``OwnFrames`` has what Weir itself says.
final class HTTP2Session: ProtocolSession {
    let up: HTTP2Direction
    let down: HTTP2Direction
    let calls: StreamCalls
    var own: OwnFrames
    /// The request whose headers wait; see HTTP2Session+Holds.
    var hold: RequestHold?
    /// The end that Weir brings about.
    var connectionEnd = ConnectionEnd.none
    /// When the first bytes came, in nanoseconds.
    var began: UInt64 = 0

    /// A session in front of the client's preface.
    ///
    /// - Parameters:
    ///   - requests: The direction of requests.
    ///   - isMidstream: True if the connection's beginning was not seen: frames must be found first.
    init(requests: Direction, isMidstream: Bool = false) {
        func state(_ direction: Direction) -> HTTP2Direction {
            let phase: HTTP2FrameReader.Phase = isMidstream ? .searching : direction == requests ? .preface : .header
            return HTTP2Direction(direction, phase: phase, isMidstream: isMidstream)
        }
        up = state(.toUpstream)
        down = state(.toDownstream)
        calls = StreamCalls(requests: requests)
        own = OwnFrames(areWindowsKnown: !isMidstream)
    }

    /// A session in the middle of a connection whose state is known.
    ///
    /// - Parameters:
    ///   - requests: The direction of requests.
    ///   - up: The state of the direction to upstream.
    ///   - down: The state of the other.
    init(requests: Direction, up: HTTP2Direction, down: HTTP2Direction) {
        self.up = up
        self.down = down
        calls = StreamCalls(requests: requests)
        own = OwnFrames(areWindowsKnown: false)
    }

    /// The direction of requests.
    var requests: Direction { calls.direction }

    func state(_ direction: Direction) -> HTTP2Direction { direction == .toUpstream ? up : down }

    var isIdle: Bool {
        up.isAtBoundary && down.isAtBoundary && !calls.streams.hasRequests && !own.throttle.isStalled && hold == nil
            && !own.goAway.isAwaited
    }

    // MARK: Bytes

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let state = state(direction)
        let isRequest = direction == requests
        guard !connectionEnd.rejects(isRequest: isRequest) else {
            return reject(state, byteCount: bytes.byteCount, context, plan: &plan)
        }
        if let hold, isRequest { return receiveHeld(hold, state, bytes: bytes, context: context, plan: &plan) }
        let isEdited = isRequest ? context.isGoverned || own.edits.contains(.requests) : own.edits.contains(.replies)
        guard isEdited || state.heldBytes > 0 || state.reachBytes > 0 else {
            return passOn(state, bytes, context: context, plan: &plan)
        }
        if !isRequest, own.throttle.isStalled { return receiveStalled(state, bytes, context: context, plan: &plan) }
        let passed = state.beginDeciding()
        var walk = PlanBuilder(at: state.reachBytes > 0 ? state.reachBytes : -state.heldBytes, isEdited: true)
        if passed > 0 { walk.forward(to: passed, &plan) }
        let end = follow(state, bytes, context: context, walk: &walk, plan: &plan)
        if isRequest {
            if hold != nil { lookAhead(state, bytes, from: end, context: context, walk: &walk, plan: &plan) }
            finishRequests(state, count: bytes.byteCount, context: context, walk: &walk, plan: &plan)
        } else {
            finishReplies(state, bytes, from: end, context: context, walk: &walk, plan: &plan)
        }
    }

    /// Reads bytes that nothing is decided about.
    private func passOn(_ state: HTTP2Direction, _ bytes: RawSpan, context: ConnectionContext, plan: inout Plan) {
        state.passed.insert(.bytes)
        var walk = PlanBuilder(at: bytes.byteCount)
        let end = follow(state, bytes, context: context, walk: &walk, plan: &plan)
        if connectionEnd.isAbandoned {
            var walk = PlanBuilder(at: 0, isEdited: true)
            return abandonReplies(state, bytes, from: end, walk: &walk, plan: &plan)
        }
        if connectionEnd.isLost { return plan.forwardAll(endsAtBoundary: false) }
        guard state.direction != requests, plan.isBoundaryWanted || !own.localReplies.staged.isEmpty else {
            return plan.forwardAll(endsAtBoundary: state.isAtBoundary)
        }
        forward(bytes.byteCount, state, boundary: walk.boundary, plan: &plan)
    }

    /// Reads frames.
    ///
    /// - Returns: Where it stopped: at the end, unless the connection can no longer be followed, or something waits.
    func follow(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        from start: Int = 0,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) -> Int {
        var at = start
        while !connectionEnd.isAbandoned {
            if state.reader.isBetweenFrames { state.frameStart = context.now }
            switch state.reader.next(bytes, at: &at) {
            case .needsMore: return at
            case .began: beginFrame(state, at: at, context: context, walk: &walk, plan: &plan)
            case .payload(let content):
                if !content.isEmpty { data(state, bytes.extracting(content), context: context) }
                if walk.isEdited { state.limitGoAway(bytes, at: at, to: own.goAway, walk: &walk, plan: &plan) }
            case .ended: endFrame(state, bytes, at: at, context: context, walk: &walk, plan: &plan)
            case .preface: if context.pipeline.drains.isActive { learnDrains(context) }
            case .searched(let count): context.recorder.uninspectedBytes(UInt64(count), reason: .resync)
            case .failed(let failure): goBlind(context, failure)
            }
            guard !connectionEnd.isLost else {
                guard !connectionEnd.isAbandoned else { return at }
                context.recorder.uninspectedBytes(UInt64(bytes.byteCount - at), reason: .blind)
                return at
            }
            if state.isAtBoundary, walk.boundary == nil || isDue(state) {
                passBoundary(state, at: at, context: context, walk: &walk, plan: &plan)
            }
        }
        return at
    }

    // MARK: Frames

    @inline(__always)
    private func beginFrame(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        if let failure = state.assembler.failure(of: state.frame) { return goBlind(context, failure) }
        guard walk.isEdited else { return }
        guard state.direction == requests else {
            return state.beginReplyFrame(at: at, own: &own, walk: &walk, plan: &plan)
        }
        let frame = state.frame
        // A client's would be passed on as it is, though the tables may differ; and no client may push.
        guard frame.type != HTTP2FrameType.pushPromise else { return goBlind(context, .pushPromise) }
        if !state.passed.contains(.unit), own.isUndecided(frame) {
            return state.holdFrame(at: at, walk: &walk, plan: &plan)
        }
        let isRewriting = state.rewriter.isRewriting
        let consequence = state.beginRequestFrame(
            at: at,
            isWithheld: isRewriting && calls.isEnded(frame.streamID),
            changesBlocks: !isRewriting && context.isGoverned && context.tracker.tracer?.injectsHTTP2 == true,
            walk: &walk,
            plan: &plan
        )
        switch consequence {
        case .none: break
        case .rewriting: own.rewrites()
        case .credit(let bytes): own.localReplies.credit(bytes)
        }
    }

    @inline(__always)
    private func endFrame(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        if walk.isEdited, state.disposition == .hold {
            state.limitGoAway(bytes, at: at, to: own.goAway, walk: &walk, plan: &plan)
        }
        if state.reader.gathered.isEmpty {
            handle(state, bytes.extracting(state.reader.wantedRange(endingAt: at)), context: context)
        } else {
            var gathered = state.reader.takeGathered()
            handle(state, gathered.byteSpan, context: context)
            state.reader.giveBack(&gathered)
        }
        guard walk.isEdited, state.direction == requests, state.reader.phase != .waiting else { return }
        decideBlock(state, at: at, walk: &walk, plan: &plan)
    }

    /// A frame of requests has ended: what becomes of the header block that it completes.
    func decideBlock(_ state: HTTP2Direction, at: Int, walk: inout PlanBuilder, plan: inout Plan) {
        state.endRequestFrame(at: at, isAbandoned: connectionEnd.isAbandoned, walk: &walk, plan: &plan)
        if state.rewriter.isRewriting { own.rewrites() }
    }

    /// A frame is complete.
    private func handle(_ state: HTTP2Direction, _ payload: RawSpan, context: ConnectionContext) {
        let frame = state.frame
        let isRequest = state.direction == requests
        switch frame.type {
        case HTTP2FrameType.data:
            calls.countBytes(frame, isRequest: isRequest)
            if !isRequest { countReply(state, context) }
            if frame.has(HTTP2Flag.endStream) { endHalf(frame.streamID, isRequest: isRequest, context) }
        case HTTP2FrameType.headers, HTTP2FrameType.pushPromise, HTTP2FrameType.continuation:
            fragment(state, payload, context: context)
        case HTTP2FrameType.resetStream:
            guard let code = try? frame.number(in: payload) else { return }
            calls.reset(frame.streamID, code: code, by: isRequest ? .caller : .callee, context: context)
            own.endWatch(frame.streamID)
        case HTTP2FrameType.settings: settings(state, payload, context: context)
        case HTTP2FrameType.goAway:
            guard !isRequest, let last = try? frame.goAway(in: payload).lastStreamID else { return }
            if own.receiveGoAway(last, highestStreamID: calls.streams.highestID) { calls.endAbove(last, context) }
        case HTTP2FrameType.windowUpdate:
            guard isRequest else { return }
            let isHeld = state.disposition == .hold
            let disposition = own.updateWindow(payload, of: frame, isHeld: isHeld)
            if isHeld, disposition != .forward { state.disposition = disposition }
        case HTTP2FrameType.ping:
            if isRequest, state.disposition == .hold, own.acknowledges(payload) { state.disposition = .drop }
        default: break
        }
    }

    /// Content of DATA.
    @inline(__always)
    private func data(_ state: HTTP2Direction, _ piece: RawSpan, context: ConnectionContext) {
        let isRequest = state.direction == requests
        if !calls.data(piece, of: state.frame, isRequest: isRequest, context: context), !own.watches.isEmpty {
            own.watchData(piece, on: state.frame.streamID, isRequest: isRequest, context)
        }
    }

    /// DATA of a reply has ended.
    @inline(__always)
    private func countReply(_ state: HTTP2Direction, _ context: ConnectionContext) {
        let frame = state.frame
        own.countWindow(frame, isWithheld: state.disposition == .drop)
        if state.disposition == .drop { state.disposition = .forward }
        if context.tracker.isTraced { context.session.calls.replyBytes &+= UInt64(frame.frameBytes) }
    }

    /// One half of a stream has ended.
    @inline(__always)
    private func endHalf(_ id: UInt32, isRequest: Bool, _ context: ConnectionContext) {
        guard !isRequest else { return calls.requestEnded(id, context) }
        own.endWatch(id)
        calls.replyEnded(id, context)
    }

    private func settings(_ state: HTTP2Direction, _ payload: RawSpan, context: ConnectionContext) {
        let isRequest = state.direction == requests
        do throws(HTTP2Failure) {
            try state.takeSettings(payload, of: self.state(state.direction.opposite)) { bytes in
                if isRequest { own.changeInitialWindow(to: bytes) }
            }
        } catch {
            guard error == .settingsLength else { return goBlind(context, error) }
            context.recorder.decodeError(.triple, reason: error.label)
        }
    }

    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) {
        let state = state(direction)
        let loss = state.reader.miss(count)
        guard loss != .none else { return }
        own.forgetWindows()
        // The end of a DATA frame is known; what its messages are is not.
        if loss != .framing(isInPayload: false) { calls.damage(state.frame.streamID) }
        if loss != .content { state.forgetBlocks(self.state(direction.opposite)) }
    }

    // MARK: Calls

    func messages(of call: CallTable.Entry) -> StreamMessages? { calls.messages(of: call) }

    func trailersFailed(_ id: UInt64, _ context: ConnectionContext) {
        calls.endGivenUp(UInt32(truncatingIfNeeded: id), context)
    }

    // MARK: Ends

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        if direction == requests, let hold { return endHeld(hold, context, plan: &plan) }
        // Half a block in the sender's own coding would mean something else to the receiver.
        guard !state(direction).rewriter.isRewriting else { return }
        if direction != requests, own.throttle.isStalled { return endStalled(context, &plan) }
        plan.forwardAll(endsAtBoundary: true)
    }

    func close(_ context: ConnectionContext) {
        // HTTP/2 it was, though nothing was asked.
        let session = context.session
        if session.connectionProtocol == .silent { context.inspector.identify(session, .http) }
        calls.close(context)
        hold = nil
    }

    /// The connection can no longer be followed.
    func goBlind(_ context: ConnectionContext, _ failure: HTTP2Failure) {
        if context.session.connectionProtocol == .silent { context.inspector.identify(context.session, .http) }
        connectionEnd.fail(isRewritten: up.rewriter.isRewriting || down.rewriter.isRewriting)
        calls.goBlind(context)
        context.recorder.decodeError(.triple, reason: failure.label)
        if connectionEnd.isAbandoned {
            // What was withheld cannot be told from the rest any more.
            return context.tracker.endAll(on: context.session, as: .lost, now: context.now)
        }
        context.inspector.goBlind(context.session, now: context.now)
    }
}
