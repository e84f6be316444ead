internal import HTTP2
internal import Wire

/// The consequences of the peers' SETTINGS and of missing bytes for a direction's header blocks and frames.
extension HTTP2Direction {
    /// The sender of this direction says what it accepts of the other.
    ///
    /// - Parameters:
    ///   - payload: The payload of its SETTINGS.
    ///   - other: The other direction.
    ///   - changesWindow: Called with each INITIAL_WINDOW_SIZE.
    /// - Throws: ``HTTP2Failure/settingsLength`` after which the connection is followed on, or
    ///   ``HTTP2Failure/settingsFlood``.
    func takeSettings(
        _ payload: RawSpan,
        of other: HTTP2Direction,
        changesWindow: (UInt32) -> Void
    ) throws(HTTP2Failure) {
        hasSettings = true
        guard let count = try? frame.settingCount() else { throw .settingsLength }
        if frame.has(HTTP2Flag.ack) {
            // What this direction's receiver had set binds its sender from here on.
            if let size = pendingSettings.acknowledge() { setTableSize(size) }
            return
        }
        var tableSize: UInt32?
        for index in 0..<min(count, payload.byteCount / HTTP2Setting.byteCount) {
            let setting = HTTP2Setting(payload, at: index * HTTP2Setting.byteCount)
            switch setting.id {
            case HTTP2SettingID.headerTableSize:
                tableSize = setting.value
                // A larger one may be used before it is acknowledged.
                if setting.value > other.tableBytes { other.setTableSize(setting.value) }
            case HTTP2SettingID.initialWindowSize: changesWindow(setting.value)
            case HTTP2SettingID.maxFrameSize:
                other.maxFrameBytes = max(
                    HTTP2Default.maxFrameBytes,
                    min(setting.value, HTTP2FrameHeader.maxPayloadBytes)
                )
            default: break
            }
        }
        // Who joined in the middle may miss acknowledgements, and needs none.
        guard !other.decoder.isMidstream else { return }
        guard other.pendingSettings.append(tableSize) else { throw .settingsFlood }
    }

    /// Bytes of the direction are missing behind which a frame must be looked for.
    ///
    /// - Parameter other: The other direction.
    func forgetBlocks(_ other: HTTP2Direction) {
        assembler.forget()
        // Blocks may be missing: what they put into the table is not known.
        decoder = HPACKDecoder(names: HTTP2Direction.names, isMidstream: true)
        // So may SETTINGS that allow the other direction a larger table.
        other.pendingSettings = PendingSettings()
        if other.tableBytes < HPACKLimits.maxTableBytes { other.setTableSize(HPACKLimits.maxTableBytes) }
    }
}
