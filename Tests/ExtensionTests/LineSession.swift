import Calls
import Inspection
import Policy
import Telemetry
import Wire

/// A connection that speaks the line protocol.
final class LineSession: ProtocolSession {
    /// The longest line; a connection with a longer one is not followed any more.
    static let maxLineBytes = 4096

    /// Where one direction stands in its lines.
    private struct DirectionState {
        /// What has come of the line going on.
        var line: [UInt8] = []
        /// How many bytes of it have been passed on; the relay holds the others.
        var passed = 0
        /// When its first byte came, in nanoseconds.
        var start: UInt64 = 0

        var heldBytes: Int { line.count - passed }
    }

    private let callProtocol: CallProtocol
    private let requests: Direction
    private var up = DirectionState()
    private var down = DirectionState()

    init(_ callProtocol: CallProtocol, requests: Direction) {
        self.callProtocol = callProtocol
        self.requests = requests
    }

    var isIdle: Bool { up.line.isEmpty && down.line.isEmpty }

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        var state = direction == .toUpstream ? up : down
        for byte in bytes.array {
            if state.line.isEmpty { state.start = context.now }
            state.line.append(byte)
            guard byte != UInt8(ascii: "\n") else {
                finish(&state, going: direction, in: context, plan: &plan)
                continue
            }
            guard state.line.count <= Self.maxLineBytes else {
                context.inspector.goBlind(context.session, now: context.now)
                return plan.forwardAll(endsAtBoundary: false)
            }
        }
        // A request is held back while something may decide about it, unless its beginning is gone.
        let isHeld = direction == requests && context.isGoverned && state.passed == 0
        if !isHeld, state.heldBytes > 0 {
            plan.forward(state.heldBytes)
            state.passed = state.line.count
        }
        if direction == .toUpstream { up = state } else { down = state }
    }

    func isWaiting(_ direction: Direction) -> Bool { (direction == .toUpstream ? up : down).heldBytes > 0 }

    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        guard isWaiting(direction) else { return false }
        plan.forwardAll(endsAtBoundary: false)
        if direction == .toUpstream { up.passed = up.line.count } else { down.passed = down.line.count }
        return true
    }

    func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString? {
        writer.add(Int(requests.rawValue))
        return "line"
    }

    // MARK: Lines

    private func finish(
        _ state: inout DirectionState,
        going direction: Direction,
        in context: ConnectionContext,
        plan: inout Plan
    ) {
        let reply: [UInt8]?
        if direction == requests {
            reply = takeRequest(state, in: context)
        } else {
            takeReply(state, in: context)
            reply = nil
        }
        if let reply {
            plan.drop(state.heldBytes)
            if !reply.isEmpty { plan.reply(with: reply) }
        } else {
            plan.forward(state.heldBytes)
            plan.markBoundary()
        }
        state.line.removeAll(keepingCapacity: true)
        state.passed = 0
    }

    /// A request is whole: it is decided about, and counted or begun.
    ///
    /// - Returns: Weir's answer in upstream's place, empty for a request that wants none; `nil` if the request passes.
    private func takeRequest(_ state: DirectionState, in context: ConnectionContext) -> [UInt8]? {
        guard let line = LineRequest(state.line) else { return nil }
        let (interface, method) = (Array(line.interface.utf8), Array(line.method.utf8))
        let texts = Array((line.caller + line.traceparent).utf8)
        let operation = context.operations.operation(
            callProtocol,
            interface: interface.span.bytes,
            method: method.span.bytes
        )
        let side = context.session.side(of: requests)
        let request = CallRequest(operation: operation, side: side, isOneway: line.id == nil)
        let values = context.beginFields()
        let callerCount = line.caller.utf8.count
        let name = Array("traceparent".utf8)
        if !line.traceparent.isEmpty {
            values.take(name.span.bytes, ByteRange(offset: callerCount, count: texts.count - callerCount))
        }
        let fields = RequestFields(values, caller: ByteRange(offset: 0, count: callerCount), in: texts.span.bytes)
        context.tracker.prepareSpan(of: request, as: callProtocol, fields: fields, now: context.now)
        let entry = CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: requests,
            id: line.id ?? 0,
            side: side,
            operation: operation,
            start: state.start,
            deadline: context.tracker.defaultDeadline(state.start),
            requestBytes: UInt64(state.line.count)
        )
        var permit = LimitToken.none
        if context.isGoverned, state.passed == 0 {
            let decided = context.pipeline.decide(
                request,
                as: callProtocol,
                fields: fields,
                on: context.session,
                now: context.now
            )
            permit = decided.permit
            if case .reply(let reply) = decided.decision {
                context.tracker.count(
                    entry,
                    as: reply.outcome,
                    code: reply.code(in: callProtocol),
                    on: context.session,
                    now: context.now
                ) {
                    CallTexts(caller: line.caller)
                }
                return line.id.map { Array("ERR \($0) \(reply.text)\n".utf8) } ?? []
            }
        }
        if line.id == nil {
            context.tracker.count(entry, as: .oneway, on: context.session, now: context.now) {
                CallTexts(caller: line.caller)
            }
        } else {
            let index = context.tracker.begin(entry, on: context.session, permit: permit, now: context.now) {
                CallTexts(caller: line.caller)
            }
            context.tracker.requestEnded(index, on: context.session, now: context.now)
        }
        return nil
    }

    private func takeReply(_ state: DirectionState, in context: ConnectionContext) {
        guard let line = LineReply(state.line) else { return }
        let session = context.session
        let index = context.tracker.find(
            line.id,
            direction: requests,
            on: session,
            now: context.now,
            countsUnknown: true
        )
        guard index >= 0 else { return }
        let byteCount = UInt64(state.line.count)
        context.tracker.replyBegan(index, on: session, at: state.start, byteCount: byteCount)
        var result = CallResult(line.isError ? .serverError : .ok, code: line.isError ? 1 : 0, end: context.now)
        result.responseBytes = byteCount
        context.tracker.end(index, on: session, with: result)
    }
}
