internal import Calls
internal import HTTP1
internal import Telemetry
internal import Triple
internal import Wire

/// Verdicts on HTTP/1 requests and their execution.
///
/// A request is held back from its first byte until it is judged: Triple's at the end of its head, JSON-RPC's at the
/// end of its body, where the method may be. An answer of Weir's own keeps the order of the requests: it waits behind
/// the responses to earlier ones.
extension HTTP1Session {
    // MARK: Judging

    /// Decides about the calls of the request being read.
    ///
    /// - Parameters:
    ///   - groups: Its calls by operation.
    ///   - takesContext: True if it may be given a trace context.
    ///   - headers: Its headers.
    ///   - context: The bytes being read.
    /// - Returns: What becomes of it.
    func decide(
        _ groups: [CallGroup],
        takesContext: Bool,
        headers: borrowing HeaderTexts,
        in context: ConnectionContext
    ) -> DecidedBatch {
        let side = context.session.side(of: requestDirection)
        var request = CallRequest(operation: context.operations.unknown, side: side)
        request.takesContext = takesContext
        let (pipeline, session) = (context.pipeline, context.session)
        return pipeline.decide(
            groups: groups,
            request,
            as: .jsonrpc,
            fields: headers.requestFields,
            on: session,
            now: context.now
        )
    }

    /// Makes the answer to calls that are refused.
    func answerRPC(_ rpc: RPCReader, _ reply: LocalReply) {
        let body = RPCExchange.body(of: reply, to: rpc)
        refuseCurrent(head(of: reply, body), body)
        current.isReplyDue = true
    }

    /// The head of the answer to calls that are refused.
    ///
    /// Notifications have no reply, but their request has: its status says that it was not done.
    func head(of reply: LocalReply, _ body: [UInt8]) -> HTTP1ResponseHead {
        let isError = reply.httpStatus >= 400
        return HTTP1ResponseHead(
            status: body.isEmpty && !isError ? 429 : reply.httpStatus,
            contentLength: body.count,
            retryAfterSeconds: reply.retryAfterSeconds,
            persistence: HTTP1ResponseHead.Persistence(answering: requests.head)
        )
    }

    /// Answers the request being read in upstream's place.
    func refuseCurrent(_ head: HTTP1ResponseHead, _ body: [UInt8]) {
        let body = requests.head.method == .head ? [] : body
        asked.holdState = .refused
        current.isRefused = true
        currentDetails.queuedReply = QueuedReply(head: head, body: body)
    }

    /// Nothing that follows the request being read will be understood: its answer says so.
    func closeAfterReply() { current.details?.queuedReply?.head.persistence = .close }

    /// Decides about a Triple request: only calls of a service of the application are refused or changed.
    ///
    /// - Returns: What becomes of it.
    func decideTriple(
        _ entry: CallTable.Entry,
        headers: borrowing HeaderTexts,
        in context: ConnectionContext
    ) -> DecidedRequest {
        let path = headers.texts.bytes.slice(headers.request.path)
        guard context.isGoverned, asked.holdState == .held, TriplePath(path)?.kind(in: path).isBusiness == true else {
            return DecidedRequest()
        }
        let request = CallRequest(operation: entry.operation, side: entry.side)
        let (pipeline, session) = (context.pipeline, context.session)
        return pipeline.decide(request, as: .triple, fields: headers.requestFields, on: session, now: context.now)
    }

    /// Answers and counts a Triple request.
    func answerTriple(
        _ entry: CallTable.Entry,
        localReply: LocalReply,
        headers: borrowing HeaderTexts,
        head: HTTP1Head,
        in context: ConnectionContext
    ) {
        let reason: TripleLocalReply.Reason = localReply.outcome == .drained ? .drained : .limited
        let answer = TripleLocalReply(reason, message: localReply.text)
        let reply = HTTP1ResponseHead(
            status: reason.httpStatus,
            contentLength: answer.httpBody.count,
            retryAfterSeconds: localReply.retryAfterSeconds,
            persistence: HTTP1ResponseHead.Persistence(answering: head)
        )
        refuseCurrent(reply, answer.httpBody)
        // True if the body follows a refusal is the client's choice: no other request may.
        if head.flags.contains(.expectsContinue) { closeAfterReply() }
        let code = Int32(reason.httpStatus)
        context.tracker.count(entry, as: localReply.outcome, code: code, on: context.session, now: context.now) {
            headers.callTexts
        }
    }

    // MARK: Deciding

    /// A request's head has ended and its body follows.
    func decideHead(_ at: Int, in context: ConnectionContext, walk: inout PlanBuilder, plan: inout Plan) {
        switch asked.holdState {
        case .refused:
            walk.drop(to: at, &plan)
            guard requests.head.flags.contains(.expectsContinue) else { return }
            // The client may wait for it before it sends the body.
            current.isReplyDue = true
            updateQueue()
            sendIfNext(context)
        case .admitted: walk.forward(to: at, &plan)
        case .held:
            // Triple's is judged by its head; a client that waits to be told to go on would wait for ever.
            let expects = requests.head.flags.contains(.expectsContinue)
            guard current.kind == .triple || expects || !waitsForBody(context) else { return }
            if expects, current.kind != .triple, decideExpected(at, in: context, walk: &walk, plan: &plan) { return }
            asked.holdState = .admitted
            passHead(at, walk: &walk, plan: &plan)
        }
    }

    /// The head of a request has ended whose client waits to be told to go on.
    ///
    /// - Returns: True if it is not passed on.
    private func decideExpected(
        _ at: Int,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) -> Bool {
        switch expectation(context) {
        case .pass:
            if context.isGoverned { asked.passed = .expect }
            return false
        case .hold:
            current.interim.isDue = true
            current.interim.isSwallowed = true
            updateQueue()
            sendIfNext(context)
            return true
        case .refuse:
            judgeEarly(.expect, context)
            guard asked.holdState == .refused else { return false }
            countRefused(context)
            walk.drop(to: at, &plan)
            // True if the body follows is the client's choice: no other request may.
            closeAfterReply()
            current.isReplyDue = true
            updateQueue()
            sendIfNext(context)
            return true
        }
    }

    /// Passes a request on from its first byte, with what is to be inserted into its head.
    private func passHead(_ at: Int, walk: inout PlanBuilder, plan: inout Plan) {
        if !headEdit.insertion.isEmpty {
            let start = at - Int(requests.bytes)
            walk.forward(to: start + Int(requests.head.startLineBytes), &plan)
            walk.replace(
                to: walk.at,
                with: headEdit.insertion.flatMap { Array("\($0.key): \($0.value)\r\n".utf8) },
                &plan
            )
            let formats = headEdit.insertion.compactMap { TraceFormat($0) }
            for (format, line) in headEdit.traceLines where formats.contains(format) {
                walk.forward(to: start + line.lowerBound, &plan)
                walk.drop(to: start + line.upperBound, &plan)
            }
            headEdit.insertion = []
        }
        walk.forward(to: at, &plan)
    }

    /// A request is complete.
    func decideMessage(
        _ at: Int,
        isLast: Bool,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        if current.interim.isDue {
            // The client did not wait for it.
            current.interim.isDue = false
            updateQueue()
        }
        switch asked.holdState {
        case .refused:
            walk.drop(to: at, &plan)
            sendIfNext(isLast: isLast, context)
        case .admitted: walk.forward(to: at, &plan)
        case .held: passHead(at, walk: &walk, plan: &plan)
        }
        headEdit.insertion = []
        plan.markBoundary()
    }

    /// An answer of Weir's own goes at once if no earlier request waits.
    ///
    /// - Parameters:
    ///   - isLast: True if no bytes of another request are known to follow.
    ///   - context: The bytes that made it due.
    func sendIfNext(isLast: Bool = false, _ context: ConnectionContext) {
        sendContinue()
        while queue.first < queue.exchanges.count, queue.exchanges[queue.first].isReplyDue {
            defer { sendContinue() }
            if var reply = queue.exchanges[queue.first].details?.queuedReply {
                if isLast, context.pipeline.drains.isActive, mayClose(context) {
                    reply.head.persistence = .close
                    beginClosing(context)
                }
                reply.head.write(to: &answering.replies)
                answering.replies += reply.body
            }
            removeFirst()
        }
    }

    /// Tells a client to go on whose request is the first that waits.
    private func sendContinue() {
        guard queue.first < queue.exchanges.count, queue.exchanges[queue.first].interim.isDue else { return }
        queue.exchanges[queue.first].interim.isDue = false
        if queue.exchanges[queue.first].number == current.number { current.interim.isDue = false }
        answering.replies += HTTP1Lines.goOn
    }

    // MARK: Plans

    func finishRequestPlan(_ count: Int, in context: ConnectionContext, walk: inout PlanBuilder, plan: inout Plan) {
        let isAtBoundary = requestReader.isAtBoundary
        guard walk.isEdited else {
            // What has been passed on in part is not decided about any more.
            asked.holdState = isAtBoundary ? .held : .admitted
            guard plan.isBoundaryWanted, let boundary = walk.boundary else {
                return plan.forwardAll(endsAtBoundary: isAtBoundary)
            }
            walk.at = 0
            walk.forward(to: boundary, &plan)
            plan.markBoundary()
            walk.forward(to: count, &plan)
            if isAtBoundary { plan.markBoundary() }
            return
        }
        if asked.reading == .drop || (asked.holdState == .refused && isFollowing(context)) {
            walk.drop(to: count, &plan)
        } else if !isFollowing(context) || isAtBoundary || asked.holdState == .admitted || !context.isGoverned {
            walk.forward(to: count, &plan)
            if !isAtBoundary { asked.holdState = .admitted }
        } else if isNoCallSoFar, !expectsRPC(context) {
            // Nothing is to be asked about it.
            asked.holdState = .admitted
            if isBodyUnreadable { asked.passed = .encoding }
            walk.forward(to: count, &plan)
        } else if count - walk.at > HoldLimits.requestBytes {
            judgeEarly(.tooLarge, context)
            if asked.holdState == .refused { walk.drop(to: count, &plan) } else { walk.forward(to: count, &plan) }
        } else {
            // Empty lines in front of a request are none of it, and wait for nothing.
            let own = requestReader.isInBody ? Int(requests.bytes) : requestReader.unfinishedHeadBytes
            walk.forward(to: count - own, &plan)
        }
        asked.heldBytes = max(0, count - walk.at)
        if isAtBoundary || asked.heldBytes > 0 { plan.markBoundary() }
        if !answering.replies.isEmpty {
            plan.reply(with: answering.replies)
            answering.replies.removeAll(keepingCapacity: true)
        }
        if closing.isAnnounced, waiting == 0 { plan.close() }
    }

    // MARK: Time

    /// A client that Weir has yet to tell to go on is not late.
    func isWaiting(_ direction: Direction) -> Bool {
        direction == requestDirection && asked.heldBytes > 0 && asked.holdState == .held && !current.interim.isDue
    }

    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        guard isWaiting(direction) else { return false }
        context.recorder.verdictPartial(.late)
        if context.isGoverned, requestReader.isInBody {
            judgeEarly(.late, context)
        } else {
            asked.holdState = .admitted
        }
        // It is counted already.
        asked.passed = nil
        var walk = PlanBuilder(at: -asked.heldBytes, isEdited: true)
        if asked.holdState == .refused { walk.drop(to: 0, &plan) } else { walk.forward(to: 0, &plan) }
        asked.heldBytes = 0
        return true
    }

    /// A response has ended at `at`: answers of Weir's own that are next go behind it.
    func sendLocalReplies(_ at: Int, in context: ConnectionContext, walk: inout PlanBuilder, plan: inout Plan) {
        sendIfNext(isLast: true, context)
        guard !answering.replies.isEmpty else { return }
        walk.isEdited = true
        walk.forward(to: at, &plan)
        walk.replace(to: at, with: answering.replies, &plan)
        plan.markBoundary()
        answering.replies.removeAll(keepingCapacity: true)
    }

    /// An interim response has ended at `at`: upstream's word to a client that Weir has told to go on is left out.
    func takeInterim(_ at: Int, walk: inout PlanBuilder, plan: inout Plan) {
        guard reply.httpStatus == 100, queue.first < queue.exchanges.count,
            queue.exchanges[queue.first].interim.isSwallowed
        else {
            closing.interimBytes = responses.bytes
            return
        }
        queue.exchanges[queue.first].interim.isSwallowed = false
        if queue.exchanges[queue.first].number == current.number { current.interim.isSwallowed = false }
        responses.bytes = closing.interimBytes
        walk.isEdited = true
        walk.forward(to: at - Int(responses.head.headBytes), &plan)
        walk.drop(to: at, &plan)
    }

    /// How much of what has come of a response's head waits until it is whole.
    func heldForContinue(_ context: ConnectionContext) -> Int {
        guard case .other(let decoder) = context.session.decoder, decoder === self, !answering.isBlind,
            !closing.isAnnounced,
            queue.first < queue.exchanges.count, queue.exchanges[queue.first].interim.isSwallowed
        else { return 0 }
        answering.heldBytes = responseReader.unfinishedHeadBytes
        return answering.heldBytes
    }

    /// Passes responses on, with what was put between them.
    func forwardResponses(_ count: Int, walk: inout PlanBuilder, plan: inout Plan) {
        let isAtBoundary = responseReader.isAtBoundary
        if answering.heldBytes > 0 { walk.isEdited = true }
        guard walk.isEdited || (plan.isBoundaryWanted && walk.boundary != nil) else {
            return plan.forwardAll(endsAtBoundary: isAtBoundary)
        }
        if !walk.isEdited, let boundary = walk.boundary {
            walk.forward(to: boundary, &plan)
            plan.markBoundary()
        }
        walk.forward(to: count, &plan)
        if isAtBoundary { plan.markBoundary() }
    }
}
