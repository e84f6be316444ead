internal import Calls
internal import Dubbo
internal import Hessian
internal import Policy
internal import Telemetry
internal import Wire

extension Inspector {
    /// A deadline of the caller's own above this is not one: a day.
    private static let maxTimeoutMilliseconds: Int64 = 86_400_000

    // MARK: Requests

    /// A request was read by a body reader.
    func finishRequest(
        _ frame: borrowing ObservedFrame,
        _ box: BodyReaderBox,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let wanted = CallAttachments(box.reader.request.attachments, in: frame.texts)
        let operation = operation(of: box.reader.request, wanted, frame.texts)
        if let messageObserver, let connection = session.seenConnection {
            messageObserver.request(frame, box.reader.request, on: connection)
        }
        let number = box.reader.timeoutMilliseconds
        if wantsTraces {
            trace(
                box.reader.request,
                operation,
                caller: wanted.caller,
                frame.header,
                frame.texts,
                side: session.side(of: direction),
                now
            )
        }
        if isDraining { noteVersion(box.reader.request, frame.texts, session) }
        let entry = entry(frame.header, frame.start, operation, wanted, number, frame.texts, session, direction)
        var permit = pendingPermit
        pendingPermit = .none
        let fields = ReadDubboFields(box.reader.request.attachments, caller: wanted.caller, in: frame.texts)
        let endsInMap = frame.isWhole && box.reader.endsInMap
        guard
            decide(
                entry,
                frame.header,
                endsInMap: endsInMap,
                fields,
                &permit,
                session,
                now,
                texts: { texts(of: wanted, frame.texts) }
            )
        else { return }
        beginCall(entry, frame.header, wanted, frame.texts, permit, session, now)
    }

    /// A request was understood at a glance.
    func beginCall(
        _ glance: RequestGlance,
        _ header: FrameHeader,
        _ body: RawSpan,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let operation = operation(of: glance, body)
        if wantsTraces { trace(glance, operation, header, body, side: session.side(of: direction), now) }
        let entry = entry(header, now, operation, glance.attachments, nil, body, session, direction)
        var permit = LimitToken.none
        if isGoverned {
            judgement = direction == .toUpstream || session.judgesCallbacks ? .held : .none
            let fields = FastDubboFields(glance, in: body)
            guard
                decide(
                    entry,
                    header,
                    endsInMap: glance.endsInMap,
                    fields,
                    &permit,
                    session,
                    now,
                    texts: { texts(of: glance.attachments, body) }
                )
            else { return }
        }
        beginCall(entry, header, glance.attachments, body, permit, session, now)
    }

    @inline(__always)
    private func operation(of glance: RequestGlance, _ body: RawSpan) -> OperationID {
        let group = body.slice(glance.attachments.group)
        let named = body.slice(glance.attachments.interface)
        let isPathElse = !named.isEmpty && !named.elementsEqual(body.slice(glance.interface))
        guard !isPathElse, !glance.names.isEmpty else {
            return spelled(isPathElse ? named : body.slice(glance.interface), glance, body, group)
        }
        return operations.known(.dubbo, key: body.slice(glance.names), group: group) ?? learn(glance, body, group)
    }

    /// The operation of a request whose names do not stand together in the body.
    private func spelled(
        _ interface: RawSpan,
        _ glance: RequestGlance,
        _ body: RawSpan,
        _ group: RawSpan
    ) -> OperationID {
        operations.operation(
            .dubbo,
            interface: interface,
            version: body.slice(glance.version),
            method: body.slice(glance.method),
            group: group
        )
    }

    /// The operation of a request whose names, spelled so, were not met before.
    private func learn(_ glance: RequestGlance, _ body: RawSpan, _ group: RawSpan) -> OperationID {
        let interface = body.slice(glance.interface)
        let version = body.slice(glance.version)
        let method = body.slice(glance.method)
        return operations.learn(
            .dubbo,
            key: body.slice(glance.names),
            group: group,
            interface: interface,
            version: version,
            method: method
        )
    }

    @inline(__always)
    private func entry(
        _ header: FrameHeader,
        _ start: UInt64,
        _ operation: OperationID,
        _ wanted: CallAttachments,
        _ timeoutNumber: Int32?,
        _ texts: RawSpan,
        _ session: Session,
        _ direction: Direction
    ) -> CallTable.Entry {
        var entry = CallTable.Entry(
            kind: .call,
            session: session.number,
            direction: direction,
            id: header.requestID,
            side: session.side(of: direction),
            operation: operation,
            start: start,
            deadline: start &+ timeout(wanted, timeoutNumber, texts),
            requestBytes: header.frameBytes
        )
        if wantsCallers { entry.caller = caller(wanted.caller, in: texts, session) }
        return entry
    }

    @inline(__always)
    private func beginCall(
        _ entry: CallTable.Entry,
        _ header: FrameHeader,
        _ wanted: CallAttachments,
        _ texts: RawSpan,
        _ permit: LimitToken,
        _ session: Session,
        _ now: UInt64
    ) {
        if header.isTwoWay {
            let index = startCall(entry, session, permit: permit, now: now) { self.texts(of: wanted, texts) }
            if isTraced, index >= 0 { tracer?.requestEnded(index, replies: session.replyBytes, now: now) }
        } else {
            pipeline.limits.release(permit)
            countUntracked(entry, .oneway, session, now: now) { self.texts(of: wanted, texts) }
        }
    }

    /// The operation that a request names: by its attachment `interface` where it has one, as Dubbo takes it since
    /// 2.7.8, since older consumers write the path before the attachments.
    ///
    /// - Parameters:
    ///   - request: What was read of it.
    ///   - wanted: Its attachments; none yet of one that is decided about by its front.
    ///   - texts: What the ranges point into.
    /// - Returns: The operation; the unknown one without interface or method.
    func operation(
        of request: borrowing RequestMetadata,
        _ wanted: CallAttachments,
        _ texts: RawSpan
    ) -> OperationID {
        let interface = wanted.interface.isEmpty ? request.interface : wanted.interface
        let hasInterface = !wanted.interface.isEmpty || request.known.contains(.interface)
        guard hasInterface, request.known.contains(.method) else { return unknownOperation }
        let method = request.known.contains(.genericMethod) ? request.genericMethod : request.method
        return operations.operation(
            .dubbo,
            interface: texts.slice(interface),
            version: texts.slice(request.version),
            method: texts.slice(method),
            group: texts.slice(wanted.group)
        )
    }

    /// How long the caller waits, in nanoseconds.
    private func timeout(_ wanted: CallAttachments, _ number: Int32?, _ texts: RawSpan) -> UInt64 {
        var milliseconds = Self.maxTimeoutMilliseconds
        if let number, number > 0 { milliseconds = min(milliseconds, Int64(number)) }
        if !wanted.timeout.isEmpty, let own = texts.slice(wanted.timeout).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        if !wanted.budget.isEmpty, let own = texts.slice(wanted.budget).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        guard milliseconds < Self.maxTimeoutMilliseconds else { return limits.callTimeoutNanoseconds }
        return UInt64(milliseconds) &* 1_000_000
    }

    private func texts(of wanted: CallAttachments, _ texts: RawSpan) -> CallTexts {
        let caller = HessianText.string(texts.slice(wanted.caller), maxBytes: OperationCache.maxNameBytes)
        return CallTexts(caller: caller, trace: traceScan.fields.firstContext(in: texts))
    }

    // MARK: Replies

    /// A reply was read by a body reader.
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
        let content = ReplyContent(box.reader.response.kind, frame.header)
        let exceptionClass = frame.texts.slice(content == .exception ? box.reader.response.exceptionClass : .empty)
        endCall(frame.header, content, exceptionClass, session, direction, start: frame.start, now)
    }

    /// A reply ends the call it answers; one to a call that was given up is late, one to no call is passed over.
    func endCall(
        _ header: FrameHeader,
        _ content: ReplyContent,
        _ exceptionClass: RawSpan,
        _ session: Session,
        _ direction: Direction,
        start: UInt64,
        _ now: UInt64
    ) {
        let index = callToAnswer(session, direction.opposite, header.requestID, now, countsUnknown: true)
        if isTraced {
            if index >= 0 { tracer?.replyBegan(index, replies: session.replyBytes, now: start) }
            session.replyBytes &+= header.frameBytes
        }
        guard index >= 0 else { return }
        answer(index, header, content, exceptionClass, session, now)
    }

    private func answer(
        _ index: Int32,
        _ header: FrameHeader,
        _ content: ReplyContent,
        _ exceptionClass: RawSpan,
        _ session: Session,
        _ now: UInt64
    ) {
        var exception = ""
        if content == .exception {
            recorder.exception(calls[index].operation, side: calls[index].side, className: exceptionClass)
            if isTraced { tracer?.noteException(exceptionClass, index) }
            if callObserver != nil {
                exception = HessianText.string(exceptionClass, maxBytes: OperationCache.maxNameBytes)
            }
        }
        endCall(
            index,
            session,
            Self.outcome(of: header.status, content),
            content == .unreadable ? ResultCode.none : Int32(header.status),
            end: now,
            responseBytes: header.frameBytes,
            exception: exception
        )
    }

    /// What a status means for the call.
    static func outcome(of status: UInt8, _ content: ReplyContent) -> Outcome {
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

/// What a Dubbo reply brings, as far as its outcome goes.
enum ReplyContent: BitwiseCopyable {
    /// A value or null, a status that says everything, or a serialization whose exceptions cannot be told from values.
    case plain
    /// The exception that the application has thrown.
    case exception
    /// It was not seen, or could not be read, although its serialization is one that can.
    case unreadable

    /// What a reply brings whose body begins with that kind; `nil` if none was read.
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
