internal import Calls
internal import Dubbo
internal import Hessian
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
        var half = direction == .toUpstream ? dubbo.up : dubbo.down
        var firstBoundary: Int?
        var at = 0
        while at < bytes.byteCount {
            switch half.phase {
            case .header: readHeader(&half, session, bytes, &at, direction, now)
            case .body: readBody(&half, session, bytes, &at, direction, now)
            case .searching: search(&half, bytes, &at)
            }
            if firstBoundary == nil, half.isQuiet { firstBoundary = at }
            if case .blind = session.decoder {
                recorder.uninspectedBytes(UInt64(bytes.byteCount - at), reason: .blind)
                return SeenBoundaries(firstBoundary: nil, endsAtBoundary: false)
            }
        }
        // A frame that goes on in the next read keeps its reader.
        if half.phase == .body, half.box == nil, half.isReading || half.isDamaged {
            half.box = scratch
            scratch = spareBoxes.popLast() ?? BodyReaderBox()
        }
        let endsAtBoundary = half.isQuiet
        if direction == .toUpstream { dubbo.up = half } else { dubbo.down = half }
        return SeenBoundaries(firstBoundary: firstBoundary, endsAtBoundary: endsAtBoundary)
    }

    /// Gives a direction's reader back.
    func release(_ half: inout DubboSession.Half) {
        guard let box = half.box else { return }
        half.box = nil
        if spareBoxes.count < 16 { spareBoxes.append(box) }
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
        }
        guard half.gatherHeader(bytes, &at) else { return }
        let gathered = half.gathered
        half.forgetHeader()
        do throws(FrameError) {
            let header = try FrameHeader(unsafe gathered.span.bytes, at: 0)
            begin(&half, header, session, bytes, at, direction, now)
        } catch {
            lose(&half, error, session, now)
            guard half.phase == .searching else { return }
            recorder.uninspectedBytes(1, reason: .resync)
            // Another header may begin inside the sixteen bytes.
            refeed(gathered, &half, session, direction, now)
        }
    }

    private func refeed(
        _ gathered: [UInt8],
        _ half: inout DubboSession.Half,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let rest = unsafe gathered.span.bytes.extracting(1..<gathered.count)
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
            release(&dubbo.up)
            release(&dubbo.down)
        }
        session.decoder = .blind
        endCalls(of: session, as: .lost, now: now)
    }

    /// Skips to the next plausible header, as Java does between frames.
    private func search(_ half: inout DubboSession.Half, _ bytes: RawSpan, _ at: inout Int) {
        let start = at
        while let found = bytes.firstIndex(of: 0xda, from: at) {
            if found + FrameHeader.byteCount > bytes.byteCount {
                // What is there of it may become a header; the next bytes will tell.
                guard found + 1 == bytes.byteCount || bytes.byte(at: found + 1) == 0xbb else {
                    at = found + 1
                    continue
                }
                at = found
                half.phase = .header
                recorder.uninspectedBytes(UInt64(found - start), reason: .resync)
                return
            }
            if Self.isPlausibleHeader(bytes, at: found) {
                at = found
                half.phase = .header
                recorder.uninspectedBytes(UInt64(found - start), reason: .resync)
                return
            }
            at = found + 1
        }
        at = bytes.byteCount
        recorder.uninspectedBytes(UInt64(at - start), reason: .resync)
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
        if half.isReading { read(&half, box, piece, isLast: true) }
        half.phase = .header
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

    /// Bytes are missing: inside a body its end is still known; anywhere else the next frame must be found again.
    func miss(
        _ half: inout DubboSession.Half,
        _ count: UInt64,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        if half.phase == .body, count <= UInt64(half.bodyLeft) {
            half.isReading = false
            half.isDamaged = true
            if half.box == nil { keepReader(&half) }
            half.bodyLeft -= UInt32(count)
            guard half.bodyLeft == 0 else { return }
            let nothing: [UInt8] = []
            finishBody(&half, session, unsafe nothing.span.bytes, direction, now)
        } else {
            release(&half)
            half.forgetHeader()
            half.phase = .searching
        }
    }
}
