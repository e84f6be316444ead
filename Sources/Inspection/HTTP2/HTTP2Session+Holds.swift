internal import Calls
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// Requests whose method is not in their headers: that of a generic call is named in its first message, that of
/// JSON-RPC in its body. Where something may refuse them their headers wait for it.
///
/// While they wait nothing of the requests' direction is read or passed on, so that frames stay in order, and neither
/// peer's header table can come to differ from Weir's. It is for ``waitNanoseconds`` at most: a client may wait for an
/// answer before it sends its message, or have no room for it.
extension HTTP2Session {
    /// The time that a request's headers wait, and a turn of the relay's clock.
    static let waitNanoseconds: UInt64 = 100_000_000

    /// True if a request's headers wait for its first message.
    func isHeld(_ headers: borrowing HeaderTexts, context: ConnectionContext) -> Bool {
        guard context.pipeline.mayRefuseByFields, headers.request.form == .grpc else { return false }
        let path = headers.texts.bytes.slice(headers.request.path)
        guard let names = TriplePath(path), names.isGeneric(in: path) else { return false }
        return names.kind(in: path).isBusiness
    }

    /// Keeps a request's headers until its first message, or its body, is there.
    func holdRequest(_ state: HTTP2Direction, _ headers: HeaderTextsBox, body: RPCBody?, context: ConnectionContext) {
        hold = RequestHold(headers, streamID: state.assembler.frame.streamID, body: body)
        state.reader.wait()
        context.inspector.hold(context.session, until: context.now &+ Self.waitNanoseconds)
    }

    /// The headers that wait are the last of what was read: looks for the message in what is behind them.
    ///
    /// - Parameters:
    ///   - state: The requests' direction.
    ///   - bytes: What is here.
    ///   - start: Where the header block ends.
    ///   - isForced: True if nothing is waited for.
    ///   - context: Whom it belongs to.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func lookAhead(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        from start: Int,
        isForced: Bool = false,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        var start = start
        while state.reader.phase == .waiting, let hold {
            let rest = bytes.extracting(start..<bytes.byteCount)
            hold.take(rest)
            let isFull = bytes.byteCount - walk.at > HoldLimits.requestBytes
            guard hold.isOver || isFull || isForced || !context.isGoverned else {
                hold.bytes = rest.array
                return
            }
            judge(hold, state, at: start, isFull: isFull, context: context, walk: &walk, plan: &plan)
            start = follow(state, bytes, from: start, context: context, walk: &walk, plan: &plan)
        }
    }

    /// More comes while headers wait, or nothing more is waited for.
    func receiveHeld(
        _ hold: RequestHold,
        _ state: HTTP2Direction,
        bytes: RawSpan,
        isForced: Bool = false,
        context: ConnectionContext,
        plan: inout Plan
    ) {
        guard !connectionEnd.isAbandoned else {
            self.hold = nil
            context.inspector.endHold(context.session)
            state.reader.resume()
            var walk = PlanBuilder(at: -state.heldBytes, isEdited: true)
            return finishRequests(state, count: bytes.byteCount, context: context, walk: &walk, plan: &plan)
        }
        let held = hold.bytes.count
        hold.take(bytes)
        hold.bytes.append(bytes)
        state.heldBytes += bytes.byteCount
        let isFull = state.heldBytes > HoldLimits.requestBytes
        guard hold.isOver || isFull || isForced || !context.isGoverned else {
            // Upstream stands between two frames.
            return plan.markBoundary()
        }
        var all: [UInt8] = []
        swap(&all, &hold.bytes)
        let span = all.byteSpan
        var walk = PlanBuilder(at: held + bytes.byteCount - state.heldBytes, isEdited: true)
        judge(hold, state, at: 0, isFull: isFull, context: context, walk: &walk, plan: &plan)
        let end = follow(state, span, context: context, walk: &walk, plan: &plan)
        lookAhead(state, span, from: end, isForced: isForced, context: context, walk: &walk, plan: &plan)
        finishRequests(state, count: span.byteCount, context: context, walk: &walk, plan: &plan)
    }

    /// Headers wait no longer: the call is judged by its method, as far as that is known.
    private func judge(
        _ hold: RequestHold,
        _ state: HTTP2Direction,
        at: Int,
        isFull: Bool,
        context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        self.hold = nil
        state.reader.resume()
        context.inspector.endHold(context.session)
        var request = request(state, context: context)
        if hold.body != nil {
            let opening = calls.decideRPC(request, hold, isFull: isFull, context: context)
            perform(opening, state, context: context)
        } else {
            let message = hold.message
            request.method = message.method
            request.failure =
                message.isCompressed ? .encoding : hold.isOver ? .serialization : isFull ? .tooLarge : .expect
            open(request, state, headers: hold.headers.texts, context: context)
            context.pool.giveBack(hold.headers)
        }
        decideBlock(state, at: at, walk: &walk, plan: &plan)
    }

    // MARK: Time

    var isTimed: Bool { hold != nil }

    /// Not of blocks that are written anew, of which nothing can pass before the end; nor of answers to Weir's frames.
    func isWaiting(_ direction: Direction) -> Bool {
        guard direction == requests, hold == nil else { return false }
        let state = state(requests)
        return state.heldBytes > 0 && !state.rewriter.isRewriting && state.disposition != .hold
            && !connectionEnd.isAbandoned
    }

    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        guard direction == requests else { return false }
        let state = state(requests)
        if let hold {
            receiveHeld(hold, state, bytes: RawSpan(), isForced: true, context: context, plan: &plan)
            return true
        }
        guard isWaiting(direction) else { return false }
        // What has begun cannot be taken back: a header block that goes on is passed as it is.
        state.passed.insert(.bytes)
        plan.forward(state.heldBytes)
        state.heldBytes = 0
        context.recorder.verdictPartial(.late)
        return true
    }

    /// The requests' direction ends while headers wait: all of it is decided about, and what is whole passes.
    func endHeld(_ hold: RequestHold, _ context: ConnectionContext, plan: inout Plan) {
        let state = state(requests)
        receiveHeld(hold, state, bytes: RawSpan(), isForced: true, context: context, plan: &plan)
        guard !state.rewriter.isRewriting, state.heldBytes > 0 else { return }
        plan.forward(state.heldBytes)
        state.heldBytes = 0
    }
}
