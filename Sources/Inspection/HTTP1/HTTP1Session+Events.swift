internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Telemetry
internal import Wire

/// JSON-RPC in responses that are event streams, as MCP has it.
///
/// A POST may be answered by a stream (MCP's streamable HTTP): the message whose id is the request's is the reply, and
/// ends the call when its event has ended; before it come notifications and requests of the server, which are calls of
/// the other side. A stream that ends without the reply leaves its call unanswered; one that the client gives up
/// cancels it. Weir's own deadline counts from the last bytes of the stream, comments too.
///
/// Source: MCP 2025-11-25 "Streamable HTTP", MCP 2026-07-28 "Streamable HTTP".
extension HTTP1Session {
    /// The head of a response that is an event stream has ended: reads on if anything waits for it.
    func beginEvents(_ head: HTTP1Head, _ context: ConnectionContext) {
        guard !head.isInterim, head.status < 300, !responses.isCoded, let oldest else { return }
        let isStandalone = oldest.kind == .other && oldest.method == .get
        guard isStandalone ? oldest.details?.eventsTarget != nil : oldest.kind == .rpc else { return }
        let events = context.pool.takeEventStream()
        events.byteCount = closing.interimBytes &+ UInt64(head.headBytes)
        events.isStandalone = isStandalone
        events.endsWithConnection = head.body == .untilClose
        responses.events = events
        if !isStandalone { queue.exchanges[queue.first].acceptsEvents = true }
        let first = oldest.details?.keys.first ?? oldest.number
        let index = openCall(first, context)
        guard index >= 0 else { return }
        let call = context.tracker.table[index]
        events.operation = call.operation
        events.deadline.isPutOff = call.deadline == context.tracker.defaultDeadline(call.start)
    }

    /// Reads a piece of an event stream.
    func readEvents(_ piece: RawSpan, events: EventStream, in context: ConnectionContext) {
        guard !events.isPassed else { return }
        let before = events.byteCount
        var at = 0
        while !events.isPassed {
            let progress = events.reader.read(piece, &at)
            events.byteCount = before &+ UInt64(at)
            switch progress {
            case .data: events.take(piece.extracting(events.reader.dataStart..<at), context.now)
            case .nextLine: events.takeLineEnd(context.now)
            case .event: finishEvent(events, context)
            case .needsMore: return putOffDeadline(events, context)
            }
        }
    }

    /// Weir's own deadline begins anew with whatever comes in a stream.
    private func putOffDeadline(_ events: EventStream, _ context: ConnectionContext) {
        guard events.deadline.isPutOff || events.isAnnounced, events.deadline.time != context.now, let oldest else {
            return
        }
        events.deadline.time = context.now
        guard !events.isAnnounced else {
            return context.tracker.correlated.waiting.touch(events.scope, now: context.now)
        }
        let (calls, deadline) = (context.tracker.table, context.tracker.defaultDeadline(context.now))
        for key in oldest.details?.keys.prefix(EventStream.maxExtendedCalls) ?? [] {
            let index = openCall(key, context)
            if index >= 0 { calls.setDeadline(index, deadline) }
        }
        let index = openCall(oldest.number, context)
        if index >= 0 { calls.setDeadline(index, deadline) }
    }

    /// The call in flight under a key of this connection, if its deadline has not passed; ``CallTable/none`` without.
    private func openCall(_ key: UInt64, _ context: ConnectionContext) -> Int32 {
        let calls = context.tracker.table
        let index = calls.find(session: context.session.number, direction: requestDirection, id: key)
        guard index >= 0, calls.kind(index) == .call, calls.deadline(index) >= context.now else {
            return CallTable.none
        }
        return index
    }

    /// An event has ended: what it says.
    private func finishEvent(_ events: EventStream, _ context: ConnectionContext) {
        let isFirst = events.event.isFirst
        guard events.event.isBegun else { return }
        events.event.isBegun = false
        events.event.isFirst = false
        let role = events.rpc.finishBody()
        if events.isStandalone {
            if isFirst, events.reader.kind == .endpoint { return announce(events, context) }
            // The stream of another application.
            guard role != .neither else { return events.isPassed = !events.isAnnounced && !events.text.isEmpty }
        }
        guard role != .neither else { return }
        observe(events.rpc, start: events.event.start, context)
        if role == .response {
            if events.isStandalone { answerElsewhere(events, context) } else { answer(events, context) }
        } else {
            takeServerCalls(events, context)
        }
    }

    /// Ends the calls of a POST that the message names.
    private func answer(_ events: EventStream, _ context: ConnectionContext) {
        guard let exchange = oldest, exchange.kind == .rpc else { return }
        let keys = exchange.details?.keys ?? []
        let isPlain = !events.rpc.scanner.isBatch
        let isNameless = isPlain && (events.rpc.scanner.facts.id == .null || events.rpc.scanner.facts.id == .absent)
        events.rpc.eachResponse { id, outcome, code, byteCount in
            if !keys.isEmpty {
                guard let id else { return }
                end(RPCExchange.key(id, exchange.number), outcome: outcome, code: code, bytes: byteCount, in: context)
            } else if isNameless || exchange.idKey == 0 || id == exchange.idKey {
                end(exchange.number, outcome: outcome, code: code, bytes: events.byteCount, in: context)
            } else {
                if events.strangers.count == 0 { events.strangers.first = (outcome, code) }
                events.strangers.count += 1
            }
        }
    }

    /// The response has ended, in order.
    func finishEvents(_ events: EventStream, exchange: Exchange?, in context: ConnectionContext) {
        guard let exchange, exchange.kind == .rpc else { return leave(events, context) }
        if let keys = exchange.details?.keys, !keys.isEmpty {
            for key in keys where isOpen(key, context) {
                end(key, outcome: .unanswered, code: ResultCode.none, bytes: 0, in: context)
            }
        } else if isOpen(exchange.number, context), !resumesLater(events, exchange: exchange, in: context) {
            // Of a single call the only answer there is answers it, whatever its id.
            let isGivenUp = gone.client && events.endsWithConnection
            let nothing = (outcome: isGivenUp ? Outcome.cancelled : .unanswered, code: ResultCode.none)
            let result = events.strangers.count == 1 ? events.strangers.first : nothing
            end(exchange.number, outcome: result.outcome, code: result.code, bytes: events.byteCount, in: context)
        }
    }

    /// The connection is followed no further.
    func leaveEvents(_ context: ConnectionContext) {
        if let events = responses.events { leave(events, as: .lost, context) }
    }

    /// The connection ends while a stream goes on or is waited for: if the client ended it, that cancels the calls.
    ///
    /// So MCP has it since 2026-07-28: to leave is to cancel. Of clients that accept no events it is not known.
    func abandonEvents(_ context: ConnectionContext) {
        if let events = responses.events {
            if let exchange = oldest, exchange.kind == .rpc {
                let isSingle = exchange.details?.keys.isEmpty != false
                if !gone.client, isSingle, isOpen(exchange.number, context) {
                    _ = resumesLater(events, exchange: exchange, in: context)
                }
            } else {
                leave(events, context)
            }
        }
        guard gone.client else { return }
        for exchange in queue.exchanges[queue.first...] where exchange.acceptsEvents && exchange.hasCall {
            let keys = exchange.details?.keys ?? []
            for key in keys where isOpen(key, context) {
                end(key, outcome: .cancelled, code: ResultCode.none, bytes: 0, in: context)
            }
            if isOpen(exchange.number, context) {
                end(exchange.number, outcome: .cancelled, code: ResultCode.none, bytes: 0, in: context)
            }
        }
    }
}
