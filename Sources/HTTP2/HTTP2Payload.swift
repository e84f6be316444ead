public import Wire

/// The reasons for which a frame's payload contradicts its header.
public enum HTTP2FrameError: Error, Equatable, Sendable {
    /// Too short or not of the length that the type has.
    case badLength(type: UInt8, payloadBytes: UInt32)
    /// The padding is as long as the payload or longer.
    case badPadding(padBytes: UInt8, payloadBytes: UInt32)

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .badLength: "frame_length"
        case .badPadding: "frame_padding"
        }
    }
}

extension HTTP2FrameHeader {
    /// The place of the content of a DATA, HEADERS or PUSH_PROMISE payload, without padding and priority.
    ///
    /// - Parameter firstByte: The payload's first byte: its pad length, looked at only if the frame is padded.
    /// - Returns: The body's bytes or the header block fragment, counted from the payload's first byte.
    /// - Throws: ``HTTP2FrameError`` when the payload has no room for its own fields (RFC 9113 §6.1, §6.2, §6.6).
    public func content(firstByte: UInt8) throws(HTTP2FrameError) -> ByteRange {
        var front: UInt32 = 0
        if type == HTTP2FrameType.headers, has(HTTP2Flag.priority) { front = 5 }
        if type == HTTP2FrameType.pushPromise { front = 4 }
        var padBytes: UInt8 = 0
        if type != HTTP2FrameType.continuation, has(HTTP2Flag.padded) {
            front += 1
            padBytes = firstByte
        }
        guard front <= payloadBytes else { throw .badLength(type: type, payloadBytes: payloadBytes) }
        guard UInt32(padBytes) <= payloadBytes - front else {
            throw .badPadding(padBytes: padBytes, payloadBytes: payloadBytes)
        }
        return ByteRange(offset: Int(front), count: Int(payloadBytes - front - UInt32(padBytes)))
    }

    /// The one 32-bit number of an RST_STREAM (an error code) or a WINDOW_UPDATE (an increment, 31 bits).
    ///
    /// - Parameter payload: The whole payload.
    /// - Returns: The number, the reserved bit of an increment taken off.
    /// - Throws: ``HTTP2FrameError/badLength(type:payloadBytes:)`` unless the payload has four bytes.
    public func number(in payload: RawSpan) throws(HTTP2FrameError) -> UInt32 {
        guard payloadBytes == 4, payload.byteCount == 4 else {
            throw .badLength(type: type, payloadBytes: payloadBytes)
        }
        return payload.uint32(at: 0) & (type == HTTP2FrameType.windowUpdate ? 0x7fff_ffff : .max)
    }

    /// The fixed part of a GOAWAY.
    ///
    /// - Parameter payload: The payload's first eight bytes, or more.
    /// - Returns: The last stream the sender looks at, 31 bits, and its error code.
    /// - Throws: ``HTTP2FrameError/badLength(type:payloadBytes:)`` when there are fewer than eight.
    public func goAway(in payload: RawSpan) throws(HTTP2FrameError) -> (lastStreamID: UInt32, errorCode: UInt32) {
        guard payload.byteCount >= 8 else { throw .badLength(type: type, payloadBytes: payloadBytes) }
        return (payload.uint32(at: 0) & 0x7fff_ffff, payload.uint32(at: 4))
    }

    /// The number of settings in a SETTINGS frame.
    ///
    /// - Throws: ``HTTP2FrameError/badLength(type:payloadBytes:)`` when the payload is no row of six-byte settings,
    ///   or when an acknowledgement holds any.
    public func settingCount() throws(HTTP2FrameError) -> Int {
        guard payloadBytes % UInt32(HTTP2Setting.byteCount) == 0, !has(HTTP2Flag.ack) || payloadBytes == 0 else {
            throw .badLength(type: type, payloadBytes: payloadBytes)
        }
        return Int(payloadBytes) / HTTP2Setting.byteCount
    }
}

/// One setting of a SETTINGS frame: its number and its value.
public struct HTTP2Setting: BitwiseCopyable, Equatable, Sendable {
    /// A setting's length on the wire.
    public static let byteCount = 6

    /// The setting's number; see ``HTTP2SettingID``.
    ///
    /// Unknown numbers are ignored (RFC 9113 §6.5.2).
    public var id: UInt16
    /// The setting's value.
    public var value: UInt32

    /// A setting.
    public init(id: UInt16, value: UInt32) {
        self.id = id
        self.value = value
    }

    /// Reads the setting at `offset`.
    ///
    /// - Parameters:
    ///   - bytes: At least ``byteCount`` bytes from `offset` on, or the call traps.
    ///   - offset: The setting's first byte.
    public init(_ bytes: RawSpan, at offset: Int) {
        id = bytes.uint16(at: offset)
        value = bytes.uint32(at: offset + 2)
    }
}
