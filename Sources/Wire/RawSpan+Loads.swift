extension RawSpan {
    /// The byte at `offset`.
    ///
    /// - Parameter offset: A position inside the span; anything else is a programming error and traps.
    /// - Returns: The byte.
    @inlinable @inline(__always)
    public func byte(at offset: Int) -> UInt8 {
        // SAFETY: unsafeLoad checks its bounds; every bit pattern is a UInt8.
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// The 16-bit big-endian number at `offset` (network byte order).
    ///
    /// - Parameter offset: At most `byteCount - 2`; anything else traps.
    /// - Returns: The number.
    @inlinable @inline(__always)
    public func uint16(at offset: Int) -> UInt16 {
        // SAFETY: unsafeLoadUnaligned checks its bounds; every bit pattern is valid.
        unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// The 32-bit big-endian number at `offset` (network byte order).
    ///
    /// - Parameter offset: At most `byteCount - 4`; anything else traps.
    /// - Returns: The number.
    @inlinable @inline(__always)
    public func uint32(at offset: Int) -> UInt32 {
        // SAFETY: as in uint16(at:).
        unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The 64-bit big-endian number at `offset` (network byte order).
    ///
    /// - Parameter offset: At most `byteCount - 8`; anything else traps.
    /// - Returns: The number.
    @inlinable @inline(__always)
    public func uint64(at offset: Int) -> UInt64 {
        // SAFETY: as in uint16(at:).
        unsafe UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The 64 bits at `offset` in memory order, for hashing and comparing.
    ///
    /// - Parameter offset: At most `byteCount - 8`; anything else traps.
    /// - Returns: The bits, the first byte lowest.
    @inlinable @inline(__always)
    public func word(at offset: Int) -> UInt64 {
        // SAFETY: as in uint16(at:).
        unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
