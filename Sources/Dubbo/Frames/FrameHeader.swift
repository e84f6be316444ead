public import Wire

/// The reasons for which bytes are not a Dubbo frame.
public enum FrameError: Error, Equatable, Sendable {
    /// The first two bytes are not `DA BB`.
    case badMagic(found: UInt16)
    /// A negative body length, or one above ``FrameHeader/maxBodyBytes``.
    case badLength(declared: UInt32)

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .badMagic: "magic"
        case .badLength: "length"
        }
    }
}

/// The fixed 16-byte header in front of every Dubbo 2 message.
///
///     0        2      3       4                     12          16
///     | 0xDABB | flag | status | request id (8 B BE) | length BE |
///
/// - flag: bit 7 request, 6 two-way, 5 event, 4…0 serialization id (2 = Hessian 2).
/// - length: body bytes, the header not counted; at most ``maxBodyBytes``.
///
/// Source: `ExchangeCodec.java` of Apache Dubbo.
public struct FrameHeader: BitwiseCopyable, Equatable, Sendable {
    /// The header's own length.
    public static let byteCount = 16
    /// `DA BB`.
    public static let magic: UInt16 = 0xdabb
    /// A longer body is taken for garbage: no peer has a payload limit near it.
    public static let maxBodyBytes: UInt32 = 1 << 30

    /// The flag byte.
    public var flags: UInt8
    /// The status byte; it means something in replies only.
    public var status: UInt8
    /// The id that joins a reply to its request: signed in Java, compared as raw bits.
    public var requestID: UInt64
    /// The length of the body, in bytes.
    public var bodyBytes: UInt32

    /// A header with these fields.
    public init(flags: UInt8, status: UInt8, requestID: UInt64, bodyBytes: UInt32) {
        self.flags = flags
        self.status = status
        self.requestID = requestID
        self.bodyBytes = bodyBytes
    }

    /// Reads the header at `offset`.
    ///
    /// - Parameters:
    ///   - bytes: At least ``byteCount`` bytes from `offset` on.
    ///   - offset: The header's first byte.
    /// - Throws: ``FrameError`` when no frame begins there.
    @inlinable @inline(__always)
    public init(_ bytes: RawSpan, at offset: Int) throws(FrameError) {
        try self.init(first: bytes.uint64(at: offset), second: bytes.uint64(at: offset &+ 8))
    }

    /// Reads the header that two 64-bit words hold, for one that arrived in pieces.
    ///
    /// - Parameters:
    ///   - first: The first eight bytes, the first of them in the highest place.
    ///   - second: The last eight bytes.
    /// - Throws: ``FrameError`` when they are no header.
    @inlinable @inline(__always)
    public init(first: UInt64, second: UInt64) throws(FrameError) {
        let magic = UInt16(truncatingIfNeeded: first >> 48)
        guard magic == Self.magic else { throw .badMagic(found: magic) }
        flags = UInt8(truncatingIfNeeded: first >> 40)
        status = UInt8(truncatingIfNeeded: first >> 32)
        requestID = first << 32 | second >> 32
        bodyBytes = UInt32(truncatingIfNeeded: second)
        guard bodyBytes <= Self.maxBodyBytes else { throw .badLength(declared: bodyBytes) }
    }

    /// True if the frame is a request; otherwise it is a reply.
    @inlinable @inline(__always)
    public var isRequest: Bool { flags & 0x80 != 0 }

    /// True if the request expects a reply.
    @inlinable @inline(__always)
    public var isTwoWay: Bool { flags & 0x40 != 0 }

    /// True if the frame is an event (heartbeat, read-only) and not a call.
    @inlinable @inline(__always)
    public var isEvent: Bool { flags & 0x20 != 0 }

    /// The serialization id of the body; see ``Serialization``.
    @inlinable @inline(__always)
    public var serialization: UInt8 { flags & 0x1f }

    /// The whole frame's length.
    @inlinable @inline(__always)
    public var frameBytes: UInt64 { UInt64(Self.byteCount) + UInt64(bodyBytes) }
}
