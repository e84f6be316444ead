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
        let place = calls.streams.place(of: state.assembler.frame.streamID)
        if place >= 0, state.direction != requests, !calls.streams[place].reply.isInterim {
            box.texts.reply = calls.streams[place].reply
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
        calls.direction = headers.isRequest ? direction : direction.opposite

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
        let block = state.assembler.block
        guard state.direction == requests else {
            guard place >= 0 else { return false }
            calls.takeReply(block, headers, place: place, context: context)
            if block.endsStream { own.endWatch(block.id) }
            return false
        }
        guard place < 0 else {
            calls.takeTrailers(block, place: place, context: context)
            return false
        }
        guard block.id & 1 == 1, block.id > calls.streams.highestID || headers.isRequest else { return false }
        calls.streams.noteOpened(block.id)
        if isHeld(state, headers, endsStream: block.endsStream, context: context) { return true }
        open(StreamCalls.Request(block: block), state: state, headers: headers, context: context)
        return false
    }

    /// A request begins that does not wait, or waits no longer.
    func open(
        _ request: StreamCalls.Request,
        state: HTTP2Direction,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) {
        var request = request
        request.isDecided = context.isGoverned && !state.passed.contains(.block)
        request.isAnswerable = !own.localReplies.isFull
        let opening = calls.open(request, headers, context: context)
        if !opening.inserted.isEmpty { state.rewriter.insertion += opening.inserted }
        switch opening.event {
        case .passed: break
        case .watches: if isSignalled(context) { own.beginWatch(request.block.id, context) }
        case .refused(let fields):
            own.localReplies.append(fields, on: request.block.id, isEarly: !request.block.endsStream)
            state.rewriter.refuse()
        case .overflow:
            // Streams that are not open are taken for refused ones from the first of these on.
            if state.rewriter.isRewriting { return goBlind(context, .tooManyStreams) }
            calls.streams.noteIncomplete()
            context.recorder.decodeError(.triple, reason: HTTP2Failure.tooManyStreams.label)
        }
    }
}
