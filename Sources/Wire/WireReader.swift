/// Why a ``WireReader`` could not give what was asked for.
public enum WireError: Error, Equatable, Sendable {
    /// The bytes end before the value does.
    case truncated
}

/// A cursor over bytes that are all there: reads big-endian values in order and throws where they end.
///
/// For input that arrives in pieces use a resumable machine instead; here the end of the bytes is an error.
public struct WireReader: ~Escapable {
    /// All of the bytes.
    public let bytes: RawSpan
    /// The next byte to be read.
    public private(set) var offset: Int

    /// A cursor at the first byte.
    ///
    /// - Parameter bytes: What is read.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) {
        self.bytes = bytes
        self.offset = 0
    }

    /// How many bytes are left.
    public var remaining: Int { bytes.byteCount - offset }

    /// Reads one byte.
    ///
    /// - Throws: ``WireError/truncated`` at the end.
    public mutating func uint8() throws(WireError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { offset += 1 }
        return bytes.byte(at: offset)
    }

    /// Reads a 16-bit big-endian number.
    ///
    /// - Throws: ``WireError/truncated`` when fewer than two bytes are left.
    public mutating func uint16() throws(WireError) -> UInt16 {
        guard remaining >= 2 else { throw .truncated }
        defer { offset += 2 }
        return bytes.uint16(at: offset)
    }

    /// Reads a 32-bit big-endian number.
    ///
    /// - Throws: ``WireError/truncated`` when fewer than four bytes are left.
    public mutating func uint32() throws(WireError) -> UInt32 {
        guard remaining >= 4 else { throw .truncated }
        defer { offset += 4 }
        return bytes.uint32(at: offset)
    }

    /// Reads a 64-bit big-endian number.
    ///
    /// - Throws: ``WireError/truncated`` when fewer than eight bytes are left.
    public mutating func uint64() throws(WireError) -> UInt64 {
        guard remaining >= 8 else { throw .truncated }
        defer { offset += 8 }
        return bytes.uint64(at: offset)
    }

    /// Steps over `count` bytes and says where they were.
    ///
    /// - Parameter count: Not negative.
    /// - Returns: Their place in the reader's bytes.
    /// - Throws: ``WireError/truncated`` when fewer are left, or when `count` is negative.
    public mutating func take(_ count: Int) throws(WireError) -> ByteRange {
        guard count >= 0, count <= remaining else { throw .truncated }
        defer { offset += count }
        return ByteRange(offset: offset, count: count)
    }
}
