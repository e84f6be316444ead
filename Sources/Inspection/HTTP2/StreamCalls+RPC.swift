internal import Calls
internal import JSONRPC
internal import Telemetry
internal import Triple
internal import Wire

/// JSON-RPC calls: a POST whose body is JSON-RPC is a stream, and its reply the other half of it; see ``RPCExchange``.
///
/// What turns out to be something else stays what it was: HTTP that is passed on. Bound: ``maxRPCStreams``.
extension StreamCalls {
    /// The most streams of a connection whose bodies are read at a time.
    static let maxRPCStreams = 1024

    /// The body of a request that may be JSON-RPC.
    func body(_ headers: borrowing HeaderTexts, _ context: ConnectionContext) -> RPCBody {
        let isExpected = headers.isPath(of: context.inspector.limits.jsonrpcPaths)
        return RPCBody(headers.contentCoding, isExpected: isExpected, pool: context.pool)
    }

    // MARK: Requests

    /// A request passes that may be JSON-RPC: its body is read.
    ///
    /// - Parameters:
    ///   - block: Its block.
    ///   - stream: Its headers and what was decided about it.
    ///   - context: Whom it belongs to.
    /// - Returns: The consequence for the connection.
    func openRPC(_ block: Block, _ stream: RPCStream, context: ConnectionContext) -> Opening {
        var request = Request(block: block)
        request.mayBeRPC = true
        let opening = open(request, stream.headers.texts, context: context)
        guard case .passed = opening.event, rpcStreams.count < Self.maxRPCStreams else {
            stream.close(context)
            return opening
        }
        if stream.exchange == nil, stream.body == nil { stream.body = body(stream.headers.texts, context) }
        rpcStreams[block.id] = stream
        streams[streams.place(of: block.id)].marks.insert(.isRPC)
        return opening
    }

    /// A request has ended that may be JSON-RPC, or is.
    ///
    /// - Parameters:
    ///   - id: Its stream.
    ///   - place: The place of that.
    ///   - isWhole: False if the rest of it will not come.
    ///   - context: Whom it belongs to.
    func requestEndedRPC(_ id: UInt32, place: Int, isWhole: Bool = true, context: ConnectionContext) {
        guard let stream = rpcStreams[id] else { return }
        guard let body = stream.body else {
            stream.exchange?.requestEnded(context)
            return
        }
        var role = body.finish()
        if !isWhole { role = body.rpc.isCallSoFar ? .request : .neither }
        defer { stream.endBody(context) }
        guard role == .request || role == .notification else {
            if isWhole { noteOther(role, of: stream, context) }
            return
        }
        if let reason = stream.passed { context.recorder.verdictPartial(reason) }
        if context.tracker.wantsTraces { stream.headers.texts.takeTrace(of: body.rpc) }
        let early = stream.early
        stream.early = nil
        if let early { chargeRest(early, body.rpc, headers: stream.headers.texts, context: context) }
        let info = streams[place]
        let block = Block(id: id, start: info.start, bytes: info.requestBytes, endsStream: true)
        let headers = stream.headers
        stream.exchange = begin(
            body.rpc,
            block,
            headers: headers.texts,
            decided: early?.decided ?? DecidedBatch(),
            isPrepared: false,
            context: context
        )
        stream.exchange?.requestEnded(context)
        if let result = stream.earlyResult { stream.exchange?.endAll(as: result, with: reply(stream, info), context) }
    }

    /// A body is no call.
    func noteOther(_ role: JSONRPCRole, of stream: RPCStream, _ context: ConnectionContext) {
        if context.session.connectionProtocol == .silent { context.inspector.identify(context.session, .http) }
        guard role == .neither, stream.body?.isUnreadable != true else { return }
        context.inspector.rpcPaths.noteOther(stream.pathKey)
    }

    /// The calls of a request are known: they begin, or are counted as refused.
    func begin(
        _ rpc: RPCReader,
        _ block: Block,
        headers: borrowing HeaderTexts,
        decided: DecidedBatch,
        isPrepared: Bool,
        context: ConnectionContext
    ) -> RPCExchange {
        let inspector = context.inspector
        if context.session.connectionProtocol != .jsonrpc { inspector.identify(context.session, .jsonrpc) }
        if let observer = inspector.messageObserver, let connection = context.session.seenConnection {
            observer.rpc(rpc.observed(context.session.seen(direction), start: block.start), on: connection)
        }
        let timeout = headers.request.timeoutNanoseconds
        var exchange = RPCExchange(
            direction: direction,
            number: UInt64(block.id),
            start: block.start,
            bytes: block.bytes
        )
        exchange.open(
            rpc,
            interface: RPCExchange.interface(headers.texts.bytes.slice(headers.request.path)),
            deadline: timeout > 0 ? block.start &+ timeout : context.tracker.defaultDeadline(block.start),
            decided: decided,
            context: context,
            prepareSpan: { operation, id in
                if !isPrepared { prepareSpan(operation, headers, id: id, context: context) }
            },
            texts: { id in
                var texts = headers.callTexts
                texts.id = id.text
                return texts
            }
        )
        return exchange
    }

    func prepareSpan(
        _ operation: OperationID,
        _ headers: borrowing HeaderTexts,
        id: RawSpan,
        context: ConnectionContext
    ) {
        let side = context.session.side(of: direction)
        context.tracker.prepareSpan(operation, headers: headers, callProtocol: .jsonrpc, side: side, now: context.now)
        context.tracker.tracer?.note(.hasTextID)
        if !id.isEmpty { context.tracker.tracer?.note(.requestID, id) }
    }

    // MARK: Content

    /// Content of DATA of a stream that may be JSON-RPC, or is.
    func dataRPC(_ piece: RawSpan, on id: UInt32, isRequest: Bool, context: ConnectionContext) {
        guard let stream = rpcStreams[id] else { return }
        guard !isRequest else {
            stream.body?.take(piece)
            return
        }
        guard stream.exchange?.hasCall == true || stream.body != nil else { return }
        if stream.reply == nil {
            let reader = context.pool.takeRPCReader()
            reader.beginBody(at: stream.exchange == nil ? .anywhere : .responses)
            stream.reply = reader
        }
        stream.reply?.readBody(piece)
    }

    // MARK: Replies

    /// The reply has ended of a stream that may be JSON-RPC, or is.
    func replyEndedRPC(_ id: UInt32, place: Int, context: ConnectionContext) {
        guard let stream = rpcStreams[id] else { return }
        let isRPC = stream.reply?.finishBody() == .response
        if isRPC, let rpc = stream.reply { observe(rpc, stream, context: context) }
        var reply = reply(stream, streams[place])
        if isRPC { reply.rpc = stream.reply }
        guard let exchange = stream.exchange else {
            if stream.body != nil { stream.earlyResult = reply.result }
            return
        }
        if isRPC { context.inspector.rpcPaths.noteAnswered(stream.pathKey) }
        exchange.answer(reply, context)
    }

    private func reply(_ stream: RPCStream, _ info: TripleStream) -> RPCExchange.Reply {
        RPCExchange.Reply(
            rpc: nil,
            status: info.reply.httpStatus,
            start: stream.replyStart,
            bytes: info.replyBytes
        )
    }

    private func observe(_ rpc: RPCReader, _ stream: RPCStream, context: ConnectionContext) {
        guard let observer = context.inspector.messageObserver, let connection = context.session.seenConnection else {
            return
        }
        let direction = context.session.seen(direction.opposite)
        observer.rpc(rpc.observed(direction, start: stream.replyStart), on: connection)
    }

    // MARK: Ends

    /// A stream that may be JSON-RPC, or is, was reset, or the server looks no more at it.
    ///
    /// - Parameters:
    ///   - id: The stream.
    ///   - place: The place of that.
    ///   - outcome: The outcome of calls that still wait.
    ///   - context: Whom it belongs to.
    func resetRPC(_ id: UInt32, place: Int, as outcome: Outcome, context: ConnectionContext) {
        guard let stream = rpcStreams[id] else { return }
        // A server that needs no more of a request has answered it before.
        if stream.earlyResult != nil { requestEndedRPC(id, place: place, isWhole: false, context: context) }
        let nothing = RPCExchange.Reply(rpc: nil, status: 0, start: context.now, bytes: 0)
        stream.exchange?.endAll(as: (outcome, ResultCode.none), with: nothing, context)
    }

    /// A stream is not followed any more.
    func removeRPC(_ id: UInt32, _ context: ConnectionContext) { rpcStreams.removeValue(forKey: id)?.close(context) }

    /// No stream is followed any more.
    func removeAllRPC(_ context: ConnectionContext) {
        for stream in rpcStreams.values { stream.close(context) }
        rpcStreams = [:]
    }
}
