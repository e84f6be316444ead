extension [UInt8] {
    /// The bytes of the array without a copy: a view that lives as long as the array is not changed.
    ///
    /// Cost: none beyond that of `span`; it is inlined into the caller's module.
    @inlinable
    public var byteSpan: RawSpan {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            // SAFETY: the span borrows the array; every byte of an array is initialised.
            unsafe span.bytes
        }
    }
}

extension InlineArray where Element == UInt8 {
    /// The bytes of the array without a copy: a view that lives as long as the array is not changed.
    ///
    /// Cost: none beyond that of `span`; it is inlined into the caller's module.
    @inlinable
    public var byteSpan: RawSpan {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            // SAFETY: the span borrows the array; every byte of an inline array is initialised.
            unsafe span.bytes
        }
    }
}

extension [UInt8] {
    /// Appends a copy of some bytes.
    ///
    /// Cost: no allocation beyond the array's own growth.
    ///
    /// - Parameter bytes: Any number of bytes; none of this array's.
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes {
            // SAFETY: the pointer is used inside the closure only.
            unsafe append(contentsOf: $0)
        }
    }

    /// Appends a number in network byte order, as many bytes as its type has.
    ///
    /// - Parameter number: Any number.
    @inlinable
    @inline(__always)
    public mutating func appendBigEndian<Number: FixedWidthInteger>(_ number: Number) {
        var shift = Number.bitWidth
        while shift > 0 {
            shift &-= 8
            append(UInt8(truncatingIfNeeded: number &>> Number(truncatingIfNeeded: shift)))
        }
    }
}

extension FixedWidthInteger {
    /// The number in network byte order, as many bytes as its type has.
    public var bigEndianBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(self)
        return bytes
    }
}
