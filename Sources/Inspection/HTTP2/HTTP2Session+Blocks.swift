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

    /// The consequence of a block for its fields.
    private enum Use {
        case done
        /// They wait for the request's first message.
        case holdMessage
        /// They wait for the request's body.
        case holdBody
        /// They are kept until the request's body has ended.
        case readBody
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
        switch take(box.texts, state, place: place, context: context) {
        case .done: context.pool.giveBack(box)
        case .holdMessage: holdRequest(state, box, body: nil, context: context)
        case .holdBody: holdRequest(state, box, body: calls.body(box.texts, context), context: context)
        case .readBody:
            let stream = RPCStream(box, context)
            perform(calls.openRPC(state.assembler.block, stream, context: context), state, context: context)
        }
    }

    /// The first block shows the client, if it was not seen who opened the connection.
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
    /// - Returns: The consequence.
    private func take(
        _ headers: borrowing HeaderTexts,
        _ state: HTTP2Direction,
        place: Int,
        context: ConnectionContext
    ) -> Use {
        let frame = state.assembler.frame
        guard frame.type == HTTP2FrameType.headers, frame.streamID != 0, state.rewriter.decision != .withhold else {
            return .done
        }
        learnClient(headers, direction: state.direction, context: context)
        let block = state.assembler.block
        guard state.direction == requests else {
            guard place >= 0 else { return .done }
            calls.takeReply(block, headers, place: place, context: context)
            if block.endsStream { own.endWatch(block.id) }
            return .done
        }
        guard place < 0 else {
            calls.takeTrailers(block, place: place, context: context)
            return .done
        }
        guard block.id & 1 == 1, block.id > calls.streams.highestID || headers.isRequest else { return .done }
        calls.streams.noteOpened(block.id)
        let mayWait = !block.endsStream && context.isGoverned && !state.passed.contains(.block)
        if mayWait, isHeld(headers, context: context) { return .holdMessage }
        if !block.endsStream, headers.mayBeRPC {
            return mayWait && calls.waitsForBody(context) ? .holdBody : .readBody
        }
        open(request(state, context: context), state, headers: headers, context: context)
        return .done
    }

    /// The request that the block being read begins.
    func request(_ state: HTTP2Direction, context: ConnectionContext) -> StreamCalls.Request {
        var request = StreamCalls.Request(block: state.assembler.block)
        request.isDecided = context.isGoverned && !state.passed.contains(.block)
        request.isAnswerable = !own.localReplies.isFull
        return request
    }

    /// A request begins that does not wait, or waits no longer.
    func open(
        _ request: StreamCalls.Request,
        _ state: HTTP2Direction,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) {
        perform(calls.open(request, headers, context: context), state, context: context)
    }

    /// Carries the consequence of a request out.
    func perform(_ opening: StreamCalls.Opening, _ state: HTTP2Direction, context: ConnectionContext) {
        let block = state.assembler.block
        if !opening.inserted.isEmpty { state.rewriter.insertion += opening.inserted }
        switch opening.event {
        case .passed: break
        case .watches: if isSignalled(context) { own.beginWatch(block.id, context) }
        case .refused(let answer):
            own.localReplies.append(answer, on: block.id, isEarly: !block.endsStream)
            state.rewriter.refuse()
        case .overflow:
            // Streams that are not open are taken for refused ones from the first of these on.
            if state.rewriter.isRewriting { return goBlind(context, .tooManyStreams) }
            calls.streams.noteIncomplete()
            context.recorder.decodeError(.triple, reason: HTTP2Failure.tooManyStreams.label)
        }
    }
}
