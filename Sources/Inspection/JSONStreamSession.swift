internal import Calls
internal import JSONRPC
internal import Telemetry
internal import Wire

/// JSON-RPC on a raw TCP connection: values one after the other, each line one or not; both peers may call.
final class JSONStreamSession: ProtocolSession {
    /// The most bytes of a value that are held back for its verdict.
    static let maxHeldBytes = 60_000

    /// One direction.
    final class Half {
        /// Kept while a value is half read.
        var reader: RPCReader?
        /// When the value's first byte was seen.
        var start: UInt64 = 0
        /// Whether the value going on has been passed on.
        var isPassed = false
        var heldBytes = 0
        var isLineDelimited = false
    }

    private let up = Half()
    private let down = Half()
    private var isIdentified = false
    private var replies: [UInt8] = []

    var isQuiet: Bool { up.reader == nil && down.reader == nil }

    private func half(_ direction: Direction) -> Half { direction == .toUpstream ? up : down }

    func receive(_ bytes: RawSpan, _ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan) {
        let half = half(direction)
        var walk = PlanWalk(at: -half.heldBytes, isEdited: context.isGoverned || half.heldBytes > 0)
        if !follow(half, bytes, direction, context, &walk, &plan) {
            half.heldBytes = 0
            walk.forward(to: bytes.byteCount, &plan)
            return
        }
        let isMidway = half.reader != nil
        guard walk.isEdited else {
            guard plan.isBoundaryWanted, let boundary = walk.boundary else {
                return plan.forwardAll(endsAtBoundary: !isMidway)
            }
            walk.at = 0
            walk.forward(to: boundary, &plan)
            plan.markBoundary()
            walk.forward(to: bytes.byteCount, &plan)
            if !isMidway { plan.markBoundary() }
            return
        }
        if isMidway, context.isGoverned, !half.isPassed, bytes.byteCount - walk.at > Self.maxHeldBytes {
            // Its method may come at its very end: it is passed on as it comes.
            half.isPassed = true
            context.inspector.recorder.verdictPartial()
        }
        if !isMidway || half.isPassed || !context.isGoverned { walk.forward(to: bytes.byteCount, &plan) }
        half.heldBytes = bytes.byteCount - walk.at
        if !isMidway || half.heldBytes > 0 { plan.markBoundary() }
        if !replies.isEmpty {
            plan.reply(with: replies)
            replies.removeAll(keepingCapacity: true)
        }
    }

    /// Reads values.
    ///
    /// - Returns: Whether the connection is still read.
    private func follow(
        _ half: Half,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ context: InspectedBytes,
        _ walk: inout PlanWalk,
        _ plan: inout Plan
    ) -> Bool {
        let reader = half.reader ?? context.inspector.takeRPCReader()
        if half.reader == nil {
            reader.scanner.begin(.stream)
            reader.batch.removeAll()
            half.start = context.now
        }
        var at = 0
        do throws(JSONError) {
            while at < bytes.byteCount {
                if reader.scanner.isBetweenValues { half.start = context.now }
                switch try reader.scanner.read(bytes, &at) {
                case .needsMore: break
                case .lineEnd: half.isLineDelimited = true
                case .batchMember: reader.batch.append(reader.scanner)
                case .message, .batchEnd:
                    guard finish(reader, half, at, direction, context, &walk, &plan) else { return false }
                    if walk.boundary == nil { walk.boundary = at }
                }
            }
        } catch {
            if isIdentified { context.inspector.recorder.decodeError(.jsonrpc, reason: error.label) }
            lose(bytes.byteCount - at, context)
            return false
        }
        if reader.scanner.isBetweenValues {
            half.reader = nil
            context.inspector.giveBack(reader)
        } else {
            half.reader = reader
        }
        return true
    }

    /// A value has ended.
    ///
    /// - Returns: Whether the connection speaks JSON-RPC at all.
    private func finish(
        _ reader: RPCReader,
        _ half: Half,
        _ end: Int,
        _ direction: Direction,
        _ context: InspectedBytes,
        _ walk: inout PlanWalk,
        _ plan: inout Plan
    ) -> Bool {
        defer {
            reader.batch.removeAll()
            half.isPassed = false
        }
        let role = reader.role
        guard isIdentified || role != .neither else {
            lose(0, context)
            return false
        }
        let inspector = context.inspector
        let session = context.session
        if !isIdentified {
            isIdentified = true
            if session.isClientUnknown {
                session.isClientUnknown = false
                session.isFlipped = (role == .response) == (direction == .toUpstream)
            }
            inspector.identify(session, .jsonrpc)
        }
        if let observer = inspector.messageObserver, let connection = session.seenConnection, role != .neither {
            observer.rpc(reader.observed(session.seen(direction), start: half.start), on: connection)
        }
        if role == .response {
            answers(reader, direction, context)
        } else {
            calls(reader, half, end, direction, context, &walk, &plan)
        }
        return true
    }

    private func calls(
        _ reader: RPCReader,
        _ half: Half,
        _ end: Int,
        _ direction: Direction,
        _ context: InspectedBytes,
        _ walk: inout PlanWalk,
        _ plan: inout Plan
    ) {
        let inspector = context.inspector
        let refusal = context.isGoverned && !half.isPassed ? self.refusal(reader, direction, context) : nil
        reader.eachCall { call in
            let entry = CallTable.Entry(
                kind: .call,
                session: context.session.number,
                direction: direction,
                id: call.idKey ?? 0,
                side: context.session.side(of: direction),
                operation: inspector.rpcOperation(interface: call.method.extracting(0..<0), method: call.method),
                start: half.start,
                deadline: inspector.defaultDeadline(half.start),
                requestBytes: call.byteCount
            )
            let isTracked = refusal == nil && !call.isNotification && call.idKey != nil
            guard !isTracked else {
                inspector.startCall(entry, context.session, now: context.now) { Inspector.CallTexts(id: call.id.text) }
                return
            }
            // A call whose id was too long to keep cannot be found again.
            let outcome = refusal?.outcome ?? (call.isNotification ? .oneway : .lost)
            let code = refusal?.jsonrpcCode ?? ResultCode.none
            inspector.countUntracked(entry, outcome, code: code, context.session, now: context.now) {
                Inspector.CallTexts(id: call.id.text)
            }
        }
        guard let refusal else { return }
        refuse(reader, half, refusal)
        let count = Int(reader.scanner.offset - reader.scanner.valueStartOffset)
        walk.forward(to: end - count, &plan)
        walk.drop(to: end, &plan)
        plan.markBoundary()
    }

    private func refusal(_ reader: RPCReader, _ direction: Direction, _ context: InspectedBytes) -> Refusal? {
        guard let governor = context.inspector.governor else { return nil }
        guard !reader.scanner.isBatch || reader.batch.isComplete else {
            context.inspector.recorder.verdictPartial()
            return nil
        }
        var facts: RequestFacts?
        var calls = 0
        reader.eachCall { call in
            calls += 1
            guard facts == nil else { return }
            let nothing = call.method.extracting(0..<0)
            let operation = context.inspector.rpcOperation(interface: nothing, method: call.method)
            let side = context.session.side(of: direction)
            facts = RequestFacts(operation: operation, side: side, isOneway: call.isNotification)
        }
        guard var facts else { return nil }
        facts.calls = calls
        guard case .refuse(let refusal) = governor.verdict(on: facts) else { return nil }
        return refusal
    }

    private func refuse(_ reader: RPCReader, _ half: Half, _ refusal: Refusal) {
        let reply = JSONRPCErrorReply(code: refusal.jsonrpcCode, message: refusal.text)
        let before = replies.count
        if reader.scanner.isBatch {
            reply.write(batch: reader.batch, to: &replies)
        } else if reader.scanner.facts.role == .request {
            let version = reader.scanner.facts.version
            reader.scanner.withTexts { _, id in reply.write(id: id, version: version, to: &replies) }
        }
        if replies.count > before { replies.append(0x0a) }
    }

    private func answers(_ reader: RPCReader, _ direction: Direction, _ context: InspectedBytes) {
        reader.eachResponse { key, outcome, code, byteCount in
            guard let key else { return }
            let inspector = context.inspector
            let index = inspector.callToAnswer(context.session, direction.opposite, key, context.now)
            guard index >= 0 else { return }
            inspector.endCall(index, context.session, outcome, code, end: context.now, responseBytes: byteCount)
        }
    }

    /// The connection is no JSON-RPC after all, or none any more.
    private func lose(_ count: Int, _ context: InspectedBytes) {
        let inspector = context.inspector
        if isIdentified {
            inspector.goBlind(context.session, context.now)
        } else {
            context.session.decoder = .opaque
            inspector.identify(context.session, .opaque)
        }
        inspector.countUninspected(context.session, count)
    }

    func ended(_ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan) {
        plan.forwardAll(endsAtBoundary: true)
    }

    func missed(_ count: UInt64, _ direction: Direction, _ context: InspectedBytes) {
        // Where a value begins cannot be told from inside one.
        lose(0, context)
    }

    func close(_ context: InspectedBytes) {}
}
