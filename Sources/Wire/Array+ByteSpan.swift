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
