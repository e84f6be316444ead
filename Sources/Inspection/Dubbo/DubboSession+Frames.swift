internal import Calls
internal import Dubbo
internal import Hessian
internal import Policy
internal import Telemetry
internal import Wire

/// The frames of a direction.
extension DubboSession {
    /// Follows the frames of one direction.
    @inline(__always)
    func follow(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, turn: inout DubboTurn) {
        var at = 0
        if isIdle(direction) {
            takeWholeFrames(bytes, at: &at, going: direction, in: context, turn: &turn)
            if at > 0 { isConfirmed = true }
            if at == bytes.byteCount { return }
        }
        followSlowly(bytes, from: at, going: direction, in: context, turn: &turn)
    }

    /// Follows frames that are not all there, or not of the usual kinds.
    private func followSlowly(
        _ bytes: RawSpan,
        from start: Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        var at = start
        var state = direction == .toUpstream ? up.take() : down.take()
        while at < bytes.byteCount {
            switch state.phase {
            case .header: readHeader(&state, bytes: bytes, at: &at, going: direction, in: context, turn: &turn)
            case .body: readBody(&state, bytes: bytes, at: &at, going: direction, in: context, turn: &turn)
            case .searching: search(&state, bytes: bytes, at: &at, in: context)
            }
            if case .blind = context.session.decoder {
                return stopBlind(&state, rest: bytes.byteCount - at, going: direction, in: context, turn: &turn)
            }
            if state.phase == .body || state.isIdle { isConfirmed = true }
            guard state.isIdle else { continue }
            if state.isOwnAnswer || state.reply != nil { finishDrained(&state, in: context, turn: &turn, end: at) }
            turn.noteBoundary(at)
            takeWholeFrames(bytes, at: &at, going: direction, in: context, turn: &turn)
        }
        // A frame that goes on in the next read keeps its reader.
        if state.phase == .body, state.isReading, state.box == nil { state.box = context.pool.keepBody() }
        turn.endsAtBoundary = state.isIdle
        if state.holdState == .held, state.phase == .body {
            decideEarly(&state, going: direction, in: context, turn: &turn, end: at)
        }
        // What came before anything was held has been passed on, though it may be the same frame's.
        let wanted = state.bytesToHold(isGoverned: context.isGoverned || !ownEvents.isEmpty)
        state.heldBytes = min(wanted, state.heldBytes + bytes.byteCount)
        if direction == .toUpstream { up = state } else { down = state }
    }

    /// The connection is not followed any more from here on.
    private func stopBlind(
        _ state: inout DubboDirection,
        rest: Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        context.recorder.uninspectedBytes(UInt64(rest), reason: .blind)
        release(&state, context)
        // Nothing waits for a decision any more.
        if direction == .toUpstream { up.heldBytes = 0 } else { down.heldBytes = 0 }
        turn.firstBoundary = nil
        turn.endsAtBoundary = false
    }

    /// Takes the frames that are all there and of the usual kinds, which need no state; stops at any other.
    @inline(__always)
    private func takeWholeFrames(
        _ bytes: RawSpan,
        at: inout Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        guard context.inspector.messageObserver == nil, !context.session.isClientUnknown,
            !context.pipeline.drains.isActive
        else { return }
        let box = context.pool.body
        while bytes.byteCount &- at >= FrameHeader.byteCount {
            guard let header = try? FrameHeader(bytes, at: at) else { return }
            let start = at &+ FrameHeader.byteCount
            let count = Int(header.bodyBytes)
            guard count > 0, count <= bytes.byteCount &- start, !header.isEvent,
                header.serialization == Serialization.hessian2
            else { return }
            let body = bytes.extracting(start..<start &+ count)
            if header.isRequest {
                guard let fast = box.reader.parseFast(body) else { return }
                beginCall(
                    fast,
                    header: header,
                    body: body,
                    going: direction,
                    in: context,
                    turn: &turn,
                    end: start &+ count
                )
            } else {
                guard header.status != 20 || Self.isPlainReply(body.byte(at: 0)) else { return }
                endCall(
                    header,
                    content: .plain,
                    exceptionClass: body.extracting(0..<0),
                    going: direction,
                    in: context,
                    start: context.now
                )
            }
            at = start &+ count
            turn.noteBoundary(at)
        }
    }

    /// True if a status-20 reply that begins so is a value or null, of which counting needs no more.
    @inline(__always)
    private static func isPlainReply(_ lead: UInt8) -> Bool {
        lead == 0x91 || lead == 0x92 || lead == 0x94 || lead == 0x95
    }

    /// Gives back what a direction keeps for a frame.
    func release(_ state: inout DubboDirection, _ context: ConnectionContext) {
        if !state.permit.isNone {
            context.pipeline.limits.release(state.permit)
            state.permit = .none
        }
        guard let box = state.box else { return }
        state.box = nil
        context.pool.giveBack(box)
    }

    /// A direction says no more: what it had begun stays unfinished.
    func stop(_ state: inout DubboDirection, _ context: ConnectionContext) {
        release(&state, context)
        state.isReading = false
        context.recorder.uninspectedBytes(UInt64(state.split.byteCount), reason: .resync)
        state.split.forget()
    }

    // MARK: Headers

    @inline(__always)
    private func readHeader(
        _ state: inout DubboDirection,
        bytes: RawSpan,
        at: inout Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        if state.split.byteCount == 0, bytes.byteCount &- at >= FrameHeader.byteCount {
            do throws(FrameError) {
                let header = try FrameHeader(bytes, at: at)
                at &+= FrameHeader.byteCount
                state.start = context.now
                begin(&state, header: header, bytes: bytes, at: at, going: direction, in: context, turn: &turn)
            } catch {
                lose(&state, error: error, in: context)
            }
        } else {
            readSplitHeader(&state, bytes: bytes, at: &at, going: direction, in: context, turn: &turn)
        }
    }

    private func readSplitHeader(
        _ state: inout DubboDirection,
        bytes: RawSpan,
        at: inout Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        if state.split.byteCount == 0 {
            // Garbage is known by its first byte: it need not wait for sixteen.
            if bytes.byte(at: at) != 0xda {
                return lose(&state, error: .badMagic(found: UInt16(bytes.byte(at: at)) << 8), in: context)
            }
            state.start = context.now
        } else if state.split.isGuess, state.split.byteCount == 1, bytes.byte(at: at) != 0xbb {
            // A byte at the end of a read that might have begun a header did not: nothing waits for it.
            state.split.forget()
            state.phase = .searching
            return context.recorder.uninspectedBytes(1, reason: .resync)
        }
        guard state.split.gather(bytes, &at) else { return }
        let isGuess = state.split.isGuess
        do throws(FrameError) {
            let header = try FrameHeader(first: state.split.words.0, second: state.split.words.1)
            if isGuess, !FrameSearch.isPlausible(header) {
                return refeed(&state, going: direction, in: context, turn: &turn)
            }
            state.split.forget()
            state.split.isGuess = isGuess
            begin(&state, header: header, bytes: bytes, at: at, going: direction, in: context, turn: &turn)
        } catch {
            if isGuess { return refeed(&state, going: direction, in: context, turn: &turn) }
            context.recorder.decodeError(.dubbo, reason: error.label)
            guard case .badLength = error else { return refeed(&state, going: direction, in: context, turn: &turn) }
            state.split.forget()
            context.inspector.goBlind(context.session, now: context.now)
            context.recorder.uninspectedBytes(UInt64(FrameHeader.byteCount), reason: .blind)
        }
    }

    /// The sixteen bytes gathered are no header; another may begin inside them.
    private func refeed(
        _ state: inout DubboDirection,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        let gathered = state.split.bytes
        state.split.forget()
        state.phase = .searching
        context.recorder.uninspectedBytes(1, reason: .resync)
        let rest = gathered.byteSpan.extracting(1..<gathered.count)
        var at = 0
        while at < rest.byteCount {
            switch state.phase {
            case .searching: search(&state, bytes: rest, at: &at, in: context)
            default: readSplitHeader(&state, bytes: rest, at: &at, going: direction, in: context, turn: &turn)
            }
        }
    }

    /// No frame begins where one should: looks for the next, or gives the connection up.
    private func lose(_ state: inout DubboDirection, error: FrameError, in context: ConnectionContext) {
        context.recorder.decodeError(.dubbo, reason: error.label)
        state.split.forget()
        if case .badLength = error { return context.inspector.goBlind(context.session, now: context.now) }
        state.phase = .searching
    }

    /// Skips to the next plausible header, as Java does between frames.
    private func search(_ state: inout DubboDirection, bytes: RawSpan, at: inout Int, in context: ConnectionContext) {
        let next = FrameSearch.nextHeader(in: bytes, from: at)
        context.recorder.uninspectedBytes(UInt64(next.offset - at), reason: .resync)
        at = next.offset
        guard at < bytes.byteCount else { return }
        state.phase = .header
        state.split.isGuess = true
    }

    // MARK: Bodies

    @inline(__always)
    private func begin(
        _ state: inout DubboDirection,
        header: FrameHeader,
        bytes: RawSpan,
        at: Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        let session = context.session
        state.header = header
        state.bodyLeft = header.bodyBytes
        state.isDamaged = false
        state.isReading = true
        state.holdState = .none
        // What was passed on before the header was whole cannot be called back.
        if context.isGoverned, header.isRequest, !header.isEvent, at - 16 >= -state.heldBytes, isJudged(direction) {
            state.holdState = .held
        }
        if context.pipeline.drains.isActive || session.drainSignals != [] {
            beginDrained(&state, header: header, at: at, going: direction, in: context)
        }
        state.isFound = state.split.isGuess
        state.split.isGuess = false
        state.phase = .body
        if session.isClientUnknown, !header.isEvent {
            session.settleClient(isFlipped: header.isRequest == (direction == .toDownstream))
        }
        beginBody(&state, header: header, in: context)
        if state.bodyLeft == 0 {
            finishBody(&state, piece: bytes.extracting(at..<at), going: direction, in: context, turn: &turn, end: at)
        }
    }

    @inline(__always)
    private func beginBody(_ state: inout DubboDirection, header: FrameHeader, in context: ConnectionContext) {
        let reader = context.pool.body
        if header.isEvent {
            reader.reader.beginEvent(header)
        } else if header.isRequest {
            reader.reader.beginRequest(header)
        } else {
            let isObserved = context.inspector.messageObserver != nil
            reader.reader.beginReply(header, detail: isObserved ? .attachments : .outcome)
            state.isReading = isObserved || header.status == 20
        }
    }

    private func readBody(
        _ state: inout DubboDirection,
        bytes: RawSpan,
        at: inout Int,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn
    ) {
        let count = min(Int(state.bodyLeft), bytes.byteCount &- at)
        let piece = bytes.extracting(at..<at &+ count)
        at &+= count
        state.bodyLeft &-= UInt32(truncatingIfNeeded: count)
        if let reply = state.reply { reply.body.append(piece) }
        if state.bodyLeft == 0 {
            finishBody(&state, piece: piece, going: direction, in: context, turn: &turn, end: at)
        } else if state.isReading {
            let box = state.box ?? context.pool.keepBody()
            if state.box == nil { state.box = box }
            read(&state, box: box, piece: piece, isLast: false, in: context)
        }
    }

    private func read(
        _ state: inout DubboDirection,
        box: BodyReaderBox,
        piece: RawSpan,
        isLast: Bool,
        in context: ConnectionContext
    ) {
        do throws(HessianError) {
            if try box.reader.read(piece, isLast: isLast) == .satisfied { state.isReading = false }
        } catch {
            context.recorder.decodeError(.dubbo, reason: error.label)
            state.isReading = false
            state.isDamaged = true
        }
    }

    private func finishBody(
        _ state: inout DubboDirection,
        piece: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int
    ) {
        let box = state.box ?? context.pool.body
        if state.isReading {
            read(&state, box: box, piece: piece, isLast: true, in: context)
        } else if state.box == nil {
            // A reply that is not read; others may have used the shared reader since it began.
            box.reader.beginReply(state.header, detail: .outcome)
        }
        state.phase = .header
        // What was found by searching and has no names is perhaps no request: it is not dropped.
        let request = box.reader.request
        if state.isFound, !request.known.isSuperset(of: [.interface, .method]) { state.holdState = .none }
        if box.reader.isKept {
            box.reader.withKeptTexts {
                finishFrame(&state, box: box, in: $0, going: direction, context: context, turn: &turn, end: end)
            }
        } else {
            finishFrame(&state, box: box, in: piece, going: direction, context: context, turn: &turn, end: end)
        }
        release(&state, context)
    }

    @inline(__always)
    private func finishFrame(
        _ state: inout DubboDirection,
        box: BodyReaderBox,
        in texts: RawSpan,
        going direction: Direction,
        context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int
    ) {
        let frame = ObservedFrame(
            header: state.header,
            direction: context.session.seen(direction),
            start: state.start,
            texts: texts,
            isWhole: !state.isDamaged
        )
        if state.header.isEvent {
            finishEvent(frame, box: box, going: direction, in: context)
        } else if state.header.isRequest {
            finishRequest(frame, state: &state, box: box, going: direction, in: context, turn: &turn, end: end)
        } else {
            finishReply(frame, box: box, going: direction, in: context)
        }
    }

    // MARK: Holes

    /// Bytes are missing: a body's end is still known, and the frame counts; if more is missing, the next frame must be
    /// found again.
    func miss(_ state: inout DubboDirection, count: UInt64, going direction: Direction, in context: ConnectionContext) {
        var beyond = count
        if state.phase == .body {
            if state.isReading { state.box?.reader.readFront() }
            state.isReading = false
            state.isDamaged = true
            state.isOwnAnswer = false
            state.reply = nil
            beyond -= min(count, UInt64(state.bodyLeft))
            state.bodyLeft -= UInt32(count - beyond)
            guard state.bodyLeft == 0 else { return }
            // Nothing is held of a capture, so that nothing can be done with the frame.
            var unused = DubboTurn()
            finishBody(&state, piece: RawSpan(), going: direction, in: context, turn: &unused, end: 0)
        }
        guard beyond > 0 else { return }
        stop(&state, context)
        state.phase = .searching
    }
}
