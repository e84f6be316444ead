internal import Calls
internal import HTTP2
internal import Telemetry
internal import Wire

/// Connections of which bytes are missing.
extension HTTP2Session {
    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) {
        let state = state(direction)
        switch state.reader.miss(count) {
        case .none: return
        case .content:
            // The frame's end is known; what its messages are is not.
            forgetWindows()
            return damage(state.frame.streamID)
        case .framing(let isInPayload): if isInPayload { damage(state.frame.streamID) }
        }
        forgetWindows()
        state.assembler.forget()
        // Blocks may be missing: what they put into the table is not known.
        state.decoder = HPACKDecoder(names: HTTP2Direction.names, isMidstream: true)
        // So may SETTINGS that allow the other direction a larger table.
        let other = self.state(direction.opposite)
        other.pendingSettings = PendingSettings()
        if other.tableBytes < HPACKLimits.maxTableBytes { other.setTableSize(HPACKLimits.maxTableBytes) }
    }

    private func damage(_ id: UInt32) {
        let place = streams.place(of: id)
        if place >= 0 { streams[place].marks.insert(.isDamaged) }
    }
}
