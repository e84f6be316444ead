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

    /// The first of the bytes at `offset` in memory order; nothing after them is read.
    ///
    /// - Parameters:
    ///   - offset: The position of the first byte.
    ///   - count: The number of bytes, at most 8; the call traps if they are not all there.
    /// - Returns: The bits, the first byte lowest, 0 where there is no byte.
    @inlinable @inline(__always)
    public func word(at offset: Int, count: Int) -> UInt64 {
        if count >= 8 { return word(at: offset) }
        if count >= 4 {
            // Two parts that may overlap.
            // SAFETY: as in uint16(at:).
            let low = unsafe UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let last = offset &+ count &- 4
            let high = unsafe UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: last, as: UInt32.self))
            return UInt64(low) | UInt64(high) &<< UInt64(truncatingIfNeeded: 8 &* (count &- 4))
        }
        guard count > 0 else { return 0 }
        // The first byte, the last one and the one between, which may be one of them.
        let (middle, last) = (count &>> 1, count &- 1)
        return UInt64(byte(at: offset)) | UInt64(byte(at: offset &+ middle)) &<< UInt64(truncatingIfNeeded: 8 &* middle)
            | UInt64(byte(at: offset &+ last)) &<< UInt64(truncatingIfNeeded: 8 &* last)
    }
}
