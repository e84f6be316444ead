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
    func searchText(_ bytes: RawSpan, _ direction: Direction, _ context: ConnectionContext, _ plan: inout Plan) {
        let session = context.session
        let next = FrameSearch.nextHeader(in: bytes)
        let passed = (session.textBytes ?? 0) + next.offset
        // What a provider answers is written in whatever its operators read.
        let isText = direction == .toDownstream || ProtocolDetector.isText(bytes.extracting(0..<next.offset))
        guard passed <= Self.maxTextBytes, isText else {
            session.textBytes = nil
            return becomeOpaque(session, .opaque, bytes.byteCount, direction)
        }
        countUninspected(session, next.offset)
        guard next.isWhole else {
            session.textBytes = passed
            session.setPending(bytes.extracting(next.offset..<bytes.byteCount).array, direction)
            return holdHeader(bytes, next.offset, direction, context, &plan)
        }
        becomeDubbo(direction, context)
        session.textBytes = nil
        plan.removeAll()
        plan.forward(next.offset)
        let frames = bytes.extracting(next.offset..<bytes.byteCount)
        dispatch(frames, direction, context, &plan)
        guard plan.forwardsAll else { return }
        let endsAtBoundary = plan.endsAtBoundary
        plan.removeAll()
        plan.forwardAll(endsAtBoundary: endsAtBoundary)
    }

    /// Looks on behind bytes that have been passed on and might be a header's beginning.
    ///
    /// - Parameters:
    ///   - all: Those bytes and what has come now.
    ///   - before: Those bytes.
    ///   - bytes: What has come now; only of these the plan can say anything.
    ///   - direction: Which way they go.
    ///   - context: Whom they belong to.
    ///   - plan: What becomes of `bytes`.
    func searchOn(
        _ all: RawSpan,
        _ before: RawSpan,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ context: ConnectionContext,
        _ plan: inout Plan
    ) {
        let session = context.session
        let next = FrameSearch.nextHeader(in: all)
        let skipped = min(next.offset, before.byteCount)
        let isText = direction == .toDownstream || ProtocolDetector.isText(all.extracting(0..<skipped))
        guard isText, (session.textBytes ?? 0) + next.offset <= Self.maxTextBytes else {
            session.textBytes = nil
            becomeOpaque(session, .opaque, all.byteCount, direction)
            return plan.forwardAll(endsAtBoundary: session.isQuiet)
        }
        countUninspected(session, skipped)
        session.textBytes = (session.textBytes ?? 0) + skipped
        plan.forwardAll(endsAtBoundary: false)
        guard skipped < before.byteCount else { return searchText(bytes, direction, context, &plan) }
        guard next.isWhole else {
            return session.setPending(all.extracting(skipped..<all.byteCount).array, direction)
        }
        plan.removeAll()
        becomeDubbo(direction, context)
        session.textBytes = nil
        var unused = Plan()
        dispatch(before.extracting(skipped..<before.byteCount), direction, context.forwarded, &unused)
        dispatch(bytes, direction, context, &plan)
    }

    /// Holds back what may be a header's beginning, so that the request it begins can be judged.
    private func holdHeader(
        _ bytes: RawSpan,
        _ offset: Int,
        _ direction: Direction,
        _ context: ConnectionContext,
        _ plan: inout Plan
    ) {
        guard direction == .toUpstream else { return }
        let session = context.session
        session.isPendingHeld = context.isGoverned && offset < bytes.byteCount
        guard session.isPendingHeld else { return }
        plan.removeAll()
        plan.forward(offset)
    }
}
