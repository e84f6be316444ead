internal import Calls
internal import JSONRPC
internal import Telemetry
internal import Triple
internal import Wire

/// JSON-RPC messages that belong to other connections than the one they came on; see ``CorrelationTable``.
extension HTTP1Session {
    // MARK: Who the client is

    /// Takes the MCP session that a request names.
    func takeMCPSession(_ value: RawSpan) {
        guard value.byteCount > 0 else { return }
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(value)
        current.mcpSession = hash.value | 1
    }

    /// The key of a client: its MCP session, or where it has none its address and the server's.
    private static func scope(_ mcpSession: UInt64, _ context: ConnectionContext) -> UInt64 {
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(mcpSession)
        if mcpSession == 0, let ends = context.session.seenConnection {
            for part in [ends.clientEnd.high, ends.clientEnd.low, ends.serverEnd.high, ends.serverEnd.low] {
                hash.combine(part)
            }
            hash.combine(UInt64(ends.serverEnd.port))
        }
        return hash.value
    }

    /// The scope of the calls that are posted to an announced endpoint.
    private static func scope(endpoint target: RawSpan) -> UInt64 {
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(target)
        return hash.value
    }

    // MARK: Requests

    /// Keeps the target of a GET that asks for events.
    func noteEventsWanted(_ headers: borrowing HeaderTexts) {
        currentDetails.eventsTarget = headers.texts.bytes.slice(headers.request.path).array
    }

    /// Calls were posted: if a stream announced the endpoint, their replies come there.
    func awaitElsewhere(_ rpc: RPCReader, path: RawSpan, in context: ConnectionContext) {
        let (inspector, session) = (context.inspector, context.session)
        guard !inspector.tracker.correlated.waiting.isEmpty, current.hasCall else { return }
        let scope = Self.scope(endpoint: path)
        guard inspector.tracker.correlated.waiting.isAnnounced(scope) else { return }
        var numbers: [UInt64] = []
        let isBatch = rpc.scanner.isBatch
        rpc.eachCall { call in
            guard !call.isNotification, let id = call.idKey else { return }
            let key = isBatch ? RPCExchange.key(id, current.number) : current.number
            let index = inspector.tracker.table.find(session: session.number, direction: requestDirection, id: key)
            guard index >= 0, inspector.tracker.table.kind(index) == .call else { return }
            inspector.tracker.requestEnded(index, on: session, now: context.now)
            let number = inspector.tracker.correlate(index, of: session, scope: scope, id: id, now: context.now)
            if number != 0 { numbers.append(number) }
        }
        if !numbers.isEmpty { currentDetails.correlated = numbers }
    }

    /// A response to calls whose replies are awaited elsewhere: one that is no success, or a reply, ends them.
    func answerCorrelated(_ numbers: [UInt64], result: (outcome: Outcome, code: Int32), in context: ConnectionContext) {
        guard result.outcome != .unknown else { return }
        for number in numbers {
            context.tracker.end(
                CorrelationTable.Answer(
                    outcome: result.outcome,
                    code: result.code,
                    time: context.now,
                    byteCount: responses.bytes,
                    call: number
                )
            )
        }
    }

    /// The client posted replies: to calls that the server made in an event stream.
    func takeReplies(_ rpc: RPCReader, _ context: ConnectionContext) {
        let inspector = context.inspector
        guard !inspector.tracker.correlated.waiting.isEmpty, let box = requests.headers else { return }
        var scope = box.texts.withPath { Self.scope(endpoint: $0) }
        if !inspector.tracker.correlated.waiting.isAnnounced(scope) {
            scope = Self.scope(current.mcpSession, context)
        }
        let way = context.session.seen(requestDirection.opposite)
        var isFound = false
        rpc.eachResponse { id, outcome, code, byteCount in
            guard let id else { return }
            let answer = CorrelationTable.Answer(outcome: outcome, code: code, time: context.now, byteCount: byteCount)
            if inspector.tracker.answerCorrelated(scope: scope, direction: way, id: id, with: answer) { isFound = true }
        }
        guard isFound else { return }
        if context.session.connectionProtocol != .jsonrpc { inspector.identify(context.session, .jsonrpc) }
        guard let observer = inspector.messageObserver, let connection = context.session.seenConnection else { return }
        observer.rpc(rpc.observed(context.session.seen(requestDirection), start: requests.start), on: connection)
    }

    // MARK: Streams

    /// A stream's first event says where its client is to post; replies will come in it.
    func announce(_ events: EventStream, _ context: ConnectionContext) {
        let text = events.text.bytes.array
        guard let base = oldest?.details?.eventsTarget, let target = EventEndpoint.target(text, base: base) else {
            events.isPassed = true
            return
        }
        events.scope = Self.scope(endpoint: target.byteSpan)
        events.interface = RPCExchange.interface(target.byteSpan).array
        events.isAnnounced = context.tracker.correlated.waiting.announce(events.scope, now: context.now)
        events.isPassed = !events.isAnnounced
        if events.isAnnounced, context.session.connectionProtocol != .jsonrpc {
            context.inspector.identify(context.session, .jsonrpc)
        }
    }

    /// A stream has ended that calls of other connections may wait for.
    func leave(_ events: EventStream, as outcome: Outcome = .unanswered, _ context: ConnectionContext) {
        guard events.isAnnounced else { return }
        events.isAnnounced = false
        context.tracker.correlated.waiting.withdraw(events.scope, as: outcome, now: context.now)
        context.tracker.takeAnswers(now: context.now)
    }

    /// Replies in a stream that a GET opened: to calls that were posted on other connections.
    func answerElsewhere(_ events: EventStream, _ context: ConnectionContext) {
        guard !context.tracker.correlated.waiting.isEmpty else { return }
        let scope = scope(of: events, context)
        let way = context.session.seen(requestDirection)
        events.rpc.eachResponse { id, outcome, code, byteCount in
            guard let id else { return }
            let answer = CorrelationTable.Answer(outcome: outcome, code: code, time: context.now, byteCount: byteCount)
            _ = context.tracker.answerCorrelated(scope: scope, direction: way, id: id, with: answer)
        }
    }

    /// Takes a request of the server to its client in a stream.
    func takeServerCalls(_ events: EventStream, _ context: ConnectionContext) {
        let (inspector, session) = (context.inspector, context.session)
        let scope = scope(of: events, context)
        let interface = events.interface ?? []
        let direction = requestDirection.opposite
        events.rpc.eachCall { call in
            let operation = inspector.operations.operation(ofMethod: call.method, interface: interface.byteSpan)
            let entry = CallTable.Entry(
                kind: .call,
                session: session.number,
                direction: direction,
                id: call.idKey ?? 0,
                side: session.side(of: direction),
                operation: operation,
                start: events.event.start,
                deadline: inspector.tracker.defaultDeadline(events.event.start),
                requestBytes: call.byteCount
            )
            if inspector.tracker.isTraced {
                inspector.tracker.prepareSpan(operation, events.rpc, id: call.id, side: entry.side, now: context.now)
            }
            guard !call.isNotification, let id = call.idKey else {
                let outcome = call.isNotification ? Outcome.oneway : .unknown
                inspector.tracker.count(entry, as: outcome, on: session, now: context.now) {
                    CallTexts(trace: events.rpc.traceContext, id: call.id.text)
                }
                return
            }
            let index = inspector.tracker.begin(entry, on: session, now: context.now) {
                CallTexts(trace: events.rpc.traceContext, id: call.id.text)
            }
            guard index >= 0 else { return }
            if inspector.tracker.isTraced {
                inspector.tracker.tracer?.requestEnded(index, replies: 0, now: context.now)
            }
            inspector.tracker.correlate(index, of: session, scope: scope, id: id, now: context.now)
        }
    }

    /// A stream has ended before the reply, and its server said how it can be taken up: whether the reply is awaited.
    func resumesLater(_ events: EventStream, exchange: Exchange, in context: ConnectionContext) -> Bool {
        guard events.reader.hasEventID, events.reader.hasRetry, exchange.mcpSession != 0, exchange.idKey != 0 else {
            return false
        }
        let (inspector, session) = (context.inspector, context.session)
        let index = inspector.tracker.table.find(
            session: session.number,
            direction: requestDirection,
            id: exchange.number
        )
        guard index >= 0 else { return false }
        let scope = scope(of: events, exchange, context)
        inspector.tracker.correlate(index, of: session, scope: scope, id: exchange.idKey, now: context.now)
        return true
    }

    private func scope(of events: EventStream, _ context: ConnectionContext) -> UInt64 {
        oldest.map { scope(of: events, $0, context) } ?? 0
    }

    /// The key of a stream's client; finds the service that the stream belongs to, too.
    private func scope(of events: EventStream, _ exchange: Exchange, _ context: ConnectionContext) -> UInt64 {
        guard events.scope == 0 else { return events.scope }
        events.scope = Self.scope(exchange.mcpSession, context)
        if let target = exchange.details?.eventsTarget {
            events.interface = RPCExchange.interface(target.byteSpan).array
        } else if let operation = events.operation {
            events.interface = Array(context.operations.registry[operation].interface.utf8)
        }
        return events.scope
    }
}

/// Where a stream says that its client is to post.
enum EventEndpoint {
    /// The request target that an `endpoint` stands for.
    ///
    /// - Parameters:
    ///   - text: An absolute URL, a path, or a reference beside the stream's own; no dot segments.
    ///   - base: The target that the stream was asked for under.
    /// - Returns: Path and query as a request line has them; `nil` if it is none of these.
    static func target(_ text: [UInt8], base: [UInt8]) -> [UInt8]? {
        let reference = text.prefix { $0 != 0x23 }
        guard let first = reference.first, reference.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { return nil }
        let path = base.prefix { $0 != 0x3f && $0 != 0x23 }
        if first == 0x2f {
            return reference.dropFirst().first == 0x2f ? behindAuthority(reference.dropFirst(2)) : Array(reference)
        }
        if first == 0x3f { return Array(path) + reference }
        if let colon = reference.firstIndex(of: 0x3a), reference[..<colon].allSatisfy({ 0x61...0x7a ~= $0 | 0x20 }) {
            guard reference[colon...].starts(with: Array("://".utf8)) else { return nil }
            return behindAuthority(reference[(colon + 3)...])
        }
        guard let slash = path.lastIndex(of: 0x2f) else { return nil }
        return Array(path[...slash]) + reference
    }

    private static func behindAuthority(_ rest: ArraySlice<UInt8>) -> [UInt8] {
        guard let start = rest.firstIndex(where: { $0 == 0x2f || $0 == 0x3f }) else { return [0x2f] }
        return rest[start] == 0x3f ? [0x2f] + rest[start...] : Array(rest[start...])
    }
}
