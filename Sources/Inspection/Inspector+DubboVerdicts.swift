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
    /// Decides about a request whose names are known, and counts it if it is refused.
    ///
    /// What is to be done with the frame is in ``frameVerdict`` afterwards.
    ///
    /// - Returns: Whether the call takes place; what it has taken of limits is in `permit` then.
    func decide(
        _ entry: CallTable.Entry,
        _ header: FrameHeader,
        endsInMap: Bool,
        _ fields: borrowing some RequestFields & ~Copyable & ~Escapable,
        _ permit: inout LimitToken,
        _ session: Session,
        _ now: UInt64,
        texts: () -> CallTexts
    ) -> Bool {
        switch judgement {
        case .none, .admitted:
            pipeline.learnCaller(fields, on: session)
            return true
        // Counted when it was decided.
        case .refused: return false
        case .held: break
        }
        var request = CallRequest(operation: entry.operation, side: entry.side, isOneway: !header.isTwoWay)
        if !FrameWriter.canReply(in: header.serialization) { request.unanswerable = .serialization }
        request.insertFailure =
            header.serialization != Serialization.hessian2 ? .serialization : endsInMap ? nil : .noMap
        let decided = pipeline.decide(request, as: .dubbo, fields: fields, on: session, now: now)
        permit = decided.permit
        switch decided.decision {
        case .forward: return true
        case .insert: frameVerdict = decided.decision
        case .reply(let reply):
            frameVerdict = decided.decision
            let code = Int32(Self.status(of: reply, in: header.serialization))
            countUntracked(entry, reply.outcome, code: code, session, now: now, texts: texts)
            return false
        }
        return true
    }

    /// The status of the reply that a refusal becomes in a serialization.
    private static func status(of reply: LocalReply, in serialization: UInt8) -> UInt8 {
        guard reply.isFinal else { return reply.dubboStatus }
        return FrameWriter.canThrow(in: serialization) ? 20 : 100
    }

    /// A frame that has a verdict ends at `end`.
    func noteEdit(_ header: FrameHeader, end: Int) {
        guard let verdict = frameVerdict else { return }
        frameVerdict = nil
        let count = Int(header.frameBytes)
        var edit = FrameEdit(start: end - count, count: count, bodyBytes: Int(header.bodyBytes), kind: .drop)
        switch verdict {
        case .forward: return
        case .insert(let fields):
            edit.kind = .insert(fields.flatMap { FrameWriter.attachment(key: $0.key, value: $0.value) })
        case .reply(let reply): answer(header, reply)
        }
        frameEdits.append(edit)
    }

    private func answer(_ header: FrameHeader, _ localReply: LocalReply) {
        guard header.isTwoWay else { return }
        let status = Self.status(of: localReply, in: header.serialization)
        let reply =
            status == 20
            ? FrameWriter.exception(to: header, text: localReply.text, attachments: Self.hints(localReply))
            : FrameWriter.reply(to: header, status: status, text: localReply.text)
        if let reply { frameReplies.append(contentsOf: reply) }
    }

    /// What the attachments of a reply say of a refusal.
    private static func hints(_ reply: LocalReply) -> [(key: String, value: String)] {
        guard let nanoseconds = reply.retryAfterNanoseconds else { return [] }
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
        pipeline.injection.noteMissed(.tooLarge, .dubbo)
        guard hasNames, pipeline.mayRefuse else { return }
        var operation = unknownOperation
        box.reader.withKeptTexts { texts in
            operation = self.operation(of: box.reader.request, CallAttachments(), texts)
        }
        let side = session.side(of: direction)
        var request = CallRequest(operation: operation, side: side, isOneway: !half.header.isTwoWay)
        if !FrameWriter.canReply(in: half.header.serialization) { request.unanswerable = .serialization }
        request.takesContext = false
        let decided = pipeline.decide(request, as: .dubbo, fields: NoFields(), on: session, now: now)
        guard let reply = decided.decision.reply else { return half.permit = decided.permit }
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
        let code = Int32(Self.status(of: reply, in: half.header.serialization))
        countUntracked(entry, reply.outcome, code: code, session, now: now) { CallTexts() }
        answer(half.header, reply)
        frameEdits.append(
            FrameEdit(
                start: end - received,
                count: Int(half.header.frameBytes),
                bodyBytes: Int(half.header.bodyBytes),
                kind: .drop
            )
        )
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
