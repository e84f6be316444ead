internal import Wire

/// A cursor over the fields of a protobuf message whose bytes may end too early.
///
/// Source: protobuf `encoding.md`.
struct ProtobufCursor: ~Escapable {
    /// A field of the kind that has bytes.
    struct Field: BitwiseCopyable {
        var number: UInt32
        /// The bytes of it that are there.
        var range: ByteRange
        /// True if the bytes are complete.
        var isWhole: Bool
    }

    /// More fields than any wrapper has are not looked at.
    static let maxFields = 256

    private let bytes: RawSpan
    private var at = 0
    private var fieldsRead = 0
    /// True if the bytes read so far are a protobuf message.
    private(set) var isWellFormed = true

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The next field that has bytes; the others are stepped over.
    ///
    /// - Returns: `nil` at the end, where a field's head is cut off, and at what is no field.
    mutating func next() -> Field? {
        while at < bytes.byteCount, fieldsRead < Self.maxFields {
            fieldsRead &+= 1
            guard let tag = varint() else { return nil }
            guard tag >> 3 > 0, tag <= UInt64(UInt32.max) else { return malformed() }
            switch tag & 7 {
            case 0: guard varint() != nil else { return nil }
            case 1: at = min(at &+ 8, bytes.byteCount)
            case 5: at = min(at &+ 4, bytes.byteCount)
            case 2:
                guard let length = varint() else { return nil }
                guard length <= UInt64(Int32.max) else { return malformed() }
                let count = min(Int(length), bytes.byteCount &- at)
                let field = Field(
                    number: UInt32(tag >> 3),
                    range: ByteRange(offset: at, count: count),
                    isWhole: count == Int(length)
                )
                at &+= count
                return field
            default: return malformed()
            }
        }
        return nil
    }

    private mutating func malformed() -> Field? {
        isWellFormed = false
        at = bytes.byteCount
        return nil
    }

    /// Reads a number of at most ten bytes; `nil` when it is cut off or longer.
    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            at &+= 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift &+= 7
            guard shift < 70 else {
                isWellFormed = false
                at = bytes.byteCount
                return nil
            }
        }
        return nil
    }
}
