public import Wire

/// The fixed 9-byte header in front of every HTTP/2 frame.
///
///     0            3      4       5                9
///     | length BE  | type | flags | R, stream id BE |
///
/// - length: payload bytes, the header not counted; 24 bits, so nothing is refused here: the receiver's
///   MAX_FRAME_SIZE is the session's affair (Java announces 8 MiB).
/// - R: reserved, ignored when read, 0 when written.
///
/// Source: RFC 9113 §4.1.
public struct HTTP2FrameHeader: BitwiseCopyable, Equatable, Sendable {
    /// The header's own length.
    public static let byteCount = 9
    /// The largest payload 24 bits can announce.
    public static let maxPayloadBytes: UInt32 = 1 << 24 - 1

    /// The length of the payload, in bytes.
    public var payloadBytes: UInt32
    /// The type; see ``HTTP2FrameType``.
    public var type: UInt8
    /// Flags whose meaning depends on the type; see ``HTTP2Flag``.
    public var flags: UInt8
    /// The stream, 31 bits; 0 is the connection.
    public var streamID: UInt32

    /// A header with these fields.
    public init(payloadBytes: UInt32, type: UInt8, flags: UInt8 = 0, streamID: UInt32) {
        self.payloadBytes = payloadBytes
        self.type = type
        self.flags = flags
        self.streamID = streamID
    }

    /// Reads the header at `offset`.
    ///
    /// - Parameters:
    ///   - bytes: At least ``byteCount`` bytes from `offset` on, or the call traps.
    ///   - offset: The header's first byte.
    @inlinable @inline(__always)
    public init(_ bytes: RawSpan, at offset: Int) {
        self.init(first: bytes.uint64(at: offset), last: bytes.byte(at: offset &+ 8))
    }

    /// Reads the header from its bytes as numbers, for one that arrived in pieces.
    ///
    /// - Parameters:
    ///   - first: The first eight bytes, the first of them in the highest place.
    ///   - last: The ninth byte.
    @inlinable @inline(__always)
    public init(first: UInt64, last: UInt8) {
        payloadBytes = UInt32(truncatingIfNeeded: first >> 40)
        type = UInt8(truncatingIfNeeded: first >> 32)
        flags = UInt8(truncatingIfNeeded: first >> 24)
        streamID = (UInt32(truncatingIfNeeded: first) << 8 | UInt32(last)) & 0x7fff_ffff
    }

    /// True if all bits of `flag` are set.
    ///
    /// - Parameter flag: One of ``HTTP2Flag``.
    /// - Returns: True if all are set.
    @inlinable @inline(__always)
    public func has(_ flag: UInt8) -> Bool { flags & flag == flag }

    /// The whole frame's length.
    @inlinable @inline(__always)
    public var frameBytes: Int { Self.byteCount &+ Int(payloadBytes) }
}
