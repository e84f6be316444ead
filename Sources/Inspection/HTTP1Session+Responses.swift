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
    let context: InspectedBytes

    static var wantedHeaders: NameTable { TripleHeaderName.table }

    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) {
        session.reply = TripleResponseHead()
        session.reply.httpStatus = status
    }

    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {
        session.reply.take(id, value, into: &session.spareTexts)
    }

    mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan) {
        session.reply.take(id, value, into: &session.spareTexts)
    }

    mutating func answeredMethod() -> HTTP1Method { session.oldest?.method ?? .other }

    mutating func headEnded(_ head: HTTP1Head) { session.responses.head = head }

    mutating func body(_ piece: RawSpan) { session.responseBody(piece, context) }

    mutating func messageEnded() {}
}

extension HTTP1Session {
    /// The request whose response is next.
    var oldest: Exchange? { firstExchange < exchanges.count ? exchanges[firstExchange] : nil }

    func beginResponse(_ context: InspectedBytes) {
        responses.start = context.now
        responses.bytes = 0
    }

    func responseBody(_ piece: RawSpan, _ context: InspectedBytes) {
        // A response whose request was not seen may be a JSON-RPC one, too.
        guard oldest == nil || oldest?.kind == .rpc else { return }
        if responses.rpc == nil {
            let rpc = context.inspector.takeRPCReader()
            rpc.beginBody()
            responses.rpc = rpc
        }
        responses.rpc?.readBody(piece)
    }

    private func popOldest() -> Exchange? {
        guard let oldest else { return nil }
        exchanges[firstExchange] = Exchange()
        firstExchange += 1
        if firstExchange == exchanges.count {
            exchanges.removeAll(keepingCapacity: exchanges.capacity <= 16)
            firstExchange = 0
        }
        return oldest
    }

    /// A final response is complete.
    func finishResponse(_ context: InspectedBytes) {
        defer { giveBack(&responses, context.inspector) }
        let exchange = popOldest()
        let isRPC = responses.rpc?.finishBody() == .response
        if isRPC { observeRPC(context) }
        guard let exchange else { return }
        switch exchange.kind {
        case .other: break
        case .rpc: answerCalls(exchange, isRPC: isRPC, context)
        case .triple: answerTriple(exchange, context)
        }
    }

    private func observeRPC(_ context: InspectedBytes) {
        guard let rpc = responses.rpc else { return }
        let session = context.session
        if session.connectionProtocol == .silent { context.inspector.identify(session, .jsonrpc) }
        guard let observer = context.inspector.messageObserver, let connection = session.seenConnection else { return }
        let direction = session.seen(requestDirection.opposite)
        observer.rpc(rpc.observed(direction, start: responses.start), on: connection)
    }

    private func answerCalls(_ exchange: Exchange, isRPC: Bool, _ context: InspectedBytes) {
        var open = exchange.keys.isEmpty && exchange.hasCall ? [exchange.number] : exchange.keys
        if isRPC, let rpc = responses.rpc {
            let isBatch = !exchange.keys.isEmpty
            let bytes = responses.bytes
            rpc.eachResponse { id, outcome, code, byteCount in
                // Of a single call the only answer there is answers it, whatever its id.
                let isForAll = !isBatch || (rpc.scanner.isBatch == false && id == nil)
                guard !isForAll else {
                    for key in open { end(key, outcome, code, bytes, context) }
                    open = []
                    return
                }
                guard let id else { return }
                let key = Self.key(id, exchange.number)
                guard let place = open.firstIndex(of: key) else { return }
                open.remove(at: place)
                end(key, outcome, code, byteCount, context)
            }
        }
        // No JSON-RPC answer: the HTTP status is all there is.
        let status = Int32(reply.httpStatus)
        let outcome: Outcome = status >= 400 && status < 500 ? .clientError : .serverError
        for key in open {
            guard !isRPC else {
                // A batch's reply has no answer for this member, and there will be none.
                end(key, .unanswered, ResultCode.none, 0, context)
                continue
            }
            end(key, outcome, status, responses.bytes, context)
        }
    }

    private func end(_ key: UInt64, _ outcome: Outcome, _ code: Int32, _ bytes: UInt64, _ context: InspectedBytes) {
        let inspector = context.inspector
        let index = inspector.callToAnswer(context.session, requestDirection, key, context.now)
        guard index >= 0 else { return }
        inspector.endCall(index, context.session, outcome, code, end: context.now, responseBytes: bytes)
    }

    private func answerTriple(_ exchange: Exchange, _ context: InspectedBytes) {
        let result = TripleResult(reply: reply, form: .http)
        if exchange.observed != nil, let connection = context.session.seenConnection {
            var half = ObservedStreamHalf()
            half.direction = context.session.seen(requestDirection.opposite)
            half.start = responses.start
            context.inspector.messageObserver?.streamResponse(half, on: connection)
        }
        if exchange.hasCall { end(exchange.number, result.outcome, result.code, responses.bytes, context) }
    }

    // MARK: Upgrades

    /// What follows is no HTTP/1: the session that goes on with HTTP/2, or nothing.
    func finishUpgrade(_ context: InspectedBytes) -> HTTP2Session? {
        let exchange = popOldest()
        giveBack(&responses, context.inspector)
        guard reply.httpStatus == 101, exchange?.asksForHTTP2 == true else {
            context.session.decoder = .opaque
            context.inspector.identify(context.session, .opaque)
            return nil
        }
        return HTTP2Session(requests: requestDirection)
    }

    /// HTTP/2 begins: the server's first frames may be here already, the client's preface is to come.
    func upgrade(to http2: HTTP2Session, _ rest: RawSpan, _ context: InspectedBytes) {
        giveBack(&requests, context.inspector)
        context.session.decoder = .other(http2)
        var unused = Plan()
        let forwarded = InspectedBytes(context.inspector, context.session, context.now, isForwarded: true)
        http2.receive(rest, requestDirection.opposite, forwarded, &unused)
    }
}
