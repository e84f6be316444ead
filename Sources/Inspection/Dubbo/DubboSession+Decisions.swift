internal import Calls
internal import Dubbo
internal import Policy
internal import Telemetry
internal import Wire

/// Decisions about requests, and the plans that carry them out.
extension DubboSession {
    /// Decides about a request whose names are known, and counts and answers it if it is refused.
    ///
    /// - Returns: What it has taken of limits; `nil` if the call does not take place.
    func decide(
        _ request: borrowing DubboRequest,
        entry: CallTable.Entry,
        endsInMap: Bool,
        fields: borrowing RequestFields,
        in context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int
    ) -> LimitToken? {
        let header = request.header
        var asked = Self.request(entry.operation, side: entry.side, header: header)
        asked.insertFailure =
            header.serialization != Serialization.hessian2 ? .serialization : endsInMap ? nil : .noMap
        let (pipeline, session, pool) = (context.pipeline, context.session, context.pool)
        let decided = pipeline.decide(asked, as: .dubbo, fields: fields, on: session, now: context.now)
        let start = end - Int(header.frameBytes)
        switch decided.decision {
        case .forward: break
        case .insert(let fields):
            let texts = fields.flatMap { FrameWriter.attachment(key: $0.key, value: $0.value) }
            turn.edit(FrameEdit(header, start: start, .insert(texts)))
        case .reply(let reply):
            turn.drop(header, start: start, reply: Self.answer(header, reply))
            let code = Int32(Self.status(of: reply, in: header.serialization))
            context.tracker.count(entry, as: reply.outcome, code: code, on: session, now: context.now) {
                Self.texts(request.caller, fields: pool.fields, in: request.texts)
            }
            return nil
        }
        return decided.permit
    }

    private static func request(_ operation: OperationID, side: Side, header: FrameHeader) -> CallRequest {
        var request = CallRequest(operation: operation, side: side, isOneway: !header.isTwoWay)
        if !FrameWriter.canReply(in: header.serialization) { request.unanswerable = .serialization }
        return request
    }

    /// A request goes on in the next read: one too large to be held, or that was held for long enough, is decided by
    /// what is known of it.
    ///
    /// - Parameters:
    ///   - state: Where its direction stands.
    ///   - direction: The way of the request.
    ///   - context: Whom it belongs to.
    ///   - turn: What becomes of the frames of the read.
    ///   - end: Where the read ends.
    ///   - reason: Why its end is not waited for.
    func decideEarly(
        _ state: inout DubboDirection,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int,
        reason: PartialVerdictReason = .tooLarge
    ) {
        let isLate = reason == .late
        let header = state.header
        guard isLate || header.frameBytes > UInt64(HoldLimits.dubboFrameBytes) else { return }
        let received = Int(header.frameBytes) - Int(state.bodyLeft)
        let isOver = isLate || received > HoldLimits.dubboFrameBytes
        guard let box = state.box else {
            // A body that cannot be read.
            guard isLate else { return }
            state.holdState = .admitted
            return context.recorder.verdictPartial(reason)
        }
        if isOver, state.isReading { box.reader.readFront() }
        let hasNames = box.reader.request.known.isSuperset(of: [.interface, .method]) && box.reader.isKept
        guard hasNames || isOver else { return }
        state.holdState = .admitted
        // Its attachments come last: no caller, no group, and nothing can be inserted.
        context.recorder.verdictPartial(reason)
        context.pipeline.injection.noteMissed(.tooLarge, .dubbo)
        guard hasNames, context.pipeline.mayRefuse else { return }
        var operation = context.operations.unknown
        box.reader.withKeptTexts { texts in
            operation = Self.operation(of: box.reader.request, CallAttachments(), in: texts, names: context.operations)
        }
        guard let reply = decideFront(&state, operation: operation, going: direction, in: context) else { return }
        state.holdState = .refused
        turn.drop(header, start: end - received, reply: Self.answer(header, reply))
    }

    /// Decides about a request by its operation, and counts it if it is refused.
    ///
    /// - Returns: Weir's answer; `nil` if it passes.
    private func decideFront(
        _ state: inout DubboDirection,
        operation: OperationID,
        going direction: Direction,
        in context: ConnectionContext
    ) -> LocalReply? {
        let (session, header) = (context.session, state.header)
        let side = session.side(of: direction)
        var request = Self.request(operation, side: side, header: header)
        request.takesContext = false
        let decided = context.pipeline.decide(
            request,
            as: .dubbo,
            fields: RequestFields(),
            on: session,
            now: context.now
        )
        guard let reply = decided.decision.reply else {
            state.permit = decided.permit
            return nil
        }
        let entry = CallTable.Entry(
            kind: .call,
            session: session.number,
            direction: direction,
            id: header.requestID,
            side: side,
            operation: operation,
            start: state.start,
            deadline: context.now,
            requestBytes: header.frameBytes
        )
        let code = Int32(Self.status(of: reply, in: header.serialization))
        context.tracker.count(entry, as: reply.outcome, code: code, on: session, now: context.now) { CallTexts() }
        return reply
    }

    // MARK: Local replies

    /// The status of the reply that a local reply becomes in a serialization.
    private static func status(of reply: LocalReply, in serialization: UInt8) -> UInt8 {
        guard reply.isFinal else { return UInt8(truncatingIfNeeded: reply.code(in: .dubbo)) }
        return FrameWriter.canThrow(in: serialization) ? 20 : 100
    }

    /// A local reply to a request, as it is written; empty if it waits for none.
    private static func answer(_ header: FrameHeader, _ reply: LocalReply) -> [UInt8] {
        guard header.isTwoWay else { return [] }
        let status = status(of: reply, in: header.serialization)
        let frame =
            status == 20
            ? FrameWriter.exception(to: header, text: reply.text, attachments: hints(reply))
            : FrameWriter.reply(to: header, status: status, text: reply.text)
        return frame ?? []
    }

    /// The attachments of a local reply.
    private static func hints(_ reply: LocalReply) -> [(key: String, value: String)] {
        guard let nanoseconds = reply.retryAfterNanoseconds else { return [] }
        return [("retry-after-ms", String(nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1)))]
    }

    // MARK: Plans

    /// Makes a plan of what is to become of the frames among the bytes just read.
    ///
    /// - Parameters:
    ///   - turn: What is to become of them.
    ///   - count: How many bytes were read.
    ///   - earlier: The bytes that earlier plans left open.
    ///   - direction: Which way they go.
    ///   - plan: Where the edits go.
    func apply(
        _ turn: borrowing DubboTurn,
        count: Int,
        earlier: EarlierBytes,
        going direction: Direction,
        plan: inout Plan
    ) {
        // While an earlier plan reaches into these bytes nothing is held; steps of this one begin behind its reach.
        var walk = FrameWalk(
            at: earlier.reach > 0 ? earlier.reach : -earlier.held,
            boundary: plan.isBoundaryWanted ? turn.firstBoundary : nil
        )
        for edit in turn.changes?.edits ?? [] {
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
        let rest = direction == .toUpstream ? up.heldBytes : down.heldBytes
        walk.forward(to: count - rest, &plan)
        let reach = max(0, walk.at - count)
        if direction == .toUpstream { up.reachBytes = reach } else { down.reachBytes = reach }
        if rest > 0 || turn.endsAtBoundary { plan.markBoundary() }
        if let replies = turn.changes?.replies, !replies.isEmpty { plan.reply(with: replies) }
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
