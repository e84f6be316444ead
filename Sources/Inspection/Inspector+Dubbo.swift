internal import Calls
internal import Dubbo
internal import Hessian
internal import Policy
internal import Telemetry
internal import Wire

/// Where messages end in a piece of bytes.
struct SeenBoundaries {
    /// The end of the first message that ends there.
    var firstBoundary: Int?
    /// Whether a message ends with the piece.
    var endsAtBoundary: Bool
}

extension Inspector {
    /// Follows the frames of one direction.
    func receive(
        _ dubbo: DubboSession,
        _ session: Session,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64
    ) -> SeenBoundaries {
        var at = 0
        var seen = SeenBoundaries(firstBoundary: nil, endsAtBoundary: true)
        if dubbo.isQuiet(direction) {
            takeWholeFrames(session, bytes, &at, direction, now, &seen)
            if at > 0 { dubbo.isConfirmed = true }
            if at == bytes.byteCount { return seen }
        }
        var half = direction == .toUpstream ? dubbo.up.take() : dubbo.down.take()
        while at < bytes.byteCount {
            switch half.phase {
            case .header: readHeader(&half, session, bytes, &at, direction, now)
            case .body: readBody(&half, session, bytes, &at, direction, now)
            case .searching: search(&half, bytes, &at)
            }
            if case .blind = session.decoder {
                recorder.uninspectedBytes(UInt64(bytes.byteCount - at), reason: .blind)
                release(&half)
                frameVerdict = nil
                // Nothing waits for a verdict any more.
                if direction == .toUpstream { dubbo.up.heldBytes = 0 } else { dubbo.down.heldBytes = 0 }
                return SeenBoundaries(firstBoundary: nil, endsAtBoundary: false)
            }
            if half.phase == .body || half.isQuiet { dubbo.isConfirmed = true }
            guard half.isQuiet else { continue }
            if frameVerdict != nil { noteEdit(half.header, end: at) }
            if half.isOwnAnswer || half.reply != nil { finishDrained(&half, dubbo, session, end: at) }
            if seen.firstBoundary == nil { seen.firstBoundary = at }
            takeWholeFrames(session, bytes, &at, direction, now, &seen)
        }
        // A frame that goes on in the next read keeps its reader.
        if half.phase == .body, half.isReading, half.box == nil { keepReader(&half) }
        seen.endsAtBoundary = half.isQuiet
        if half.judgement == .held, half.phase == .body { judgeEarly(&half, session, direction, now, end: at) }
        // What came before anything was held has been passed on, though it may be the same frame's.
        let wanted = half.bytesToHold(isGoverned: isGoverned || !dubbo.ownEvents.isEmpty)
        half.heldBytes = min(wanted, half.heldBytes + bytes.byteCount)
        if direction == .toUpstream { dubbo.up = half } else { dubbo.down = half }
        return seen
    }

    /// Takes the frames that are all there and of the usual kinds, which need no state; stops at any other.
    @inline(__always)
    private func takeWholeFrames(
        _ session: Session,
        _ bytes: RawSpan,
        _ at: inout Int,
        _ direction: Direction,
        _ now: UInt64,
        _ seen: inout SeenBoundaries
    ) {
        guard messageObserver == nil, !session.isClientUnknown, !isDraining else { return }
        let box = scratch
        while bytes.byteCount &- at >= FrameHeader.byteCount {
            guard let header = try? FrameHeader(bytes, at: at) else { return }
            let start = at &+ FrameHeader.byteCount
            let count = Int(header.bodyBytes)
            guard count > 0, count <= bytes.byteCount &- start, !header.isEvent,
                header.serialization == Serialization.hessian2
            else { return }
            let body = bytes.extracting(start..<start &+ count)
            if header.isRequest {
                guard let glance = box.reader.glance(body) else { return }
                beginCall(glance, header, body, session, direction, now)
                if frameVerdict != nil { noteEdit(header, end: start &+ count) }
            } else {
                guard header.status != 20 || Self.isPlainReply(body.byte(at: 0)) else { return }
                endCall(header, .plain, body.extracting(0..<0), session, direction, start: now, now)
            }
            at = start &+ count
            if seen.firstBoundary == nil { seen.firstBoundary = at }
        }
    }

    /// Whether a status-20 reply that begins so is a value or null, of which counting needs no more.
    @inline(__always)
    private static func isPlainReply(_ lead: UInt8) -> Bool {
        lead == 0x91 || lead == 0x92 || lead == 0x94 || lead == 0x95
    }

    /// Gives a direction's reader back.
    func release(_ half: inout DubboSession.Half) {
        if !half.permit.isNone {
            pipeline.limits.release(half.permit)
            half.permit = .none
        }
        guard let box = half.box else { return }
        half.box = nil
        if spareBoxes.count < 16 { spareBoxes.append(box) }
    }

    /// A direction says no more: what it had begun stays unfinished.
    func stop(_ half: inout DubboSession.Half) {
        release(&half)
        half.isReading = false
        recorder.uninspectedBytes(UInt64(half.headerHas), reason: .resync)
        half.forgetHeader()
    }

    // MARK: Headers

    @inline(__always)
    private func readHeader(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ bytes: RawSpan,
        _ at: inout Int,
        _ direction: Direction,
        _ now: UInt64
    ) {
        if half.headerHas == 0, bytes.byteCount &- at >= FrameHeader.byteCount {
            do throws(FrameError) {
                let header = try FrameHeader(bytes, at: at)
                at &+= FrameHeader.byteCount
                half.start = now
                begin(&half, header, session, bytes, at, direction, now)
            } catch {
                lose(&half, error, session, now)
            }
        } else {
            readSplitHeader(&half, session, bytes, &at, direction, now)
        }
    }

    private func readSplitHeader(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ bytes: RawSpan,
        _ at: inout Int,
        _ direction: Direction,
        _ now: UInt64
    ) {
        if half.headerHas == 0 {
            // Garbage is known by its first byte: it need not wait for sixteen.
            if bytes.byte(at: at) != 0xda {
                return lose(&half, .badMagic(found: UInt16(bytes.byte(at: at)) << 8), session, now)
            }
            half.start = now
        } else if half.isGuess, half.headerHas == 1, bytes.byte(at: at) != 0xbb {
            // A byte at the end of a read that might have begun a header did not: nothing waits for it.
            half.forgetHeader()
            half.phase = .searching
            return recorder.uninspectedBytes(1, reason: .resync)
        }
        guard half.gatherHeader(bytes, &at) else { return }
        let isGuess = half.isGuess
        do throws(FrameError) {
            let header = try FrameHeader(first: half.partial.0, second: half.partial.1)
            if isGuess, !Self.isPlausible(header) { return refeed(&half, session, direction, now) }
            half.forgetHeader()
            half.isGuess = isGuess
            begin(&half, header, session, bytes, at, direction, now)
        } catch {
            if isGuess { return refeed(&half, session, direction, now) }
            recorder.decodeError(.dubbo, reason: error.label)
            guard case .badLength = error else { return refeed(&half, session, direction, now) }
            half.forgetHeader()
            goBlind(session, now)
            recorder.uninspectedBytes(UInt64(FrameHeader.byteCount), reason: .blind)
        }
    }

    /// The sixteen bytes gathered are no header; another may begin inside them.
    private func refeed(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let gathered = half.gathered
        half.forgetHeader()
        half.phase = .searching
        recorder.uninspectedBytes(1, reason: .resync)
        let rest = gathered.byteSpan.extracting(1..<gathered.count)
        var at = 0
        while at < rest.byteCount {
            switch half.phase {
            case .searching: search(&half, rest, &at)
            default: readSplitHeader(&half, session, rest, &at, direction, now)
            }
        }
    }

    /// No frame begins where one should: looks for the next, or gives the connection up.
    private func lose(_ half: inout DubboSession.Half, _ error: FrameError, _ session: Session, _ now: UInt64) {
        recorder.decodeError(.dubbo, reason: error.label)
        half.forgetHeader()
        if case .badLength = error { return goBlind(session, now) }
        half.phase = .searching
    }

    /// The session stops decoding: its calls are lost, its bytes go on.
    func goBlind(_ session: Session, _ now: UInt64) {
        if case .dubbo(let dubbo) = session.decoder {
            stop(&dubbo.up)
            stop(&dubbo.down)
        }
        if case .other(let decoder) = session.decoder, let http = decoder as? HTTP1Session {
            http.leaveEvents(InspectedBytes(self, session, now))
            http.dropEarly(InspectedBytes(self, session, now))
        }
        session.decoder = .blind
        endCalls(of: session, as: .lost, now: now)
    }

    /// Skips to the next plausible header, as Java does between frames.
    private func search(_ half: inout DubboSession.Half, _ bytes: RawSpan, _ at: inout Int) {
        let next = Self.nextHeader(in: bytes, from: at)
        recorder.uninspectedBytes(UInt64(next.offset - at), reason: .resync)
        at = next.offset
        guard at < bytes.byteCount else { return }
        half.phase = .header
        half.isGuess = true
    }

    // MARK: Bodies

    @inline(__always)
    private func begin(
        _ half: inout DubboSession.Half,
        _ header: FrameHeader,
        _ session: Session,
        _ bytes: RawSpan,
        _ at: Int,
        _ direction: Direction,
        _ now: UInt64
    ) {
        half.header = header
        half.bodyLeft = header.bodyBytes
        half.isDamaged = false
        half.isReading = true
        half.judgement = .none
        // What was passed on before the header was whole cannot be called back.
        if isGoverned, header.isRequest, !header.isEvent, at - 16 >= -half.heldBytes,
            direction == .toUpstream || session.judgesCallbacks
        {
            half.judgement = .held
        }
        if isDraining || session.drainSignals != [] { beginDrained(&half, header, session, at, direction) }
        half.isFound = half.isGuess
        half.isGuess = false
        half.phase = .body
        if session.isClientUnknown, !header.isEvent {
            session.isClientUnknown = false
            session.isFlipped = header.isRequest == (direction == .toDownstream)
        }
        if header.isEvent {
            scratch.reader.beginEvent(header)
        } else if header.isRequest {
            scratch.reader.beginRequest(header)
        } else {
            let isObserved = messageObserver != nil
            scratch.reader.beginReply(header, detail: isObserved ? .attachments : .outcome)
            half.isReading = isObserved || header.status == 20
        }
        if half.bodyLeft == 0 { finishBody(&half, session, bytes.extracting(at..<at), direction, now) }
    }

    private func readBody(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ bytes: RawSpan,
        _ at: inout Int,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let count = min(Int(half.bodyLeft), bytes.byteCount &- at)
        let piece = bytes.extracting(at..<at &+ count)
        at &+= count
        half.bodyLeft &-= UInt32(truncatingIfNeeded: count)
        if let reply = half.reply { reply.body.append(piece) }
        if half.bodyLeft == 0 {
            finishBody(&half, session, piece, direction, now)
        } else if half.isReading {
            let box = half.box ?? scratch
            if half.box == nil { keepReader(&half) }
            read(&half, box, piece, isLast: false)
        }
    }

    private func keepReader(_ half: inout DubboSession.Half) {
        half.box = scratch
        scratch = spareBoxes.popLast() ?? BodyReaderBox()
    }

    private func read(_ half: inout DubboSession.Half, _ box: BodyReaderBox, _ piece: RawSpan, isLast: Bool) {
        do throws(HessianError) {
            if try box.reader.read(piece, isLast: isLast) == .satisfied { half.isReading = false }
        } catch {
            recorder.decodeError(.dubbo, reason: error.label)
            half.isReading = false
            half.isDamaged = true
        }
    }

    private func finishBody(
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ piece: RawSpan,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let box = half.box ?? scratch
        if half.isReading {
            read(&half, box, piece, isLast: true)
        } else if half.box == nil {
            // A reply that is not read; others may have used the shared reader since it began.
            box.reader.beginReply(half.header, detail: .outcome)
        }
        half.phase = .header
        judgement = half.judgement
        // What was found by searching and has no names is perhaps no request: it is not dropped.
        if half.isFound, !box.reader.request.known.isSuperset(of: [.interface, .method]) { judgement = .none }
        pendingPermit = half.permit
        half.permit = .none
        let isWhole = !half.isDamaged
        if box.reader.isKept {
            let header = half.header
            let start = half.start
            box.reader.withKeptTexts { texts in
                finishFrame(header, start, box, texts, isWhole, session, direction, now)
            }
        } else {
            finishFrame(half.header, half.start, box, piece, isWhole, session, direction, now)
        }
        pipeline.limits.release(pendingPermit)
        pendingPermit = .none
        release(&half)
    }

    @inline(__always)
    private func finishFrame(
        _ header: FrameHeader,
        _ start: UInt64,
        _ box: BodyReaderBox,
        _ texts: RawSpan,
        _ isWhole: Bool,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let frame = ObservedFrame(
            header: header,
            direction: session.seen(direction),
            start: start,
            texts: texts,
            isWhole: isWhole
        )
        if header.isEvent {
            finishEvent(frame, box, session, direction, now)
        } else if header.isRequest {
            finishRequest(frame, box, session, direction, now)
        } else {
            finishReply(frame, box, session, direction, now)
        }
    }

    // MARK: Holes

    /// Bytes are missing: a body's end is still known, and the frame counts; if more is missing, the next frame must be
    /// found again.
    func miss(
        _ half: inout DubboSession.Half,
        _ count: UInt64,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        var beyond = count
        if half.phase == .body {
            if half.isReading { half.box?.reader.readFront() }
            half.isReading = false
            half.isDamaged = true
            half.isOwnAnswer = false
            half.reply = nil
            beyond -= min(count, UInt64(half.bodyLeft))
            half.bodyLeft -= UInt32(count - beyond)
            guard half.bodyLeft == 0 else { return }
            let nothing: [UInt8] = []
            finishBody(&half, session, nothing.byteSpan, direction, now)
        }
        guard beyond > 0 else { return }
        stop(&half)
        half.phase = .searching
    }
}
