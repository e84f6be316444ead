/// The place of a piece of text inside the bytes it was found in: an offset and a length, 8 bytes in all.
///
/// It owns nothing; its holder knows which bytes it points into.
public struct ByteRange: BitwiseCopyable, Equatable, Sendable {
    /// The first byte.
    public var offset: UInt32
    /// The number of bytes.
    public var count: UInt32

    /// A range of `count` bytes from `offset`.
    ///
    /// - Parameters:
    ///   - offset: At most 2³² − 1.
    ///   - count: At most 2³² − 1.
    @inlinable @inline(__always)
    public init(offset: Int, count: Int) {
        self.offset = UInt32(truncatingIfNeeded: offset)
        self.count = UInt32(truncatingIfNeeded: count)
    }

    /// No bytes.
    @inlinable @inline(__always)
    public static var empty: ByteRange { ByteRange(offset: 0, count: 0) }

    /// True if it is empty.
    @inlinable @inline(__always)
    public var isEmpty: Bool { count == 0 }

    /// The range as array indices.
    @inlinable @inline(__always)
    public var indices: Range<Int> { Int(offset)..<Int(offset) &+ Int(count) }
}

extension RawSpan {
    /// The bytes of `range`.
    ///
    /// - Parameter range: Inside the span, or the call traps.
    /// - Returns: A view that lives as long as the span's bytes.
    @inlinable @inline(__always)
    @_lifetime(copy self)
    public func slice(_ range: ByteRange) -> RawSpan {
        extracting(range.indices)
    }
}
