internal import Calls
internal import Wire

/// The calls of one worker that have left their connection because their reply comes on another.
final class CorrelatedCalls {
    /// The state of such a call.
    struct Kept {
        /// Under what it waits in the process's table.
        var key: UInt64
        /// The ends of the connection that it came on.
        var ends: ObservedConnection?
        /// The endpoint or session whose stream is to bring its reply.
        var scope: UInt64
        /// True if its deadline is Weir's own: what comes in that stream puts it off.
        var putsOffDeadline: Bool
    }

    /// Where such calls wait.
    ///
    /// Workers that see connections of the same clients share one; each begins with one of its own.
    var waiting = CorrelationTable() { didSet { joined = nil } }
    /// The calls, by their places in the call table.
    var kept: [Int32: Kept] = [:]
    private var joined: Int?
    /// The session under which the calls are; there once there was one.
    private var homeIfAny: Session?
    private let connections: ConnectionTable

    init(connections: ConnectionTable) { self.connections = connections }

    /// The number under which the table knows this worker.
    var number: Int {
        if let joined { return joined }
        let number = waiting.join()
        joined = number
        return number
    }

    /// True if a session is the one under which such calls are.
    @inline(__always)
    func isHome(_ session: Session) -> Bool { !kept.isEmpty && session === homeIfAny }

    /// The session under which such calls are.
    var home: Session {
        if let homeIfAny { return homeIfAny }
        let session = connections.add { number in
            Session(number: number, side: .provider, connection: nil, isMidstream: false, isClientUnknown: false)
        }
        homeIfAny = session
        return session
    }
}
