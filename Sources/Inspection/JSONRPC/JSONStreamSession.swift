internal import Calls
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Wire

/// JSON-RPC on a raw TCP connection: values one after the other, each line one or not; both peers may call.
final class JSONStreamSession: ProtocolSession {
    /// One direction.
    final class DirectionState {
        /// Kept while a value is half read.
        var reader: RPCReader?
        /// When the value's first byte was seen.
        var start: UInt64 = 0
        /// True if the value going on has been passed on.
        var isPassed = false
        var heldBytes = 0
        /// True if the white space behind a refused value, its line's end above all, is still to be left out.
        var dropsSpace = false
        /// Bytes that were read before it was known what they are.
        var unknownBytes = 0
        /// The decision about the value going on, before its end.
        var early: EarlyDecision?
        /// True if the value going on was passed on too large to hold, and nothing could be asked.
        var isUnasked = false
        /// The kinds of values that the direction's peer may say.
        var place = JSONRPCFacts.Place.anywhere
        /// True if the value going on is left out.
        var isDropped: Bool { early?.reply != nil }

        /// True if a value is half read.
        var isInsideMessage: Bool { reader.map { !$0.scanner.isBetweenValues } ?? false }
    }

    private let up = DirectionState()
    private let down = DirectionState()
    var isIdentified = false
    /// True if values have come that are no JSON-RPC, and none that is.
    private var isOther = false
    private var replies: [UInt8] = []
    /// The values that may turn out to have been calls; see JSONStreamSession+Candidates.
    var candidates: [Candidate] = []
    /// True if the connection's beginning was not seen, so that the first value may have been a body of HTTP/1.
    private let isJoined: Bool

    init(isJoined: Bool = false) { self.isJoined = isJoined }

    var isIdle: Bool { !isOther && !up.isInsideMessage && !down.isInsideMessage }

    func state(_ direction: Direction) -> DirectionState { direction == .toUpstream ? up : down }

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let state = state(direction)
        var walk = PlanBuilder(
            at: -state.heldBytes,
            isEdited: context.isGoverned || state.heldBytes > 0 || state.isDropped || state.dropsSpace
        )
        guard follow(state, bytes: bytes, going: direction, in: context, walk: &walk, plan: &plan) else {
            state.heldBytes = 0
            if state.isDropped {
                // What follows half a value that is left out would be another to upstream.
                walk.drop(to: bytes.byteCount, &plan)
                plan.close()
                return sendReplies(&plan)
            }
            guard walk.isEdited else { return plan.forwardAll(endsAtBoundary: false) }
            walk.forward(to: bytes.byteCount, &plan)
            return sendReplies(&plan)
        }
        guard walk.isEdited else { return forward(bytes.byteCount, state: state, walk: &walk, plan: &plan) }
        let isInsideMessage = state.isInsideMessage
        if isInsideMessage, let reader = state.reader {
            // Only the value waits, and not the white space in front of it.
            let begun = Int(reader.scanner.offset - reader.scanner.valueStartOffset)
            walk.forward(to: bytes.byteCount - begun, &plan)
        }
        if isInsideMessage, !state.isPassed, !context.isGoverned || bytes.byteCount - walk.at > HoldLimits.requestBytes
        {
            // Its method may come at its very end: what is known decides.
            state.isPassed = true
            if context.isGoverned { judgeEarly(state, going: direction, in: context) }
        }
        if isInsideMessage, state.isDropped {
            walk.drop(to: bytes.byteCount, &plan)
        } else if !isInsideMessage || state.isPassed {
            walk.forward(to: bytes.byteCount, &plan)
        }
        state.heldBytes = bytes.byteCount - walk.at
        if !isInsideMessage || state.heldBytes > 0 { plan.markBoundary() }
        sendReplies(&plan)
    }

    /// Passes bytes on about which nothing decides.
    private func forward(_ count: Int, state: DirectionState, walk: inout PlanBuilder, plan: inout Plan) {
        let isInsideMessage = state.isInsideMessage
        // What has been passed on in part is not decided about any more.
        state.isPassed = isInsideMessage
        guard plan.isBoundaryWanted, let boundary = walk.boundary else {
            return plan.forwardAll(endsAtBoundary: !isInsideMessage)
        }
        walk.at = 0
        walk.forward(to: boundary, &plan)
        plan.markBoundary()
        walk.forward(to: count, &plan)
        if !isInsideMessage { plan.markBoundary() }
    }

    private func sendReplies(_ plan: inout Plan) {
        guard !replies.isEmpty else { return }
        plan.reply(with: replies)
        replies.removeAll(keepingCapacity: true)
    }

    /// Reads values.
    ///
    /// - Returns: True if the connection is still read.
    private func follow(
        _ state: DirectionState,
        bytes: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) -> Bool {
        let reader = reader(of: state, context)
        var at = 0
        var from = 0
        do throws(JSONError) {
            while at < bytes.byteCount {
                if reader.scanner.isBetweenValues { state.start = context.now }
                from = at
                let progress = try reader.scanner.read(bytes, &at)
                if !isIdentified { state.unknownBytes += at - from }
                switch progress {
                case .needsMore: break
                case .lineEnd: break
                case .batchMember:
                    reader.batch.append(reader.scanner)
                    if state.isPassed, state.early == nil {
                        countSurplus(reader, state: state, reply: nil, going: direction, in: context)
                    }
                case .message, .batchEnd:
                    dropSpace(state, reader: reader, at: at, isEnd: true, walk: &walk, plan: &plan)
                    guard finish(reader, state: state, end: at, going: direction, in: context, walk: &walk, plan: &plan)
                    else { return false }
                    if walk.boundary == nil { walk.boundary = at }
                    // What follows the first message in the same read is read as what comes later.
                    reader.scanner.place = state.place
                }
            }
        } catch {
            if isJoined, context.inspector.joinHTTP1(insteadOf: self, bytes, going: direction, in: context) {
                return false
            }
            noteFailure(error, state: state, byteCount: at - from, in: context)
            if state.dropsSpace { dropSpace(bytes.extracting(0..<at), walk: &walk, plan: &plan) }
            lose(bytes.byteCount - at, context)
            return false
        }
        dropSpace(state, reader: reader, at: at, isEnd: false, walk: &walk, plan: &plan)
        keep(reader, state: state, in: context)
        return true
    }

    private func noteFailure(_ error: JSONError, state: DirectionState, byteCount: Int, in context: ConnectionContext) {
        if isIdentified {
            context.recorder.decodeError(.jsonrpc, reason: error.label)
        } else {
            state.unknownBytes += byteCount
        }
    }

    /// The reader that is inside a value, or one that begins.
    private func reader(of state: DirectionState, _ context: ConnectionContext) -> RPCReader {
        if let reader = state.reader { return reader }
        let reader = context.pool.takeRPCReader()
        reader.scanner.begin(.stream, at: state.place)
        reader.batch.removeAll()
        reader.countedSurplus = 0
        state.start = context.now
        return reader
    }

    /// Keeps a reader that is inside a value, and gives it back otherwise.
    private func keep(_ reader: RPCReader, state: DirectionState, in context: ConnectionContext) {
        // Behind a number or a word the reader remembers that no other may follow at once.
        let form = reader.scanner.facts.form
        let isPlain = reader.scanner.isBatch || form == .object || form == .absent
        if reader.scanner.isBetweenValues, isPlain {
            state.reader = nil
            context.pool.giveBack(reader)
        } else {
            state.reader = reader
        }
    }

    /// Leaves out the white space between a refused value and the next one, as far as it is here.
    private func dropSpace(
        _ state: DirectionState,
        reader: RPCReader,
        at: Int,
        isEnd: Bool,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        guard state.dropsSpace else { return }
        guard isEnd || !reader.scanner.isBetweenValues else {
            return walk.drop(to: at, &plan)
        }
        state.dropsSpace = false
        walk.drop(to: at - Int(reader.scanner.offset - reader.scanner.valueStartOffset), &plan)
    }

    /// Leaves out the white space between a refused value and bytes that are no value.
    private func dropSpace(_ bytes: RawSpan, walk: inout PlanBuilder, plan: inout Plan) {
        var end = max(0, walk.at)
        while end < bytes.byteCount, bytes.byte(at: end) <= 0x20 { end += 1 }
        walk.drop(to: end, &plan)
    }

    /// A value has ended.
    ///
    /// - Returns: True if the connection speaks JSON-RPC at all.
    private func finish(
        _ reader: RPCReader,
        state: DirectionState,
        end: Int,
        going direction: Direction,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) -> Bool {
        defer {
            dropEarly(state, context)
            reader.batch.removeAll()
            reader.countedSurplus = 0
            state.isPassed = false
            state.isUnasked = false
            // What is complete and not refused waits for nothing that follows it.
            if walk.isEdited { walk.forward(to: end, &plan) }
        }
        let role = reader.role
        let inspector = context.inspector
        let session = context.session
        if role == .neither {
            // Log lines and whatever else is JSON passes, and a message may still follow.
            if !isIdentified { noteOther(state, context) }
            noteCandidate(reader, state: state, going: direction, in: context)
        } else if !isIdentified {
            identify(role, going: direction, in: context)
        }
        if let observer = inspector.messageObserver, let connection = session.seenConnection, role != .neither {
            observer.rpc(reader.observed(session.seen(direction), start: state.start), on: connection)
        }
        if role == .response, !state.isDropped {
            if !candidates.isEmpty { takeCandidates(answeredBy: reader, direction, context) }
            answers(reader, going: direction, in: context)
        } else if role != .neither || state.isDropped {
            calls(reader, state: state, end: end, going: direction, in: context, walk: &walk, plan: &plan)
        }
        return true
    }

    /// The connection's first message has come.
    private func identify(_ role: JSONRPCRole, going direction: Direction, in context: ConnectionContext) {
        let session = context.session
        isIdentified = true
        isOther = false
        for state in [up, down] {
            state.unknownBytes = 0
            state.place = .responses
            state.reader?.scanner.place = .responses
        }
        if session.isClientUnknown {
            session.settleClient(isFlipped: (role == .response) == (direction == .toUpstream))
        }
        context.inspector.identify(session, .jsonrpc)
    }

    /// A value that is no message has ended before there was any.
    private func noteOther(_ state: DirectionState, _ context: ConnectionContext) {
        if !isOther, context.session.connectionProtocol == .silent {
            context.inspector.identify(context.session, .opaque)
        }
        isOther = true
        context.recorder.uninspectedBytes(UInt64(state.unknownBytes), reason: .opaque)
        state.unknownBytes = 0
    }

    private func calls(
        _ reader: RPCReader,
        state: DirectionState,
        end: Int,
        going direction: Direction,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        let inspector = context.inspector
        var decided = decide(reader, state: state, going: direction, in: context)
        if state.isUnasked { inspector.recorder.verdictPartial(.tooLarge) }
        reader.eachCall { call in
            let method = inspector.operations.operation(of: call, interface: call.method.extracting(0..<0))
            let entry = entry(
                method,
                state: state,
                going: direction,
                id: call.idKey ?? 0,
                bytes: call.byteCount,
                in: context
            )
            if inspector.tracker.isTraced {
                inspector.tracker.prepareSpan(entry.operation, reader, id: call.id, side: entry.side, now: context.now)
            }
            let isTracked = decided.reply == nil && !call.isNotification && call.idKey != nil
            guard !isTracked else {
                let permit = inspector.pipeline.permit(of: entry.operation, in: &decided.permits)
                let index = inspector.tracker.begin(entry, on: context.session, permit: permit, now: context.now) {
                    CallTexts(trace: reader.traceContext, id: call.id.text)
                }
                if inspector.operations.tools.hasUnknown { inspector.operations.tools.keepUnknown(index) }
                inspector.tracker.requestEnded(index, on: context.session, now: context.now)
                return
            }
            // A call whose id was too long to keep cannot be found again.
            let outcome = decided.reply?.outcome ?? (call.isNotification ? .oneway : .lost)
            let code = decided.reply?.code(in: .jsonrpc) ?? ResultCode.none
            inspector.tracker.count(entry, as: outcome, code: code, on: context.session, now: context.now) {
                CallTexts(trace: reader.traceContext, id: call.id.text)
            }
        }
        if !decided.permits.isEmpty { inspector.pipeline.end(decided.permits) }
        countSurplus(reader, state: state, reply: decided.reply, going: direction, in: context)
        if let reply = decided.reply { refuse(reader, state: state, end: end, reply: reply, walk: &walk, plan: &plan) }
    }

    /// Decides about the calls of a value, unless that was done before its end.
    private func decide(
        _ reader: RPCReader,
        state: DirectionState,
        going direction: Direction,
        in context: ConnectionContext
    ) -> DecidedBatch {
        if let early = state.early {
            state.early = nil
            chargeRest(early, reader: reader, going: direction, in: context)
            return early.decided
        }
        guard context.isGoverned, !state.isPassed else { return DecidedBatch() }
        let groups = context.operations.groups(of: reader, interface: RawSpan())
        return decide(groups, going: direction, in: context)
    }

    /// Answers the value that has ended and leaves it out.
    private func refuse(
        _ reader: RPCReader,
        state: DirectionState,
        end: Int,
        reply: LocalReply,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        answer(reader, reply)
        state.dropsSpace = true
        let count = Int(reader.scanner.offset - reader.scanner.valueStartOffset)
        walk.forward(to: end - count, &plan)
        walk.drop(to: end, &plan)
        plan.markBoundary()
    }

    /// Decides about a value that makes those calls.
    func decide(_ groups: [CallGroup], going direction: Direction, in context: ConnectionContext) -> DecidedBatch {
        let side = context.session.side(of: direction)
        var request = CallRequest(operation: context.operations.unknown, side: side)
        request.takesContext = false
        let (pipeline, session) = (context.pipeline, context.session)
        return pipeline.decide(
            groups: groups,
            request,
            as: .jsonrpc,
            fields: RequestFields(),
            on: session,
            now: context.now
        )
    }

    private func answer(_ reader: RPCReader, _ localReply: LocalReply) {
        let reply = JSONRPCErrorReply(code: localReply.code(in: .jsonrpc), message: localReply.text)
        let before = replies.count
        if reader.scanner.isBatch {
            reply.write(batch: reader.batch, to: &replies)
        } else if reader.scanner.facts.role != .notification {
            let version = reader.scanner.facts.version
            reader.scanner.withTexts { _, id in reply.write(id: id, version: version, to: &replies) }
        }
        if replies.count > before { replies.append(0x0a) }
    }

    private func answers(_ reader: RPCReader, going direction: Direction, in context: ConnectionContext) {
        reader.eachResponse { key, outcome, code, byteCount in
            guard let key else { return }
            let (tracker, session) = (context.tracker, context.session)
            let index = tracker.find(key, direction: direction.opposite, on: session, now: context.now)
            // Members of a batch came together.
            tracker.replyBegan(index, on: session, at: self.state(direction).start, byteCount: byteCount)
            guard index >= 0 else { return }
            var result = CallResult(outcome, code: code, end: context.now)
            result.responseBytes = byteCount
            tracker.end(index, on: session, with: result)
        }
    }

    /// The connection is no JSON-RPC after all, or none any more.
    private func lose(_ count: Int, _ context: ConnectionContext) {
        let inspector = context.inspector
        if isIdentified {
            inspector.goBlind(context.session, now: context.now)
        } else {
            context.session.decoder = .opaque
            if context.session.connectionProtocol != .opaque { inspector.identify(context.session, .opaque) }
        }
        let unknown = up.unknownBytes + down.unknownBytes
        up.unknownBytes = 0
        down.unknownBytes = 0
        inspector.countUninspected(context.session, isIdentified ? count : unknown + count)
    }

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        // DirectionState a value that was to be dropped stays dropped; nothing of it is held.
        if !state(direction).isDropped { plan.forwardAll(endsAtBoundary: true) }
    }

    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) {
        guard isIdentified else { return lose(0, context) }
        // Where a value begins cannot be told from inside one: the connection is joined in the middle again.
        close(context)
        context.tracker.endAll(on: context.session, as: .lost, now: context.now)
        context.session.detection.isMidstream = true
        context.session.decoder = .detecting
    }

    func close(_ context: ConnectionContext) {
        for state in [up, down] {
            dropEarly(state, context)
            if let reader = state.reader { context.pool.giveBack(reader) }
            state.reader = nil
        }
        // Nothing told what the bytes were.
        if !isIdentified, up.unknownBytes + down.unknownBytes > 0 { lose(0, context) }
    }
}
