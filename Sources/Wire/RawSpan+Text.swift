extension RawSpan {
    /// The bytes as text: UTF-8 with what is not UTF-8 repaired to U+FFFD.
    public var text: String {
        unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// A copy of the bytes.
    public var array: [UInt8] {
        unsafe withUnsafeBytes { unsafe Array($0) }
    }

    /// The decimal number the bytes spell, or `nil` if they spell none, or one past `Int64`'s positive half.
    ///
    /// Only ASCII digits count: no sign, no spaces, at most 18 digits.
    public var decimal: Int64? {
        guard byteCount > 0, byteCount <= 18 else { return nil }
        var value: Int64 = 0
        for at in 0..<byteCount {
            let digit = byte(at: at) &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int64(digit)
        }
        return value
    }
}
