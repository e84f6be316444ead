extension RawSpan {
    /// The value of sixteen hex digits, eight at a time.
    ///
    /// - Parameter offset: The position of the first digit; it and the fifteen digits after it must be inside the
    ///   span.
    /// - Returns: The value, or `nil` when one of them is no hex digit.
    @inlinable
    public func hex64(at offset: Int) -> UInt64? {
        let (high, isHighHex) = Self.hex32(of: uint64(at: offset))
        let (low, isLowHex) = Self.hex32(of: uint64(at: offset &+ 8))
        return isHighHex && isLowHex ? high << 32 | low : nil
    }

    /// The value of up to sixteen hex digits.
    ///
    /// - Returns: The value, or `nil` when there are none, too many, or other bytes among them.
    public var hexNumber: UInt64? {
        guard 1...16 ~= byteCount else { return nil }
        var value: UInt64 = 0
        for at in 0..<byteCount {
            let byte = byte(at: at)
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte &- 0x30
            case 0x41...0x46: digit = byte &- 0x37
            case 0x61...0x66: digit = byte &- 0x57
            default: return nil
            }
            value = value << 4 | UInt64(digit)
        }
        return value
    }

    /// The value of eight hex digits in one word, the first in its highest byte, and true if all eight are digits.
    ///
    /// Each byte's nibble is made by arithmetic that fits digits and letters, spelled again, and compared.
    @inlinable @inline(__always)
    static func hex32(of digits: UInt64) -> (UInt64, Bool) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let nibbles = (digits & (ones &* 0x0f)) &+ (digits >> 6 & ones) &* 9
        let letters = (nibbles &+ ones &* 6) >> 4 & ones
        let spelled = ones &* 0x30 &+ nibbles &+ letters &* 0x27
        let lowerCase = digits | (digits & (ones &* 0x40)) >> 1
        let isHex = spelled == lowerCase && nibbles & (ones &* 0xf0) == 0
        var packed = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff
        packed = (packed | packed >> 8) & 0x0000_ffff_0000_ffff
        packed = (packed | packed >> 16) & 0xffff_ffff
        return (packed, isHex)
    }
}

extension [UInt8] {
    /// Appends a number as sixteen lower-case hex digits.
    ///
    /// - Parameter value: The number.
    public mutating func appendHex(_ value: UInt64) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
            append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
        }
    }
}
