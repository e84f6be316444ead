internal import Calls
internal import HTTP2
internal import Telemetry
internal import Wire

/// Connections of which bytes are missing.
extension HTTP2Session {
    func missed(_ count: UInt64, _ direction: Direction, _ context: ConnectionContext) {
        let half = half(direction)
        switch half.reader.miss(count) {
        case .none: return
        case .content:
            // The frame's end is known; what its messages are is not.
            forgetWindows()
            return damage(half.frame.streamID)
        case .framing(let isInPayload): if isInPayload { damage(half.frame.streamID) }
        }
        forgetWindows()
        half.assembler.forget()
        // Blocks may be missing: what they put into the table is not known.
        half.decoder = HPACKDecoder(names: HTTP2Direction.names, isMidstream: true)
        // So may SETTINGS that allow the other direction a larger table.
        let other = self.half(direction.opposite)
        other.pendingSettings = PendingSettings()
        if other.tableBytes < HPACKLimits.maxTableBytes { other.setTableSize(HPACKLimits.maxTableBytes) }
    }

    private func damage(_ id: UInt32) {
        let place = streams.place(of: id)
        if place >= 0 { streams[place].marks.insert(.isDamaged) }
    }
}
