internal import Calls
internal import Dubbo
internal import HTTP2
internal import Telemetry
internal import Wire

/// Connections whose protocol is not known yet.
extension Inspector {
    /// How many bytes of a connection joined in the middle are searched for the beginning of a message.
    static let maxSearchedBytes = 1 << 20

    /// The protocol that a connection's first bytes show.
    private enum Sight {
        /// It speaks a protocol of the product, or nothing that is known.
        case known(ConnectionProtocol)
        /// It speaks a protocol from outside.
        case `extension`(any ProtocolExtension)
    }

    /// Tells from the first bytes of a direction what the connection speaks.
    ///
    /// Nothing waits for it, but for the few bytes of a request's beginning while a stage may decide about that.
    func detect(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let session = context.session
        guard bytes.byteCount > 0 else { return plan.forwardAll(endsAtBoundary: session.isIdle) }
        let wereHeld = session.detection.isHeld
        let earlier = session.detection.take(direction)
        if earlier.isEmpty { return identify(bytes, going: direction, in: context, plan: &plan) }
        let all = earlier + bytes.array
        let (span, before) = (all.byteSpan, earlier.byteSpan)
        guard direction == .toDownstream || !wereHeld else {
            return identify(span, going: direction, in: context, plan: &plan)
        }
        // What was passed on already cannot be part of a plan; what comes behind it can.
        if session.detection.textBytes != nil {
            return searchOn(span, before: before, bytes: bytes, going: direction, in: context, plan: &plan)
        }
        let sight = session.detection.isMidstream ? nil : firstSight(of: span, going: direction)
        var unused = Plan()
        identify(sight == nil ? span : before, going: direction, in: context.forwarded, plan: &unused, as: sight)
        guard sight != nil else { return plan.forwardAll(endsAtBoundary: session.isIdle) }
        dispatch(bytes, going: direction, in: context, plan: &plan)
    }

    private func identify(
        _ bytes: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        plan: inout Plan,
        as known: Sight? = nil
    ) {
        let session = context.session
        plan.forwardAll(endsAtBoundary: false)
        if session.detection.isMidstream { return identifyMidstream(bytes, going: direction, in: context) }
        if session.detection.textBytes != nil { return searchText(bytes, going: direction, in: context, plan: &plan) }
        switch known ?? firstSight(of: bytes, going: direction) {
        case .extension(let found):
            plan.removeAll()
            identify(session, ConnectionProtocol(found.callProtocol))
            become(found.makeSession(recognizedBy: direction), going: direction, in: context)
            dispatch(bytes, going: direction, in: context, plan: &plan)
        case .known(let found): become(found, bytes: bytes, going: direction, in: context, plan: &plan)
        case .none:
            session.detection.keep(bytes.array, of: direction)
            guard direction == .toUpstream else { return }
            // Blanks are no part of what follows them.
            session.detection.isHeld = context.isGoverned && !ProtocolDetector.isBlank(bytes.byte(at: 0))
            if session.detection.isHeld { plan.removeAll() }
        }
    }

    /// Makes the session of a connection whose protocol was found.
    private func become(
        _ known: ConnectionProtocol,
        bytes: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        plan: inout Plan
    ) {
        let session = context.session
        switch known {
        case .dubbo:
            plan.removeAll()
            becomeDubbo(direction, context)
            dispatch(bytes, going: direction, in: context, plan: &plan)
        case .triple:
            plan.removeAll()
            becomeHTTP2(bytes, going: direction, in: context)
            dispatch(bytes, going: direction, in: context, plan: &plan)
        case .http:
            plan.removeAll()
            if session.isClientUnknown {
                session.settleClient(isFlipped: (direction == .toDownstream) == (bytes.byte(at: 0) != 0x48))
            }
            become(
                HTTP1Session(requests: session.isFlipped ? .toDownstream : .toUpstream),
                going: direction,
                in: context
            )
            dispatch(bytes, going: direction, in: context, plan: &plan)
        case .jsonrpc:
            plan.removeAll()
            become(JSONStreamSession(), going: direction, in: context)
            dispatch(bytes, going: direction, in: context, plan: &plan)
        case .opaque where direction == .toUpstream && ProtocolDetector.beginsWithText(bytes):
            beginText(session)
            searchText(bytes, going: direction, in: context, plan: &plan)
        default: becomeOpaque(session, spoken: known, count: bytes.byteCount, going: direction)
        }
    }

    /// The protocol that a direction's first bytes show; `nil` while they are too few.
    private func firstSight(of bytes: RawSpan, going direction: Direction) -> Sight? {
        for candidate in extensions {
            switch candidate.recognizes(bytes, going: direction) {
            case .some(true): return .extension(candidate)
            case .none where bytes.byteCount < ProtocolDetector.maxFirstLineBytes: return nil
            default: break
            }
        }
        return ProtocolDetector.firstSight(of: bytes, from: direction).map(Sight.known)
    }

    func identify(_ session: Session, _ new: ConnectionProtocol) {
        recorder.connectionIdentified(side: session.side, from: session.connectionProtocol, to: new)
        session.connectionProtocol = new
    }

    private func becomeHTTP2(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext) {
        // Who begins with the preface is the client; a server may have begun with its SETTINGS before.
        let isPreface = bytes.byte(at: 0) == 0x50
        let http2 = HTTP2Session(requests: isPreface ? direction : direction.opposite)
        become(http2, going: direction, in: context)
        http2.began = context.now
        let isRejected =
            isPreface == (direction == .toUpstream) && context.isGoverned
            && pipeline.drains.turnsAway(context.session, now: context.now)
        if isRejected { http2.connectionEnd = .rejected(isTold: false) }
    }

    func becomeDubbo(_ direction: Direction, _ context: ConnectionContext) {
        let session = context.session
        let dubbo = DubboSession()
        if session.detection.textBytes != nil {
            // A header was found in this direction; the other may be in the middle of text.
            if direction == .toUpstream { dubbo.down.phase = .searching } else { dubbo.up.phase = .searching }
            dubbo.judgesCallbacks = direction == .toUpstream
        }
        if session.detection.isMidstream {
            // Neither direction is known to stand at the beginning of a message.
            dubbo.up.phase = .searching
            dubbo.down.phase = .searching
        }
        session.decoder = .dubbo(dubbo)
        identify(session, .dubbo)
        let other = session.detection.take(direction.opposite)
        guard !other.isEmpty else { return }
        // Of the way to upstream the relay holds them; back from it nothing is ever held here.
        let isHeld = direction == .toDownstream && session.detection.isHeld
        var unused = Plan()
        dubbo.receive(other.byteSpan, going: direction.opposite, in: context.again(isForwarded: !isHeld), plan: &unused)
        dubbo.up.heldBytes = isHeld ? other.count : 0
        dubbo.down.heldBytes = 0
    }

    private func become(_ decoder: any ProtocolSession, going direction: Direction, in context: ConnectionContext) {
        let session = context.session
        session.decoder = .other(decoder)
        let other = session.detection.take(direction.opposite)
        guard !other.isEmpty else { return }
        // What a server said first has been passed on; what a client began to say may be held back, and stays so.
        var unused = Plan()
        let isHeld = direction == .toDownstream && session.detection.isHeld
        decoder.receive(
            other.byteSpan,
            going: direction.opposite,
            in: context.again(isForwarded: !isHeld),
            plan: &unused
        )
    }

    func becomeOpaque(_ session: Session, spoken: ConnectionProtocol, count: Int, going direction: Direction) {
        session.decoder = .opaque
        identify(session, spoken)
        countUninspected(session, count + session.detection.take(direction.opposite).count)
    }

    /// Looks for a frame's header in a connection that was joined in the middle.
    private func identifyMidstream(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext) {
        let session = context.session
        var unused = Plan()
        let sight = ProtocolDetector.firstSight(of: bytes, from: direction)
        if sight == .triple {
            session.detection.isMidstream = false
            return identify(bytes, going: direction, in: context, plan: &unused)
        }
        if sight == .jsonrpc, RPCReader.beginsWithMessage(bytes) {
            become(JSONStreamSession(isJoined: true), going: direction, in: context)
            return dispatch(bytes, going: direction, in: context, plan: &unused)
        }
        if let http = joinHTTP1(session, bytes: bytes, going: direction) {
            become(http, going: direction, in: context)
            return dispatch(bytes, going: direction, in: context, plan: &unused)
        }
        let next = FrameSearch.nextHeader(in: bytes)
        if next.isWhole {
            recorder.uninspectedBytes(UInt64(session.detection.searchedBytes), reason: .resync)
            becomeDubbo(direction, context)
            return dispatch(bytes, going: direction, in: context, plan: &unused)
        }
        if HTTP2FrameSearch.beginsWithFrame(bytes) {
            let http2 = HTTP2Session(requests: direction, isMidstream: true)
            http2.state(direction).reader.resume()
            become(http2, going: direction, in: context)
            return dispatch(bytes, going: direction, in: context, plan: &unused)
        }
        guard session.detection.searchedBytes + next.offset < Self.maxSearchedBytes else {
            let spoken = sight.flatMap { $0 == .dubbo ? nil : $0 } ?? .opaque
            return becomeOpaque(
                session,
                spoken: spoken,
                count: session.detection.searchedBytes + bytes.byteCount,
                going: direction
            )
        }
        session.detection.searchedBytes += next.offset
        session.detection.keep(bytes.extracting(next.offset..<bytes.byteCount).array, of: direction)
    }

    /// The connection ends before it was known what it speaks.
    func endDetection(_ session: Session) {
        let count =
            session.detection.searchedBytes + session.detection.take(.toUpstream).count
            + session.detection.take(.toDownstream).count
        guard count > 0 else { return }
        becomeOpaque(session, spoken: .opaque, count: count, going: .toUpstream)
    }

    /// Counts bytes that pass without being understood.
    func countUninspected(_ session: Session, _ count: Int) {
        let reason: UninspectedReason
        if case .blind = session.decoder {
            reason = .blind
        } else {
            switch session.connectionProtocol {
            case .tls: reason = .tls
            case .http: reason = .http
            default: reason = .opaque
            }
        }
        recorder.uninspectedBytes(UInt64(count), reason: reason)
    }
}
