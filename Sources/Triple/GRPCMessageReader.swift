public import Wire

/// A part of a message, as one piece of DATA holds it.
public struct GRPCMessagePart: BitwiseCopyable, Equatable, Sendable {
    /// The bytes of this message's payload that lie in the piece; empty when there are none yet.
    public var payload: ByteRange
    /// The size of the whole payload.
    public var lengthBytes: UInt32
    /// True if the payload is compressed (bit 0 of the flag).
    public var isCompressed: Bool
    /// True if the message begins with this part.
    public var isStart: Bool
    /// True if the message ends with this part.
    public var isEnd: Bool

    /// True if the part is the whole message.
    @inlinable @inline(__always)
    public var isWhole: Bool { isStart && isEnd }
}

/// Finds the messages in the DATA of one direction of one stream, in pieces of any size.
///
///     0          1                 5
///     | flag     | length (4 B BE) | payload
///
/// - flag: bit 0 compressed; the others must be 0.
/// - length: at most ``maxMessageBytes``.
///
/// It holds no bytes: 24 in all, as one is kept for each direction of each open stream. Give it every piece in order
/// and ask for parts until there are no more:
///
///     var at = 0
///     while let part = reader.next(piece, &at) { … }
///
/// Source: gRPC `PROTOCOL-HTTP2.md` (Length-Prefixed-Message), `TriDecoder.java`.
public struct GRPCMessageReader: BitwiseCopyable, Sendable {
    /// The prefix's length.
    public static let prefixBytes = 5
    /// A longer message is taken for garbage: no peer allows one near it.
    public static let maxMessageBytes: UInt32 = 1 << 30

    /// The payload bytes of complete and begun messages so far.
    public private(set) var payloadBytes: UInt64 = 0
    /// The length in progress, then the message's length.
    private var length: UInt32 = 0
    /// The payload bytes still to come.
    private var remaining: UInt32 = 0
    /// The number of messages complete.
    public private(set) var messageCount: UInt32 = 0
    /// The number of bytes of the prefix read; 5 in front of the payload's end.
    private var prefixRead: UInt8 = 0
    private var flag: UInt8 = 0
    /// True if a prefix was no message's: nothing is found from there on.
    public private(set) var isDamaged = false

    /// A reader in front of the first message.
    @inlinable @inline(__always)
    public init() {}

    /// True if bytes of a message were read and its end was not.
    public var isInsideMessage: Bool { prefixRead > 0 }

    /// The next part of a message in a piece.
    ///
    /// - Parameters:
    ///   - piece: A piece of DATA, without padding; the same one until the result is `nil`.
    ///   - at: The position to continue at, 0 at the piece's beginning; moved after what was read.
    /// - Returns: The part, or `nil` when the piece has been read to its end (or the stream is damaged). A message
    ///   whose payload lies in several pieces gives a part for each, the first one perhaps empty.
    public mutating func next(_ piece: RawSpan, _ at: inout Int) -> GRPCMessagePart? {
        guard at < piece.byteCount else { return nil }
        var isStart = false
        if prefixRead < Self.prefixBytes {
            guard !isDamaged, readPrefix(piece, &at) else {
                at = piece.byteCount
                return nil
            }
            isStart = true
        }
        let taken = min(Int(remaining), piece.byteCount &- at)
        remaining &-= UInt32(truncatingIfNeeded: taken)
        payloadBytes &+= UInt64(truncatingIfNeeded: taken)
        let part = GRPCMessagePart(
            payload: ByteRange(offset: at, count: taken),
            lengthBytes: length,
            isCompressed: flag == 1,
            isStart: isStart,
            isEnd: remaining == 0
        )
        at &+= taken
        if part.isEnd {
            messageCount &+= 1
            prefixRead = 0
            length = 0
        }
        return part
    }

    /// Reads what there is of a prefix.
    ///
    /// - Returns: True if it is complete and belongs to a message.
    private mutating func readPrefix(_ piece: RawSpan, _ at: inout Int) -> Bool {
        if prefixRead == 0, piece.byteCount &- at >= Self.prefixBytes {
            flag = piece.byte(at: at)
            length = piece.uint32(at: at &+ 1)
            prefixRead = 5
            at &+= 5
        } else {
            while prefixRead < Self.prefixBytes, at < piece.byteCount {
                let byte = piece.byte(at: at)
                if prefixRead == 0 { flag = byte } else { length = length << 8 | UInt32(byte) }
                prefixRead &+= 1
                at &+= 1
            }
        }
        if prefixRead > 0, flag > 1 { return damaged() }
        guard prefixRead == 5 else { return false }
        guard length <= Self.maxMessageBytes else { return damaged() }
        remaining = length
        return true
    }

    private mutating func damaged() -> Bool {
        isDamaged = true
        prefixRead = 0
        return false
    }
}
