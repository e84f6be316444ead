internal import Calls
internal import Wire

/// Connections that begin with lines of text and go on with Dubbo's frames.
///
/// Dubbo Java's port takes both, and looks at each message anew: scripts and dubbo-py's `get_services()` send a command
/// first. Source: `ExchangeCodec.java` (`decode`), `TelnetCodec.java`.
extension Inspector {
    /// So many bytes of both directions are searched for a frame's header behind text.
    static let maxTextBytes = 8_192

    /// A client began with text: the connection is opaque until a header is found.
    func beginText(_ session: Session) {
        session.textBytes = 0
        identify(session, .opaque)
        let other = session.takePending(.toDownstream)
        if !other.isEmpty { countUninspected(session, other.count) }
    }

    /// Looks for a frame's header behind text; gives up at what is no text, and after ``maxTextBytes``.
    ///
    /// All bytes pass at once, but for what may be the beginning of a header, while verdicts are wanted.
    func searchText(
        _ session: Session,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64,
        _ plan: inout Plan
    ) {
        let next = Self.nextHeader(in: bytes, from: 0)
        let passed = (session.textBytes ?? 0) + next.offset
        // What a provider answers is written in whatever its operators read.
        let isText = direction == .toDownstream || Self.isText(bytes.extracting(0..<next.offset))
        guard passed <= Self.maxTextBytes, isText else {
            session.textBytes = nil
            return becomeOpaque(session, .opaque, bytes.byteCount, direction)
        }
        countUninspected(session, next.offset)
        guard next.isWhole else {
            session.textBytes = passed
            session.setPending(bytes.extracting(next.offset..<bytes.byteCount).array, direction)
            return holdHeader(session, bytes, next.offset, direction, &plan)
        }
        becomeDubbo(session, direction, now)
        session.textBytes = nil
        plan.removeAll()
        plan.forward(next.offset)
        let frames = bytes.extracting(next.offset..<bytes.byteCount)
        receive(session, frames, direction, now: now, plan: &plan)
        guard plan.forwardsAll else { return }
        let endsAtBoundary = plan.endsAtBoundary
        plan.removeAll()
        plan.forwardAll(endsAtBoundary: endsAtBoundary)
    }

    /// Looks on behind bytes that have been passed on and might be a header's beginning.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - all: Those bytes and what has come now.
    ///   - before: Those bytes.
    ///   - bytes: What has come now; only of these the plan can say anything.
    ///   - direction: Which way they go.
    ///   - now: The time, in nanoseconds.
    ///   - plan: What becomes of `bytes`.
    func searchOn(
        _ session: Session,
        _ all: RawSpan,
        _ before: RawSpan,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64,
        _ plan: inout Plan
    ) {
        let next = Self.nextHeader(in: all, from: 0)
        let skipped = min(next.offset, before.byteCount)
        let isText = direction == .toDownstream || Self.isText(all.extracting(0..<skipped))
        guard isText, (session.textBytes ?? 0) + next.offset <= Self.maxTextBytes else {
            session.textBytes = nil
            becomeOpaque(session, .opaque, all.byteCount, direction)
            return plan.forwardAll(endsAtBoundary: session.isQuiet)
        }
        countUninspected(session, skipped)
        session.textBytes = (session.textBytes ?? 0) + skipped
        plan.forwardAll(endsAtBoundary: false)
        guard skipped < before.byteCount else { return searchText(session, bytes, direction, now, &plan) }
        guard next.isWhole else {
            return session.setPending(all.extracting(skipped..<all.byteCount).array, direction)
        }
        plan.removeAll()
        becomeDubbo(session, direction, now)
        session.textBytes = nil
        var unused = Plan()
        isGoverned = false
        receive(session, before.extracting(skipped..<before.byteCount), direction, now: now, plan: &unused)
        updateGoverned()
        receive(session, bytes, direction, now: now, plan: &plan)
    }

    /// Holds back what may be a header's beginning, so that the request it begins can be judged.
    private func holdHeader(
        _ session: Session,
        _ bytes: RawSpan,
        _ offset: Int,
        _ direction: Direction,
        _ plan: inout Plan
    ) {
        guard direction == .toUpstream else { return }
        session.isPendingHeld = isGoverned && offset < bytes.byteCount
        guard session.isPendingHeld else { return }
        plan.removeAll()
        plan.forward(offset)
    }

    /// Whether a connection may begin with these bytes as a person's or a script's does.
    static func beginsWithText(_ bytes: RawSpan) -> Bool {
        switch bytes.byte(at: 0) {
        case 0x0a, 0x0d, 0x20...0x7e: isText(bytes.extracting(0..<nextHeader(in: bytes, from: 0).offset))
        default: false
        }
    }

    /// Whether bytes are text as terminals send it: no control characters but those of lines and of editing them.
    private static func isText(_ bytes: RawSpan) -> Bool {
        for at in 0..<bytes.byteCount {
            switch bytes.byte(at: at) {
            case 0x08...0x0d, 0x1b, 0x20...0x7e, 0x80...0xff: break
            default: return false
            }
        }
        return true
    }
}
