internal import Calls
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// Header blocks.
extension HTTP2Session {
    /// A part of a header block; the last one completes it.
    func fragment(_ state: HTTP2Direction, _ payload: RawSpan, context: ConnectionContext) {
        do throws(HTTP2Failure) {
            switch try state.assembler.take(payload, of: state.frame, at: state.frameStart) {
            case .open: break
            case .whole(let content): decode(state, payload.slice(content), context: context)
            case .last:
                let block = state.assembler.takeBlock()
                decode(state, block.byteSpan, context: context)
            }
        } catch {
            goBlind(context, error)
        }
    }

    /// A whole header block, which must be decoded whatever it is for: the tables depend on it.
    private func decode(_ state: HTTP2Direction, _ block: RawSpan, context: ConnectionContext) {
        let inspector = context.inspector
        let isClientUnknown = context.session.isClientUnknown
        // The texts stay where they are: they are too large to be moved for every block.
        let box = context.pool.takeHeaderTexts()
        box.texts.begin(
            isRequest: isClientUnknown || state.direction == requests,
            isReply: isClientUnknown || state.direction != requests,
            wantsFields: inspector.messageObserver != nil,
            selector: inspector.selector
        )
        let place = streams.place(of: state.assembler.frame.streamID)
        if place >= 0, state.direction != requests, !streams[place].reply.isInterim {
            box.texts.reply = streams[place].reply
        }
        if state.rewriter.isRewriting { box.texts.beginRewriting() }
        do throws(HPACKError) {
            try state.decoder.decode(block, scratch: &context.pool.headerScratch, into: &box.texts)
        } catch {
            context.pool.giveBack(box)
            return goBlind(context, .headerBlock(error))
        }
        if state.decoder.hasUnknown { box.texts.reply.hasUnknown = true }
        if state.rewriter.isRewriting { state.rewriter.take(&box.texts) }
        if take(box.texts, state, place: place, context: context) {
            holdGeneric(state, box, context: context)
        } else {
            context.pool.giveBack(box)
        }
    }

    /// Who is the client is told by the first block, if it was not seen who opened the connection.
    private func learnClient(
        _ headers: borrowing HeaderTexts,
        direction: Direction,
        context: ConnectionContext
    ) {
        let session = context.session
        guard session.isClientUnknown else { return }
        guard headers.isRequest || headers.isReply else { return }
        requests = headers.isRequest ? direction : direction.opposite
        session.settleClient(isFlipped: requests == .toDownstream)
    }

    /// The fields of a block are known.
    ///
    /// - Returns: True if they wait for the request's first message.
    private func take(
        _ headers: borrowing HeaderTexts,
        _ state: HTTP2Direction,
        place: Int,
        context: ConnectionContext
    ) -> Bool {
        let frame = state.assembler.frame
        guard frame.type == HTTP2FrameType.headers, frame.streamID != 0, state.rewriter.decision != .withhold else {
            return false
        }
        learnClient(headers, direction: state.direction, context: context)
        let endsStream = frame.has(HTTP2Flag.endStream)
        if state.direction == requests {
            if place >= 0 {
                streams[place].requestBytes &+= state.assembler.frameBytes
                if endsStream { endHalf(state, id: frame.streamID, context: context) }
            } else if frame.streamID & 1 == 1, frame.streamID > streams.highestID || headers.isRequest {
                streams.noteOpened(frame.streamID)
                if isHeld(state, headers, endsStream: endsStream, context: context) { return true }
                open(state, headers, endsStream: endsStream, context: context)
            }
            return false
        }
        if place >= 0 { takeReply(headers, state, place: place, endsStream: endsStream, context: context) }
        return false
    }

    private func takeReply(
        _ headers: borrowing HeaderTexts,
        _ state: HTTP2Direction,
        place: Int,
        endsStream: Bool,
        context: ConnectionContext
    ) {
        let frame = state.assembler.frame
        streams[place].replyBytes &+= state.assembler.frameBytes
        if context.tracker.isTraced { traceReply(state, place: place, context: context) }
        let reply = headers.reply
        streams[place].reply = reply
        // Ranges end with the block.
        streams[place].reply.grpcMessage = .empty
        guard !reply.isInterim || endsStream else { return }
        if endsStream, !streams[place].marks.contains(.replyBegun) { streams[place].marks.insert(.isTrailersOnly) }
        if context.inspector.messageObserver != nil { noteReply(frame.streamID, place: place, headers: headers) }
        streams[place].marks.insert(.replyBegun)
        if reply.hasExceptionCode, !endsStream {
            if captures[frame.streamID]?.purpose == .method { resolveMethod(frame.streamID, context) }
            capture(frame.streamID, .exception)
        }
        if endsStream { endHalf(state, id: frame.streamID, context: context) }
    }

    /// Notes when the first block of a reply came.
    private func traceReply(_ state: HTTP2Direction, place: Int, context: ConnectionContext) {
        if !streams[place].marks.contains(.replyBegun), isOpenCall(place, context) {
            let replies = context.session.calls.replyBytes
            context.tracker.tracer?.replyBegan(streams[place].call, replies: replies, now: state.assembler.start)
        }
        context.session.calls.replyBytes &+= state.assembler.frameBytes
    }

    // MARK: Observed

    /// Keeps what an observer of messages will be told of a reply.
    private func noteReply(_ id: UInt32, place: Int, headers: borrowing HeaderTexts) {
        guard halves[id] != nil else { return }
        if !streams[place].marks.contains(.replyBegun) {
            halves[id]?.reply.start = state(requests.opposite).assembler.start
        }
        for field in headers.fields {
            switch TripleHeaderName(id: field.id) {
            case .grpcStatus: halves[id]?.reply.grpcStatus = field.value
            case .grpcMessage:
                let bytes = Array(field.value.utf8)
                halves[id]?.reply.grpcMessage = GRPCMessageText.decode(bytes.byteSpan, maxBytes: 4096)
            default: break
            }
        }
    }
}

/// Both halves of a stream, for an observer of messages.
struct ObservedStream {
    var request = ObservedStreamHalf()
    var reply = ObservedStreamHalf()
}

/// The beginning of a message that must be looked into.
struct MessageCapture {
    enum Purpose {
        case method
        case exception
    }

    static let maxBytes = 512

    let purpose: Purpose
    var bytes: [UInt8] = []
    /// Looks for the method.
    var search = TripleMethodReader()
    /// True if nothing more is to be added.
    var isComplete = false
}
