internal import Calls
internal import HTTP1
internal import HTTP2
internal import JSONRPC
internal import Telemetry
internal import Triple
internal import Wire

/// Takes what is read of responses.
struct ResponseSink: HTTP1Sink, ~Copyable {
    let session: HTTP1Session
    let context: ConnectionContext

    static func number(ofHeader name: RawSpan) -> UInt8 { TripleHeaderName.table.id(ignoringCaseOf: name) }

    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) {
        session.reply = TripleResponseHead()
        session.reply.httpStatus = status
        session.responses.isCoded = false
        session.responses.isEventStream = false
        session.responses.upgradesToHTTP2 = false
        if context.pipeline.drains.isActive { session.considerClosing(status, context) }
    }

    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) { session.responseHeader(id, value) }

    mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan) {
        session.reply.take(id, value, into: &session.spareTexts)
    }

    mutating func answeredMethod() -> HTTP1Method {
        session.hasOldest ? session.queue.exchanges[session.queue.first].method : .other
    }

    mutating func headEnded(_ head: HTTP1Head) {
        session.responses.head = head
        if head.flags.contains(.isTransferCoded) { session.responses.isCoded = true }
        if session.responses.isEventStream { session.beginEvents(head, context) }
    }

    mutating func body(_ piece: RawSpan) { session.responseBody(piece, context) }

    mutating func messageEnded() {}
}

extension HTTP1Session {
    func beginResponse(_ context: ConnectionContext) {
        responses.start = context.now
        responses.bytes = 0
        closing.interimBytes = 0
    }

    func responseHeader(_ id: UInt8, _ value: RawSpan) {
        reply.take(id, value, into: &spareTexts)
        if id == TripleHeaderName.contentEncoding.rawValue {
            responses.isCoded = !value.isEmpty && !value.equals("identity")
        } else if id == TripleHeaderName.contentType.rawValue {
            responses.isEventStream = EventStreamReader.isContentType(value)
        } else if id == TripleHeaderName.upgrade.rawValue {
            responses.upgradesToHTTP2 = value.equals("h2c")
        }
    }

    func responseBody(_ piece: RawSpan, _ context: ConnectionContext) {
        if let events = responses.events { return readEvents(piece, events: events, in: context) }
        if responses.rpc == nil {
            // A response whose request was not seen may be a JSON-RPC one, too, and so may one to half a request.
            guard mayAnswerRPC else { return }
            let rpc = context.pool.takeRPCReader()
            let isAnswer = hasOldest && queue.exchanges[queue.first].kind == .rpc
            rpc.beginBody(at: isAnswer ? .responses : .anywhere)
            responses.rpc = rpc
        }
        responses.rpc?.readBody(piece)
    }

    private var mayAnswerRPC: Bool {
        guard hasOldest else { return true }
        let kind = queue.exchanges[queue.first].kind
        guard kind == .other else { return kind == .rpc }
        return !queue.exchanges[queue.first].isComplete || queue.exchanges[queue.first].details?.unparsed != nil
    }

    /// A final response is complete.
    func finishResponse(_ context: ConnectionContext) {
        defer { giveBack(&responses, context.inspector) }
        defer { context.session.calls.replyBytes &+= responses.bytes }
        let exchange = popOldest()
        if let events = responses.events { return finishEvents(events, exchange: exchange, in: context) }
        let isRPC = responses.rpc?.finishBody() == .response
        if isRPC { observeRPC(context) }
        guard let exchange else { return }
        switch exchange.kind {
        case .other:
            if !exchange.isComplete { keepEarly(isRPC: isRPC) }
            if isRPC, let unparsed = exchange.details?.unparsed {
                countUnparsed(unparsed, exchange: exchange, in: context)
            }
        case .rpc:
            if isRPC { context.inspector.rpcPaths.noteAnswered(exchange.pathKey) }
            answerCalls(exchange, isRPC: isRPC, context)
        case .triple:
            if !exchange.isComplete, exchange.hasCall { addRequestBytes(context) }
            answerTriple(exchange, context)
        }
    }

    private func observeRPC(_ context: ConnectionContext) {
        if let rpc = responses.rpc { observe(rpc, start: responses.start, context) }
    }

    /// Tells an observer of messages of one that upstream sent.
    func observe(_ rpc: RPCReader, start: UInt64, _ context: ConnectionContext) {
        let session = context.session
        if session.connectionProtocol == .silent { context.inspector.identify(session, .jsonrpc) }
        guard let observer = context.inspector.messageObserver, let connection = session.seenConnection else { return }
        let direction = session.seen(requestDirection.opposite)
        observer.rpc(rpc.observed(direction, start: start), on: connection)
    }

    private func answerCalls(_ exchange: Exchange, isRPC: Bool, _ context: ConnectionContext) {
        if let numbers = exchange.details?.correlated, !numbers.isEmpty {
            return answerCorrelated(numbers, result: rpcReply(isRPC: isRPC).result, in: context)
        }
        guard exchange.hasCall else { return }
        let keys = exchange.details?.keys ?? []
        let calls = RPCExchange(direction: requestDirection, number: exchange.number, waiting: keys)
        calls.answer(rpcReply(isRPC: isRPC), context)
    }

    /// The response that was read, as the answer to JSON-RPC.
    private func rpcReply(isRPC: Bool) -> RPCExchange.Reply {
        RPCExchange.Reply(
            rpc: isRPC ? responses.rpc : nil,
            status: reply.httpStatus,
            isCoded: responses.isCoded,
            start: responses.start,
            bytes: responses.bytes
        )
    }

    func isOpen(_ key: UInt64, _ context: ConnectionContext) -> Bool {
        let calls = context.tracker.table
        let index = calls.find(session: context.session.number, direction: requestDirection, id: key)
        return index >= 0 && calls.kind(index) == .call
    }

    /// Keeps what a response said of a request that has not ended, and of which nothing else is known.
    private func keepEarly(isRPC: Bool) { currentDetails.early = rpcReply(isRPC: isRPC).result }

    /// Ends the calls of a request whose response came before its end.
    func answerEarly(_ context: ConnectionContext) {
        let (outcome, code) = currentDetails.early
        guard let keys = current.details?.keys, !keys.isEmpty else {
            return end(current.number, outcome: outcome, code: code, bytes: 0, in: context)
        }
        for key in keys { end(key, outcome: outcome, code: code, bytes: 0, in: context) }
    }

    func end(_ key: UInt64, outcome: Outcome, code: Int32, bytes: UInt64, in context: ConnectionContext) {
        let (tracker, session) = (context.tracker, context.session)
        let index = tracker.find(key, direction: requestDirection, on: session, now: context.now)
        guard index >= 0 else { return }
        tracker.replyBegan(index, on: session, at: responses.start, byteCount: 0)
        var result = CallResult(outcome, code: code, end: context.now)
        result.responseBytes = bytes
        tracker.end(index, on: session, with: result)
    }

    private func answerTriple(_ exchange: Exchange, _ context: ConnectionContext) {
        let result = TripleResult(reply: reply, form: .http)
        if exchange.details?.observed != nil, let connection = context.session.seenConnection {
            var half = ObservedStreamHalf()
            half.direction = context.session.seen(requestDirection.opposite)
            half.start = responses.start
            context.inspector.messageObserver?.streamResponse(half, on: connection)
        }
        if exchange.hasCall {
            end(exchange.number, outcome: result.outcome, code: result.code, bytes: responses.bytes, in: context)
        }
    }
}
