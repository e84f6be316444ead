internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// Verdicts on Triple requests and their execution.
///
/// A refused request never reaches upstream: its frames are dropped, its DATA is credited back to the client, and the
/// client is answered with a single block of headers. From the first block that is dropped or changed on, upstream's
/// header table is no longer the client's, so every later block of that direction is written anew, without indexing.
extension HTTP2Session {
    // MARK: Judging

    /// Decides about a request, and answers and counts it if it is refused.
    ///
    /// - Parameters:
    ///   - stream: The stream that it begins.
    ///   - request: What is called.
    ///   - headers: Its headers.
    ///   - context: The bytes being read.
    /// - Returns: What it has taken of limits; `nil` if it is refused.
    func decideCall(
        _ stream: TripleStream,
        _ request: CallRequest,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> LimitToken? {
        var request = request
        if streams.isIncomplete || localReplies.isFull { request.unanswerable = .tooLarge }
        let (pipeline, session) = (context.pipeline, context.session)
        let decided = pipeline.decide(request, as: .triple, fields: headers, on: session, now: context.now)
        if let reply = decided.decision.reply {
            refuse(stream, operation: request.operation, reply: reply, headers: headers, context: context)
            return nil
        }
        half(requests).rewriter.insertion += decided.decision.inserted
        return decided.permit
    }

    private func refuse(
        _ stream: TripleStream,
        operation: OperationID,
        reply: LocalReply,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) {
        let inspector = context.inspector
        let reason: TripleLocalReply.Reason = reply.outcome == .drained ? .drained : .limited
        let answer = TripleLocalReply(
            reason,
            message: reply.text,
            retryAfterNanoseconds: reply.retryAfterNanoseconds
        )
        var entry = callEntry(stream, operation: operation, context: context)
        entry.requestBytes = stream.requestBytes
        if inspector.tracker.callers.isWanted {
            entry.caller = inspector.tracker.callers.number(
                of: headers.texts.bytes.slice(headers.request.caller),
                on: context.session
            )
        }
        let isGRPC = stream.form == .grpc
        let code = isGRPC ? Int32(reason.grpcStatus) : Int32(reason.httpStatus)
        context.tracker.count(entry, as: reply.outcome, code: code, on: context.session, now: context.now) {
            headers.callTexts
        }
        let block = Self.block(of: answer, reason, isGRPC: isGRPC, headers: headers)
        localReplies.append(block, on: stream.id, isEarly: !stream.marks.contains(.requestEnded))
        half(requests).rewriter.refuse()
        guard let observed = halves.removeValue(forKey: stream.id), let connection = context.session.seenConnection
        else { return }
        inspector.messageObserver?.streamRequest(observed.request, on: connection)
    }

    /// The fields of an answer, coded.
    private static func block(
        of answer: TripleLocalReply,
        _ reason: TripleLocalReply.Reason,
        isGRPC: Bool,
        headers: borrowing HeaderTexts
    ) -> [UInt8] {
        let contentType = headers.texts.bytes.slice(headers.request.contentTypeText)
        var fields = isGRPC ? answer.trailersOnly(contentType: contentType) : answer.httpFields
        if !isGRPC { fields.insert(TripleField(.status, Array(String(reason.httpStatus).utf8)), at: 0) }
        var block: [UInt8] = []
        let encoder = HPACKEncoder()
        for field in fields {
            let name = Array(field.name.text.description.utf8)
            encoder.field(name: name.byteSpan, value: field.value.byteSpan, into: &block)
        }
        return block
    }

    /// Whether upstream knows nothing of the stream, or has no use for more of it.
    ///
    /// Streams that were refused are not told from those that have ended: of either upstream needs no frame. What comes
    /// behind its reset would only take room that it gives back.
    private func isWithheld(_ half: HTTP2Direction, _ id: UInt32) -> Bool {
        half.rewriter.isRewriting && id != 0 && id <= streams.highestID && streams.place(of: id) < 0
    }

    // MARK: Deciding

    /// A frame of the requests' direction begins: what becomes of it, unless it is part of a header block.
    func decide(
        _ half: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        let frame = half.frame
        let end = at + Int(frame.payloadBytes)
        switch frame.type {
        case HTTP2FrameType.headers:
            half.passed.remove(.block)
            if half.passed.contains(.unit) { half.passed.insert(.block) }
            half.passed.remove(.unit)
            half.rewriter.begin(isWithheld: isWithheld(half, frame.streamID))
            // Only the block waits, and not what a client without SETTINGS said before it.
            walk.forward(to: at - HTTP2FrameHeader.byteCount, &plan)
            // A context that a request came with gives way to Weir's own, which takes a block written anew.
            if !half.rewriter.isRewriting, !half.passed.contains(.block), context.isGoverned,
                context.tracker.tracer?.injects(.triple) == true
            {
                startRewriting(half)
            }
            // What is written anew is made of the fields.
            if half.rewriter.isRewriting { walk.drop(to: end, &plan) }
            return
        case HTTP2FrameType.continuation:
            if half.rewriter.isRewriting { walk.drop(to: end, &plan) }
            return
        case HTTP2FrameType.data, HTTP2FrameType.resetStream, HTTP2FrameType.windowUpdate, HTTP2FrameType.priority:
            guard isWithheld(half, frame.streamID) else { break }
            walk.drop(to: end, &plan)
            if frame.type == HTTP2FrameType.data { localReplies.credit(frame.payloadBytes) }
            return
        default: break
        }
        half.passed.remove(.unit)
        walk.forward(to: end, &plan)
    }

    /// A frame of the requests' direction has ended: what becomes of the header block that it completes.
    func decideBlock(
        _ half: HTTP2Direction,
        at: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if half.disposition != .forward { return decideHeld(half, at: at, context: context, walk: &walk, plan: &plan) }
        let type = half.frame.type
        guard type == HTTP2FrameType.headers || type == HTTP2FrameType.continuation, !half.assembler.isOpen else {
            return
        }
        defer { half.passed.remove(.block) }
        guard !connectionEnd.isAbandoned else { return half.rewriter.forgetBlock() }
        let edit = half.rewriter.finish(
            half.assembler.frame,
            last: half.frame,
            sizeUpdates: half.decoder.sizeUpdates,
            maxFrameBytes: half.maxFrameBytes
        )
        if half.rewriter.isRewriting { edits.insert(.requests) }
        switch edit {
        case .forward: walk.forward(to: at, &plan)
        case .drop: walk.drop(to: at, &plan)
        case .replace(let frames): walk.replace(to: at, with: frames, &plan)
        case .extend(let header, let tail):
            let start = at - half.frame.frameBytes
            walk.forward(to: start, &plan)
            walk.replace(to: start + HTTP2FrameHeader.byteCount, with: header, &plan)
            walk.forward(to: at, &plan)
            walk.replace(to: at, with: tail, &plan)
        }
    }

    private func startRewriting(_ half: HTTP2Direction) {
        half.rewriter.start()
        edits.insert(.requests)
    }

    // MARK: Plans

    /// Completes the plan for the requests' direction.
    func finishPlan(
        _ half: HTTP2Direction,
        count: Int,
        context: ConnectionContext,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if connectionEnd.isAbandoned { return abandonDecided(half, count: count, walk: &walk, plan: &plan) }
        guard case .other = context.session.decoder else {
            walk.forward(to: count, &plan)
            return plan.reply(with: throttle.takeAll())
        }
        let isHeld = context.isGoverned || half.rewriter.isRewriting || edits.contains(.requests)
        if !isHeld {
            if half.disposition == .hold { half.disposition = .forward }
            // What has begun cannot be taken back, should it be decided about again.
            half.passed.insert(.bytes)
            walk.forward(to: count, &plan)
        }
        if count - walk.at > HoldLimits.requestBytes {
            // A block that large is passed on as it comes; its request is not judged.
            half.passed.insert(.block)
            context.recorder.verdictPartial(.tooLarge)
            walk.forward(to: count, &plan)
        }
        half.heldBytes = max(0, count - walk.at)
        half.reachBytes = max(0, walk.at - count)
        if half.isAtBoundary || (half.heldBytes > 0 && !half.passed.contains(.block)) { plan.markBoundary() }
        if throttle.isStalled { plan.reply(with: release(context, &plan)) }
        let opposite = self.half(requests.opposite)
        if opposite.isAtBoundary, hasAnswers(for: opposite) { plan.reply(with: takeAnswers(context)) }
    }

    /// Whether there is something to be put into the replies' direction; not before the server's SETTINGS, which must
    /// be its first frame.
    @inline(__always)
    func hasAnswers(for half: HTTP2Direction) -> Bool {
        (!localReplies.isEmpty || edits.contains(.signals)) && half.direction != requests
            && half.hasSettings
    }

    /// The frames that wait, to be put in exactly here: where the client's table stands decides how a block begins.
    func takeAnswers(_ context: ConnectionContext) -> [UInt8] {
        let half = half(requests.opposite)
        var frames: [UInt8] = []
        if edits.contains(.signals) { tellNews(context, into: &frames) }
        localReplies.take(
            tableBytes: half.decoder.dueUpdateBytes,
            maxFrameBytes: half.maxFrameBytes,
            into: &frames
        )
        return frames
    }

    /// Forwards all of a direction that is not edited, marking where frames of Weir's own may go in.
    func forward(_ count: Int, _ half: HTTP2Direction, boundary: Int?, plan: inout Plan) {
        var walk = PlanWalk(at: 0, isEdited: true)
        if let boundary {
            walk.forward(to: boundary, &plan)
            if !localReplies.staged.isEmpty { walk.replace(to: boundary, with: localReplies.takeStaged(), &plan) }
            plan.markBoundary()
        }
        walk.forward(to: count, &plan)
        if half.isAtBoundary { plan.markBoundary() }
    }
}
