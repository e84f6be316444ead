internal import Wire

/// The reason for giving up on a body: it ends too early, or is not in the serialization that its header names.
enum BodyError: Error {
    case unreadable
}

/// A position in complete bytes, for the readers of serializations other than Hessian 2.
struct BodyCursor: ~Escapable {
    /// All of the bytes.
    let bytes: RawSpan
    /// The position of the next byte; never past the end.
    private(set) var offset = 0

    /// A cursor at the first byte.
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The number of bytes left.
    var remaining: Int { bytes.byteCount - offset }

    /// The next byte, left where it is; `nil` at the end.
    var next: UInt8? { offset < bytes.byteCount ? bytes.byte(at: offset) : nil }

    /// Reads one byte.
    mutating func byte() throws(BodyError) -> UInt8 {
        guard remaining >= 1 else { throw .unreadable }
        defer { offset += 1 }
        return bytes.byte(at: offset)
    }

    /// Reads a 16-bit big-endian number.
    mutating func uint16() throws(BodyError) -> UInt16 {
        guard remaining >= 2 else { throw .unreadable }
        defer { offset += 2 }
        return bytes.uint16(at: offset)
    }

    /// Reads a 32-bit big-endian number.
    mutating func uint32() throws(BodyError) -> UInt32 {
        guard remaining >= 4 else { throw .unreadable }
        defer { offset += 4 }
        return bytes.uint32(at: offset)
    }

    /// Steps over `count` bytes and returns their range.
    @discardableResult
    mutating func take(_ count: Int) throws(BodyError) -> ByteRange {
        guard count >= 0, count <= remaining else { throw .unreadable }
        defer { offset += count }
        return ByteRange(offset: offset, count: count)
    }

    /// Steps over one byte that must be `byte`.
    mutating func expect(_ byte: UInt8) throws(BodyError) {
        guard try self.byte() == byte else { throw .unreadable }
    }

    /// Returns to an earlier position.
    mutating func rewind(to offset: Int) {
        precondition(offset >= 0 && offset <= self.offset, "rewinding forwards")
        self.offset = offset
    }
}
