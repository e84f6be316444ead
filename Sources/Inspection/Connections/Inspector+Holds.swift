public import Calls
internal import Telemetry
internal import Wire

/// How long bytes are held back.
///
/// While anything decides about requests, the beginning of one waits for the rest: the relay holds it. So do bytes that
/// only look like a beginning, and the rest may never come. One rule holds for all protocols: when nothing more came of
/// a direction for ``lateNanoseconds``, what is held of it goes on. A request whose names are known is judged by them
/// first, and may be refused: then what follows of it is left out, too. Any other cannot be called back, whatever its
/// rest says, and is not judged any more. Each time is counted as a partial verdict, reason `late`.
///
/// Two things wait on: blocks of HTTP/2 that are written anew, and answers to Weir's own events; both can be nothing
/// else. A generic Triple call has a shorter time of its own.
extension Inspector {
    /// The time that bytes are held without more of their direction, and a turn of the relay's clock.
    public static let lateNanoseconds: UInt64 = 1_000_000_000

    /// Bytes came, and something of the connection may be held back: until when.
    func noteHeld(_ session: Session, going direction: Direction, now: UInt64) {
        switch session.decoder {
        // What is held of a connection that is not followed any more goes on when its time comes.
        case .opaque, .blind: return
        case .other(let decoder) where decoder.isTimed: return
        case .other, .dubbo, .detecting: break
        }
        let isOtherWaiting = isWaiting(session, direction.opposite)
        if isOtherWaiting, session.heldUntil != nil { return }
        if isOtherWaiting || isWaiting(session, direction) {
            hold(session, until: now &+ Self.lateNanoseconds)
        } else {
            endHold(session)
        }
    }

    private func isWaiting(_ session: Session, _ direction: Direction) -> Bool {
        switch session.decoder {
        case .dubbo(let dubbo): dubbo.isWaiting(direction)
        case .other(let decoder): decoder.isWaiting(direction)
        case .detecting: direction == .toUpstream && session.detection.isHeld
        case .opaque, .blind: false
        }
    }

    /// A session holds bytes back, until then at most if nothing more comes.
    func hold(_ session: Session, until time: UInt64) {
        if session.heldUntil == nil { heldSessions += 1 }
        session.heldUntil = time
        nextRelease = min(nextRelease, time)
    }

    /// A session holds nothing back that has to be released.
    func endHold(_ session: Session) {
        guard session.heldUntil != nil else { return }
        session.heldUntil = nil
        heldSessions -= 1
        if heldSessions == 0 { nextRelease = .max }
    }

    /// True if some session holds bytes back, so that the owner must ask ``isReleaseDue(now:)``.
    public var holdsRequests: Bool { heldSessions > 0 }

    /// True if some session may have held bytes back for long enough; the owner then asks ``isReleaseDue(_:now:)`` of
    /// each.
    ///
    /// - Parameter now: The time, in nanoseconds.
    /// - Returns: True if that is so; it may be no longer.
    public func isReleaseDue(now: UInt64) -> Bool { now >= nextRelease }

    /// Begins to release what was held back for long enough.
    public func beginReleases() { nextRelease = .max }

    /// True if a session has held bytes back for long enough; the owner then asks ``release(_:_:now:plan:)`` for both
    /// directions.
    ///
    /// - Parameters:
    ///   - session: A connection's session.
    ///   - now: The time, in nanoseconds.
    /// - Returns: True if that is so; it is told once.
    public func isReleaseDue(_ session: Session, now: UInt64) -> Bool {
        guard let until = session.heldUntil else { return false }
        guard now >= until else {
            nextRelease = min(nextRelease, until)
            return false
        }
        endHold(session)
        return true
    }

    /// Lets a session decide about what it has held back for long enough.
    ///
    /// - Parameters:
    ///   - session: A connection's session.
    ///   - direction: The direction of the bytes.
    ///   - now: The time, in nanoseconds.
    ///   - plan: An empty plan; says afterwards what to do with what the relay holds of the direction.
    /// - Returns: True if there was anything; otherwise the plan means nothing.
    public func release(_ session: Session, _ direction: Direction, now: UInt64, plan: inout Plan) -> Bool {
        switch session.decoder {
        case .dubbo(let dubbo):
            return dubbo.releaseHeld(direction, in: ConnectionContext(self, session, now: now), plan: &plan)
        case .other(let decoder):
            let isReleased = decoder.releaseHeld(direction, in: ConnectionContext(self, session, now: now), plan: &plan)
            // What came behind a request that had a time of its own may wait in its turn.
            if isReleased { noteHeld(session, going: direction, now: now) }
            return isReleased
        case .detecting:
            guard direction == .toUpstream, session.detection.isHeld else { return false }
            // What they are is found out nevertheless, as where nothing is held.
            session.detection.isHeld = false
            recorder.verdictPartial(.late)
            plan.forwardAll(endsAtBoundary: false)
            return true
        case .opaque, .blind:
            plan.forwardAll(endsAtBoundary: false)
            return true
        }
    }
}
