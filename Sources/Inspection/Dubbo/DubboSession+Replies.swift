internal import Calls
internal import Dubbo
internal import Hessian
internal import Telemetry
internal import Wire

/// Replies and events.
extension DubboSession {
    /// A reply was read by a body reader.
    func finishReply(
        _ frame: borrowing ObservedFrame,
        box: BodyReaderBox,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        if let observer = context.inspector.messageObserver, let connection = context.session.seenConnection {
            observer.reply(frame, box.reader.response, on: connection)
        }
        let content = ReplyContent(box.reader.response.kind, frame.header)
        let exceptionClass = frame.texts.slice(content == .exception ? box.reader.response.exceptionClass : .empty)
        endCall(
            frame.header,
            content: content,
            exceptionClass: exceptionClass,
            going: direction,
            in: context,
            start: frame.start
        )
    }

    /// A reply ends the call it answers; one to a call that was given up is late, one to no call is passed over.
    @inline(__always)
    func endCall(
        _ header: FrameHeader,
        content: ReplyContent,
        exceptionClass: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        start: UInt64
    ) {
        let index = context.tracker.find(
            header.requestID,
            direction: direction.opposite,
            on: context.session,
            now: context.now,
            countsUnknown: true
        )
        context.tracker.replyBegan(index, on: context.session, at: start, byteCount: header.frameBytes)
        guard index >= 0 else { return }
        if content == .exception { context.tracker.noteException(index, className: exceptionClass) }
        let code = content == .unreadable ? ResultCode.none : Int32(header.status)
        var result = CallResult(Self.outcome(of: header.status, content), code: code, end: context.now)
        result.responseBytes = header.frameBytes
        context.tracker.end(index, on: context.session, with: result)
    }

    /// The outcome that a status means.
    private static func outcome(of status: UInt8, _ content: ReplyContent) -> Outcome {
        switch status {
        case 20: content == .plain ? .ok : content == .exception ? .businessError : .unknown
        case 40, 90: .clientError
        case 30, 31: .timeout
        default: .serverError
        }
    }

    // MARK: Events

    func finishEvent(
        _ frame: borrowing ObservedFrame,
        box: BodyReaderBox,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        let event = box.reader.event
        let (tracker, session) = (context.tracker, context.session)
        if let observer = context.inspector.messageObserver, let connection = session.seenConnection {
            observer.event(frame, event, on: connection)
        }
        let side = session.side(of: direction)
        guard frame.header.isRequest else { return answerHeartbeat(frame, going: direction, in: context) }
        switch event {
        case .heartbeat: context.recorder.heartbeat(side: side)
        case .readonly: context.recorder.event(.readonly, side: side)
        case .writeable: context.recorder.event(.writeable, side: side)
        case .other: context.recorder.event(.other, side: side)
        }
        guard event == .heartbeat, frame.header.isTwoWay, !tracker.table.isFull else { return }
        tracker.retire(frame.header.requestID, direction: direction, on: session, now: context.now)
        _ = tracker.table.add(
            CallTable.Entry(
                kind: .heartbeat,
                session: session.number,
                direction: direction,
                id: frame.header.requestID,
                side: side,
                operation: context.operations.unknown,
                start: frame.start,
                deadline: tracker.defaultDeadline(frame.start),
                requestBytes: frame.header.frameBytes
            ),
            first: &session.calls.first
        )
    }

    private func answerHeartbeat(
        _ frame: borrowing ObservedFrame,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        let (calls, session) = (context.tracker.table, context.session)
        let index = calls.find(session: session.number, direction: direction.opposite, id: frame.header.requestID)
        guard index >= 0, calls[index].kind == .heartbeat else { return }
        let start = calls[index].start
        let duration = context.now > start ? context.now - start : 0
        context.recorder.heartbeatRoundTrip(side: calls[index].side, nanoseconds: duration)
        calls.remove(index, first: &session.calls.first)
    }
}

/// The outcome of a Dubbo reply.
enum ReplyContent: BitwiseCopyable {
    /// A value or null, a status that says everything, or a serialization whose exceptions cannot be told from values.
    case plain
    /// The exception that the application has thrown.
    case exception
    /// It was not seen, or could not be read, although its serialization is one that can.
    case unreadable

    /// The outcome of a reply whose body begins with that kind; `nil` if none was read.
    init(_ kind: ResponseMetadata.Kind?, _ header: FrameHeader) {
        if header.status != 20 {
            self = .plain
        } else if let kind {
            self = kind.isException ? .exception : .plain
        } else {
            self = Serialization.isRead(header.serialization) ? .unreadable : .plain
        }
    }
}
