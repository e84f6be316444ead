internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// An HTTP/2 connection read along: Triple and gRPC calls in it are told by their headers.
///
/// Both directions' header tables are followed; frames are forwarded untouched unless something decides about
/// requests. What cannot be followed makes the connection blind, never broken.
final class HTTP2Session: ProtocolSession {
    let up: HTTP2Direction
    let down: HTTP2Direction
    var streams = StreamTable()
    /// The direction of requests.
    var requests: Direction
    /// What observers of messages will be told of streams.
    var halves: [UInt32: ObservedStream] = [:]
    /// The beginnings of messages that name a generic call's method or an exception's class.
    var captures: [UInt32: MessageCapture] = [:]
    /// Calls that wait for the name of their method.
    var pending: [UInt32: PendingCall] = [:]
    /// The generic request whose headers wait; see HTTP2Session+Generic.
    var hold: GenericHold?

    // Verdicts; see HTTP2Session+Verdicts.
    /// The directions that are edited for more than decisions; see ``refreshEdits()``.
    var edits: EditedDirections = []
    /// The frames of Weir's own that wait for the replies' direction to be between two frames.
    var localReplies = LocalReplyQueue()
    /// The end that Weir brings about.
    var connectionEnd = ConnectionEnd.none

    // Drains; see HTTP2Session+Drain and HTTP2Session+Watches.
    /// When the first bytes came, in nanoseconds.
    var began: UInt64 = 0
    /// The GOAWAY frames that tell the client of drains.
    var goAway = GoAwayCoordinator()
    /// The streams on which the client waits for a service's health, and its windows.
    var watches: HealthWatchTable
    /// The replies that wait for room.
    var throttle = ReplyThrottle()

    /// A session in front of the client's preface.
    ///
    /// - Parameters:
    ///   - requests: The direction of requests.
    ///   - isMidstream: True if the connection's beginning was not seen: frames must be found first.
    init(requests: Direction, isMidstream: Bool = false) {
        self.requests = requests
        func state(_ direction: Direction) -> HTTP2Direction {
            let phase: HTTP2FrameReader.Phase = isMidstream ? .searching : direction == requests ? .preface : .header
            return HTTP2Direction(direction, phase: phase, isMidstream: isMidstream)
        }
        up = state(.toUpstream)
        down = state(.toDownstream)
        watches = HealthWatchTable(areWindowsKnown: !isMidstream)
    }

    /// A session in the middle of a connection whose state is known.
    ///
    /// - Parameters:
    ///   - requests: The direction of requests.
    ///   - up: The state of the direction to upstream.
    ///   - down: The state of the other.
    init(requests: Direction, up: HTTP2Direction, down: HTTP2Direction) {
        self.requests = requests
        self.up = up
        self.down = down
        watches = HealthWatchTable(areWindowsKnown: false)
    }

    func state(_ direction: Direction) -> HTTP2Direction { direction == .toUpstream ? up : down }

    var isQuiet: Bool {
        up.isAtBoundary && down.isAtBoundary && !streams.hasRequests && !throttle.isStalled && hold == nil
            && !goAway.isAwaited
    }

    // MARK: Bytes

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let state = state(direction)
        guard !connectionEnd.rejects(isRequest: direction == requests) else {
            return reject(state, byteCount: bytes.byteCount, context, plan: &plan)
        }
        if let hold, direction == requests {
            return receiveHeld(hold, state, bytes: bytes, context: context, plan: &plan)
        }
        let isEdited =
            direction == requests ? context.isGoverned || edits.contains(.requests) : edits.contains(.replies)
        guard isEdited || state.heldBytes > 0 || state.reachBytes > 0 else {
            state.passed.insert(.bytes)
            var walk = PlanWalk(at: bytes.byteCount)
            let end = follow(state, bytes, context: context, walk: &walk, plan: &plan)
            if connectionEnd.isAbandoned {
                var walk = PlanWalk(at: 0, isEdited: true)
                return abandonForwarded(state, bytes, from: end, walk: &walk, plan: &plan)
            }
            if connectionEnd.isLost { return plan.forwardAll(endsAtBoundary: false) }
            guard direction != requests, plan.isBoundaryWanted || !localReplies.staged.isEmpty else {
                return plan.forwardAll(endsAtBoundary: state.isAtBoundary)
            }
            return forward(bytes.byteCount, state, boundary: walk.boundary, plan: &plan)
        }
        if direction != requests, throttle.isStalled {
            return receiveStalled(state, bytes, context: context, plan: &plan)
        }
        let passed = state.beginDeciding()
        var walk = PlanWalk(at: state.reachBytes > 0 ? state.reachBytes : -state.heldBytes, isEdited: true)
        if passed > 0 { walk.forward(to: passed, &plan) }
        let end = follow(state, bytes, context: context, walk: &walk, plan: &plan)
        if direction == requests {
            if hold != nil { lookAhead(state, bytes, from: end, context: context, walk: &walk, plan: &plan) }
            finishPlan(state, count: bytes.byteCount, context: context, walk: &walk, plan: &plan)
        } else {
            finishReplies(state, bytes, from: end, context: context, walk: &walk, plan: &plan)
        }
    }

    /// Reads frames.
    ///
    /// - Returns: Where it stopped: at the end, unless the connection can no longer be followed, or something waits.
    func follow(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        from start: Int = 0,
        context: ConnectionContext,
        walk: inout PlanWalk,
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
                if walk.isEdited { decideRead(state, bytes, at: at, walk: &walk, plan: &plan) }
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
            if state.isAtBoundary, walk.boundary == nil || hasAnswers(for: state) {
                walk.boundary = at
                if walk.isEdited {
                    insertAnswers(state, at: at, context: context, walk: &walk, plan: &plan)
                } else if hasAnswers(for: state) {
                    localReplies.staged = takeAnswers(context)
                }
            }
        }
        return at
    }

    // MARK: Frames

    private func beginFrame(
        _ state: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if let failure = state.assembler.failure(of: state.frame) { return goBlind(context, failure) }
        guard walk.isEdited else { return }
        // A client's would be passed on as it is, though the tables may differ; and no client may push.
        if state.direction == requests, state.frame.type == HTTP2FrameType.pushPromise {
            return goBlind(context, .pushPromise)
        }
        decideFrame(state, at: at, context: context, walk: &walk, plan: &plan)
    }

    private func endFrame(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if walk.isEdited, state.disposition == .hold { decideRead(state, bytes, at: at, walk: &walk, plan: &plan) }
        if state.reader.gathered.isEmpty {
            handle(state, bytes.extracting(state.reader.wantedRange(endingAt: at)), context: context)
        } else {
            var gathered = state.reader.takeGathered()
            handle(state, gathered.byteSpan, context: context)
            state.reader.giveBack(&gathered)
        }
        guard walk.isEdited, state.direction == requests, state.reader.phase != .waiting else { return }
        decideBlock(state, at: at, context: context, walk: &walk, plan: &plan)
    }

    /// A frame is complete.
    private func handle(_ state: HTTP2Direction, _ payload: RawSpan, context: ConnectionContext) {
        let frame = state.frame
        switch frame.type {
        case HTTP2FrameType.data:
            countBytes(state, UInt64(frame.frameBytes))
            if state.direction != requests { countWindow(state) }
            if context.tracker.isTraced, state.direction != requests {
                context.session.calls.replyBytes &+= UInt64(frame.frameBytes)
            }
            if frame.has(HTTP2Flag.endStream) { endHalf(state, id: frame.streamID, context: context) }
        case HTTP2FrameType.headers, HTTP2FrameType.pushPromise, HTTP2FrameType.continuation:
            fragment(state, payload, context: context)
        case HTTP2FrameType.resetStream:
            guard let code = try? frame.number(in: payload) else { return }
            reset(frame.streamID, code: code, direction: state.direction, context: context)
        case HTTP2FrameType.settings: settings(state, payload, context: context)
        case HTTP2FrameType.goAway:
            guard let last = try? frame.goAway(in: payload) else { return }
            if state.direction != requests { goneAway(last.lastStreamID, context) }
        case HTTP2FrameType.windowUpdate: if state.direction == requests { updateWindow(state, payload) }
        case HTTP2FrameType.ping: if state.disposition == .hold { takeAcknowledgement(state, payload) }
        default: break
        }
    }

    // MARK: Settings

    private func settings(_ state: HTTP2Direction, _ payload: RawSpan, context: ConnectionContext) {
        state.hasSettings = true
        let other = self.state(state.direction.opposite)
        guard let count = try? state.frame.settingCount() else {
            return context.recorder.decodeError(.triple, reason: HTTP2Failure.settingsLength.label)
        }
        if state.frame.has(HTTP2Flag.ack) {
            // What this direction's receiver had set binds its sender from here on.
            if let size = state.pendingSettings.acknowledge() { state.setTableSize(size) }
            return
        }
        var tableSize: UInt32?
        for index in 0..<min(count, payload.byteCount / HTTP2Setting.byteCount) {
            let setting = HTTP2Setting(payload, at: index * HTTP2Setting.byteCount)
            switch setting.id {
            case HTTP2SettingID.headerTableSize:
                tableSize = setting.value
                // A larger one may be used before it is acknowledged.
                if setting.value > other.tableBytes { other.setTableSize(setting.value) }
            case HTTP2SettingID.initialWindowSize:
                if state.direction == requests {
                    do throws(FlowError) {
                        try watches.changeInitialWindow(to: setting.value)
                    } catch {
                        refreshEdits()
                    }
                }
            case HTTP2SettingID.maxFrameSize:
                other.maxFrameBytes = max(
                    HTTP2Default.maxFrameBytes,
                    min(setting.value, HTTP2FrameHeader.maxPayloadBytes)
                )
            default: break
            }
        }
        // Who joined in the middle may miss acknowledgements, and needs none.
        guard !other.decoder.isMidstream else { return }
        guard other.pendingSettings.append(tableSize) else { return goBlind(context, .settingsFlood) }
    }

    // MARK: Ends

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        if direction == requests, let hold { return endHeld(hold, context, plan: &plan) }
        // Half a block in the sender's own coding would mean something else to the receiver.
        guard !state(direction).rewriter.isRewriting else { return }
        if direction != requests, throttle.isStalled { return endStalled(context, &plan) }
        plan.forwardAll(endsAtBoundary: true)
    }

    func close(_ context: ConnectionContext) {
        endAllGivenUp(context)
        reportOpenRequests(context)
        // HTTP/2 it was, though nothing was asked.
        let session = context.session
        if session.connectionProtocol == .silent { context.inspector.identify(session, .http) }
        halves = [:]
        captures = [:]
        hold = nil
        dropPending(context)
    }

    /// Calls that wait for their method's name will not learn it.
    private func dropPending(_ context: ConnectionContext) {
        for call in pending.values {
            context.pipeline.limits.release(call.permit)
            guard call.draft >= 0 else { continue }
            context.tracker.tracer?.resume(call.draft)
            context.tracker.tracer?.discard()
        }
        pending = [:]
    }

    /// The connection can no longer be followed.
    func goBlind(_ context: ConnectionContext, _ failure: HTTP2Failure) {
        if context.session.connectionProtocol == .silent { context.inspector.identify(context.session, .http) }
        connectionEnd.fail(isRewritten: up.rewriter.isRewriting || down.rewriter.isRewriting)
        endAllGivenUp(context)
        dropPending(context)
        context.recorder.decodeError(.triple, reason: failure.label)
        if connectionEnd.isAbandoned {
            // What was withheld cannot be told from the rest any more.
            return context.tracker.endAll(on: context.session, as: .lost, now: context.now)
        }
        context.inspector.goBlind(context.session, now: context.now)
    }
}
