extension RawSpan {
    /// Whether every byte in `offset ..< offset + count` is below 0x80.
    ///
    /// - Parameters:
    ///   - offset: The first byte looked at.
    ///   - count: How many; the range must lie inside the span or the call traps.
    @inlinable
    public func isASCII(from offset: Int, count: Int) -> Bool {
        precondition(offset >= 0 && count >= 0 && offset <= byteCount - count)
        let end = offset &+ count
        var at = offset
        var seen: UInt64 = 0
        while at &+ 8 <= end {
            // SAFETY: at + 8 <= end <= byteCount, checked by the loop and the precondition.
            seen |= unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        while at < end {
            // SAFETY: at < end <= byteCount.
            seen |= unsafe UInt64(unsafeLoad(fromUncheckedByteOffset: at, as: UInt8.self))
            at &+= 1
        }
        return seen & 0x8080_8080_8080_8080 == 0
    }

    /// The position of the first `value` at or after `offset`, or `nil`.
    ///
    /// - Parameters:
    ///   - value: The byte looked for.
    ///   - offset: Where to begin; from 0 to `byteCount`.
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
        while at < byteCount {
            // SAFETY: at < byteCount.
            if unsafe unsafeLoad(fromUncheckedByteOffset: at, as: UInt8.self) == value { return at }
            at &+= 1
        }
        return nil
    }

    /// Whether both spans hold the same bytes.
    ///
    /// - Parameter other: The bytes to compare with.
    @inlinable
    public func elementsEqual(_ other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        var at = 0
        while at &+ 8 <= byteCount {
            // SAFETY: at + 8 <= byteCount of both, which are equal.
            let mine = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
            let theirs = unsafe other.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
            if mine != theirs { return false }
            at &+= 8
        }
        while at < byteCount {
            // SAFETY: at < byteCount of both.
            let mine = unsafe unsafeLoad(fromUncheckedByteOffset: at, as: UInt8.self)
            let theirs = unsafe other.unsafeLoad(fromUncheckedByteOffset: at, as: UInt8.self)
            if mine != theirs { return false }
            at &+= 1
        }
        return true
    }

    /// Whether the span holds exactly the bytes of a literal.
    ///
    /// - Parameter literal: An ASCII literal.
    @inlinable
    public func equals(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard byteCount == count else { return false }
        // SAFETY: a StaticString's bytes live as long as the program and there are `count` of them.
        let text = unsafe RawSpan(_unsafeStart: literal.utf8Start, byteCount: count)
        return elementsEqual(text)
    }
}
