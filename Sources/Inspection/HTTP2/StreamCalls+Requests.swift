internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// The beginnings of requests.
extension StreamCalls {
    /// A request begins.
    ///
    /// - Parameters:
    ///   - request: Its block.
    ///   - headers: Its headers.
    ///   - context: Whom it belongs to.
    /// - Returns: The consequence for the connection.
    func open(_ request: Request, _ headers: borrowing HeaderTexts, context: ConnectionContext) -> Opening {
        let inspector = context.inspector
        let head = headers.request
        var stream = stream(request.block, timeout: head.timeoutNanoseconds, context: context)
        let path = headers.texts.bytes.slice(head.path)
        guard let form = head.form, let names = TriplePath(path), !names.kind(in: path).isStanding else {
            return openOther(stream, headers, mayBeRPC: request.mayBeRPC, context: context)
        }
        if context.session.connectionProtocol != .triple { inspector.identify(context.session, .triple) }
        stream.form = form
        stream.marks.insert(.isCall)
        let isGeneric = form == .grpc && names.isGeneric(in: path)
        if isGeneric, !request.block.endsStream, request.method == nil { stream.marks.insert(.isGeneric) }
        if inspector.messageObserver != nil { observed.begin(stream, headers) }
        let operation = headers.operation(names, method: request.method, in: inspector.operations)
        let caller = caller(headers, context)
        let side = context.session.side(of: direction)
        if inspector.tracker.isTraced {
            let now = context.now
            inspector.tracker.prepareSpan(
                operation,
                headers: headers,
                callProtocol: .triple,
                isGeneric: isGeneric,
                side: side,
                now: now
            )
        }
        let call = CallRequest(operation: operation, side: side)
        guard names.kind(in: path).isBusiness else {
            let event = begin(stream, headers, call: (operation, caller, .none), names: names, context: context)
            return Opening(event: event)
        }
        let decided = admit(stream, call, of: request, headers: headers, context: context)
        if let reply = decided.decision.reply {
            let block = refuse(stream, operation: operation, reply: reply, headers: headers, context: context)
            return Opening(event: .refused(LocalReplyQueue.Answer(fields: block)))
        }
        let event = begin(stream, headers, call: (operation, caller, decided.permit), names: names, context: context)
        return Opening(event: event, inserted: decided.decision.inserted)
    }

    /// The number of a request's caller; 0 if callers are not wanted.
    private func caller(_ headers: borrowing HeaderTexts, _ context: ConnectionContext) -> UInt8 {
        guard context.tracker.callers.isWanted else { return 0 }
        return context.tracker.callers.number(
            of: headers.texts.bytes.slice(headers.request.caller),
            on: context.session
        )
    }

    /// The stream that a request begins.
    private func stream(_ block: Block, timeout: UInt64, context: ConnectionContext) -> TripleStream {
        var stream = TripleStream(id: block.id, start: block.start, requestBytes: block.bytes)
        stream.deadline = context.tracker.defaultDeadline(stream.start)
        if timeout > 0 {
            stream.deadline = stream.start &+ timeout
            stream.marks.insert(.hasDeadline)
        }
        if block.endsStream { stream.marks.insert(.requestEnded) }
        return stream
    }

    /// A request begins that is no call: of plain HTTP, or one whose stream stays open.
    private func openOther(
        _ stream: TripleStream,
        _ headers: borrowing HeaderTexts,
        mayBeRPC: Bool,
        context: ConnectionContext
    ) -> Opening {
        let (inspector, session) = (context.inspector, context.session)
        let (head, path) = (headers.request, headers.texts.bytes.slice(headers.request.path))
        if !mayBeRPC, session.connectionProtocol == .silent || session.connectionProtocol == .opaque {
            inspector.identify(session, head.form == nil ? .http : .triple)
        }
        if inspector.messageObserver != nil, head.form != nil { observed.begin(stream, headers) }
        var stream = stream
        let kind = head.form == nil ? nil : TriplePath(path)?.kind(in: path)
        if kind?.isStanding == true { stream.marks.insert(.isStanding) }
        guard streams.add(stream) >= 0 else { return Opening(event: overflow(stream.id)) }
        if stream.marks.contains(.requestEnded) { requestEnded(stream.id, context) }
        return Opening(event: head.form == .grpc && kind == .healthWatch ? .watches : .passed)
    }

    /// Has a business call decided about, or noted where it is too late for a decision.
    private func admit(
        _ stream: TripleStream,
        _ call: CallRequest,
        of request: Request,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> DecidedRequest {
        let (pipeline, session) = (context.pipeline, context.session)
        let isUnnamed = stream.marks.contains(.isGeneric)
        var call = call
        call.drainHandling = isUnnamed ? .none : .count
        guard request.isDecided else {
            pipeline.pass(call, fields: headers.requestFields, on: session)
            return DecidedRequest()
        }
        if isUnnamed, pipeline.mayRefuseByFields { context.recorder.verdictPartial(request.failure) }
        if streams.isIncomplete || !request.isAnswerable { call.unanswerable = .tooLarge }
        return pipeline.decide(call, as: .triple, fields: headers.requestFields, on: session, now: context.now)
    }

    /// A call's stream is passed on: it is counted, once its method is known.
    private func begin(
        _ stream: TripleStream,
        _ headers: borrowing HeaderTexts,
        call: (operation: OperationID, caller: UInt8, permit: LimitToken),
        names: TriplePath,
        context: ConnectionContext
    ) -> Opening.Event {
        let (id, tracker) = (stream.id, context.tracker)
        guard streams.add(stream) >= 0 else {
            context.pipeline.limits.release(call.permit)
            return overflow(id)
        }
        if stream.marks.contains(.isGeneric) {
            let bytes = headers.texts.bytes
            captures.begin(.method, on: id)
            pending[id] = PendingCall(
                operation: call.operation,
                caller: call.caller,
                interface: bytes.slice(headers.request.path).slice(names.interface).text,
                version: bytes.slice(headers.request.version).text,
                group: bytes.slice(headers.request.group).text,
                texts: tracker.observer == nil ? CallTexts() : headers.callTexts,
                draft: tracker.isTraced ? tracker.tracer?.suspend() ?? Tracer.none : Tracer.none,
                permit: call.permit
            )
        } else {
            count(id, operation: call.operation, caller: call.caller, permit: call.permit, context: context) {
                headers.callTexts
            }
        }
        if stream.marks.contains(.requestEnded) { requestEnded(id, context) }
        return .passed
    }

    /// There are too many streams to follow one more.
    private func overflow(_ id: UInt32) -> Opening.Event {
        if !observed.isEmpty { observed.remove(id) }
        return .overflow
    }

    /// Puts a stream's call into the call table.
    func count(
        _ id: UInt32,
        operation: OperationID,
        caller: UInt8,
        permit: LimitToken,
        context: ConnectionContext,
        texts: () -> CallTexts
    ) {
        let place = streams.place(of: id)
        guard place >= 0 else {
            if context.tracker.isTraced { context.tracker.tracer?.discard() }
            context.pipeline.limits.release(permit)
            return
        }
        var entry = callEntry(streams[place], operation: operation, context: context)
        entry.caller = caller
        let (inspector, session) = (context.inspector, context.session)
        let index = inspector.tracker.begin(entry, on: session, permit: permit, now: context.now, texts: texts)
        guard index >= 0 else { return }
        streams[place].marks.insert(.isCounted)
        streams[place].call = index
    }

    // MARK: Refused

    /// Counts a request that is refused.
    ///
    /// - Returns: The fields of its answer, coded.
    private func refuse(
        _ stream: TripleStream,
        operation: OperationID,
        reply: LocalReply,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> [UInt8] {
        let reason: TripleLocalReply.Reason = reply.outcome == .drained ? .drained : .limited
        let answer = TripleLocalReply(
            reason,
            message: reply.text,
            retryAfterNanoseconds: reply.retryAfterNanoseconds
        )
        var entry = callEntry(stream, operation: operation, context: context)
        entry.requestBytes = stream.requestBytes
        entry.caller = caller(headers, context)
        let isGRPC = stream.form == .grpc
        let code = isGRPC ? Int32(reason.grpcStatus) : Int32(reason.httpStatus)
        context.tracker.count(entry, as: reply.outcome, code: code, on: context.session, now: context.now) {
            headers.callTexts
        }
        if let request = observed.take(stream.id)?.request, let connection = context.session.seenConnection {
            context.inspector.messageObserver?.streamRequest(request, on: connection)
        }
        return Self.block(of: answer, isGRPC: isGRPC, headers: headers)
    }

    private static func block(
        of answer: TripleLocalReply,
        isGRPC: Bool,
        headers: borrowing HeaderTexts
    ) -> [UInt8] {
        let contentType = headers.texts.bytes.slice(headers.request.contentTypeText)
        var fields = isGRPC ? answer.trailersOnly(contentType: contentType) : answer.httpFields
        if !isGRPC { fields.insert(TripleField(.status, Array(String(answer.reason.httpStatus).utf8)), at: 0) }
        return HPACKEncoder.block(of: fields)
    }
}

extension HPACKEncoder {
    /// Codes fields, without indexing.
    static func block(of fields: [TripleField]) -> [UInt8] {
        var block: [UInt8] = []
        let encoder = HPACKEncoder()
        for field in fields {
            let name = Array(field.name.text.description.utf8)
            encoder.field(name: name.byteSpan, value: field.value.byteSpan, into: &block)
        }
        return block
    }
}

extension TripleServiceKind {
    /// True if its streams stay open as long as the peers are connected, or are made by tools: never calls.
    fileprivate var isStanding: Bool { self == .healthWatch || self == .reflection }
}
