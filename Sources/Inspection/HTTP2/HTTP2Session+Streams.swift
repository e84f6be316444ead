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
    ///   - half: The requests' direction.
    ///   - headers: Its headers.
    ///   - endsStream: Whether nothing follows them.
    ///   - method: The method that a generic call names, if its headers have waited for it.
    ///   - failure: Why it is not known, if it is not.
    ///   - context: Whom it belongs to.
    func open(
        _ half: HTTP2Direction,
        _ headers: borrowing HeaderTexts,
        endsStream: Bool,
        method: [UInt8]? = nil,
        failure: PartialVerdictReason = .serialization,
        context: ConnectionContext
    ) {
        let inspector = context.inspector
        let head = headers.request
        let id = half.assembler.frame.streamID
        var stream = TripleStream(id: id, start: half.assembler.start, requestBytes: half.assembler.frameBytes)
        stream.deadline = inspector.tracker.defaultDeadline(stream.start)
        if head.timeoutNanoseconds > 0 {
            stream.deadline = stream.start &+ head.timeoutNanoseconds
            stream.marks.insert(.hasDeadline)
        }
        if endsStream { stream.marks.insert(.requestEnded) }
        let path = headers.texts.bytes.slice(head.path)
        guard let form = head.form, let names = TriplePath(path), !names.kind(in: path).isStanding else {
            if context.session.connectionProtocol == .silent || context.session.connectionProtocol == .opaque {
                inspector.identify(context.session, head.form == nil ? .http : .triple)
            }
            if inspector.messageObserver != nil, head.form != nil { observe(stream, headers) }
            if head.form != nil, TriplePath(path)?.kind(in: path).isStanding == true {
                stream.marks.insert(.isStanding)
            }
            if streams.add(stream) < 0 {
                overflow(id, context)
            } else if head.form == .grpc, TriplePath(path)?.kind(in: path) == .healthWatch {
                beginWatch(id, context)
            }
            if endsStream { finishRequest(id, context) }
            return
        }
        if context.session.connectionProtocol != .triple { inspector.identify(context.session, .triple) }
        stream.form = form
        stream.marks.insert(.isCall)
        let isGeneric = form == .grpc && names.isGeneric(in: path)
        if isGeneric, !endsStream, method == nil { stream.marks.insert(.isGeneric) }
        if inspector.messageObserver != nil { observe(stream, headers) }
        let operation = headers.operation(names, method: method, in: inspector.operations)
        let bytes = headers.texts.bytes
        let caller =
            inspector.tracker.callers.isWanted
            ? inspector.tracker.callers.number(of: bytes.slice(head.caller), on: context.session) : 0
        if inspector.tracker.isTraced {
            let side = context.session.side(of: requests)
            inspector.tracker.prepareSpan(
                operation,
                headers,
                .triple,
                isGeneric: isGeneric,
                side: side,
                now: context.now
            )
        }
        var permit = LimitToken.none
        if names.kind(in: path).isBusiness {
            let isUnnamed = stream.marks.contains(.isGeneric)
            var request = CallRequest(operation: operation, side: context.session.side(of: requests))
            request.drainHandling = isUnnamed ? .none : .count
            if context.isGoverned, !half.passed.contains(.block) {
                if isUnnamed, inspector.pipeline.mayRefuseByFields { inspector.recorder.verdictPartial(failure) }
                guard let taken = decideCall(stream, request, headers: headers, context: context) else { return }
                permit = taken
            } else {
                inspector.pipeline.pass(request, fields: headers, on: context.session)
            }
        }
        guard streams.add(stream) >= 0 else {
            inspector.pipeline.limits.release(permit)
            return overflow(id, context)
        }
        if stream.marks.contains(.isGeneric) {
            // Counted once its first message has named the method.
            capture(id, .method)
            pending[id] = PendingCall(
                operation: operation,
                caller: caller,
                interface: path.slice(names.interface).text,
                version: headers.texts.bytes.slice(head.version).text,
                group: headers.texts.bytes.slice(head.group).text,
                texts: inspector.tracker.observer == nil ? CallTexts() : headers.callTexts,
                draft: inspector.tracker.isTraced ? inspector.tracker.tracer?.suspend() ?? Tracer.none : Tracer.none,
                permit: permit
            )
        } else {
            count(id, operation: operation, caller: caller, permit: permit, context: context) { headers.callTexts }
        }
        if endsStream { finishRequest(id, context) }
    }

    /// There are too many streams to follow one more.
    private func overflow(_ id: UInt32, _ context: ConnectionContext) {
        if !halves.isEmpty { halves[id] = nil }
        // Streams that are not open are taken for refused ones from the first of these on.
        if half(requests).rewriter.isRewriting { return goBlind(context, .tooManyStreams) }
        streams.noteIncomplete()
        context.recorder.decodeError(.triple, reason: HTTP2Failure.tooManyStreams.label)
    }

    /// Puts a stream's call into the call table.
    private func count(
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

    /// Whether a stream's call is in the call table and waits for its reply.
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

    func countBytes(_ half: HTTP2Direction, _ count: UInt64) {
        let place = streams.place(of: half.frame.streamID)
        guard place >= 0 else { return }
        if half.direction == requests {
            streams[place].requestBytes &+= count
        } else {
            streams[place].replyBytes &+= count
        }
    }

    /// Content of DATA.
    func data(_ half: HTTP2Direction, _ piece: RawSpan, context: ConnectionContext) {
        let id = half.frame.streamID
        let place = streams.place(of: id)
        guard place >= 0, streams[place].form == .grpc,
            streams[place].marks.intersection([.isCall, .isDamaged]) == .isCall
        else {
            if !watches.isEmpty { watchData(half, piece, context: context) }
            return
        }
        let isRequest = half.direction == requests
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
        if streams[place].hasMoreMessages, !(isRequest && half.frame.has(HTTP2Flag.endStream) && streams[place].isUnary)
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
    func endHalf(_ half: HTTP2Direction, id: UInt32, context: ConnectionContext) {
        guard half.direction != requests else { return finishRequest(id, context) }
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
            let replies = context.session.replyBytes
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

    // MARK: Looking into messages

    func capture(_ id: UInt32, _ purpose: MessageCapture.Purpose) {
        captures[id] = MessageCapture(purpose: purpose)
    }

    private func keep(
        _ part: GRPCMessagePart,
        _ piece: RawSpan,
        id: UInt32,
        isRequest: Bool,
        context: ConnectionContext
    ) {
        guard var capture = captures[id], (capture.purpose == .method) == isRequest, !capture.isComplete else { return }
        captures[id] = nil
        let payload = piece.slice(part.payload)
        if isRequest {
            if !part.isCompressed { capture.search.take(payload) }
            capture.isComplete = part.isEnd || capture.search.isOver
        } else {
            let room = MessageCapture.maxBytes - capture.bytes.count
            if !part.isCompressed { capture.bytes.append(payload.extracting(first: room)) }
            capture.isComplete = part.isEnd || capture.bytes.count >= MessageCapture.maxBytes
        }
        captures[id] = capture
        if isRequest, capture.isComplete { resolveMethod(id, context) }
    }

    /// Counts a generic call, now that as much of its first message is known as will be.
    func resolveMethod(_ id: UInt32, _ context: ConnectionContext) {
        guard let capture = captures.removeValue(forKey: id), let call = pending.removeValue(forKey: id) else { return }
        var operation = call.operation
        if let method = capture.search.method {
            let (interface, version, group) = (
                Array(call.interface.utf8), Array(call.version.utf8), Array(call.group.utf8)
            )
            operation = context.operations.cache.operation(
                .triple,
                interface: interface.byteSpan,
                version: version.byteSpan,
                method: method.byteSpan,
                group: group.byteSpan
            )
        }
        if call.draft >= 0 { context.tracker.tracer?.resume(call.draft) }
        var request = CallRequest(operation: operation, side: context.session.side(of: requests))
        request.drainHandling = .count
        context.pipeline.pass(request, fields: NoFields(), on: context.session)
        count(id, operation: operation, caller: call.caller, permit: call.permit, context: context) { call.texts }
    }

    /// The class of the exception that a reply's first message carries; empty if it was not looked for or found.
    private func takeException(_ id: UInt32) -> String {
        guard !captures.isEmpty, let capture = captures.removeValue(forKey: id), capture.purpose == .exception else {
            return ""
        }
        let message = capture.bytes.byteSpan
        guard let wrapper = TripleResponseWrapper(message) else { return "" }
        return HessianText.string(message.slice(wrapper.exceptionClass), maxBytes: OperationCache.maxNameBytes)
    }

    // MARK: Observed

    /// Keeps what an observer of messages will be told of a request.
    private func observe(_ stream: TripleStream, _ headers: borrowing HeaderTexts) {
        var observed = ObservedStream()
        observed.request = headers.observedRequest()
        observed.request.streamID = stream.id
        observed.request.start = stream.start
        observed.reply.streamID = stream.id
        observed.reply.direction = .toDownstream
        halves[stream.id] = observed
    }

    /// Tells of requests that were still going on when the connection ended, in messages that are whole.
    func reportOpenRequests(_ context: ConnectionContext) {
        guard !halves.isEmpty, let connection = context.session.seenConnection else { return }
        for id in halves.keys.sorted() {
            let place = streams.place(of: id)
            guard place >= 0, streams[place].marks.isDisjoint(with: [.requestEnded, .isDamaged]),
                !streams[place].requests.isMidway, let observed = halves[id]
            else { continue }
            context.inspector.messageObserver?.streamRequest(observed.request, on: connection)
        }
    }

    private func noteMessage(_ id: UInt32, _ bytes: UInt32, isRequest: Bool) {
        guard halves[id] != nil else { return }
        if isRequest {
            halves[id]?.request.note(bytes)
        } else {
            halves[id]?.reply.note(bytes)
        }
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

extension ObservedStreamHalf {
    fileprivate mutating func note(_ bytes: UInt32) {
        if messageBytes.count < Self.maxMessages { messageBytes.append(UInt64(bytes)) }
    }
}

extension TripleServiceKind {
    /// Whether its streams stay open as long as the peers are connected, or are made by tools: never calls.
    fileprivate var isStanding: Bool { self == .healthWatch || self == .reflection }
}
