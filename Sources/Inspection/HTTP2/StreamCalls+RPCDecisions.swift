internal import Calls
internal import HTTP2
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// Decisions about JSON-RPC requests, which wait for their bodies where something may refuse or change them.
///
/// What is too large to hold, or comes too late, is decided about by what is known of it, as over HTTP/1.
extension StreamCalls {
    /// True if a request that may be JSON-RPC waits for its body, in which the method is.
    func waitsForBody(_ context: ConnectionContext) -> Bool {
        guard rpcStreams.count < Self.maxRPCStreams else { return false }
        return context.tracker.tracer?.injects(.jsonrpc) == true
            || context.pipeline.mayRefuse(.jsonrpc, side: context.session.side(of: direction))
    }

    /// A request that may be JSON-RPC waits no longer.
    ///
    /// - Parameters:
    ///   - request: Its block.
    ///   - hold: Its headers and body; both are kept, or given back.
    ///   - isFull: True if no more can be held.
    ///   - context: Whom it belongs to.
    /// - Returns: The consequence for the connection.
    func decideRPC(_ request: Request, _ hold: RequestHold, isFull: Bool, context: ConnectionContext) -> Opening {
        let stream = RPCStream(hold.headers, context)
        guard let body = hold.body else { return openRPC(request.block, stream, context: context) }
        stream.body = body
        if hold.content.isEnded, !hold.content.isReset {
            return decideWhole(request, stream, bytes: hold.content.frameBytes, context: context)
        }
        if request.isDecided, !hold.isOver, !isFull { context.recorder.verdictPartial(.late) }
        if request.isDecided, !hold.content.isReset { decideEarly(request, stream, isFull: isFull, context: context) }
        if let reply = stream.early?.reply {
            let body = refuseEarly(request, stream, reply: reply, context: context)
            stream.close(context)
            return Opening(event: .refused(LocalReplyQueue.Answer(reply, body: body)))
        }
        // The body is read again from its beginning, as the frames that were held are.
        stream.endBody(context)
        return openRPC(request.block, stream, context: context)
    }

    /// All of a request is here.
    private func decideWhole(
        _ request: Request,
        _ stream: RPCStream,
        bytes: UInt64,
        context: ConnectionContext
    ) -> Opening {
        guard let body = stream.body else { return openRPC(request.block, stream, context: context) }
        let role = body.finish()
        guard role == .request || role == .notification else {
            noteOther(role, of: stream, context)
            let opening = open(Request(block: request.block), stream.headers.texts, context: context)
            stream.close(context)
            return opening
        }
        if context.tracker.wantsTraces { stream.headers.texts.takeTrace(of: body.rpc) }
        let decided = decide(body.rpc, request, headers: stream.headers.texts, context: context)
        var whole = request.block
        whole.bytes &+= bytes
        let exchange = begin(
            body.rpc,
            whole,
            headers: stream.headers.texts,
            decided: decided,
            isPrepared: !body.rpc.scanner.isBatch,
            context: context
        )
        if let reply = decided.reply {
            let content = RPCExchange.body(of: reply, to: body.rpc)
            stream.close(context)
            return Opening(event: .refused(LocalReplyQueue.Answer(reply, body: content)))
        }
        stream.exchange = exchange
        stream.endBody(context)
        var opening = openRPC(request.block, stream, context: context)
        opening.inserted = decided.inserted
        // Nothing will be known of the reply.
        if rpcStreams[request.block.id] == nil { endLost(exchange, context) }
        return opening
    }

    private func endLost(_ exchange: RPCExchange, _ context: ConnectionContext) {
        let nothing = RPCExchange.Reply(rpc: nil, status: 0, start: context.now, bytes: 0)
        exchange.endAll(as: (.lost, ResultCode.none), with: nothing, context)
    }

    /// Decides about a message that has ended; the span of a single call is there before.
    private func decide(
        _ rpc: RPCReader,
        _ request: Request,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> DecidedBatch {
        let interface = RPCExchange.interface(headers.texts.bytes.slice(headers.request.path))
        if context.tracker.isTraced, !rpc.scanner.isBatch {
            rpc.eachCall { call in
                let operation = context.operations.operation(of: call, interface: interface)
                prepareSpan(operation, headers, id: call.id, context: context)
            }
        }
        guard request.isDecided else { return DecidedBatch() }
        let groups = context.operations.groups(of: rpc, interface: interface)
        let takesContext = !rpc.scanner.isBatch
        return decide(groups, request, takesContext: takesContext, headers: headers, context: context)
    }

    private func decide(
        _ groups: [CallGroup],
        _ request: Request,
        takesContext: Bool,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> DecidedBatch {
        let side = context.session.side(of: direction)
        var call = CallRequest(operation: context.operations.unknown, side: side)
        call.takesContext = takesContext
        if streams.isIncomplete || !request.isAnswerable { call.unanswerable = .tooLarge }
        let (pipeline, session) = (context.pipeline, context.session)
        return pipeline.decide(
            groups: groups,
            call,
            as: .jsonrpc,
            fields: headers.requestFields,
            on: session,
            now: context.now
        )
    }

    // MARK: Before the end

    /// Decides about a request whose end is not waited for, if it is known to be JSON-RPC.
    private func decideEarly(_ request: Request, _ stream: RPCStream, isFull: Bool, context: ConnectionContext) {
        guard let body = stream.body else { return }
        let isExpected =
            stream.headers.texts.isPath(of: context.inspector.limits.jsonrpcPaths)
            || context.inspector.rpcPaths.hasAnswered(stream.pathKey)
        if body.isNoCallSoFar, !body.isUnreadable || !isExpected {
            // Nothing is to be asked about it.
            if body.isUnreadable { stream.passed = .encoding }
            return
        }
        let knowsMethods = body.rpc.knowsMethods
        if !knowsMethods { stream.passed = body.isUnreadable ? .encoding : isFull ? .tooLarge : nil }
        guard context.pipeline.mayRefuse, knowsMethods || isExpected else { return }
        let headers = stream.headers
        stream.early = decideEarly(
            knowsMethods ? body.rpc : nil,
            request,
            headers: headers.texts,
            context: context
        )
    }

    private func decideEarly(
        _ rpc: RPCReader?,
        _ request: Request,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> EarlyDecision {
        let interface = RPCExchange.interface(headers.texts.bytes.slice(headers.request.path))
        let groups = context.operations.groupsSoFar(of: rpc, interface: interface)
        var early = EarlyDecision(asked: groups, knowsMethods: rpc != nil)
        early.decided = decide(groups, request, takesContext: false, headers: headers, context: context)
        return early
    }

    /// Counts the calls of a request that is refused before its end.
    ///
    /// - Returns: The body of its answer.
    private func refuseEarly(
        _ request: Request,
        _ stream: RPCStream,
        reply: LocalReply,
        context: ConnectionContext
    ) -> [UInt8] {
        guard let early = stream.early, let rpc = stream.body?.rpc else { return [] }
        let headers = stream.headers
        guard early.knowsMethods else {
            countUnknown(request.block, headers: headers.texts, reply: reply, context: context)
            return RPCExchange.body(of: reply, to: nil)
        }
        _ = begin(
            rpc,
            request.block,
            headers: headers.texts,
            decided: early.decided,
            isPrepared: false,
            context: context
        )
        stream.early = nil
        return RPCExchange.body(of: reply, to: rpc.role == .request && !rpc.scanner.isBatch ? rpc : nil)
    }

    /// Counts a refused request of which no method is known.
    private func countUnknown(
        _ block: Block,
        headers: borrowing HeaderTexts,
        reply: LocalReply,
        context: ConnectionContext
    ) {
        let interface = RPCExchange.interface(headers.texts.bytes.slice(headers.request.path))
        let operation = context.operations.operation(
            ofMethod: interface.extracting(0..<0),
            interface: interface
        )
        if context.session.connectionProtocol != .jsonrpc { context.inspector.identify(context.session, .jsonrpc) }
        let number = UInt64(block.id)
        let exchange = RPCExchange(direction: direction, number: number, start: block.start, bytes: block.bytes)
        let entry = exchange.entry(operation, id: number, bytes: block.bytes, context)
        let (code, now) = (reply.code(in: .jsonrpc), context.now)
        context.tracker.count(entry, as: reply.outcome, code: code, on: context.session, now: now) {
            headers.callTexts
        }
    }

    /// A request that was decided about has ended as JSON-RPC: what came behind is charged.
    func chargeRest(
        _ early: EarlyDecision,
        _ rpc: RPCReader,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) {
        guard early.knowsMethods || rpc.scanner.isBatch else { return }
        let interface = RPCExchange.interface(headers.texts.bytes.slice(headers.request.path))
        context.pipeline.chargeRest(
            early,
            groups: context.operations.groups(of: rpc, interface: interface),
            side: context.session.side(of: direction),
            fields: headers.requestFields,
            on: context.session
        )
    }
}

extension LocalReplyQueue.Answer {
    /// The answer to JSON-RPC calls that are refused.
    ///
    /// - Parameters:
    ///   - reply: The reply.
    ///   - body: Its content; empty if none of the calls wants one: then the status says that they were not done.
    init(_ reply: LocalReply, body: [UInt8]) {
        let isError = reply.httpStatus >= 400
        func block(_ status: UInt16, _ more: [TripleField]) -> [UInt8] {
            var fields = [TripleField(.status, Array(String(status).utf8))] + more
            if let seconds = reply.retryAfterSeconds {
                fields.append(TripleField(.retryAfter, Array(String(max(1, seconds)).utf8)))
            }
            return HPACKEncoder.block(of: fields)
        }
        bare = block(isError ? reply.httpStatus : 429, [])
        self.body = body
        guard !body.isEmpty else {
            fields = bare
            return
        }
        let length = TripleField(.contentLength, Array(String(body.count).utf8))
        fields = block(reply.httpStatus, [TripleField(.contentType, Array("application/json".utf8)), length])
    }
}
