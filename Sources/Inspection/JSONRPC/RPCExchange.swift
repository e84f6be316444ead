internal import Calls
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Wire

/// The JSON-RPC calls of one HTTP request, whichever version of HTTP carries it.
///
/// A single call waits under the request's number, whatever its id: the only answer that there is answers it. The
/// members of a batch wait under keys of their ids. Bound: the members that ``JSONRPCBatch`` remembers; further ones
/// are counted as lost.
struct RPCExchange {
    /// A reply, once it is complete.
    struct Reply {
        /// Its body, if that is JSON-RPC.
        var rpc: RPCReader?
        /// Its HTTP status.
        var status: UInt16
        /// True if its body is compressed, so that it cannot be read.
        var isCoded = false
        /// The time of its first byte.
        var start: UInt64
        /// Its bytes.
        var bytes: UInt64

        /// The result of the only call of the request, or of all that the reply does not name.
        var result: (outcome: Outcome, code: Int32) {
            if let first = rpc?.firstResponse { return first }
            // No JSON-RPC answer: an error's status is all there is, and success says nothing of the call.
            let status = Int32(status)
            if status < 300 || (status < 400 && isCoded) { return (.unknown, ResultCode.none) }
            return (status >= 400 && status < 500 ? .clientError : .serverError, status)
        }
    }

    /// The direction of the request.
    let direction: Direction
    /// The number of the request on its connection.
    let number: UInt64
    /// The time of its first byte, in nanoseconds.
    var start: UInt64
    /// Its bytes.
    var bytes: UInt64
    /// The key of a single call's id; 0 when it has none that could be kept.
    private(set) var idKey: UInt64 = 0
    /// True if a call waits for the reply.
    private(set) var hasCall = false
    /// The keys of a batch's calls that wait.
    private(set) var keys: [UInt64] = []

    /// A request whose calls are to be known.
    ///
    /// - Parameters:
    ///   - direction: Its direction.
    ///   - number: Its number on the connection.
    ///   - start: The time of its first byte, in nanoseconds.
    ///   - bytes: Its bytes.
    init(direction: Direction, number: UInt64, start: UInt64, bytes: UInt64) {
        self.direction = direction
        self.number = number
        self.start = start
        self.bytes = bytes
    }

    /// A request whose calls wait.
    ///
    /// - Parameters:
    ///   - direction: Its direction.
    ///   - number: Its number on the connection.
    ///   - keys: The keys of a batch's calls; empty for a single one.
    init(direction: Direction, number: UInt64, waiting keys: [UInt64]) {
        self.init(direction: direction, number: number, start: 0, bytes: 0)
        self.keys = keys
        hasCall = true
    }

    /// The key of a batch's member in the call table.
    static func key(_ id: UInt64, _ number: UInt64) -> UInt64 { id ^ (number &* 0x9e37_79b9_7f4a_7c15) }

    /// The service that a JSON-RPC path names: the path without its slash and its query (dubbo-go).
    @_lifetime(copy path)
    static func interface(_ path: RawSpan) -> RawSpan {
        var start = 0
        while start < path.byteCount, path.byte(at: start) == 0x2f { start += 1 }
        let end = path.firstIndex(of: 0x3f) ?? path.byteCount
        return path.extracting(min(start, end)..<end)
    }

    /// The body of the answer to calls that are refused; empty if none of them wants one.
    ///
    /// - Parameters:
    ///   - reply: The reply.
    ///   - rpc: The request's body, if it is known; an answer to others has no id.
    /// - Returns: The body.
    static func body(of reply: LocalReply, to rpc: RPCReader?) -> [UInt8] {
        let error = JSONRPCErrorReply(code: reply.code(in: .jsonrpc), message: reply.text)
        var body: [UInt8] = []
        guard let rpc else {
            error.write(id: RawSpan(), to: &body)
            return body
        }
        if rpc.scanner.isBatch {
            error.write(batch: rpc.batch, to: &body)
        } else if rpc.scanner.facts.role == .request {
            let version = rpc.scanner.facts.version
            rpc.scanner.withTexts { _, id in error.write(id: id, version: version, to: &body) }
        }
        return body
    }

    // MARK: Requests

    /// A call that the request makes.
    func entry(_ operation: OperationID, id: UInt64, bytes: UInt64, _ context: ConnectionContext) -> CallTable.Entry {
        CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: direction,
            id: id,
            side: context.session.side(of: direction),
            operation: operation,
            start: start,
            deadline: context.tracker.defaultDeadline(start),
            requestBytes: bytes
        )
    }

    /// Opens the calls of the request, or counts those that nobody waits for.
    ///
    /// - Parameters:
    ///   - rpc: Its body, which has ended.
    ///   - interface: The service that its path names.
    ///   - deadline: When the calls are given up.
    ///   - decided: The decision about them.
    ///   - context: Whom they belong to.
    ///   - prepareSpan: Decides about tracing a call of that operation and id.
    ///   - texts: The texts that an observer of calls wants.
    mutating func open(
        _ rpc: RPCReader,
        interface: RawSpan,
        deadline: UInt64,
        decided: DecidedBatch,
        context: ConnectionContext,
        prepareSpan: (_ operation: OperationID, _ id: RawSpan) -> Void,
        texts: (_ id: RawSpan) -> CallTexts
    ) {
        let inspector = context.inspector
        let isBatch = rpc.scanner.isBatch
        var permits = decided.permits
        rpc.eachCall { call in
            var entry = entry(
                inspector.operations.operation(of: call, interface: interface),
                id: isBatch ? Self.key(call.idKey ?? 0, number) : number,
                bytes: isBatch ? call.byteCount : bytes,
                context
            )
            entry.deadline = deadline
            // Of a batch's replies that to an id too long to keep cannot be told.
            let isLost = isBatch && call.idKey == nil
            if inspector.tracker.isTraced { prepareSpan(entry.operation, call.id) }
            if decided.reply == nil, !call.isNotification, !isLost {
                let permit = inspector.pipeline.permit(of: entry.operation, in: &permits)
                let index = inspector.tracker.begin(entry, on: context.session, permit: permit, now: context.now) {
                    texts(call.id)
                }
                if inspector.operations.tools.hasUnknown { inspector.operations.tools.keepUnknown(index) }
                hasCall = true
                if isBatch { keys.append(entry.id) } else { idKey = call.idKey ?? 0 }
                return
            }
            let outcome = decided.reply?.outcome ?? (call.isNotification ? .oneway : .lost)
            let code = decided.reply?.code(in: .jsonrpc) ?? ResultCode.none
            inspector.tracker.count(entry, as: outcome, code: code, on: context.session, now: context.now) {
                texts(call.id)
            }
        }
        if !permits.isEmpty { inspector.pipeline.end(permits) }
        if rpc.surplus > rpc.countedSurplus { countSurplus(rpc, decided.reply, interface: interface, context: context) }
    }

    /// Counts the calls of a batch that are too many to be remembered, under the last operation that is: which of them
    /// are answered cannot be told.
    func countSurplus(
        _ rpc: RPCReader,
        _ reply: LocalReply?,
        interface: RawSpan,
        context: ConnectionContext
    ) {
        let inspector = context.inspector
        var operation = inspector.operations.unknown
        rpc.lastCall { operation = inspector.operations.operation(ofMethod: $0, interface: interface) }
        let entry = entry(operation, id: 0, bytes: 0, context)
        let outcome = reply?.outcome ?? .lost
        let code = reply?.code(in: .jsonrpc) ?? ResultCode.none
        while rpc.countedSurplus < rpc.surplus {
            rpc.countedSurplus += 1
            inspector.tracker.count(entry, as: outcome, code: code, on: context.session, now: context.now) {
                CallTexts()
            }
        }
    }

    /// Notes when the request of traced calls was complete.
    func requestEnded(_ context: ConnectionContext) {
        guard context.tracker.isTraced, hasCall else { return }
        for key in keys.isEmpty ? [number] : keys {
            let calls = context.tracker.table
            let index = calls.find(session: context.session.number, direction: direction, id: key)
            guard index >= 0, calls.kind(index) == .call else { continue }
            context.tracker.requestEnded(index, on: context.session, now: context.now)
        }
    }

    // MARK: Replies

    /// The reply to the request is complete.
    func answer(_ reply: Reply, _ context: ConnectionContext) {
        guard hasCall else { return }
        guard !keys.isEmpty else { return end(number, reply.result, with: reply, context: context) }
        answerBatch(reply, context)
    }

    private func answerBatch(_ reply: Reply, _ context: ConnectionContext) {
        var (result, rest) = (reply.result, reply)
        if let rpc = reply.rpc {
            let isWhole = !rpc.scanner.isBatch
            var isNamed = !isWhole
            rpc.eachResponse { id, outcome, code, byteCount in
                guard let id else { return }
                let key = Self.key(id, number)
                if isWhole { isNamed = keys.contains(key) }
                var part = reply
                part.bytes = byteCount
                if isNamed { end(key, (outcome, code), with: part, context: context) }
            }
            // A reply that answers members has none for the others, and there will be none.
            if isNamed {
                result = (isWhole || rpc.batch.isComplete ? .unanswered : .unknown, ResultCode.none)
                rest.bytes = 0
            }
        }
        for key in keys where isOpen(key, context) { end(key, result, with: rest, context: context) }
    }

    /// Ends the calls that still wait, whatever their ids.
    func endAll(as result: (outcome: Outcome, code: Int32), with reply: Reply, _ context: ConnectionContext) {
        guard hasCall else { return }
        for key in keys.isEmpty ? [number] : keys where isOpen(key, context) {
            end(key, result, with: reply, context: context)
        }
    }

    /// True if a call waits under a key.
    func isOpen(_ key: UInt64, _ context: ConnectionContext) -> Bool {
        let calls = context.tracker.table
        let index = calls.find(session: context.session.number, direction: direction, id: key)
        return index >= 0 && calls.kind(index) == .call
    }

    /// Ends the call under a key.
    func end(
        _ key: UInt64,
        _ result: (outcome: Outcome, code: Int32),
        with reply: Reply,
        context: ConnectionContext
    ) {
        let (tracker, session) = (context.tracker, context.session)
        let index = tracker.find(key, direction: direction, on: session, now: context.now)
        guard index >= 0 else { return }
        tracker.replyBegan(index, on: session, at: reply.start, byteCount: 0)
        var end = CallResult(result.outcome, code: result.code, end: context.now)
        end.responseBytes = reply.bytes
        tracker.end(index, on: session, with: end)
    }
}
