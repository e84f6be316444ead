internal import Calls
internal import Hessian
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// The messages of streams, as far as calls and observers need them.
extension HTTP2Session {
    func capture(_ id: UInt32, _ purpose: MessageCapture.Purpose) {
        captures[id] = MessageCapture(purpose: purpose)
    }

    func keep(
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
        context.pipeline.pass(request, fields: RequestFields(), on: context.session)
        count(id, operation: operation, caller: call.caller, permit: call.permit, context: context) { call.texts }
    }

    /// The class of the exception that a reply's first message carries; empty if it was not looked for or found.
    func takeException(_ id: UInt32) -> String {
        guard !captures.isEmpty, let capture = captures.removeValue(forKey: id), capture.purpose == .exception else {
            return ""
        }
        let message = capture.bytes.byteSpan
        guard let wrapper = TripleResponseWrapper(message) else { return "" }
        return HessianText.string(message.slice(wrapper.exceptionClass), maxBytes: OperationCache.maxNameBytes)
    }

    // MARK: Observed

    /// Keeps what an observer of messages will be told of a request.
    func observe(_ stream: TripleStream, _ headers: borrowing HeaderTexts) {
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

    func noteMessage(_ id: UInt32, _ bytes: UInt32, isRequest: Bool) {
        guard halves[id] != nil else { return }
        if isRequest {
            halves[id]?.request.note(bytes)
        } else {
            halves[id]?.reply.note(bytes)
        }
    }
}

extension ObservedStreamHalf {
    fileprivate mutating func note(_ bytes: UInt32) {
        if messageBytes.count < Self.maxMessages { messageBytes.append(UInt64(bytes)) }
    }
}
