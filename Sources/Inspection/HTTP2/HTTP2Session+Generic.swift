internal import Calls
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// Generic calls, whose method is named in their first message: where limits may refuse them their headers wait for it.
///
/// While they wait nothing of the requests' direction is read or passed on, so that frames stay in order, and neither
/// peer's header table can come to differ from Weir's. It is for ``waitNanoseconds`` at most: a client may wait for an
/// answer before it sends its message, or have no room for it.
extension HTTP2Session {
    /// So long a generic call waits for its message, and a turn of the relay's clock.
    static let waitNanoseconds: UInt64 = 100_000_000

    /// Whether a request's headers wait for its first message.
    func isHeld(
        _ half: HTTP2Direction,
        _ headers: borrowing HeaderTexts,
        endsStream: Bool,
        context: ConnectionContext
    )
        -> Bool
    {
        let inspector = context.inspector
        guard !endsStream, context.isGoverned, inspector.pipeline.mayRefuseByFields, !half.passed.contains(.block),
            headers.request.form == .grpc
        else { return false }
        let path = headers.texts.bytes.slice(headers.request.path)
        guard let names = TriplePath(path), names.isGeneric(in: path), names.kind(in: path).isBusiness else {
            return false
        }
        return true
    }

    /// Keeps a request's headers until its first message is there.
    func holdGeneric(_ half: HTTP2Direction, _ headers: HeaderTextsBox, context: ConnectionContext) {
        hold = GenericHold(headers, streamID: half.assembler.frame.streamID)
        half.reader.wait()
        context.inspector.hold(context.session, until: context.now &+ Self.waitNanoseconds)
    }

    /// The headers that wait are the last of what was read: looks for the message in what is behind them.
    ///
    /// - Parameters:
    ///   - half: The requests' direction.
    ///   - bytes: What is here.
    ///   - start: Where the header block ends.
    ///   - isForced: Whether nothing is waited for.
    ///   - context: Whom it belongs to.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func lookAhead(
        _ half: HTTP2Direction,
        _ bytes: RawSpan,
        from start: Int,
        isForced: Bool = false,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        var start = start
        while half.reader.phase == .waiting, let hold {
            let rest = bytes.extracting(start..<bytes.byteCount)
            hold.message.take(rest)
            let isFull = bytes.byteCount - walk.at > HoldLimits.requestBytes
            guard hold.message.isOver || isFull || isForced || !context.isGoverned else {
                hold.bytes = rest.array
                return
            }
            judge(hold, half, at: start, isFull: isFull, context: context, walk: &walk, plan: &plan)
            start = follow(half, bytes, from: start, context: context, walk: &walk, plan: &plan)
        }
    }

    /// More comes while headers wait, or nothing more is waited for.
    func receiveHeld(
        _ hold: GenericHold,
        _ half: HTTP2Direction,
        bytes: RawSpan,
        isForced: Bool = false,
        context: ConnectionContext,
        plan: inout Plan
    ) {
        guard !connectionEnd.isAbandoned else {
            self.hold = nil
            context.inspector.endHold(context.session)
            half.reader.resume()
            var walk = PlanWalk(at: -half.heldBytes, isEdited: true)
            return finishPlan(half, count: bytes.byteCount, context: context, walk: &walk, plan: &plan)
        }
        let held = hold.bytes.count
        hold.message.take(bytes)
        hold.bytes.append(bytes)
        half.heldBytes += bytes.byteCount
        let isFull = half.heldBytes > HoldLimits.requestBytes
        guard hold.message.isOver || isFull || isForced || !context.isGoverned else {
            // Upstream stands between two frames.
            return plan.markBoundary()
        }
        var all: [UInt8] = []
        swap(&all, &hold.bytes)
        let span = all.byteSpan
        var walk = PlanWalk(at: held + bytes.byteCount - half.heldBytes, isEdited: true)
        judge(hold, half, at: 0, isFull: isFull, context: context, walk: &walk, plan: &plan)
        let end = follow(half, span, context: context, walk: &walk, plan: &plan)
        lookAhead(half, span, from: end, isForced: isForced, context: context, walk: &walk, plan: &plan)
        finishPlan(half, count: span.byteCount, context: context, walk: &walk, plan: &plan)
    }

    /// Headers wait no longer: the call is judged by its method, as far as that is known.
    private func judge(
        _ hold: GenericHold,
        _ half: HTTP2Direction,
        at: Int,
        isFull: Bool,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        self.hold = nil
        half.reader.resume()
        context.inspector.endHold(context.session)
        defer { context.pool.giveBack(hold.headers) }
        let message = hold.message
        let failure: PartialVerdictReason =
            message.isCompressed ? .encoding : message.isOver ? .serialization : isFull ? .tooLarge : .expect
        open(half, hold.headers.texts, endsStream: false, method: message.method, failure: failure, context: context)
        decideBlock(half, at: at, context: context, walk: &walk, plan: &plan)
    }

    // MARK: Time

    var isTimed: Bool { hold != nil }

    /// Not of blocks that are written anew, of which nothing can pass before the end; nor of answers to Weir's frames.
    func isWaiting(_ direction: Direction) -> Bool {
        guard direction == requests, hold == nil else { return false }
        let half = half(requests)
        return half.heldBytes > 0 && !half.rewriter.isRewriting && half.disposition != .hold
            && !connectionEnd.isAbandoned
    }

    func releaseHeld(_ direction: Direction, _ context: ConnectionContext, _ plan: inout Plan) -> Bool {
        guard direction == requests else { return false }
        let half = half(requests)
        if let hold {
            receiveHeld(hold, half, bytes: RawSpan(), isForced: true, context: context, plan: &plan)
            return true
        }
        guard isWaiting(direction) else { return false }
        // What has begun cannot be taken back: a header block that goes on is passed as it is.
        half.passed.insert(.bytes)
        plan.forward(half.heldBytes)
        half.heldBytes = 0
        context.recorder.verdictPartial(.late)
        return true
    }

    /// The requests' direction ends while headers wait: all of it is decided about, and what is whole passes.
    func endHeld(_ hold: GenericHold, _ context: ConnectionContext, plan: inout Plan) {
        let half = half(requests)
        receiveHeld(hold, half, bytes: RawSpan(), isForced: true, context: context, plan: &plan)
        guard !half.rewriter.isRewriting, half.heldBytes > 0 else { return }
        plan.forward(half.heldBytes)
        half.heldBytes = 0
    }
}
