internal import Calls
internal import Wire

/// Connections that begin with lines of text and go on with Dubbo's frames.
///
/// Dubbo Java's port takes both, and looks at each message anew: scripts and dubbo-py's `get_services()` send a command
/// first. Source: `ExchangeCodec.java` (`decode`), `TelnetCodec.java`.
extension Inspector {
    /// The most bytes of both directions that are searched for a frame's header behind text.
    static let maxTextBytes = 8_192

    /// A client began with text: the connection is opaque until a header is found.
    func beginText(_ session: Session) {
        session.detection.textBytes = 0
        identify(session, .opaque)
        let other = session.detection.take(.toDownstream)
        if !other.isEmpty { countUninspected(session, other.count) }
    }

    /// Looks for a frame's header behind text; gives up at what is no text, and after ``maxTextBytes``.
    ///
    /// All bytes pass at once, but for what may be the beginning of a header, while verdicts are wanted.
    func searchText(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let session = context.session
        let next = FrameSearch.nextHeader(in: bytes)
        let passed = (session.detection.textBytes ?? 0) + next.offset
        // What a provider answers is written in whatever its operators read.
        let isText = direction == .toDownstream || ProtocolDetector.isText(bytes.extracting(0..<next.offset))
        guard passed <= Self.maxTextBytes, isText else {
            session.detection.textBytes = nil
            return becomeOpaque(session, spoken: .opaque, count: bytes.byteCount, going: direction)
        }
        countUninspected(session, next.offset)
        guard next.isWhole else {
            session.detection.textBytes = passed
            session.detection.keep(bytes.extracting(next.offset..<bytes.byteCount).array, of: direction)
            return holdHeader(bytes, offset: next.offset, going: direction, in: context, plan: &plan)
        }
        becomeDubbo(direction, context)
        session.detection.textBytes = nil
        plan.removeAll()
        plan.forward(next.offset)
        let frames = bytes.extracting(next.offset..<bytes.byteCount)
        dispatch(frames, going: direction, in: context, plan: &plan)
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
        before: RawSpan,
        bytes: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        plan: inout Plan
    ) {
        let session = context.session
        let next = FrameSearch.nextHeader(in: all)
        let skipped = min(next.offset, before.byteCount)
        let isText = direction == .toDownstream || ProtocolDetector.isText(all.extracting(0..<skipped))
        guard isText, (session.detection.textBytes ?? 0) + next.offset <= Self.maxTextBytes else {
            session.detection.textBytes = nil
            becomeOpaque(session, spoken: .opaque, count: all.byteCount, going: direction)
            return plan.forwardAll(endsAtBoundary: session.isIdle)
        }
        countUninspected(session, skipped)
        session.detection.textBytes = (session.detection.textBytes ?? 0) + skipped
        plan.forwardAll(endsAtBoundary: false)
        guard skipped < before.byteCount else { return searchText(bytes, going: direction, in: context, plan: &plan) }
        guard next.isWhole else {
            return session.detection.keep(all.extracting(skipped..<all.byteCount).array, of: direction)
        }
        plan.removeAll()
        becomeDubbo(direction, context)
        session.detection.textBytes = nil
        var unused = Plan()
        dispatch(before.extracting(skipped..<before.byteCount), going: direction, in: context.forwarded, plan: &unused)
        dispatch(bytes, going: direction, in: context, plan: &plan)
    }

    /// Holds back what may be a header's beginning, so that the request it begins can be judged.
    private func holdHeader(
        _ bytes: RawSpan,
        offset: Int,
        going direction: Direction,
        in context: ConnectionContext,
        plan: inout Plan
    ) {
        guard direction == .toUpstream else { return }
        let session = context.session
        session.detection.isHeld = context.isGoverned && offset < bytes.byteCount
        guard session.detection.isHeld else { return }
        plan.removeAll()
        plan.forward(offset)
    }
}
