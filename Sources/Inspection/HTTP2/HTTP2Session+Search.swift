internal import Calls
internal import HTTP2
internal import Telemetry
internal import Wire

/// Connections that were joined in the middle, or of which bytes are missing.
extension HTTP2Session {
    /// How many bytes are searched for the beginning of a frame.
    static let maxSearchedBytes = 1 << 20
    /// A larger frame is not believed in where its beginning is guessed.
    private static let maxGuessedBytes: UInt32 = 1 << 20

    /// Looks for the beginning of a frame.
    func search(_ half: HTTP2Half, _ bytes: RawSpan, _ at: inout Int, _ context: ConnectionContext) {
        let start = at
        let found = Self.frameStart(in: bytes, from: at)
        at = found ?? bytes.byteCount
        context.recorder.uninspectedBytes(UInt64(at - start), reason: .resync)
        half.searchedBytes += at - start
        if found != nil {
            half.phase = .header
        } else if half.searchedBytes > Self.maxSearchedBytes {
            goBlind(context, .resync)
        }
    }

    /// Where a frame plausibly begins: its header makes sense, and so does the one behind it if that is here.
    static func frameStart(in bytes: RawSpan, from start: Int) -> Int? {
        // Segments mostly begin with a frame, so the first places are the likeliest.
        var at = start
        while at + HTTP2FrameHeader.byteCount <= bytes.byteCount {
            if isPlausible(bytes, at) { return at }
            at += 1
        }
        return nil
    }

    /// Whether bytes of which nothing is known begin with a frame: it and what follows make sense to their end.
    static func beginsWithFrame(_ bytes: RawSpan) -> Bool {
        var at = 0
        var count = 0
        while at + HTTP2FrameHeader.byteCount <= bytes.byteCount {
            let frame = HTTP2FrameHeader(bytes, at: at)
            guard isPlausible(frame) else { return false }
            at += frame.frameBytes
            count += 1
        }
        return count >= 2 || (count == 1 && at == bytes.byteCount)
    }

    private static func isPlausible(_ bytes: RawSpan, _ at: Int) -> Bool {
        var at = at
        for _ in 0..<3 {
            guard at + HTTP2FrameHeader.byteCount <= bytes.byteCount else { return true }
            let frame = HTTP2FrameHeader(bytes, at: at)
            guard isPlausible(frame) else { return false }
            at += frame.frameBytes
        }
        return true
    }

    /// Whether the header is one that a real peer writes.
    private static func isPlausible(_ frame: HTTP2FrameHeader) -> Bool {
        guard frame.payloadBytes <= maxGuessedBytes else { return false }
        return switch frame.type {
        case HTTP2FrameType.data: frame.streamID != 0 && frame.flags & ~0x9 == 0
        case HTTP2FrameType.headers:
            frame.streamID != 0 && frame.flags & ~0x2d == 0 && frame.payloadBytes > 0
        case HTTP2FrameType.priority: frame.streamID != 0 && frame.payloadBytes == 5
        case HTTP2FrameType.resetStream: frame.streamID != 0 && frame.payloadBytes == 4 && frame.flags == 0
        case HTTP2FrameType.settings:
            frame.streamID == 0 && frame.payloadBytes % 6 == 0 && frame.payloadBytes <= 240 && frame.flags & ~1 == 0
        case HTTP2FrameType.ping: frame.streamID == 0 && frame.payloadBytes == 8 && frame.flags & ~1 == 0
        case HTTP2FrameType.goAway: frame.streamID == 0 && frame.payloadBytes >= 8 && frame.flags == 0
        case HTTP2FrameType.windowUpdate: frame.payloadBytes == 4 && frame.flags == 0
        default: false
        }
    }

    func missed(_ count: UInt64, _ direction: Direction, _ context: ConnectionContext) {
        let half = half(direction)
        guard half.phase != .searching else { return }
        let left = UInt64(half.frame.payloadBytes) - UInt64(half.payloadRead)
        if half.phase == .payload, half.frame.type == HTTP2FrameType.data, count < left {
            // The frame's end is known; what its messages are is not.
            half.payloadRead += Int(count)
            forgetWindows()
            damage(half.frame.streamID)
            return
        }
        if half.phase == .payload { damage(half.frame.streamID) }
        half.phase = .searching
        forgetWindows()
        half.forgetHeader()
        half.blockStream = 0
        half.block = []
        half.gathered = []
        // Blocks may be missing: what they put into the table is not known.
        half.decoder = HPACKDecoder(names: HTTP2Half.names, isMidstream: true)
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
