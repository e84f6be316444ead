internal import Calls
internal import Policy

/// The expectation of a consumer that was told to stay away and then to come back.
struct DrainRecall {
    /// When it was told to come back, in nanoseconds.
    var told: UInt64
    /// The calls that had begun until then.
    var calls: UInt64
}

/// Consumers come back after a drain of their service is undone.
///
/// Dubbo Java before 3.2.1 does not know WRITEABLE: its mark lasts as long as the connection, and a new one has none. A
/// connection on which calls come again is left alone. One whose consumer stays away though it called before the drain,
/// or came during it, is to be closed, so that it opens another.
extension Inspector {
    /// How long a consumer may take to come back; those that know WRITEABLE take 2 s.
    static let recallNanoseconds: UInt64 = 5_000_000_000
    /// The time after that in which a moment without calls is waited for.
    static let recallEndNanoseconds: UInt64 = 60_000_000_000

    /// True if consumers are waited for that were told to come back.
    public var hasRecalls: Bool { recalls > 0 }

    /// True if a connection's consumer has stayed away for so long that the connection is to be closed once it is idle.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - now: The time, in nanoseconds.
    /// - Returns: True if it is; `false` for all whose consumers are not waited for.
    public func isRecallOver(_ session: Session, now: UInt64) -> Bool {
        guard let recall = session.drain.recall else { return false }
        if session.begunCalls != recall.calls || now >= recall.told &+ Self.recallEndNanoseconds {
            endRecall(session)
            return false
        }
        return now >= recall.told &+ Self.recallNanoseconds
    }

    /// A connection is waited for no longer.
    func endRecall(_ session: Session) {
        guard session.drain.recall != nil else { return }
        session.drain.recall = nil
        recalls -= 1
    }

    /// A connection was told READONLY: its consumer may keep away from it for as long as it is there.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - isNew: True if it began when its service was drained already: its consumer may have called on another.
    func noteReadonly(_ session: Session, isNew: Bool) {
        endRecall(session)
        if isNew || session.begunCalls > 0 { session.drain.mayKeepAway = true }
    }

    /// A connection was told WRITEABLE.
    func noteWriteable(_ session: Session, now: UInt64) {
        guard session.drain.mayKeepAway, session.drain.recall == nil else { return }
        session.drain.recall = DrainRecall(told: now, calls: session.begunCalls)
        recalls += 1
    }
}
