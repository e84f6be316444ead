extension RawSpan {
    /// True if every byte in `offset ..< offset + count` is below 0x80.
    ///
    /// - Parameters:
    ///   - offset: The first byte looked at.
    ///   - count: The number of bytes; the call traps if the range is not inside the span.
    /// - Returns: True if no byte has its highest bit set.
    @inlinable
    public func isASCII(from offset: Int, count: Int) -> Bool {
        precondition(offset >= 0 && count >= 0 && offset <= byteCount &- count)
        let end = offset &+ count
        var at = offset
        if count >= 16 {
            // SAFETY: every load of 16 bytes ends at or before `end`, which is at most byteCount.
            let last = end &- 16
            var seen = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: last, as: SIMD2<UInt64>.self)
            while at < last {
                seen |= unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: SIMD2<UInt64>.self)
                at &+= 16
            }
            return (seen.x | seen.y) & 0x8080_8080_8080_8080 == 0
        }
        var seen: UInt64 = 0
        if count >= 8 {
            // SAFETY: at + 8 <= end <= byteCount.
            seen = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        while at < end {
            // SAFETY: at < end <= byteCount.
            seen |= unsafe UInt64(unsafeLoad(fromUncheckedByteOffset: at, as: UInt8.self))
            at &+= 1
        }
        return seen & 0x8080_8080_8080_8080 == 0
    }

    /// True if every byte in `offset ..< offset + count` is below 0x80; made for short texts inside larger ones.
    ///
    /// - Parameters:
    ///   - offset: The first byte looked at.
    ///   - count: The number of bytes; the range must lie inside the span.
    /// - Returns: As ``isASCII(from:count:)``, in a few instructions for up to 32 bytes.
    @inlinable @inline(__always)
    public func isASCIIText(from offset: Int, count: Int) -> Bool {
        let high: UInt64 = 0x8080_8080_8080_8080
        guard count <= 32, offset >= 0, offset <= byteCount &- 8, count >= 0, count <= byteCount &- offset else {
            return isASCII(from: offset, count: count)
        }
        // SAFETY: eight bytes from `offset` and `count` bytes from `offset` lie inside the span, checked above.
        let first = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
        guard count >= 8 else {
            // The bytes after the text are shifted out.
            return count == 0 || (UInt64(littleEndian: first) & high) << (64 &- 8 &* UInt64(count)) == 0
        }
        // Overlapping words cover 8 to 32 bytes without a loop.
        let back = offset &+ count &- 8
        var seen = unsafe first | unsafeLoadUnaligned(fromUncheckedByteOffset: back, as: UInt64.self)
        if count > 16 {
            seen |= unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset &+ 8, as: UInt64.self)
            seen |= unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: back &- 8, as: UInt64.self)
        }
        return seen & high == 0
    }

    /// The length of the ASCII text whose one-byte length is at `offset`, or -1.
    ///
    /// - Parameter offset: A position in the span.
    /// - Returns: 0 to 31; -1 when the byte is no such length, the text is not ASCII, or fewer than 40 bytes are left,
    ///   so that the caller must look more closely.
    @inlinable @inline(__always)
    public func shortASCIIText(at offset: Int) -> Int {
        guard offset >= 0, offset <= byteCount &- 40 else { return -1 }
        // SAFETY: every load below ends at most 40 bytes after `offset`, which are there.
        let count = unsafe UInt64(unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self))
        let first = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset &+ 1, as: UInt64.self)
        let high: UInt64 = 0x8080_8080_8080_8080
        if count <= 8 {
            // The bytes after the text are shifted out: by up to 64 places, hence in two steps.
            let rest = 64 &- 8 &* count
            let text = ((UInt64(littleEndian: first) & high) &<< (rest / 2)) &<< (rest &- rest / 2)
            return text == 0 ? Int(truncatingIfNeeded: count) : -1
        }
        guard count < 32 else { return -1 }
        let back = offset &+ 1 &+ Int(truncatingIfNeeded: count) &- 8
        var seen = unsafe first | unsafeLoadUnaligned(fromUncheckedByteOffset: back, as: UInt64.self)
        if count > 16 {
            seen |= unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset &+ 9, as: UInt64.self)
            seen |= unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: back &- 8, as: UInt64.self)
        }
        return seen & high == 0 ? Int(truncatingIfNeeded: count) : -1
    }

    /// The position of the first `value` at or after `offset`, or `nil`.
    ///
    /// - Parameters:
    ///   - value: The byte looked for.
    ///   - offset: The position to begin at, from 0 to `byteCount`.
    /// - Returns: The position in the span, not counted from `offset`.
    @inlinable
    public func firstIndex(of value: UInt8, from offset: Int = 0) -> Int? {
        precondition(offset >= 0 && offset <= byteCount)
        var at = offset
        let pattern = SIMD32<UInt8>(repeating: value)
        while at &+ 32 <= byteCount {
            // SAFETY: at + 32 <= byteCount, checked by the loop.
            let block = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: SIMD32<UInt8>.self)
            if any(block .== pattern) { break }
            at &+= 32
        }
        let ones: UInt64 = 0x0101_0101_0101_0101
        let eight = ones &* UInt64(value)
        while at &+ 8 <= byteCount {
            // SAFETY: at + 8 <= byteCount, checked by the loop.
            let word = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
            // The highest bit of the first byte that is 0 in `same`; those above it may be set wrongly.
            let same = UInt64(littleEndian: word) ^ eight
            let found = (same &- ones) & ~same & 0x8080_8080_8080_8080
            if found != 0 { return at &+ found.trailingZeroBitCount &>> 3 }
            at &+= 8
        }
        let left = byteCount &- at
        guard left > 0 else { return nil }
        let same = self.word(at: at, count: left) ^ eight
        let found = (same &- ones) & ~same & 0x8080_8080_8080_8080
        let index = found.trailingZeroBitCount &>> 3
        // What stands for bytes that are not there may be equal, too.
        return index < left ? at &+ index : nil
    }

    /// True if both spans hold the same bytes.
    ///
    /// - Parameter other: The bytes to compare with.
    /// - Returns: True if lengths and bytes are equal.
    @inlinable
    public func elementsEqual(_ other: RawSpan) -> Bool {
        let count = byteCount
        guard count == other.byteCount else { return false }
        // SAFETY: every load below lies inside the first `count` bytes of both spans.
        if count >= 8 {
            var at = 0
            while at &+ 8 < count {
                let mine = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
                let theirs = unsafe other.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
                if mine != theirs { return false }
                at &+= 8
            }
            // The last eight bytes, some of them again.
            let mine = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: count &- 8, as: UInt64.self)
            let theirs = unsafe other.unsafeLoadUnaligned(fromUncheckedByteOffset: count &- 8, as: UInt64.self)
            return mine == theirs
        }
        return shortWord == other.shortWord
    }

    /// Fewer than eight bytes as one word; spans of equal length have equal words when their bytes are equal.
    @inlinable @inline(__always)
    var shortWord: UInt64 {
        let count = byteCount
        // SAFETY: every load lies inside the first `count` bytes.
        if count >= 4 {
            let front = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt32.self)
            let back = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: count &- 4, as: UInt32.self)
            return UInt64(front) << 32 | UInt64(back)
        }
        guard count > 0 else { return 0 }
        let first = unsafe unsafeLoad(fromUncheckedByteOffset: 0, as: UInt8.self)
        let middle = unsafe unsafeLoad(fromUncheckedByteOffset: count / 2, as: UInt8.self)
        let last = unsafe unsafeLoad(fromUncheckedByteOffset: count &- 1, as: UInt8.self)
        return UInt64(first) << 16 | UInt64(middle) << 8 | UInt64(last)
    }

    /// True if the span holds exactly the bytes of a literal.
    ///
    /// - Parameter literal: An ASCII literal.
    /// - Returns: True if lengths and bytes are equal.
    @inlinable
    public func equals(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard byteCount == count else { return false }
        // SAFETY: a StaticString's bytes live as long as the program and there are `count` of them.
        let text = unsafe RawSpan(_unsafeStart: literal.utf8Start, byteCount: count)
        return elementsEqual(text)
    }
}
