internal import Calls
internal import Dubbo
internal import Policy
internal import Telemetry
internal import Wire

/// What is to become of one frame among the bytes of a read.
struct FrameEdit {
    enum Kind {
        /// The frame is left out, and what of it still has to come.
        case drop
        /// Attachments are inserted before its last byte, the map's end.
        case insert([UInt8])
        /// Another frame takes its place; all of it is here.
        case replace([UInt8])
    }

    /// Where the frame begins: an offset into the read, below 0 when its first bytes are held back.
    var start: Int
    /// The whole frame's length.
    var count: Int
    /// The length of its body.
    var bodyBytes: Int
    var kind: Kind
}

/// Verdicts on Dubbo requests and their execution.
extension Inspector {
    /// Asks for the verdict on a request whose names are known, and counts it if it is refused.
    ///
    /// What is to be done with the frame is in ``frameVerdict`` afterwards.
    ///
    /// - Returns: Whether the call does not take place.
    func isRefused(
        _ entry: CallTable.Entry,
        _ header: FrameHeader,
        _ needs: LimitNeeds,
        _ session: Session,
        _ now: UInt64,
        texts: () -> CallTexts
    ) -> Bool {
        switch judgement {
        case .none, .admitted: return false
        // Counted when it was decided.
        case .refused: return true
        case .held: break
        }
        var inserted = tracer?.injection(.dubbo) ?? []
        defer { if !inserted.isEmpty { frameVerdict = .insert(inserted) } }
        guard let refusal = refusal(entry, header, needs, session, now, &inserted) else { return false }
        frameVerdict = .refuse(refusal)
        inserted = []
        let code = Int32(Self.status(of: refusal, in: header.serialization))
        countUntracked(entry, refusal.outcome, code: code, session, now: now, texts: texts)
        return true
    }

    /// What a request is answered that is held back; `nil` when it passes.
    private func refusal(
        _ entry: CallTable.Entry,
        _ header: FrameHeader,
        _ needs: LimitNeeds,
        _ session: Session,
        _ now: UInt64,
        _ inserted: inout [InsertedText]
    ) -> Refusal? {
        let isRefusable = FrameWriter.canReply(in: header.serialization) || !header.isTwoWay
        if isDraining, let order = drainOrder(entry.operation, entry.side) {
            // A oneway call passes where others would: its consumer cannot be told, and it would be lost.
            if !FrameWriter.canReply(in: header.serialization) {
                notePassed(order, session)
            } else if let refusal = drainRefusal(entry.operation, entry.side, session, now: now) {
                return refusal
            }
        }
        if let governor {
            let facts = RequestFacts(operation: entry.operation, side: entry.side, isOneway: !header.isTwoWay)
            switch governor.verdict(on: facts) {
            case .admit: break
            case .insert(let texts): inserted += texts
            case .refuse(let refusal):
                if isRefusable { return refusal }
                recorder.verdictPartial(.serialization)
                return nil
            }
        }
        guard needs.isLimited else { return nil }
        guard isRefusable else {
            recorder.verdictPartial(.serialization)
            return nil
        }
        return decideLimits(isOneway: !header.isTwoWay)
    }

    /// The status of the reply that a refusal becomes in a serialization.
    private static func status(of refusal: Refusal, in serialization: UInt8) -> UInt8 {
        guard refusal.isFinal else { return refusal.dubboStatus }
        return FrameWriter.canThrow(in: serialization) ? 20 : 100
    }

    // MARK: What limits look at

    /// Begins to ask the gate about a request that was understood at a glance, and notes what it needs.
    func limitNeeds(
        _ glance: RequestGlance,
        _ operation: OperationID,
        _ body: RawSpan,
        _ session: Session,
        _ direction: Direction
    ) -> LimitNeeds {
        let caller = body.slice(glance.attachments.caller)
        learn(caller: caller, session)
        guard judgement == .held else { return LimitNeeds() }
        let needs = beginLimits(operation, session.side(of: direction), session)
        if needs.caller { noteLastCaller(session) }
        guard needs.attachments != 0, let gate else { return needs }
        var cursor = AttachmentCursor(glance, in: body)
        while let attachment = cursor.next() {
            gate.note(attachment: body.slice(attachment.key), value: body.slice(attachment.value))
        }
        return needs
    }

    /// The same of a request that was read.
    func limitNeeds(
        _ attachments: [Attachment],
        _ wanted: CallAttachments,
        _ operation: OperationID,
        _ texts: RawSpan,
        _ session: Session,
        _ direction: Direction
    ) -> LimitNeeds {
        learn(caller: texts.slice(wanted.caller), session)
        guard judgement == .held else { return LimitNeeds() }
        let needs = beginLimits(operation, session.side(of: direction), session)
        if needs.caller { noteLastCaller(session) }
        guard needs.attachments != 0, let gate else { return needs }
        for attachment in attachments {
            gate.note(attachment: texts.slice(attachment.key), value: texts.slice(attachment.value))
        }
        return needs
    }

    /// A frame that has a verdict ends at `end`.
    func noteEdit(_ header: FrameHeader, end: Int) {
        guard let verdict = frameVerdict else { return }
        frameVerdict = nil
        let count = Int(header.frameBytes)
        var edit = FrameEdit(start: end - count, count: count, bodyBytes: Int(header.bodyBytes), kind: .drop)
        switch verdict {
        case .admit: return
        case .insert(let texts):
            guard header.serialization == Serialization.hessian2, lastRequestHasMap else {
                tracer?.noteInjection(header.serialization == Serialization.hessian2 ? .noMap : .serialization)
                return recorder.verdictPartial(.serialization)
            }
            tracer?.noteInjection(.injected)
            edit.kind = .insert(texts.flatMap { FrameWriter.attachment(key: $0.key, value: $0.value) })
        case .refuse(let refusal): refuse(header, refusal)
        }
        frameEdits.append(edit)
    }

    private func refuse(_ header: FrameHeader, _ refusal: Refusal) {
        guard header.isTwoWay else { return }
        let status = Self.status(of: refusal, in: header.serialization)
        let reply =
            status == 20
            ? FrameWriter.exception(to: header, text: refusal.text, attachments: Self.hints(refusal))
            : FrameWriter.reply(to: header, status: status, text: refusal.text)
        if let reply { frameReplies.append(contentsOf: reply) }
    }

    /// What the attachments of a reply say of a refusal.
    private static func hints(_ refusal: Refusal) -> [(key: String, value: String)] {
        guard let nanoseconds = refusal.retryAfterNanoseconds else { return [] }
        return [("retry-after-ms", String(nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1)))]
    }

    /// A request goes on in the next read: one too large to be held, or that was held for long enough, is decided by
    /// what is known of it.
    func judgeEarly(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64,
        end: Int,
        reason: PartialVerdictReason = .tooLarge
    ) {
        let isLate = reason == .late
        guard isLate || half.header.frameBytes > UInt64(HoldLimits.dubboFrameBytes) else { return }
        let received = Int(half.header.frameBytes) - Int(half.bodyLeft)
        let isOver = isLate || received > HoldLimits.dubboFrameBytes
        guard let box = half.box else {
            // A body that cannot be read.
            guard isLate else { return }
            half.judgement = .admitted
            return recorder.verdictPartial(reason)
        }
        if isOver, half.isReading { box.reader.readFront() }
        let hasNames = box.reader.request.known.isSuperset(of: [.interface, .method]) && box.reader.isKept
        guard hasNames || isOver else { return }
        half.judgement = .admitted
        // Its attachments come last: no caller, no group, and nothing can be inserted.
        recorder.verdictPartial(reason)
        if tracer?.injects(.dubbo) == true { tracer?.noteInjection(.tooLarge) }
        guard hasNames, governor != nil || isLimited || isDraining else { return }
        var operation = unknownOperation
        box.reader.withKeptTexts { texts in
            operation = self.operation(of: box.reader.request, CallAttachments(), texts)
        }
        let side = session.side(of: direction)
        guard FrameWriter.canReply(in: half.header.serialization) || !half.header.isTwoWay,
            let refusal = earlyRefusal(&half, operation, side, session, now)
        else { return }
        half.judgement = .refused
        let entry = CallTable.Entry(
            kind: .call,
            session: session.number,
            direction: direction,
            id: half.header.requestID,
            side: side,
            operation: operation,
            start: half.start,
            deadline: now,
            requestBytes: half.header.frameBytes
        )
        let code = Int32(Self.status(of: refusal, in: half.header.serialization))
        countUntracked(entry, refusal.outcome, code: code, session, now: now) { CallTexts() }
        refuse(half.header, refusal)
        frameEdits.append(
            FrameEdit(
                start: end - received,
                count: Int(half.header.frameBytes),
                bodyBytes: Int(half.header.bodyBytes),
                kind: .drop
            )
        )
    }

    /// What a request is answered of which no more is known than what is called.
    private func earlyRefusal(
        _ half: inout DubboSession.Half,
        _ operation: OperationID,
        _ side: Side,
        _ session: Session,
        _ now: UInt64
    ) -> Refusal? {
        let isOneway = !half.header.isTwoWay
        if FrameWriter.canReply(in: half.header.serialization) {
            if let refusal = drainRefusal(operation, side, session, now: now) { return refusal }
        } else if let order = drainOrder(operation, side) {
            notePassed(order, session)
        }
        if let governor {
            let facts = RequestFacts(operation: operation, side: side, isOneway: isOneway)
            if case .refuse(let refusal) = governor.verdict(on: facts) { return refusal }
        }
        let needs = beginLimits(operation, side, session)
        guard needs.isLimited else { return nil }
        if needs.caller { noteLastCaller(session) }
        let refusal = decideLimits(isOneway: isOneway)
        half.token = pendingToken
        pendingToken = .none
        return refusal
    }

    /// Makes a plan of the verdicts on the frames among the bytes just read.
    ///
    /// - Parameters:
    ///   - dubbo: The connection's session.
    ///   - seen: Where messages ended.
    ///   - count: How many bytes were read.
    ///   - earlier: What earlier plans left open.
    ///   - direction: Which way they go.
    ///   - plan: Where the edits go.
    func carryOut(
        _ dubbo: DubboSession,
        _ seen: SeenBoundaries,
        _ count: Int,
        _ earlier: EarlierBytes,
        _ direction: Direction,
        _ plan: inout Plan
    ) {
        // While an earlier plan reaches into these bytes nothing is held; steps of this one begin behind its reach.
        var walk = FrameWalk(
            at: earlier.reach > 0 ? earlier.reach : -earlier.held,
            boundary: plan.isBoundaryWanted ? seen.firstBoundary : nil
        )
        for edit in frameEdits {
            walk.forward(to: edit.start, &plan)
            switch edit.kind {
            case .drop: plan.drop(edit.count)
            case .insert(let attachment):
                let lengthAt = FrameHeader.byteCount - 4
                plan.forward(lengthAt)
                plan.replace(4, with: FrameWriter.length(of: edit.bodyBytes + attachment.count))
                plan.forward(edit.bodyBytes - 1)
                plan.replace(0, with: attachment)
                plan.forward(1)
            case .replace(let frame): plan.replace(edit.count, with: frame)
            }
            walk.at = edit.start + edit.count
            plan.markBoundary()
        }
        frameEdits.removeAll(keepingCapacity: true)
        let rest = direction == .toUpstream ? dubbo.up.heldBytes : dubbo.down.heldBytes
        walk.forward(to: count - rest, &plan)
        let reach = max(0, walk.at - count)
        if direction == .toUpstream { dubbo.up.reachBytes = reach } else { dubbo.down.reachBytes = reach }
        if rest > 0 || seen.endsAtBoundary { plan.markBoundary() }
        if !frameReplies.isEmpty {
            plan.reply(with: frameReplies)
            frameReplies.removeAll(keepingCapacity: true)
        }
    }
}

/// Where a plan has come to in the bytes of a read.
private struct FrameWalk {
    var at: Int
    /// The first end of a message, if it has to be marked.
    var boundary: Int?

    mutating func forward(to end: Int, _ plan: inout Plan) {
        if let boundary, boundary <= end {
            self.boundary = nil
            if boundary > at {
                plan.forward(boundary - at)
                at = boundary
                plan.markBoundary()
            }
        }
        guard end > at else { return }
        plan.forward(end - at)
        at = end
    }
}
