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
    func isHeld(_ half: HTTP2Half, _ headers: borrowing HeaderTexts, endsStream: Bool, _ context: InspectedBytes)
        -> Bool
    {
        let inspector = context.inspector
        guard !endsStream, context.isGoverned, inspector.governor != nil || inspector.isLimited, !half.isBlockPassed,
            headers.request.form == .grpc
        else { return false }
        let path = headers.texts.bytes.slice(headers.request.path)
        guard let names = TriplePath(path), names.isGeneric(in: path), names.kind(in: path).isBusiness else {
            return false
        }
        return true
    }

    /// Keeps a request's headers until its first message is there.
    func holdGeneric(_ half: HTTP2Half, _ headers: inout HeaderTexts, _ context: InspectedBytes) {
        let box = context.inspector.takeHeaderTexts()
        swap(&box.texts, &headers)
        hold = GenericHold(box, streamID: half.blockFrame.streamID)
        half.phase = .waiting
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
        _ half: HTTP2Half,
        _ bytes: RawSpan,
        from start: Int,
        isForced: Bool = false,
        _ context: InspectedBytes,
        _ walk: inout PlanWalk,
        _ plan: inout Plan
    ) {
        var start = start
        while half.phase == .waiting, let hold {
            let rest = bytes.extracting(start..<bytes.byteCount)
            hold.message.take(rest)
            let isFull = bytes.byteCount - walk.at > Self.maxHeldBytes
            guard hold.message.isOver || isFull || isForced || !context.isGoverned else {
                hold.bytes = rest.array
                return
            }
            judge(hold, half, start, isFull: isFull, context, &walk, &plan)
            start = follow(half, bytes, from: start, context, &walk, &plan)
        }
    }

    /// More comes while headers wait, or nothing more is waited for.
    func receiveHeld(
        _ hold: GenericHold,
        _ half: HTTP2Half,
        _ bytes: RawSpan,
        isForced: Bool = false,
        _ context: InspectedBytes,
        _ plan: inout Plan
    ) {
        guard !isAbandoned else {
            self.hold = nil
            context.inspector.endHold(context.session)
            half.phase = .header
            var walk = PlanWalk(at: -half.heldBytes, isEdited: true)
            return finishPlan(half, bytes.byteCount, context, &walk, &plan)
        }
        let held = hold.bytes.count
        hold.message.take(bytes)
        hold.bytes += bytes.array
        half.heldBytes += bytes.byteCount
        let isFull = half.heldBytes > Self.maxHeldBytes
        guard hold.message.isOver || isFull || isForced || !context.isGoverned else {
            // Upstream stands between two frames.
            return plan.markBoundary()
        }
        var all: [UInt8] = []
        swap(&all, &hold.bytes)
        // SAFETY: the array's bytes are initialised and outlive the span.
        let span = unsafe all.span.bytes
        var walk = PlanWalk(at: held + bytes.byteCount - half.heldBytes, isEdited: true)
        judge(hold, half, 0, isFull: isFull, context, &walk, &plan)
        let end = follow(half, span, context, &walk, &plan)
        lookAhead(half, span, from: end, isForced: isForced, context, &walk, &plan)
        finishPlan(half, span.byteCount, context, &walk, &plan)
    }

    /// Headers wait no longer: the call is judged by its method, as far as that is known.
    private func judge(
        _ hold: GenericHold,
        _ half: HTTP2Half,
        _ at: Int,
        isFull: Bool,
        _ context: InspectedBytes,
        _ walk: inout PlanWalk,
        _ plan: inout Plan
    ) {
        self.hold = nil
        half.phase = .header
        context.inspector.endHold(context.session)
        defer { context.inspector.giveBack(hold.headers) }
        let message = hold.message
        let failure: PartialVerdictReason =
            message.isCompressed ? .encoding : message.isOver ? .serialization : isFull ? .tooLarge : .expect
        open(half, hold.headers.texts, endsStream: false, method: message.method, failure: failure, context)
        decideBlock(half, at, context, &walk, &plan)
    }

    // MARK: Time

    func releaseHeld(_ context: InspectedBytes, _ plan: inout Plan) {
        guard let hold else { return }
        receiveHeld(hold, half(requests), RawSpan(), isForced: true, context, &plan)
    }

    /// The requests' direction ends while headers wait: all of it is decided about, and what is whole passes.
    func endHeld(_ hold: GenericHold, _ context: InspectedBytes, _ plan: inout Plan) {
        let half = half(requests)
        receiveHeld(hold, half, RawSpan(), isForced: true, context, &plan)
        guard !half.isRewriting, half.heldBytes > 0 else { return }
        plan.forward(half.heldBytes)
        half.heldBytes = 0
    }
}

extension Inspector {
    /// A session holds requests back, until then at most if nothing more comes.
    func hold(_ session: Session, until time: UInt64) {
        if session.heldUntil == nil { heldSessions += 1 }
        session.heldUntil = time
        nextRelease = min(nextRelease, time)
    }

    /// A session holds nothing back that has to be released.
    func endHold(_ session: Session) {
        guard session.heldUntil != nil else { return }
        session.heldUntil = nil
        heldSessions -= 1
        if heldSessions == 0 { nextRelease = .max }
    }

    /// Whether some session holds requests back, so that the owner must ask ``isReleaseDue(now:)``.
    public var holdsRequests: Bool { heldSessions > 0 }

    /// Whether some session may have held requests back for long enough; the owner then asks
    /// ``release(_:now:plan:)`` of each.
    ///
    /// - Parameter now: The time, in nanoseconds.
    /// - Returns: Whether that is so; it may be no longer.
    public func isReleaseDue(now: UInt64) -> Bool { now >= nextRelease }

    /// Begins to release what was held back for long enough.
    public func beginReleases() { nextRelease = .max }

    /// Lets a session decide about the requests that it has held back for long enough.
    ///
    /// - Parameters:
    ///   - session: A connection's session.
    ///   - now: The time, in nanoseconds.
    ///   - plan: An empty plan; says afterwards what to do with what the relay holds on the way upstream.
    /// - Returns: Whether there was anything; otherwise the plan means nothing.
    public func release(_ session: Session, now: UInt64, plan: inout Plan) -> Bool {
        guard let until = session.heldUntil else { return false }
        guard now >= until else {
            nextRelease = min(nextRelease, until)
            return false
        }
        endHold(session)
        guard case .other(let decoder) = session.decoder else {
            plan.forwardAll(endsAtBoundary: false)
            return true
        }
        decoder.releaseHeld(InspectedBytes(self, session, now), &plan)
        return true
    }
}
