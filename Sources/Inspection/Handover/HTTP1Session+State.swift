internal import Calls
internal import Telemetry

/// An HTTP/1 connection that moves to another process: one on which no response is waited for.
extension HTTP1Session {
    func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString? {
        let isHolding = asked.heldBytes > 0 || answering.heldBytes > 0 || !answering.replies.isEmpty
        let isEnding = closing.isDue || closing.isAnnounced || gone.client || gone.server
        guard waiting == 0, !isHolding, !isEnding, !search.isGoingOn, asked.reading == .follow, !answering.isBlind
        else {
            return nil
        }
        writer.add(Int(requestDirection.rawValue))
        writer.add(queue.nextNumber)
        return "http1"
    }

    /// A session that goes on where one of another process was between two exchanges.
    convenience init(state reader: inout ReportReader) throws(ReportError) {
        guard let direction = Direction(rawValue: UInt8(clamping: try reader.number())) else { throw .malformed }
        self.init(requests: direction)
        queue.nextNumber = max(1, try reader.number())
    }
}
