internal import Calls
internal import Hessian
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// Streams and the calls they are.
extension HTTP2Session {
    /// A deadline for streams that may last.
    private static let noDeadline: UInt64 = .max >> 1

    /// A request begins.
    ///
    /// - Parameters:
    ///   - state: The requests' direction.
    ///   - headers: Its headers.
    ///   - endsStream: True if nothing follows them.
    ///   - method: The method that a generic call names, if its headers have waited for it.
    ///   - failure: Why it is not known, if it is not.
    ///   - context: Whom it belongs to.
    func open(
        _ state: HTTP2Direction,
        _ headers: borrowing HeaderTexts,
        endsStream: Bool,
        method: [UInt8]? = nil,
        failure: PartialVerdictReason = .serialization,
        context: ConnectionContext
    ) {
        let inspector = context.inspector
        let head = headers.request
        var stream = stream(state, timeout: head.timeoutNanoseconds, endsStream: endsStream, context: context)
        let path = headers.texts.bytes.slice(head.path)
        guard let form = head.form, let names = TriplePath(path), !names.kind(in: path).isStanding else {
            return openOther(stream, headers, context: context)
        }
        if context.session.connectionProtocol != .triple { inspector.identify(context.session, .triple) }
        stream.form = form
        stream.marks.insert(.isCall)
        let isGeneric = form == .grpc && names.isGeneric(in: path)
        if isGeneric, !endsStream, method == nil { stream.marks.insert(.isGeneric) }
        if inspector.messageObserver != nil { observe(stream, headers) }
        let operation = headers.operation(names, method: method, in: inspector.operations)
        let caller = caller(headers, context)
        let side = context.session.side(of: requests)
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
        let isJudged = context.isGoverned && !state.passed.contains(.block)
        let permit = admit(
            stream,
            CallRequest(operation: operation, side: side),
            isBusiness: names.kind(in: path).isBusiness,
            headers: headers,
            failure: isJudged ? failure : nil,
            context: context
        )
        guard let permit else { return }
        begin(stream, headers, call: (operation, caller, permit), names: names, context: context)
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
    private func stream(
        _ state: HTTP2Direction,
        timeout: UInt64,
        endsStream: Bool,
        context: ConnectionContext
    ) -> TripleStream {
        var stream = TripleStream(
            id: state.assembler.frame.streamID,
            start: state.assembler.start,
            requestBytes: state.assembler.frameBytes
        )
        stream.deadline = context.tracker.defaultDeadline(stream.start)
        if timeout > 0 {
            stream.deadline = stream.start &+ timeout
            stream.marks.insert(.hasDeadline)
        }
        if endsStream { stream.marks.insert(.requestEnded) }
        return stream
    }

    /// A request begins that is no call: of plain HTTP, or one whose stream stays open.
    private func openOther(_ stream: TripleStream, _ headers: borrowing HeaderTexts, context: ConnectionContext) {
        let (inspector, session) = (context.inspector, context.session)
        let (head, path) = (headers.request, headers.texts.bytes.slice(headers.request.path))
        if session.connectionProtocol == .silent || session.connectionProtocol == .opaque {
            inspector.identify(session, head.form == nil ? .http : .triple)
        }
        if inspector.messageObserver != nil, head.form != nil { observe(stream, headers) }
        var stream = stream
        let kind = head.form == nil ? nil : TriplePath(path)?.kind(in: path)
        if kind?.isStanding == true { stream.marks.insert(.isStanding) }
        if streams.add(stream) < 0 {
            overflow(stream.id, context)
        } else if head.form == .grpc, kind == .healthWatch {
            beginWatch(stream.id, context)
        }
        if stream.marks.contains(.requestEnded) { finishRequest(stream.id, context) }
    }

    /// Has a business call decided about, or noted where it is too late for a decision; no other call is.
    ///
    /// - Parameters:
    ///   - stream: Its stream.
    ///   - request: The call.
    ///   - isBusiness: True if it is a business call.
    ///   - headers: Its headers.
    ///   - failure: The reason for which a generic call's method is not known; `nil` if nothing is decided.
    ///   - context: The bytes being read.
    /// - Returns: What it has taken of limits; `nil` if it is refused.
    private func admit(
        _ stream: TripleStream,
        _ request: CallRequest,
        isBusiness: Bool,
        headers: borrowing HeaderTexts,
        failure: PartialVerdictReason?,
        context: ConnectionContext
    ) -> LimitToken? {
        guard isBusiness else { return LimitToken.none }
        let isUnnamed = stream.marks.contains(.isGeneric)
        var request = request
        request.drainHandling = isUnnamed ? .none : .count
        guard let failure else {
            context.pipeline.pass(request, fields: headers.requestFields, on: context.session)
            return LimitToken.none
        }
        if isUnnamed, context.pipeline.mayRefuseByFields { context.recorder.verdictPartial(failure) }
        return decideCall(stream, request, headers: headers, context: context)
    }

    /// A call's stream is passed on: it is counted, once its method is known.
    private func begin(
        _ stream: TripleStream,
        _ headers: borrowing HeaderTexts,
        call: (operation: OperationID, caller: UInt8, permit: LimitToken),
        names: TriplePath,
        context: ConnectionContext
    ) {
        let (id, tracker) = (stream.id, context.tracker)
        guard streams.add(stream) >= 0 else {
            context.pipeline.limits.release(call.permit)
            return overflow(id, context)
        }
        if stream.marks.contains(.isGeneric) {
            let bytes = headers.texts.bytes
            capture(id, .method)
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
        if stream.marks.contains(.requestEnded) { finishRequest(id, context) }
    }

    /// There are too many streams to follow one more.
    private func overflow(_ id: UInt32, _ context: ConnectionContext) {
        if !halves.isEmpty { halves[id] = nil }
        // Streams that are not open are taken for refused ones from the first of these on.
        if state(requests).rewriter.isRewriting { return goBlind(context, .tooManyStreams) }
        streams.noteIncomplete()
        context.recorder.decodeError(.triple, reason: HTTP2Failure.tooManyStreams.label)
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

    /// Adds what was seen of a request to its call, as soon as it is complete: it may never be answered.
    func creditRequest(_ place: Int, _ context: ConnectionContext) {
        guard isOpenCall(place, context) else { return }
        context.tracker.table.addRequestBytes(streams[place].call, streams[place].requestBytes)
        streams[place].requestBytes = 0
    }

    /// True if a stream's call is in the call table and waits for its reply.
    func isOpenCall(_ place: Int, _ context: ConnectionContext) -> Bool {
        let stream = streams[place]
        guard stream.marks.contains(.isCounted) else { return false }
        let entry = context.tracker.table[stream.call]
        return entry.kind == .call && entry.id == UInt64(stream.id) && entry.session == context.session.number
            && entry.direction == requests
    }

    func callEntry(_ stream: TripleStream, operation: OperationID, context: ConnectionContext) -> CallTable.Entry {
        CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: requests,
            id: UInt64(stream.id),
            side: context.session.side(of: requests),
            operation: operation,
            start: stream.start,
            deadline: stream.marks.intersection([.streams, .hasDeadline]) == .streams
                ? Self.noDeadline : stream.deadline,
            requestBytes: 0
        )
    }

    // MARK: Messages

    func countBytes(_ state: HTTP2Direction, _ count: UInt64) {
        let place = streams.place(of: state.frame.streamID)
        guard place >= 0 else { return }
        if state.direction == requests {
            streams[place].requestBytes &+= count
        } else {
            streams[place].replyBytes &+= count
        }
    }

    /// Content of DATA.
    func data(_ state: HTTP2Direction, _ piece: RawSpan, context: ConnectionContext) {
        let id = state.frame.streamID
        let place = streams.place(of: id)
        guard place >= 0, streams[place].form == .grpc,
            streams[place].marks.intersection([.isCall, .isDamaged]) == .isCall
        else {
            if !watches.isEmpty { watchData(state, piece, context: context) }
            return
        }
        let isRequest = state.direction == requests
        var at = 0
        while true {
            let found =
                isRequest
                ? streams[place].requests.next(piece, &at) : streams[place].replies.next(piece, &at)
            guard let part = found else { break }
            if part.lengthBytes == 0, part.isEnd, isRequest, streams[place].requests.messageCount == 2 {
                streams[place].marks.insert(.endsEmpty)
            }
            if !halves.isEmpty, part.isStart { noteMessage(id, part.lengthBytes, isRequest: isRequest) }
            if !captures.isEmpty { keep(part, piece, id: id, isRequest: isRequest, context: context) }
        }
        guard !streams[place].marks.contains(.streams) else { return }
        // A unary call has one message each way, and nothing comes behind the reply's but its trailers.
        if streams[place].hasMoreMessages,
            !(isRequest && state.frame.has(HTTP2Flag.endStream) && streams[place].isUnary)
        {
            streams[place].marks.insert(.streams)
            liftDeadline(place, context)
        }
    }

    private func liftDeadline(_ place: Int, _ context: ConnectionContext) {
        setDeadline(Self.noDeadline, place: place, context: context)
    }

    /// What looked like a stream was a unary request with an empty message behind it: the usual deadline holds.
    private func restoreDeadline(_ place: Int, _ context: ConnectionContext) {
        guard streams[place].marks.contains(.streams), streams[place].isUnary else { return }
        streams[place].marks.remove(.streams)
        setDeadline(streams[place].deadline, place: place, context: context)
    }

    private func setDeadline(_ deadline: UInt64, place: Int, context: ConnectionContext) {
        guard streams[place].marks.isDisjoint(with: .hasDeadline), streams[place].marks.contains(.isCounted) else {
            return
        }
        let calls = context.tracker.table
        let id = UInt64(streams[place].id)
        let index = calls.find(session: context.session.number, direction: requests, id: id)
        if index >= 0, calls.kind(index) == .call { calls.setDeadline(index, deadline) }
    }

    // MARK: Ends

    /// One half of a stream has ended.
    func endHalf(_ state: HTTP2Direction, id: UInt32, context: ConnectionContext) {
        guard state.direction != requests else { return finishRequest(id, context) }
        let place = streams.place(of: id)
        guard place >= 0 else { return }
        streams[place].marks.insert(.replyEnded)
        if !watches.isEmpty { endWatch(id) }
        let stream = streams[place]
        if stream.marks.contains(.isGivenUp), !hasTrailers(stream, context) { return endGivenUp(id, context) }
        finishReply(stream, TripleResult(reply: stream.reply, form: stream.form), context: context)
        if stream.isOver { remove(id) }
    }

    /// The request half of a stream has ended.
    private func finishRequest(_ id: UInt32, _ context: ConnectionContext) {
        let place = streams.place(of: id)
        guard place >= 0 else { return }
        if captures[id]?.purpose == .method { resolveMethod(id, context) }
        streams[place].marks.insert(.requestEnded)
        if streams[place].marks.contains(.endsEmpty) { restoreDeadline(place, context) }
        creditRequest(place, context)
        if context.tracker.isTraced, isOpenCall(place, context) {
            let replies = context.session.calls.replyBytes
            context.tracker.tracer?.requestEnded(streams[place].call, replies: replies, now: context.now)
        }
        if let observed = halves[id], let connection = context.session.seenConnection {
            context.inspector.messageObserver?.streamRequest(observed.request, on: connection)
        }
        if streams[place].isOver { remove(id) }
    }

    /// Ends the call of a stream.
    ///
    /// - Parameters:
    ///   - stream: The stream.
    ///   - result: What it came to.
    ///   - end: When, if not now.
    ///   - context: Whom it belongs to.
    func finishReply(
        _ stream: TripleStream,
        _ result: TripleResult,
        at end: UInt64? = nil,
        context: ConnectionContext
    ) {
        if captures[stream.id]?.purpose == .method { resolveMethod(stream.id, context) }
        let exception = takeException(stream.id)
        if var observed = halves[stream.id], stream.marks.contains(.replyEnded),
            let connection = context.session.seenConnection
        {
            observed.reply.isTrailersOnly = stream.marks.contains(.isTrailersOnly)
            context.inspector.messageObserver?.streamResponse(observed.reply, on: connection)
        }
        let place = streams.place(of: stream.id)
        guard place >= 0, streams[place].marks.contains(.isCounted) else { return }
        streams[place].marks.remove(.isCounted)
        let tracker = context.tracker
        let end = end ?? context.now
        let index = tracker.find(UInt64(stream.id), direction: requests, on: context.session, now: end)
        guard index >= 0 else { return }
        tracker.table.addRequestBytes(index, streams[place].requestBytes)
        if !exception.isEmpty {
            let bytes = Array(exception.utf8)
            tracker.noteException(index, className: bytes.byteSpan)
        }
        var call = CallResult(result.outcome, code: result.code, end: end)
        call.responseBytes = stream.replyBytes
        call.stream = stream.messages
        tracker.end(index, on: context.session, with: call)
    }

    func remove(_ id: UInt32) {
        let place = streams.place(of: id)
        if place >= 0 { streams.remove(at: place) }
        if !watches.isEmpty { endWatch(id) }
        if !halves.isEmpty { halves[id] = nil }
        if !captures.isEmpty { captures[id] = nil }
        // A call is resolved before its stream goes.
        if !pending.isEmpty { pending[id] = nil }
    }
}

/// A call that waits for its method's name.
struct PendingCall {
    var operation: OperationID
    var caller: UInt8
    var interface: String
    var version: String
    var group: String
    var texts: CallTexts
    /// What its span will need; see ``Tracer/suspend()``.
    var draft: Int32
    /// What it took of limits.
    var permit: LimitToken
}

extension TripleServiceKind {
    /// True if its streams stay open as long as the peers are connected, or are made by tools: never calls.
    fileprivate var isStanding: Bool { self == .healthWatch || self == .reflection }
}
