internal import Calls
internal import Dubbo
internal import HTTP2
internal import Telemetry
internal import Wire

/// Connections whose protocol is not known yet.
extension Inspector {
    /// How many bytes of a connection joined in the middle are searched for the beginning of a message.
    static let maxSearchedBytes = 1 << 20

    /// Tells from the first bytes of a direction what the connection speaks.
    ///
    /// Nothing waits for it, but for the few bytes of a request's beginning while a stage may decide about that.
    func detect(_ bytes: RawSpan, _ direction: Direction, _ context: ConnectionContext, _ plan: inout Plan) {
        let session = context.session
        guard bytes.byteCount > 0 else { return plan.forwardAll(endsAtBoundary: session.isQuiet) }
        let wereHeld = session.isPendingHeld
        let earlier = session.takePending(direction)
        if earlier.isEmpty { return identify(bytes, direction, context, &plan) }
        let all = earlier + bytes.array
        let (span, before) = (all.byteSpan, earlier.byteSpan)
        guard direction == .toDownstream || !wereHeld else { return identify(span, direction, context, &plan) }
        // What was passed on already cannot be part of a plan; what comes behind it can.
        if session.textBytes != nil { return searchOn(span, before, bytes, direction, context, &plan) }
        let sight = session.isMidstream ? nil : ProtocolDetector.firstSight(of: span, from: direction)
        var unused = Plan()
        identify(sight == nil ? span : before, direction, context.forwarded, &unused, as: sight)
        guard sight != nil else { return plan.forwardAll(endsAtBoundary: session.isQuiet) }
        dispatch(bytes, direction, context, &plan)
    }

    private func identify(
        _ bytes: RawSpan,
        _ direction: Direction,
        _ context: ConnectionContext,
        _ plan: inout Plan,
        as known: ConnectionProtocol? = nil
    ) {
        let session = context.session
        plan.forwardAll(endsAtBoundary: false)
        if session.isMidstream { return identifyMidstream(bytes, direction, context) }
        if session.textBytes != nil { return searchText(bytes, direction, context, &plan) }
        switch known ?? ProtocolDetector.firstSight(of: bytes, from: direction) {
        case .none:
            session.setPending(bytes.array, direction)
            guard direction == .toUpstream else { return }
            // Blanks are no part of what follows them.
            session.isPendingHeld = context.isGoverned && !ProtocolDetector.isBlank(bytes.byte(at: 0))
            if session.isPendingHeld { plan.removeAll() }
        case .dubbo:
            plan.removeAll()
            becomeDubbo(direction, context)
            dispatch(bytes, direction, context, &plan)
        case .triple:
            plan.removeAll()
            becomeHTTP2(bytes, direction, context)
            dispatch(bytes, direction, context, &plan)
        case .http:
            plan.removeAll()
            if session.isClientUnknown {
                session.isClientUnknown = false
                session.isFlipped = (direction == .toDownstream) == (bytes.byte(at: 0) != 0x48)
            }
            become(HTTP1Session(requests: session.isFlipped ? .toDownstream : .toUpstream), direction, context)
            dispatch(bytes, direction, context, &plan)
        case .jsonrpc:
            plan.removeAll()
            become(JSONStreamSession(), direction, context)
            dispatch(bytes, direction, context, &plan)
        case .opaque where direction == .toUpstream && ProtocolDetector.beginsWithText(bytes):
            beginText(session)
            searchText(bytes, direction, context, &plan)
        case .some(let other): becomeOpaque(session, other, bytes.byteCount, direction)
        }
    }

    func identify(_ session: Session, _ new: ConnectionProtocol) {
        recorder.connectionIdentified(side: session.side, from: session.connectionProtocol, to: new)
        session.connectionProtocol = new
    }

    private func becomeHTTP2(_ bytes: RawSpan, _ direction: Direction, _ context: ConnectionContext) {
        // Who begins with the preface is the client; a server may have begun with its SETTINGS before.
        let isPreface = bytes.byte(at: 0) == 0x50
        let http2 = HTTP2Session(requests: isPreface ? direction : direction.opposite)
        become(http2, direction, context)
        http2.began = context.now
        let isRejected =
            isPreface == (direction == .toUpstream) && context.isGoverned
            && pipeline.drains.turnsAway(context.session, now: context.now)
        if isRejected { http2.connectionEnd = .rejected(isTold: false) }
    }

    func becomeDubbo(_ direction: Direction, _ context: ConnectionContext) {
        let session = context.session
        let dubbo = DubboSession()
        if session.textBytes != nil {
            // A header was found in this direction; the other may be in the middle of text.
            if direction == .toUpstream { dubbo.down.phase = .searching } else { dubbo.up.phase = .searching }
            dubbo.judgesCallbacks = direction == .toUpstream
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
        // Of the way to upstream the relay holds them; back from it nothing is ever held here.
        let isHeld = direction == .toDownstream && session.isPendingHeld
        var unused = Plan()
        dubbo.receive(other.byteSpan, direction.opposite, context.again(isForwarded: !isHeld), &unused)
        dubbo.up.heldBytes = isHeld ? other.count : 0
        dubbo.down.heldBytes = 0
    }

    private func become(_ decoder: some ProtocolSession, _ direction: Direction, _ context: ConnectionContext) {
        let session = context.session
        session.decoder = .other(decoder)
        let other = session.takePending(direction.opposite)
        guard !other.isEmpty else { return }
        // What a server said first has been passed on; what a client began to say may be held back, and stays so.
        var unused = Plan()
        let isHeld = direction == .toDownstream && session.isPendingHeld
        decoder.receive(other.byteSpan, direction.opposite, context.again(isForwarded: !isHeld), &unused)
    }

    func becomeOpaque(_ session: Session, _ spoken: ConnectionProtocol, _ count: Int, _ direction: Direction) {
        session.decoder = .opaque
        identify(session, spoken)
        countUninspected(session, count + session.takePending(direction.opposite).count)
    }

    /// Looks for a frame's header in a connection that was joined in the middle.
    private func identifyMidstream(_ bytes: RawSpan, _ direction: Direction, _ context: ConnectionContext) {
        let session = context.session
        var unused = Plan()
        let sight = ProtocolDetector.firstSight(of: bytes, from: direction)
        if sight == .triple {
            session.isMidstream = false
            return identify(bytes, direction, context, &unused)
        }
        if sight == .jsonrpc, RPCReader.beginsWithMessage(bytes) {
            become(JSONStreamSession(isJoined: true), direction, context)
            return dispatch(bytes, direction, context, &unused)
        }
        if let http = joinHTTP1(session, bytes, direction) {
            become(http, direction, context)
            return dispatch(bytes, direction, context, &unused)
        }
        let next = FrameSearch.nextHeader(in: bytes)
        if next.isWhole {
            recorder.uninspectedBytes(UInt64(session.searchedBytes), reason: .resync)
            becomeDubbo(direction, context)
            return dispatch(bytes, direction, context, &unused)
        }
        if HTTP2FrameSearch.beginsWithFrame(bytes) {
            let http2 = HTTP2Session(requests: direction, isMidstream: true)
            http2.state(direction).reader.resume()
            become(http2, direction, context)
            return dispatch(bytes, direction, context, &unused)
        }
        guard session.searchedBytes + next.offset < Self.maxSearchedBytes else {
            let spoken = sight.flatMap { $0 == .dubbo ? nil : $0 } ?? .opaque
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
