/// A writer that appends protobuf fields to a byte buffer.
///
/// Source: Protocol Buffers, "Encoding".
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// A field of type `uint64`, `uint32`, `int64` (not negative) or an enum.
    mutating func varint(field: Int, _ value: UInt64) {
        tag(field, 0)
        append(value)
    }

    /// A field of type `sint64` or `sint32`.
    mutating func zigzag(field: Int, _ value: Int64) {
        varint(field: field, UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)))
    }

    /// A field of type `double`.
    mutating func double(field: Int, _ value: Double) {
        tag(field, 1)
        var bits = value.bitPattern
        for _ in 0..<8 {
            bytes.append(UInt8(truncatingIfNeeded: bits))
            bits &>>= 8
        }
    }

    /// A field of type `string`, `bytes` or a message.
    mutating func bytes(field: Int, _ value: [UInt8]) {
        begin(field: field, count: value.count)
        bytes.append(contentsOf: value)
    }

    /// Writes the head of a field whose `count` bytes follow.
    mutating func begin(field: Int, count: Int) {
        tag(field, 2)
        append(UInt64(count))
    }

    /// The 16 lower-case hex digits of an id, without a field.
    mutating func append(hex id: UInt64) { bytes.append(hex: id) }

    /// The length of a varint.
    static func byteCount(_ value: UInt64) -> Int { max(1, (64 - value.leadingZeroBitCount + 6) / 7) }

    /// Bytes that are fields already.
    mutating func append(fields: [UInt8]) { bytes.append(contentsOf: fields) }

    /// A varint without a field, such as a message's length before it.
    mutating func append(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func tag(_ field: Int, _ wireType: UInt64) { append(UInt64(field) << 3 | wireType) }
}
