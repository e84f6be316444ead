internal import Calls
internal import Dubbo
internal import Hessian
internal import Telemetry
internal import Wire

/// What counting wants of a request's attachments.
private struct WantedAttachments {
    var group = ByteRange.empty
    var caller = ByteRange.empty
    var timeout = ByteRange.empty
    var budget = ByteRange.empty
    var traceparent = ByteRange.empty
    var uberTraceID = ByteRange.empty

    init(_ attachments: [Attachment], _ texts: RawSpan) {
        for attachment in attachments {
            let key = texts.slice(attachment.key)
            switch attachment.key.count {
            case 3: if key.equals("_TO") || key.equals("_to") { budget = attachment.value }
            case 5: if key.equals("group") { group = attachment.value }
            case 7: if key.equals("timeout") { timeout = attachment.value }
            case 11:
                if key.equals("traceparent") {
                    traceparent = attachment.value
                } else if key.equals("application"), caller.isEmpty {
                    caller = attachment.value
                }
            case 13: if key.equals("uber-trace-id") { uberTraceID = attachment.value }
            case 18: if key.equals("remote.application") { caller = attachment.value }
            default: break
            }
        }
    }
}

extension Inspector {
    /// A deadline of the caller's own above this is not one: a day.
    private static let maxTimeoutMilliseconds: Int64 = 86_400_000

    // MARK: Requests

    func finishRequest(
        _ frame: borrowing ObservedFrame,
        _ box: BodyReaderBox,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let wanted = WantedAttachments(box.reader.request.attachments, frame.texts)
        let operation = operation(of: box.reader.request, group: wanted.group, frame.texts)
        let side = session.side(of: direction)
        if let messageObserver, let connection = session.seenConnection {
            messageObserver.request(frame, box.reader.request, on: connection)
        }
        guard frame.header.isTwoWay, !calls.isFull else {
            let outcome: Outcome = frame.header.isTwoWay ? .lost : .oneway
            countUntracked(frame, operation, side, outcome, session, wanted, now)
            return
        }
        retire(session, direction, frame.header.requestID, now)
        let index = calls.add(
            CallTable.Entry(
                kind: .call,
                session: session.number,
                direction: direction,
                id: frame.header.requestID,
                side: side,
                operation: operation,
                start: frame.start,
                deadline: frame.start &+ timeout(wanted, frame.texts),
                requestBytes: frame.header.frameBytes
            ),
            first: &session.firstCall
        )
        session.inFlight += 1
        recorder.callStarted(operation, side: side)
        if callObserver != nil { callTexts[index] = texts(of: wanted, frame.texts) }
    }

    private func operation(
        of request: borrowing RequestMetadata,
        group: ByteRange,
        _ texts: RawSpan
    ) -> OperationID {
        guard request.known.isSuperset(of: [.interface, .method]) else { return unknownOperation }
        let method = request.known.contains(.genericMethod) ? request.genericMethod : request.method
        return operations.operation(
            .dubbo,
            interface: texts.slice(request.interface),
            version: texts.slice(request.version),
            method: texts.slice(method),
            group: texts.slice(group)
        )
    }

    /// How long the caller waits, in nanoseconds.
    private func timeout(_ wanted: WantedAttachments, _ texts: RawSpan) -> UInt64 {
        var milliseconds = Self.maxTimeoutMilliseconds
        if !wanted.timeout.isEmpty, let own = texts.slice(wanted.timeout).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        if !wanted.budget.isEmpty, let own = texts.slice(wanted.budget).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        guard milliseconds < Self.maxTimeoutMilliseconds else { return limits.callTimeoutNanoseconds }
        return UInt64(milliseconds) &* 1_000_000
    }

    private func texts(of wanted: WantedAttachments, _ texts: RawSpan) -> CallTexts {
        let caller = HessianText.string(texts.slice(wanted.caller), maxBytes: OperationCache.maxNameBytes)
        var trace: TraceContext?
        if !wanted.traceparent.isEmpty { trace = TraceContext(traceparent: texts.slice(wanted.traceparent).text) }
        if trace == nil, !wanted.uberTraceID.isEmpty {
            trace = TraceContext(uberTraceID: texts.slice(wanted.uberTraceID).text)
        }
        return CallTexts(caller: caller, trace: trace)
    }

    /// A request whose reply nobody waits for here: one way, or one too many for the table.
    private func countUntracked(
        _ frame: borrowing ObservedFrame,
        _ operation: OperationID,
        _ side: Side,
        _ outcome: Outcome,
        _ session: Session,
        _ wanted: WantedAttachments,
        _ now: UInt64
    ) {
        let call = FinishedCall(
            operation: operation,
            side: side,
            outcome: outcome,
            code: ResultCode.none,
            startNanoseconds: frame.start,
            durationNanoseconds: now > frame.start ? now - frame.start : 0,
            requestBytes: frame.header.frameBytes,
            responseBytes: 0
        )
        recorder.callFinished(call, wasInFlight: false)
        guard let callObserver, let connection = session.seenConnection else { return }
        let texts = texts(of: wanted, frame.texts)
        callObserver.finished(
            ObservedCall(
                call: call,
                id: Int64(bitPattern: frame.header.requestID),
                connection: connection,
                caller: texts.caller,
                exception: "",
                trace: texts.trace
            )
        )
    }

    /// Makes room for an id that is used again: what stood under it will never be answered.
    private func retire(_ session: Session, _ direction: Direction, _ id: UInt64, _ now: UInt64) {
        let old = calls.find(session: session.number, direction: direction, id: id)
        guard old >= 0 else { return }
        if calls[old].kind == .call { finish(old, session, .unanswered, ResultCode.none, end: now, responseBytes: 0) }
        calls.remove(old, first: &session.firstCall)
    }

    // MARK: Replies

    func finishReply(
        _ frame: borrowing ObservedFrame,
        _ box: BodyReaderBox,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        if let messageObserver, let connection = session.seenConnection {
            messageObserver.reply(frame, box.reader.response, on: connection)
        }
        let id = frame.header.requestID
        let index = calls.find(session: session.number, direction: direction.opposite, id: id)
        guard index >= 0 else { return }
        if calls[index].kind == .call, now > calls[index].deadline { expire(index, session) }
        let entry = calls[index]
        switch entry.kind {
        case .call:
            answer(index, entry, frame, box, session, now)
        case .tombstone:
            recorder.lateReply(entry.operation, side: entry.side)
        case .heartbeat, .free:
            return
        }
        calls.remove(index, first: &session.firstCall)
    }

    private func answer(
        _ index: Int32,
        _ entry: CallTable.Entry,
        _ frame: borrowing ObservedFrame,
        _ box: BodyReaderBox,
        _ session: Session,
        _ now: UInt64
    ) {
        let status = frame.header.status
        let isException = status == 20 && box.reader.response.kind?.isException == true
        var exception = ""
        if isException {
            let name = frame.texts.slice(box.reader.response.exceptionClass)
            recorder.exception(entry.operation, side: entry.side, className: name)
            if callObserver != nil { exception = HessianText.string(name, maxBytes: OperationCache.maxNameBytes) }
        }
        finish(
            index,
            session,
            Self.outcome(of: status, isException: isException),
            Int32(status),
            end: now,
            responseBytes: frame.header.frameBytes,
            exception: exception
        )
    }

    /// What a status means for the call.
    static func outcome(of status: UInt8, isException: Bool) -> Outcome {
        switch status {
        case 20: isException ? .businessError : .ok
        case 40, 90: .clientError
        case 30, 31: .timeout
        default: .serverError
        }
    }

    // MARK: Events

    func finishEvent(
        _ frame: borrowing ObservedFrame,
        _ box: BodyReaderBox,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let event = box.reader.event
        if let messageObserver, let connection = session.seenConnection {
            messageObserver.event(frame, event, on: connection)
        }
        let side = session.side(of: direction)
        guard frame.header.isRequest else { return answerHeartbeat(frame, session, direction, now) }
        switch event {
        case .heartbeat: recorder.heartbeat(side: side)
        case .readonly: recorder.event(.readonly, side: side)
        case .writeable: recorder.event(.writeable, side: side)
        case .other: recorder.event(.other, side: side)
        }
        guard event == .heartbeat, frame.header.isTwoWay, !calls.isFull else { return }
        retire(session, direction, frame.header.requestID, now)
        _ = calls.add(
            CallTable.Entry(
                kind: .heartbeat,
                session: session.number,
                direction: direction,
                id: frame.header.requestID,
                side: side,
                operation: unknownOperation,
                start: frame.start,
                deadline: frame.start &+ limits.callTimeoutNanoseconds,
                requestBytes: frame.header.frameBytes
            ),
            first: &session.firstCall
        )
    }

    private func answerHeartbeat(
        _ frame: borrowing ObservedFrame,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let id = frame.header.requestID
        let index = calls.find(session: session.number, direction: direction.opposite, id: id)
        guard index >= 0, calls[index].kind == .heartbeat else { return }
        let start = calls[index].start
        recorder.heartbeatRoundTrip(side: calls[index].side, nanoseconds: now > start ? now - start : 0)
        calls.remove(index, first: &session.firstCall)
    }
}
