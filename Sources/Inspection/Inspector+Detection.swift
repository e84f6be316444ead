internal import Calls
internal import Dubbo
internal import HTTP2
internal import Telemetry
internal import Wire

extension Inspector {
    /// How many bytes of a connection joined in the middle are searched for the beginning of a message.
    static let maxSearchedBytes = 1 << 20

    /// The most blanks in front of a connection's first message.
    static let maxBlanks = 1024
    /// The longest method, and the longest first line, by which a request of a method that is not listed is known;
    /// servers refuse longer lines.
    static let maxMethodBytes = 64
    static let maxFirstLineBytes = 8192

    /// Tells from the first bytes of a direction what the connection speaks.
    ///
    /// Nothing waits for it, but for the few bytes of a request's beginning while verdicts are wanted.
    func detect(_ session: Session, _ bytes: RawSpan, _ direction: Direction, _ now: UInt64, _ plan: inout Plan) {
        guard bytes.byteCount > 0 else { return plan.forwardAll(endsAtBoundary: session.isQuiet) }
        let wereHeld = session.isPendingHeld
        let earlier = session.takePending(direction)
        if earlier.isEmpty {
            decide(session, bytes, direction, now, &plan)
        } else {
            let all = earlier + bytes.array
            let (span, before) = (all.byteSpan, earlier.byteSpan)
            guard direction == .toDownstream || !wereHeld else { return decide(session, span, direction, now, &plan) }
            // What was passed on already cannot be part of a plan; what comes behind it can.
            if session.textBytes != nil { return searchOn(session, span, before, bytes, direction, now, &plan) }
            let sight = session.isMidstream ? nil : Self.firstSight(of: span, direction)
            var unused = Plan()
            isGoverned = false
            decide(session, sight == nil ? span : before, direction, now, &unused, as: sight)
            updateGoverned()
            guard sight != nil else { return plan.forwardAll(endsAtBoundary: session.isQuiet) }
            receive(session, bytes, direction, now: now, plan: &plan)
        }
    }

    private func decide(
        _ session: Session,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64,
        _ plan: inout Plan,
        as known: ConnectionProtocol? = nil
    ) {
        plan.forwardAll(endsAtBoundary: false)
        if session.isMidstream { return decideMidstream(session, bytes, direction, now) }
        if session.textBytes != nil { return searchText(session, bytes, direction, now, &plan) }
        switch known ?? Self.firstSight(of: bytes, direction) {
        case .none:
            session.setPending(bytes.array, direction)
            guard direction == .toUpstream else { return }
            // Blanks are no part of what follows them.
            session.isPendingHeld = isGoverned && !Self.isBlank(bytes.byte(at: 0))
            if session.isPendingHeld { plan.removeAll() }
        case .dubbo:
            plan.removeAll()
            becomeDubbo(session, direction, now)
            receive(session, bytes, direction, now: now, plan: &plan)
        case .triple:
            plan.removeAll()
            // Who begins with the preface is the client; a server may have begun with its SETTINGS before.
            let isPreface = bytes.byte(at: 0) == 0x50
            let http2 = HTTP2Session(requests: isPreface ? direction : direction.opposite)
            become(http2, session, direction, now)
            http2.began = now
            http2.isTurnedAway = isPreface == (direction == .toUpstream) && turnsAway(session, now)
            receive(session, bytes, direction, now: now, plan: &plan)
        case .http:
            plan.removeAll()
            if session.isClientUnknown {
                session.isClientUnknown = false
                session.isFlipped = (direction == .toDownstream) == (bytes.byte(at: 0) != 0x48)
            }
            become(HTTP1Session(requests: session.isFlipped ? .toDownstream : .toUpstream), session, direction, now)
            receive(session, bytes, direction, now: now, plan: &plan)
        case .jsonrpc:
            plan.removeAll()
            become(JSONStreamSession(), session, direction, now)
            receive(session, bytes, direction, now: now, plan: &plan)
        case .opaque where direction == .toUpstream && Self.beginsWithText(bytes):
            beginText(session)
            searchText(session, bytes, direction, now, &plan)
        case .some(let other): becomeOpaque(session, other, bytes.byteCount, direction)
        }
    }

    func identify(_ session: Session, _ new: ConnectionProtocol) {
        recorder.connectionIdentified(side: session.side, from: session.connectionProtocol, to: new)
        session.connectionProtocol = new
    }

    func becomeDubbo(_ session: Session, _ direction: Direction, _ now: UInt64) {
        let dubbo = DubboSession()
        if session.textBytes != nil {
            // A header was found in this direction; the other may be in the middle of text.
            if direction == .toUpstream { dubbo.down.phase = .searching } else { dubbo.up.phase = .searching }
            session.judgesCallbacks = direction == .toUpstream
        }
        if session.isMidstream {
            // Neither direction is known to stand at the beginning of a message.
            dubbo.up.phase = .searching
            dubbo.down.phase = .searching
        }
        session.decoder = .dubbo(dubbo)
        identify(session, .dubbo)
        let other = session.takePending(direction.opposite)
        guard !other.isEmpty else { return }
        _ = receive(dubbo, session, other.byteSpan, direction.opposite, now)
        // Of the way to upstream the relay holds them; back from it nothing is ever held here.
        dubbo.up.heldBytes = direction == .toDownstream && session.isPendingHeld ? other.count : 0
        dubbo.down.heldBytes = 0
    }

    private func become(
        _ decoder: some ProtocolSession,
        _ session: Session,
        _ direction: Direction,
        _ now: UInt64
    ) {
        session.decoder = .other(decoder)
        let other = session.takePending(direction.opposite)
        guard !other.isEmpty else { return }
        // What a server said first has been passed on; what a client began to say may be held back, and stays so.
        var unused = Plan()
        let isHeld = direction == .toDownstream && session.isPendingHeld
        let wasGoverned = isGoverned
        if isHeld { updateGoverned() }
        let context = InspectedBytes(self, session, now, isForwarded: !isHeld)
        decoder.receive(other.byteSpan, direction.opposite, context, &unused)
        isGoverned = wasGoverned
    }

    func becomeOpaque(_ session: Session, _ spoken: ConnectionProtocol, _ count: Int, _ direction: Direction) {
        session.decoder = .opaque
        identify(session, spoken)
        countUninspected(session, count + session.takePending(direction.opposite).count)
    }

    /// Looks for a frame's header in a connection that was joined in the middle.
    private func decideMidstream(_ session: Session, _ bytes: RawSpan, _ direction: Direction, _ now: UInt64) {
        var unused = Plan()
        let sight = Self.firstSight(of: bytes, direction)
        if sight == .triple {
            session.isMidstream = false
            return decide(session, bytes, direction, now, &unused)
        }
        if sight == .jsonrpc, RPCReader.beginsWithMessage(bytes) {
            become(JSONStreamSession(isJoined: true), session, direction, now)
            return receive(session, bytes, direction, now: now, plan: &unused)
        }
        if let http = joinHTTP1(session, bytes, direction) {
            become(http, session, direction, now)
            return receive(session, bytes, direction, now: now, plan: &unused)
        }
        let next = Self.nextHeader(in: bytes, from: 0)
        if next.isWhole {
            recorder.uninspectedBytes(UInt64(session.searchedBytes), reason: .resync)
            becomeDubbo(session, direction, now)
            return receive(session, bytes, direction, now: now, plan: &unused)
        }
        if HTTP2Session.beginsWithFrame(bytes) {
            let http2 = HTTP2Session(requests: direction, isMidstream: true)
            http2.half(direction).phase = .header
            become(http2, session, direction, now)
            return receive(session, bytes, direction, now: now, plan: &unused)
        }
        guard session.searchedBytes + next.offset < Self.maxSearchedBytes else {
            let spoken = Self.firstSight(of: bytes, direction).flatMap { $0 == .dubbo ? nil : $0 } ?? .opaque
            return becomeOpaque(session, spoken, session.searchedBytes + bytes.byteCount, direction)
        }
        session.searchedBytes += next.offset
        session.setPending(bytes.extracting(next.offset..<bytes.byteCount).array, direction)
    }

    /// The connection ends before it was known what it speaks.
    func endDetection(_ session: Session) {
        let count =
            session.searchedBytes + session.takePending(.toUpstream).count + session.takePending(.toDownstream).count
        guard count > 0 else { return }
        becomeOpaque(session, .opaque, count, .toUpstream)
    }

    /// Where the next plausible header stands whole, or where one may have begun; the end if nowhere.
    static func nextHeader(in bytes: RawSpan, from start: Int) -> (offset: Int, isWhole: Bool) {
        var at = start
        while let found = bytes.firstIndex(of: 0xda, from: at) {
            if found + FrameHeader.byteCount <= bytes.byteCount {
                if let header = try? FrameHeader(bytes, at: found), isPlausible(header) { return (found, true) }
            } else if found + 1 == bytes.byteCount || bytes.byte(at: found + 1) == 0xbb {
                return (found, false)
            }
            at = found + 1
        }
        return (bytes.byteCount, false)
    }

    /// Whether the header is one that a real peer writes; asked only where the beginning is guessed.
    static func isPlausible(_ header: FrameHeader) -> Bool {
        guard header.bodyBytes <= 64 << 20 else { return false }
        switch header.serialization {
        case 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 16, 18, 21, 22, 23, 25, 27, 28, 31: break
        default: return false
        }
        if header.isRequest { return header.status == 0 }
        guard !header.isTwoWay else { return false }
        switch header.status {
        case 20, 25, 30, 31, 35, 40, 50, 60, 70, 80, 90, 100: return true
        default: return false
        }
    }

    /// What begins with those bytes; `nil` while they are too few to tell.
    private static func firstSight(of bytes: RawSpan, _ direction: Direction) -> ConnectionProtocol? {
        switch bytes.byte(at: 0) {
        case 0x00 where direction == .toDownstream: return serverSettings(in: bytes)
        case 0xda: return bytes.byteCount < 2 ? nil : bytes.byte(at: 1) == 0xbb ? .dubbo : .opaque
        case 0x50 where bytes.byteCount >= 2 && bytes.byte(at: 1) == 0x52:
            // HTTP/2's preface begins with `PRI `; there are methods that begin so, too, as PROPFIND.
            guard bytes.byteCount > 2 else { return nil }
            guard bytes.byte(at: 2) == 0x49 else { return httpMethod(in: bytes) }
            guard bytes.byteCount > 3 else { return nil }
            return bytes.byte(at: 3) == 0x20 ? .triple : httpMethod(in: bytes)
        case 0x7b, 0x5b: return .jsonrpc
        case 0xef: return markedSight(of: bytes)
        case 0x20, 0x09, 0x0d, 0x0a: return sight(behindBlanksOf: bytes)
        case 0x16: return bytes.byteCount < 2 ? nil : bytes.byte(at: 1) == 0x03 ? .tls : .opaque
        default: return httpMethod(in: bytes)
        }
    }

    /// A server's first SETTINGS frame, should it speak before its client: at most 40 settings.
    private static func serverSettings(in bytes: RawSpan) -> ConnectionProtocol? {
        let start = bytes.extracting(0..<min(bytes.byteCount, HTTP2FrameHeader.byteCount))
        for (place, byte) in [(1, 0), (3, 4), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)] as [(Int, UInt8)] {
            guard place < start.byteCount else { return nil }
            guard start.byte(at: place) == byte else { return .opaque }
        }
        let count = start.byte(at: 2)
        return count % 6 == 0 && count <= 240 ? .triple : .opaque
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a }

    /// JSON behind a byte order mark.
    private static func markedSight(of bytes: RawSpan) -> ConnectionProtocol? {
        for (place, byte) in [(1, 0xbb), (2, 0xbf)] as [(Int, UInt8)] {
            guard place < bytes.byteCount else { return nil }
            guard bytes.byte(at: place) == byte else { return .opaque }
        }
        guard bytes.byteCount > 3 else { return nil }
        let rest = bytes.extracting(3..<bytes.byteCount)
        if isBlank(rest.byte(at: 0)) {
            let sight = sight(behindBlanksOf: rest)
            return sight == .http ? .opaque : sight
        }
        return rest.byte(at: 0) == 0x7b || rest.byte(at: 0) == 0x5b ? .jsonrpc : .opaque
    }

    /// HTTP/1 behind empty lines, which a server ignores (RFC 9112 §2.2), or JSON behind white space.
    private static func sight(behindBlanksOf bytes: RawSpan) -> ConnectionProtocol? {
        var at = 0
        var areLines = true
        while at < bytes.byteCount, isBlank(bytes.byte(at: at)) {
            areLines = areLines && bytes.byte(at: at) <= 0x0d && bytes.byte(at: at) != 0x09
            at += 1
        }
        guard at <= maxBlanks else { return .opaque }
        guard at < bytes.byteCount else { return nil }
        let rest = bytes.extracting(at..<bytes.byteCount)
        switch rest.byte(at: 0) {
        case 0x7b, 0x5b: return .jsonrpc
        case 0xef: return markedSight(of: rest)
        default: return areLines ? httpMethod(in: rest) : .opaque
        }
    }

    private static func httpMethod(in bytes: RawSpan) -> ConnectionProtocol? {
        for method: StaticString in ["GET ", "POST ", "PUT ", "HEAD ", "PATCH ", "DELETE ", "OPTIONS ", "TRACE "] {
            let count = min(bytes.byteCount, method.utf8CodeUnitCount)
            guard bytes.extracting(0..<count).begins(method) else { continue }
            return count == method.utf8CodeUnitCount ? .http : nil
        }
        return otherMethod(in: bytes)
    }

    /// A request line of a method that is not listed, for methods are extensible (RFC 9110 §9.1): any token, a blank, a
    /// target and ` HTTP/1.`.
    private static func otherMethod(in bytes: RawSpan) -> ConnectionProtocol? {
        let count = min(bytes.byteCount, maxFirstLineBytes)
        let undecided: ConnectionProtocol? = bytes.byteCount < maxFirstLineBytes ? nil : .opaque
        var at = 0
        while at < count, isTokenCharacter(bytes.byte(at: at)) { at += 1 }
        guard at > 0, at <= maxMethodBytes else { return .opaque }
        guard at < count else { return undecided }
        guard bytes.byte(at: at) == 0x20 else { return .opaque }
        at += 1
        let start = at
        while at < count, bytes.byte(at: at) > 0x20, bytes.byte(at: at) != 0x7f { at += 1 }
        guard at < count else { return undecided }
        guard at > start, bytes.byte(at: at) == 0x20 else { return .opaque }
        let version: StaticString = " HTTP/1."
        let rest = bytes.extracting(at..<min(bytes.byteCount, at + version.utf8CodeUnitCount))
        guard rest.begins(version) else { return .opaque }
        return rest.byteCount == version.utf8CodeUnitCount ? .http : nil
    }

    /// Whether a byte is one of a token (RFC 9110 §5.6.2).
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60, 0x7c, 0x7e: true
        default: false
        }
    }
}

extension RawSpan {
    /// Whether `literal` begins with these bytes.
    fileprivate func begins(_ literal: StaticString) -> Bool {
        let text = Array(literal.description.utf8.prefix(byteCount))
        return elementsEqual(text.byteSpan)
    }
}
