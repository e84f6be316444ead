internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Wire

/// Reads JSON for JSON-RPC messages; kept by a connection while a value is half read, else spare.
final class RPCReader {
    var scanner = JSONScanner()
    var batch = JSONRPCBatch()
    /// True if the bytes turned out to be no JSON.
    private(set) var hasFailed = false
    private var hasMessage = false
    /// How many of ``surplus`` were counted already.
    var countedSurplus = 0

    /// True if bytes of which nothing is known begin with a whole JSON-RPC message.
    static func beginsWithMessage(_ bytes: RawSpan) -> Bool {
        let reader = RPCReader()
        reader.scanner.begin(.stream)
        var at = 0
        while at < bytes.byteCount {
            switch try? reader.scanner.read(bytes, &at) {
            case .message, .batchEnd: return reader.role != .neither
            case .batchMember: reader.batch.append(reader.scanner)
            case .needsMore, .lineEnd: break
            case nil: return false
            }
        }
        return false
    }

    /// Begins with a body that holds one value.
    func beginBody(at place: JSONRPCFacts.Place = .anywhere) {
        scanner.begin(.single, at: place)
        batch.removeAll()
        countedSurplus = 0
        hasFailed = false
        hasMessage = false
    }

    /// Reads a piece of a body.
    func readBody(_ piece: RawSpan) {
        guard !hasFailed else { return }
        var at = 0
        do throws(JSONError) {
            while at < piece.byteCount {
                switch try scanner.read(piece, &at) {
                case .message, .batchEnd: hasMessage = true
                case .batchMember: batch.append(scanner)
                case .needsMore, .lineEnd: break
                }
            }
        } catch {
            hasFailed = true
        }
    }

    /// A body has ended: what it was.
    func finishBody() -> JSONRPCRole {
        guard !hasFailed, (try? scanner.finish()) != nil, hasMessage else { return .neither }
        return role
    }

    /// The kind of the value that has ended; of a batch that of its members, calls before replies.
    var role: JSONRPCRole {
        guard scanner.isBatch else { return scanner.facts.role }
        if batch.requestCount > 0 { return .request }
        if batch.notificationCount > 0 { return .notification }
        return batch.responseCount > 0 ? .response : .neither
    }

    /// True if what was read so far is a call, or a batch with one, though the value has not ended.
    var isCallSoFar: Bool { !hasFailed && (role == .request || role == .notification) }

    /// True if methods of it are known: a single call's method is there whole, or a member of a batch is.
    ///
    /// A batch may stand in the middle of a further member's method.
    var knowsMethods: Bool { isCallSoFar && (scanner.isBatch || scanner.isMethodWhole) }

    /// True if what was read so far shows that the value is no message.
    var isNoMessage: Bool {
        if hasFailed { return true }
        guard !scanner.isBatch else { return false }
        return switch scanner.facts.form {
        case .absent, .object, .array: false
        case .null, .boolean, .number, .string: true
        }
    }

    /// How many calls of a batch are not remembered.
    var surplus: Int {
        guard scanner.isBatch, !batch.isComplete else { return 0 }
        return batch.requestCount + batch.notificationCount - batch.rememberedCallCount
    }

    /// True if the value that has ended is a message that brings a trace context; those of a batch's members are not
    /// read.
    var hasTraceContext: Bool {
        !scanner.isBatch && scanner.withTraceContext { traceparent, _ in traceparent.byteCount > 0 }
    }

    /// That trace context.
    var traceContext: TraceContext? {
        guard hasTraceContext else { return nil }
        return scanner.withTraceContext { traceparent, _ in TraceContext(traceparent: traceparent) }
    }

    /// The value that has ended, for an observer of messages.
    func observed(_ direction: Direction, start: UInt64) -> ObservedRPC {
        var message = ObservedRPC(
            isRequest: role != .response,
            direction: direction,
            start: start,
            members: [],
            isBatch: scanner.isBatch
        )
        if scanner.isBatch {
            batch.withText { text in
                for member in batch.members {
                    message.members.append(
                        ObservedRPC.Member(
                            id: member.id.isEmpty ? nil : text.slice(member.id).text,
                            method: member.methodForm == .text ? text.slice(member.method).text : nil,
                            errorCode: member.role == .response ? Self.errorCode(member.resultCode) : nil
                        )
                    )
                }
            }
        } else {
            scanner.withTexts { method, id in
                message.members.append(
                    ObservedRPC.Member(
                        id: id.isEmpty ? nil : id.text,
                        method: scanner.facts.method == .text ? method.text : nil,
                        errorCode: scanner.facts.errorCode.map(Int64.init)
                    )
                )
            }
        }
        return message
    }

    private static func errorCode(_ code: Int32) -> Int64? {
        code == 0 || code == ResultCode.none ? nil : Int64(code)
    }
}

/// One call of a JSON-RPC message, a single one or a member of a batch.
struct RPCCall: ~Escapable {
    let method: RawSpan
    let id: RawSpan
    /// The tool that it calls: `params.name` of `tools/call`; empty for none.
    let tool: RawSpan
    /// A key that is equal for equal ids; `nil` without an id that was kept.
    let idKey: UInt64?
    let isNotification: Bool
    let byteCount: UInt64

    @_lifetime(copy method, copy id, copy tool)
    init(
        method: RawSpan,
        id: RawSpan,
        tool: RawSpan,
        idKey: UInt64?,
        isNotification: Bool,
        byteCount: UInt64
    ) {
        self.method = method
        self.id = id
        self.tool = tool
        self.idKey = idKey
        self.isNotification = isNotification
        self.byteCount = byteCount
    }
}

extension RPCReader {
    /// Gives each call of the value that has ended to `body`; those of a batch beyond its bounds are left out.
    func eachCall(_ body: (borrowing RPCCall) -> Void) {
        if scanner.isBatch {
            batch.withText { text in
                for member in batch.members where member.role == .request || member.role == .notification {
                    body(
                        RPCCall(
                            method: text.slice(member.method),
                            id: text.slice(member.id),
                            tool: text.slice(member.tool),
                            idKey: member.idKey,
                            isNotification: member.role == .notification,
                            byteCount: member.byteCount
                        )
                    )
                }
            }
        } else {
            let facts = scanner.facts
            let key = JSONRPCID.key(of: scanner)
            scanner.withCallTexts { method, id, name in
                body(
                    RPCCall(
                        method: method,
                        id: id,
                        tool: method.equals("tools/call") ? name : name.extracting(0..<0),
                        idKey: key,
                        isNotification: facts.role == .notification,
                        // Of one that is asked about before its end there is none yet.
                        byteCount: facts.endOffset > facts.startOffset ? facts.endOffset - facts.startOffset : 0
                    )
                )
            }
        }
    }

    /// Gives the method of the last call that is remembered to `body`, if there is one.
    func lastCall(_ body: (RawSpan) -> Void) {
        guard let last = batch.members.last(where: { $0.role == .request || $0.role == .notification }) else { return }
        batch.withText { body($0.slice(last.method)) }
    }

    /// Gives each further method that a call of the value names to `body`: of a name that comes twice one peer takes
    /// the first, another the last.
    func eachOtherMethod(_ body: (RawSpan) -> Void) {
        guard scanner.isBatch else { return scanner.eachOtherMethod(body) }
        batch.withText { text in
            for method in batch.otherMethods { body(text.slice(method)) }
        }
    }

    /// The single call of the value that has ended.
    var firstResponse: (outcome: Outcome, code: Int32)? {
        guard scanner.isBatch else { return (scanner.facts.outcome, scanner.facts.resultCode) }
        guard let first = batch.members.first(where: { $0.role == .response }) else { return nil }
        return (first.outcome, first.resultCode)
    }

    /// Gives each response of the value that has ended to `body`: its id's key, outcome, code and length.
    func eachResponse(_ body: (UInt64?, Outcome, Int32, UInt64) -> Void) {
        if scanner.isBatch {
            for member in batch.members where member.role == .response {
                body(member.idKey, member.outcome, member.resultCode, member.byteCount)
            }
        } else {
            let facts = scanner.facts
            body(JSONRPCID.key(of: scanner), facts.outcome, facts.resultCode, facts.endOffset - facts.startOffset)
        }
    }
}
