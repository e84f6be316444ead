internal import Calls
internal import Dubbo
internal import Telemetry
internal import Wire

/// What is to become of one frame among the bytes of a read.
struct FrameEdit {
    enum Kind {
        /// The frame is left out, and what of it still has to come.
        case drop
        /// Attachments are inserted before its last byte, the map's end.
        case insert([UInt8])
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
    /// A larger request is not held back for its verdict: the relay would not keep it.
    static let maxHeldFrameBytes = 65_536

    /// Asks for the verdict on a request whose names are known, and counts it if it is refused.
    ///
    /// What is to be done with the frame is in ``frameVerdict`` afterwards.
    ///
    /// - Returns: Whether the call does not take place.
    func isRefused(
        _ entry: CallTable.Entry,
        _ header: FrameHeader,
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
        guard let governor else { return false }
        let facts = RequestFacts(operation: entry.operation, side: entry.side, isOneway: !header.isTwoWay)
        switch governor.verdict(on: facts) {
        case .admit: return false
        case .insert(let texts):
            inserted += texts
            return false
        case .refuse(let refusal):
            guard FrameWriter.canReply(in: header.serialization) || !header.isTwoWay else {
                recorder.verdictPartial()
                return false
            }
            frameVerdict = .refuse(refusal)
            inserted = []
            countUntracked(
                entry,
                refusal.outcome,
                code: Int32(refusal.dubboStatus),
                session,
                now: now,
                texts: texts
            )
            return true
        }
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
                return recorder.verdictPartial()
            }
            tracer?.noteInjection(.injected)
            edit.kind = .insert(texts.flatMap { FrameWriter.attachment(key: $0.key, value: $0.value) })
        case .refuse(let refusal): refuse(header, refusal)
        }
        frameEdits.append(edit)
    }

    private func refuse(_ header: FrameHeader, _ refusal: Refusal) {
        guard header.isTwoWay else { return }
        if let reply = FrameWriter.reply(to: header, status: refusal.dubboStatus, text: refusal.text) {
            frameReplies.append(contentsOf: reply)
        }
    }

    /// A request goes on in the next read: one too large to be held is decided by what is known of it.
    func judgeEarly(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64,
        end: Int
    ) {
        guard half.header.frameBytes > UInt64(Self.maxHeldFrameBytes), let box = half.box else { return }
        let hasNames = box.reader.request.known.isSuperset(of: [.interface, .method]) && box.reader.isKept
        let received = Int(half.header.frameBytes) - Int(half.bodyLeft)
        guard hasNames || received > Self.maxHeldFrameBytes else { return }
        half.judgement = .admitted
        // Its attachments come last: no caller, no group, and nothing can be inserted.
        recorder.verdictPartial()
        if tracer?.injects(.dubbo) == true { tracer?.noteInjection(.tooLarge) }
        guard hasNames, let governor else { return }
        var operation = unknownOperation
        box.reader.withKeptTexts { texts in
            operation = self.operation(of: box.reader.request, group: .empty, texts)
        }
        let side = session.side(of: direction)
        let facts = RequestFacts(operation: operation, side: side, isOneway: !half.header.isTwoWay)
        guard case .refuse(let refusal) = governor.verdict(on: facts),
            FrameWriter.canReply(in: half.header.serialization) || !half.header.isTwoWay
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
        countUntracked(entry, refusal.outcome, code: Int32(refusal.dubboStatus), session, now: now) { CallTexts() }
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

    /// Makes a plan of the verdicts on the frames among the bytes just read.
    ///
    /// - Parameters:
    ///   - dubbo: The connection's session.
    ///   - seen: Where messages ended.
    ///   - count: How many bytes were read.
    ///   - held: How many bytes before them were held back.
    ///   - direction: Which way they go.
    ///   - plan: Where the edits go.
    func carryOut(
        _ dubbo: DubboSession,
        _ seen: SeenBoundaries,
        _ count: Int,
        _ held: Int,
        _ direction: Direction,
        _ plan: inout Plan
    ) {
        var walk = FrameWalk(at: -held, boundary: plan.isBoundaryWanted ? seen.firstBoundary : nil)
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
            }
            walk.at = edit.start + edit.count
            plan.markBoundary()
        }
        frameEdits.removeAll(keepingCapacity: true)
        let rest = direction == .toUpstream ? dubbo.up.heldBytes : dubbo.down.heldBytes
        walk.forward(to: count - rest, &plan)
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
