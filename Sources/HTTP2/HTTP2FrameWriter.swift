internal import Wire

/// A writer of the frames that Weir adds.
///
/// Stream ids and last-stream ids are 31 bits; a higher bit is dropped. Source: RFC 9113 §6.
public enum HTTP2FrameWriter {
    /// Appends a frame header.
    ///
    /// - Parameters:
    ///   - header: Its payload length is at most 24 bits, or the call traps.
    ///   - out: The buffer; nine bytes are appended.
    public static func header(_ header: HTTP2FrameHeader, into out: inout [UInt8]) {
        precondition(header.payloadBytes <= HTTP2FrameHeader.maxPayloadBytes, "a payload's length has 24 bits")
        out.appendBigEndian(header.payloadBytes << 8 | UInt32(header.type))
        out.append(header.flags)
        out.appendBigEndian(header.streamID & 0x7fff_ffff)
    }

    /// Appends a header block: a HEADERS frame and, where it does not fit, CONTINUATION frames.
    ///
    /// - Parameters:
    ///   - block: The whole encoded block.
    ///   - streamID: The stream.
    ///   - endsStream: True if the sender's half of the stream ends with it.
    ///   - maxFrameBytes: The receiver's MAX_FRAME_SIZE, 1 to 2²⁴ − 1; values outside are taken for the nearest.
    ///   - out: The buffer that the frames is appended to.
    public static func headers(
        _ block: RawSpan,
        streamID: UInt32,
        endsStream: Bool,
        maxFrameBytes: UInt32,
        into out: inout [UInt8]
    ) {
        let most = pieceBytes(maxFrameBytes)
        var at = 0
        repeat {
            let count = min(most, block.byteCount - at)
            var flags: UInt8 = at == 0 && endsStream ? HTTP2Flag.endStream : 0
            if at + count == block.byteCount { flags |= HTTP2Flag.endHeaders }
            let type = at == 0 ? HTTP2FrameType.headers : HTTP2FrameType.continuation
            let header = HTTP2FrameHeader(
                payloadBytes: UInt32(count),
                type: type,
                flags: flags,
                streamID: streamID
            )
            self.header(header, into: &out)
            out.append(block.extracting(at..<at + count))
            at += count
        } while at < block.byteCount
    }

    /// Appends a message's body, or a piece of it, as DATA frames.
    ///
    /// - Parameters:
    ///   - body: The bytes; none make one empty frame.
    ///   - streamID: The stream.
    ///   - endsStream: True if the last of the frames ends the sender's half of the stream.
    ///   - maxFrameBytes: The largest frame, as for ``headers(_:streamID:endsStream:maxFrameBytes:into:)``.
    ///   - out: The buffer that the frames is appended to.
    public static func data(
        _ body: RawSpan,
        streamID: UInt32,
        endsStream: Bool,
        maxFrameBytes: UInt32,
        into out: inout [UInt8]
    ) {
        let most = pieceBytes(maxFrameBytes)
        var at = 0
        repeat {
            let count = min(most, body.byteCount - at)
            let isLast = at + count == body.byteCount
            let header = HTTP2FrameHeader(
                payloadBytes: UInt32(count),
                type: HTTP2FrameType.data,
                flags: isLast && endsStream ? HTTP2Flag.endStream : 0,
                streamID: streamID
            )
            self.header(header, into: &out)
            out.append(body.extracting(at..<at + count))
            at += count
        } while at < body.byteCount
    }

    /// Appends an RST_STREAM.
    ///
    /// - Parameters:
    ///   - streamID: The stream.
    ///   - errorCode: One of ``HTTP2ErrorCode``.
    ///   - out: The buffer that the frame is appended to.
    public static func resetStream(_ streamID: UInt32, errorCode: UInt32, into out: inout [UInt8]) {
        header(
            HTTP2FrameHeader(payloadBytes: 4, type: HTTP2FrameType.resetStream, streamID: streamID),
            into: &out
        )
        out.appendBigEndian(errorCode)
    }

    /// Appends a WINDOW_UPDATE, or nothing when there is nothing to give: an increment of 0 is an error on the wire.
    ///
    /// - Parameters:
    ///   - increment: The increment in bytes, 31 bits.
    ///   - streamID: The stream; 0 for the connection.
    ///   - out: The buffer that the frame is appended to.
    public static func windowUpdate(_ increment: UInt32, streamID: UInt32, into out: inout [UInt8]) {
        guard increment & 0x7fff_ffff > 0 else { return }
        header(
            HTTP2FrameHeader(payloadBytes: 4, type: HTTP2FrameType.windowUpdate, streamID: streamID),
            into: &out
        )
        out.appendBigEndian(increment & 0x7fff_ffff)
    }

    /// Appends a GOAWAY.
    ///
    /// - Parameters:
    ///   - lastStreamID: The last stream that will be looked at; 2³¹ − 1 in the first of two steps.
    ///   - errorCode: One of ``HTTP2ErrorCode``.
    ///   - debug: Text for the peer's log; what passes 16,376 bytes is left out so that any receiver takes the frame.
    ///   - out: The buffer that the frame is appended to.
    public static func goAway(
        lastStreamID: UInt32,
        errorCode: UInt32,
        debug: RawSpan = RawSpan(),
        into out: inout [UInt8]
    ) {
        let text = debug.extracting(first: Int(HTTP2Default.maxFrameBytes) - 8)
        let header = HTTP2FrameHeader(
            payloadBytes: UInt32(8 + text.byteCount),
            type: HTTP2FrameType.goAway,
            streamID: 0
        )
        self.header(header, into: &out)
        out.appendBigEndian(lastStreamID & 0x7fff_ffff)
        out.appendBigEndian(errorCode)
        out.append(text)
    }

    /// Appends a PING, or the answer to one.
    ///
    /// - Parameters:
    ///   - opaque: The eight bytes, the first of them in the highest place.
    ///   - isAck: True if it is an acknowledgement.
    ///   - out: The buffer that the frame is appended to.
    public static func ping(_ opaque: UInt64, isAck: Bool, into out: inout [UInt8]) {
        let header = HTTP2FrameHeader(
            payloadBytes: 8,
            type: HTTP2FrameType.ping,
            flags: isAck ? HTTP2Flag.ack : 0,
            streamID: 0
        )
        self.header(header, into: &out)
        out.appendBigEndian(opaque)
    }

    /// Appends a SETTINGS frame.
    ///
    /// - Parameters:
    ///   - settings: At most some thousands; in order.
    ///   - out: The buffer that the frame is appended to.
    public static func settings(_ settings: [HTTP2Setting], into out: inout [UInt8]) {
        let header = HTTP2FrameHeader(
            payloadBytes: UInt32(settings.count * HTTP2Setting.byteCount),
            type: HTTP2FrameType.settings,
            streamID: 0
        )
        self.header(header, into: &out)
        for setting in settings {
            out.appendBigEndian(setting.id)
            out.appendBigEndian(setting.value)
        }
    }

    /// Appends the acknowledgement of SETTINGS.
    ///
    /// - Parameter out: The buffer that the frame is appended to.
    public static func settingsAck(into out: inout [UInt8]) {
        let header = HTTP2FrameHeader(
            payloadBytes: 0,
            type: HTTP2FrameType.settings,
            flags: HTTP2Flag.ack,
            streamID: 0
        )
        self.header(header, into: &out)
    }

    private static func pieceBytes(_ maxFrameBytes: UInt32) -> Int {
        Int(min(max(maxFrameBytes, 1), HTTP2FrameHeader.maxPayloadBytes))
    }
}
