internal import Calls
internal import Hessian
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// The messages of streams, as far as calls and observers need them.
extension StreamCalls {
    /// A DATA frame is complete.
    @inline(__always)
    func countBytes(_ frame: HTTP2FrameHeader, isRequest: Bool) {
        let place = streams.place(of: frame.streamID)
        guard place >= 0 else { return }
        if isRequest {
            streams[place].requestBytes &+= UInt64(frame.frameBytes)
        } else {
            streams[place].replyBytes &+= UInt64(frame.frameBytes)
        }
    }

    /// Content of DATA.
    ///
    /// - Parameters:
    ///   - piece: The content.
    ///   - frame: Its frame.
    ///   - isRequest: True in the requests' direction.
    ///   - context: Whom it belongs to.
    /// - Returns: False if its stream is no call whose messages are read.
    @inline(__always)
    func data(_ piece: RawSpan, of frame: HTTP2FrameHeader, isRequest: Bool, context: ConnectionContext) -> Bool {
        let id = frame.streamID
        let place = streams.place(of: id)
        guard place >= 0, streams[place].form == .grpc,
            streams[place].marks.intersection([.isCall, .isDamaged]) == .isCall
        else { return place >= 0 && dataOther(piece, place: place, isRequest: isRequest, context: context) }
        var at = 0
        while true {
            let found =
                isRequest
                ? streams[place].requests.next(piece, &at) : streams[place].replies.next(piece, &at)
            guard let part = found else { break }
            if part.lengthBytes == 0, part.isEnd, isRequest, streams[place].requests.messageCount == 2 {
                streams[place].marks.insert(.endsEmpty)
            }
            if !observed.isEmpty, part.isStart { observed.note(part.lengthBytes, on: id, isRequest: isRequest) }
            if !captures.isEmpty, captures.take(part, piece, on: id, isRequest: isRequest) {
                resolveMethod(id, context)
            }
        }
        guard !streams[place].marks.contains(.streams) else { return true }
        // A unary call has one message each way, and nothing comes behind the reply's but its trailers.
        if streams[place].hasMoreMessages, !(isRequest && frame.has(HTTP2Flag.endStream) && streams[place].isUnary) {
            streams[place].marks.insert(.streams)
            setDeadline(Self.noDeadline, place: place, context: context)
        }
        return true
    }

    /// Content of a stream whose messages are none of gRPC's.
    @inline(never)
    private func dataOther(_ piece: RawSpan, place: Int, isRequest: Bool, context: ConnectionContext) -> Bool {
        guard streams[place].marks.contains(.isRPC) else { return false }
        dataRPC(piece, on: streams[place].id, isRequest: isRequest, context: context)
        return true
    }

    /// What looked like a stream was a unary request with an empty message behind it: the usual deadline holds.
    func restoreDeadline(_ place: Int, _ context: ConnectionContext) {
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
        let index = calls.find(session: context.session.number, direction: direction, id: id)
        if index >= 0, calls.kind(index) == .call { calls.setDeadline(index, deadline) }
    }

    /// Counts a generic call, now that as much of its first message is known as will be.
    func resolveMethod(_ id: UInt32, _ context: ConnectionContext) {
        guard let capture = captures.takeMethod(of: id), let call = pending.removeValue(forKey: id) else { return }
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
        var request = CallRequest(operation: operation, side: context.session.side(of: direction))
        request.drainHandling = .count
        context.pipeline.pass(request, fields: RequestFields(), on: context.session)
        count(id, operation: operation, caller: call.caller, permit: call.permit, context: context) { call.texts }
    }
}
