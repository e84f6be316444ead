/// The open connections of one worker, by their numbers.
final class ConnectionTable {
    private var sessions: [Session?] = []
    private var freeNumbers: [UInt32] = []

    /// The session of a connection; `nil` once it has ended.
    subscript(number: UInt32) -> Session? { sessions[Int(number)] }

    /// Keeps a session under a number of its own.
    ///
    /// - Parameter make: Makes the session, given its number.
    /// - Returns: The session.
    func add(_ make: (_ number: UInt32) -> Session) -> Session {
        let number: UInt32
        if let free = freeNumbers.popLast() {
            number = free
        } else {
            number = UInt32(sessions.count)
            sessions.append(nil)
        }
        let session = make(number)
        sessions[Int(number)] = session
        return session
    }

    /// A connection has ended.
    func remove(_ number: UInt32) {
        sessions[Int(number)] = nil
        freeNumbers.append(number)
    }
}
