/// A fast seeded hash over pieces of bytes, for tables keyed by names from the wire.
///
/// Multiply-and-fold over 8-byte words (the construction of wyhash). The seed is drawn once a process so that a
/// peer cannot prepare names that collide.
public struct ByteHash: Sendable {
    @usableFromInline
    var state: UInt64

    @usableFromInline
    static let seed = UInt64.random(in: .min ... .max)

    /// A hash that has seen nothing.
    @inlinable @inline(__always)
    public init(seed: UInt64) { state = seed }

    /// The seed of this process.
    public static var processSeed: UInt64 { seed }

    /// Mixes one number in.
    ///
    /// - Parameter value: Any 64 bits.
    @inlinable @inline(__always)
    public mutating func combine(_ value: UInt64) {
        let product = (state ^ value ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        state = product.high ^ product.low
    }

    /// Mixes a piece of bytes in, its length first, so that ("ab", "c") and ("a", "bc") differ.
    ///
    /// - Parameter bytes: Any number of bytes.
    @inlinable @inline(__always)
    public mutating func combine(_ bytes: RawSpan) {
        let count = bytes.byteCount
        guard count >= 8 else { return combine(bytes.shortWord ^ UInt64(truncatingIfNeeded: count) << 56) }
        combine(UInt64(truncatingIfNeeded: count))
        var at = 0
        while at &+ 8 < count {
            // SAFETY: at + 8 < byteCount, checked by the loop.
            combine(unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self))
            at &+= 8
        }
        // SAFETY: the last eight bytes of at least eight.
        combine(unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: count &- 8, as: UInt64.self))
    }

    /// The hash of what was mixed in.
    @inlinable @inline(__always)
    public var value: UInt64 { state }
}
