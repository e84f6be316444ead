internal import Calls
internal import JSONRPC
internal import Telemetry

/// A raw JSON-RPC connection that moves to another process: one without calls in flight, whose ids stand in the call
/// table as hashes that mean nothing elsewhere.
extension JSONStreamSession {
    func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString? {
        guard isIdentified, session.inFlight == 0, candidates.isEmpty else { return nil }
        for direction in [state(.toUpstream), state(.toDownstream)] {
            guard direction.heldBytes == 0, direction.early == nil, !direction.dropsSpace else { return nil }
            writer.add(Int(direction.place.rawValue))
        }
        return "jsonrpc"
    }

    /// A session that goes on where one of another process was between two values.
    convenience init(state reader: inout ReportReader) throws(ReportError) {
        self.init()
        for direction in [state(.toUpstream), state(.toDownstream)] {
            guard let place = JSONRPCFacts.Place(rawValue: UInt8(clamping: try reader.number())) else {
                throw .malformed
            }
            direction.place = place
        }
        isIdentified = true
    }
}
