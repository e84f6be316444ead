internal import Calls
internal import Dubbo
internal import Telemetry
internal import Wire

extension Inspector {
    /// How many bytes of a connection joined in the middle are searched for the beginning of a message.
    static let maxSearchedBytes = 1 << 20

    /// Tells from the first bytes of a direction what the connection speaks; nothing waits for it.
    func detect(_ session: Session, _ bytes: RawSpan, _ direction: Direction, _ now: UInt64) {
        guard bytes.byteCount > 0 else { return }
        let earlier = session.takeFirstByte(direction)
        let first = earlier ?? bytes.byte(at: 0)
        let at = earlier == nil ? 1 : 0
        if first == 0xda {
            guard at < bytes.byteCount else { return session.setFirstByte(first, direction) }
            if bytes.byte(at: at) == 0xbb { return becomeDubbo(session, earlier, bytes, direction, now) }
        }
        if session.isMidstream, becomeDubboMidstream(session, bytes, direction, now) { return }
        guard !session.isMidstream || session.searchedBytes >= Self.maxSearchedBytes else { return }
        session.decoder = .opaque
        identify(session, Self.other(first, at < bytes.byteCount ? bytes.byte(at: at) : 0, bytes))
        countUninspected(session, bytes.byteCount + (earlier == nil ? 0 : 1))
    }

    func identify(_ session: Session, _ new: ConnectionProtocol) {
        recorder.connectionIdentified(side: session.side, from: session.connectionProtocol, to: new)
        session.connectionProtocol = new
    }

    private func becomeDubbo(
        _ session: Session,
        _ earlier: UInt8?,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64
    ) {
        let dubbo = DubboSession()
        session.decoder = .dubbo(dubbo)
        identify(session, .dubbo)
        if let earlier {
            let one = [earlier]
            _ = receive(dubbo, session, unsafe one.span.bytes, direction, now)
        }
        if let other = session.takeFirstByte(direction.opposite) {
            let one = [other]
            _ = receive(dubbo, session, unsafe one.span.bytes, direction.opposite, now)
        }
        _ = receive(dubbo, session, bytes, direction, now)
    }

    /// Looks for a frame's header in a connection that was joined in the middle.
    private func becomeDubboMidstream(
        _ session: Session,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64
    ) -> Bool {
        session.searchedBytes += bytes.byteCount
        guard Self.nextHeader(in: bytes, from: 0) != nil else { return false }
        let dubbo = DubboSession()
        // Neither direction is known to stand at the beginning of a message.
        dubbo.up.phase = .searching
        dubbo.down.phase = .searching
        session.decoder = .dubbo(dubbo)
        identify(session, .dubbo)
        _ = receive(dubbo, session, bytes, direction, now)
        return true
    }

    /// The first place from `start` on where a plausible header stands whole.
    static func nextHeader(in bytes: RawSpan, from start: Int) -> Int? {
        var at = start
        while let found = bytes.firstIndex(of: 0xda, from: at) {
            guard found + FrameHeader.byteCount <= bytes.byteCount else { return nil }
            if isPlausibleHeader(bytes, at: found) { return found }
            at = found + 1
        }
        return nil
    }

    /// Whether the 16 bytes could be a header that a real peer writes; used only where the beginning is guessed.
    static func isPlausibleHeader(_ bytes: RawSpan, at offset: Int) -> Bool {
        guard let header = try? FrameHeader(bytes, at: offset), header.bodyBytes <= 64 << 20 else { return false }
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

    /// What a connection that is not Dubbo speaks, as far as its first bytes tell.
    private static func other(_ first: UInt8, _ second: UInt8, _ bytes: RawSpan) -> ConnectionProtocol {
        if first == 0x16, second == 0x03 { return .tls }
        for method: StaticString in ["GET ", "POST ", "PUT ", "HEAD ", "PATCH ", "DELETE ", "OPTIONS ", "TRACE "] {
            let count = method.utf8CodeUnitCount
            if bytes.byteCount >= count, bytes.extracting(0..<count).equals(method) { return .http }
        }
        return .opaque
    }
}
