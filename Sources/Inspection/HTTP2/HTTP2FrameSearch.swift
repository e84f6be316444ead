internal import HTTP2
internal import Wire

/// The search for a frame in connections that were joined in the middle, or of which bytes are missing.
enum HTTP2FrameSearch {
    /// The most bytes that are searched.
    static let maxBytes = 1 << 20
    /// The largest frame that is believed in where its beginning is guessed.
    private static let maxGuessedBytes: UInt32 = 1 << 20

    /// Where a frame plausibly begins: its header makes sense, and so does the one behind it if that is here.
    static func start(in bytes: RawSpan, from start: Int) -> Int? {
        // Segments mostly begin with a frame, so the first places are the likeliest.
        var at = start
        while at + HTTP2FrameHeader.byteCount <= bytes.byteCount {
            if isPlausible(bytes, at) { return at }
            at += 1
        }
        return nil
    }

    /// True if bytes of which nothing is known begin with a frame: it and what follows make sense to their end.
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

    /// True if the header is one that a real peer writes.
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
}
