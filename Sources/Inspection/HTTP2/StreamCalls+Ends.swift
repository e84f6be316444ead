internal import Calls
internal import Hessian
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// The ends of requests and replies, in order.
extension StreamCalls {
    /// A block of a request whose stream is open: its trailers.
    func takeTrailers(_ block: Block, place: Int, context: ConnectionContext) {
        streams[place].requestBytes &+= block.bytes
        if block.endsStream { requestEnded(block.id, context) }
    }

    /// A block of a reply.
    ///
    /// - Parameters:
    ///   - block: The block.
    ///   - headers: Its fields, on top of those of the reply's blocks before.
    ///   - place: The place of its stream.
    ///   - context: Whom it belongs to.
    func takeReply(_ block: Block, _ headers: borrowing HeaderTexts, place: Int, context: ConnectionContext) {
        streams[place].replyBytes &+= block.bytes
        if context.tracker.isTraced { traceReply(block, place: place, context: context) }
        let reply = headers.reply
        streams[place].reply = reply
        // Ranges end with the block.
        streams[place].reply.grpcMessage = .empty
        guard !reply.isInterim || block.endsStream else { return }
        let hasBegun = streams[place].marks.contains(.replyBegun)
        if block.endsStream, !hasBegun { streams[place].marks.insert(.isTrailersOnly) }
        if !hasBegun, streams[place].marks.contains(.isRPC) { rpcStreams[block.id]?.replyStart = block.start }
        if context.inspector.messageObserver != nil {
            observed.noteReply(block.id, start: hasBegun ? nil : block.start, headers)
        }
        streams[place].marks.insert(.replyBegun)
        if reply.hasExceptionCode, !block.endsStream {
            if captures.awaitsMethod(of: block.id) { resolveMethod(block.id, context) }
            captures.begin(.exception, on: block.id)
        }
        if block.endsStream { replyEnded(block.id, context) }
    }

    /// Notes when the first block of a reply came.
    private func traceReply(_ block: Block, place: Int, context: ConnectionContext) {
        if !streams[place].marks.contains(.replyBegun), isOpenCall(place, context) {
            let replies = context.session.calls.replyBytes
            context.tracker.tracer?.replyBegan(streams[place].call, replies: replies, now: block.start)
        }
        context.session.calls.replyBytes &+= block.bytes
    }

    /// The reply's half of a stream has ended.
    func replyEnded(_ id: UInt32, _ context: ConnectionContext) {
        let place = streams.place(of: id)
        guard place >= 0 else { return }
        streams[place].marks.insert(.replyEnded)
        if streams[place].marks.contains(.isRPC) { replyEndedRPC(id, place: place, context: context) }
        let stream = streams[place]
        if stream.marks.contains(.isGivenUp), !hasTrailers(stream, context) { return endGivenUp(id, context) }
        finish(stream, TripleResult(reply: stream.reply, form: stream.form), context: context)
        if stream.isOver { remove(id, context) }
    }

    /// The request's half of a stream has ended.
    func requestEnded(_ id: UInt32, _ context: ConnectionContext) {
        let place = streams.place(of: id)
        guard place >= 0 else { return }
        if captures.awaitsMethod(of: id) { resolveMethod(id, context) }
        streams[place].marks.insert(.requestEnded)
        if streams[place].marks.contains(.isRPC) { requestEndedRPC(id, place: place, context: context) }
        if streams[place].marks.contains(.endsEmpty) { restoreDeadline(place, context) }
        creditRequest(place, context)
        if context.tracker.isTraced, isOpenCall(place, context) {
            let replies = context.session.calls.replyBytes
            context.tracker.tracer?.requestEnded(streams[place].call, replies: replies, now: context.now)
        }
        if !observed.isEmpty, let request = observed.request(of: id), let connection = context.session.seenConnection {
            context.inspector.messageObserver?.streamRequest(request, on: connection)
        }
        if streams[place].isOver { remove(id, context) }
    }

    /// Adds what was seen of a request to its call, as soon as it is complete: it may never be answered.
    func creditRequest(_ place: Int, _ context: ConnectionContext) {
        guard isOpenCall(place, context) else { return }
        context.tracker.table.addRequestBytes(streams[place].call, streams[place].requestBytes)
        streams[place].requestBytes = 0
    }

    /// Ends the call of a stream.
    ///
    /// - Parameters:
    ///   - stream: The stream.
    ///   - result: What it came to.
    ///   - end: When, if not now.
    ///   - context: Whom it belongs to.
    func finish(
        _ stream: TripleStream,
        _ result: TripleResult,
        at end: UInt64? = nil,
        context: ConnectionContext
    ) {
        if captures.awaitsMethod(of: stream.id) { resolveMethod(stream.id, context) }
        let exception = captures.takeException(of: stream.id)
        if !observed.isEmpty { reportReply(stream, context) }
        let place = streams.place(of: stream.id)
        guard place >= 0, streams[place].marks.contains(.isCounted) else { return }
        streams[place].marks.remove(.isCounted)
        let tracker = context.tracker
        let end = end ?? context.now
        let index = tracker.find(UInt64(stream.id), direction: direction, on: context.session, now: end)
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

    private func reportReply(_ stream: TripleStream, _ context: ConnectionContext) {
        guard stream.marks.contains(.replyEnded), var reply = observed.reply(of: stream.id),
            let connection = context.session.seenConnection
        else { return }
        reply.isTrailersOnly = stream.marks.contains(.isTrailersOnly)
        context.inspector.messageObserver?.streamResponse(reply, on: connection)
    }
}
