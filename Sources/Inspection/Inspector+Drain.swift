internal import Calls
internal import Dubbo
internal import Policy
internal import Wire

/// Drains: what consumers are told, and what becomes of calls that still come.
extension Inspector {
    /// Drains have been started or undone: looks which there are.
    public func drainsChanged() {
        pipeline.drains.refresh()
        updateGoverned()
    }

    /// Other limits are in force: looks whether there are any, and at which headers they look.
    public func limitsChanged() {
        pipeline.limitsChanged(asking: unknownOperation)
        updateGoverned()
    }

    /// Tells a connection's consumers what they do not know yet of drains.
    ///
    /// To be asked of every connection when ``drainsChanged()`` was; new ones are told with the first bytes by which
    /// they are known to speak something, Dubbo's with their first whole header.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - now: The time, in nanoseconds.
    ///   - plan: An empty plan; says afterwards what is to be written to the downstream peer (its reply), and whether
    ///     the connection is to be closed.
    public func signalDrains(_ session: Session, now: UInt64, plan: inout Plan) {
        guard session.side == .provider, let gate = drainGate else { return }
        switch session.decoder {
        case .dubbo(let dubbo):
            signal(dubbo, session, isDrained: gate.service?.isSignalled == true, isNew: false, now, &plan)
        case .other(let decoder): decoder.drainsChanged(InspectedBytes(self, session, now), &plan)
        case .detecting, .opaque, .blind, .external: break
        }
    }

    /// A signal was given on a connection.
    func note(_ signal: DrainSignal, _ session: Session) {
        session.drainSignals.insert(DrainSignals(signal))
        switch signal {
        case .readonly: session.drainSignals.remove(DrainSignals(.writeable))
        case .writeable: session.drainSignals.remove(DrainSignals(.readonly))
        case .notServing: session.drainSignals.remove(DrainSignals(.serving))
        case .serving: session.drainSignals.remove(DrainSignals(.notServing))
        case .closing, .goAway, .connectionClose: break
        }
        drainGate?.registry.count(signal)
    }

    // MARK: Dubbo

    /// Bytes came from downstream while something is drained: tells a consumer that came after the drain had begun.
    func signalNewcomer(_ dubbo: DubboSession, _ session: Session, _ now: UInt64, _ plan: inout Plan) {
        guard session.side == .provider, drainGate?.service?.isSignalled == true else { return }
        signal(dubbo, session, isDrained: true, isNew: true, now, &plan)
    }

    private func signal(
        _ dubbo: DubboSession,
        _ session: Session,
        isDrained: Bool,
        isNew: Bool,
        _ now: UInt64,
        _ plan: inout Plan
    ) {
        // Before a header was whole it may still turn out to speak something else.
        guard dubbo.isConfirmed, isDrained != session.drainSignals.contains(DrainSignals(.readonly)) else { return }
        var random = SystemRandomNumberGenerator()
        let id = freshEventID(session, &random)
        dubbo.ownEvents.add(id, now)
        plan.reply(with: FrameWriter.event(isDrained ? .readonly : .writeable, requestID: id))
        note(isDrained ? .readonly : .writeable, session)
        if isDrained { noteReadonly(session, isNew: isNew) } else { noteWriteable(session, now: now) }
    }

    /// A frame begins on a connection that was told something, or while something is drained: looks whether it is the
    /// answer to an event of Weir's own, or a reply that is to say that its service is leaving.
    func beginDrained(
        _ half: inout DubboSession.Half,
        _ header: FrameHeader,
        _ session: Session,
        _ at: Int,
        _ direction: Direction
    ) {
        // What was passed on before the header was whole cannot be called back.
        guard case .dubbo(let dubbo) = session.decoder, !header.isRequest, !half.isGuess, at - 16 >= -half.heldBytes,
            header.frameBytes <= UInt64(HoldLimits.dubboFrameBytes)
        else { return }
        if header.isEvent {
            half.isOwnAnswer = direction == .toUpstream && dubbo.ownEvents.contains(header.requestID)
        } else if direction == .toDownstream, header.status == 20, header.serialization == Serialization.hessian2 {
            let index = calls.find(session: session.number, direction: .toUpstream, id: header.requestID)
            // What is in flight would be lost: dubbo-go destroys its client with the reply that says so.
            guard index >= 0, calls.kind(index) != .heartbeat, session.inFlight <= 1 else { return }
            let call = calls[index]
            guard isLeaving(call.operation, call.side) else { return }
            half.reply = ReplyBytes(operation: call.operation, side: call.side)
        }
    }

    /// Such a frame is complete.
    func finishDrained(
        _ half: inout DubboSession.Half,
        _ dubbo: DubboSession,
        _ session: Session,
        end: Int
    ) {
        let header = half.header
        var edit = FrameEdit(
            start: end - Int(header.frameBytes),
            count: Int(header.frameBytes),
            bodyBytes: Int(header.bodyBytes),
            kind: .drop
        )
        defer {
            half.isOwnAnswer = false
            half.reply = nil
        }
        guard let reply = half.reply else {
            dubbo.ownEvents.remove(header.requestID)
            session.answersEvents = true
            frameEdits.append(edit)
            return
        }
        // The drain may have been undone since the reply began, and calls may have begun.
        guard !half.isDamaged, isLeaving(reply.operation, reply.side), isNothingInFlight(dubbo, session) else { return }
        let frame = ReplyPatch.attaching(
            key: "closing",
            value: "true",
            to: header,
            reply.body,
            mayAddMap: dubbo.readsReplyAttachments
        )
        guard let frame else { return }
        edit.kind = .replace(frame)
        frameEdits.append(edit)
        note(.closing, session)
    }

    /// Whether a reply may say that its interface leaves.
    private func isLeaving(_ operation: OperationID, _ side: Side) -> Bool {
        isDraining && side == .provider && drainGate?.leavingOrder(of: operation) != nil
    }

    /// Whether, as far as is known here, no call of the connection waits for anything: none that is known, none that
    /// begins, and none may be unknown for want of room.
    private func isNothingInFlight(_ dubbo: DubboSession, _ session: Session) -> Bool {
        session.inFlight == 0 && dubbo.up.isQuiet && !calls.isFull
    }

    /// Notes whether the consumer reads the attachments of replies: it says so by its version.
    func noteVersion(_ request: RequestMetadata, _ texts: RawSpan, _ session: Session) {
        guard case .dubbo(let dubbo) = session.decoder, request.known.contains(.dubboVersion) else { return }
        dubbo.readsReplyAttachments = ReplyPatch.readsAttachments(version: texts.slice(request.dubboVersion))
    }

    /// An id for an event of Weir's own: odd, and of no call or event of the connection's that waits for a reply.
    func freshEventID(_ session: Session, _ random: inout some RandomNumberGenerator) -> UInt64 {
        while true {
            let id = random.next() | 1
            let isTaken =
                calls.find(session: session.number, direction: .toUpstream, id: id) >= 0
                || calls.find(session: session.number, direction: .toDownstream, id: id) >= 0
            if !isTaken, !isOwnEvent(id, session) { return id }
        }
    }

    private func isOwnEvent(_ id: UInt64, _ session: Session) -> Bool {
        guard case .dubbo(let dubbo) = session.decoder else { return false }
        return dubbo.ownEvents.contains(id)
    }
}

/// The events of Weir's own that a peer has not answered; few, and the oldest are forgotten first.
///
/// Dubbo Java answers none: once nothing is drained any more they are forgotten after a while, so that its connections
/// cost no more than others.
struct OwnEvents {
    private static let maxCount = 8
    private static let waitNanoseconds: UInt64 = 60_000_000_000
    private var ids: [UInt64] = []
    private var newest: UInt64 = 0

    var isEmpty: Bool { ids.isEmpty }

    mutating func add(_ id: UInt64, _ now: UInt64) {
        if ids.count == Self.maxCount { ids.removeFirst() }
        ids.append(id)
        newest = now
    }

    /// Forgets all of them if the newest has waited long.
    mutating func removeOld(_ now: UInt64) {
        if !ids.isEmpty, now >= newest &+ Self.waitNanoseconds { ids.removeAll() }
    }

    func contains(_ id: UInt64) -> Bool { ids.contains(id) }

    /// The event was answered: a second answer would be somebody else's.
    mutating func remove(_ id: UInt64) { ids.removeAll { $0 == id } }
}
