/// The characters that escapes in strings stand for (RFC 8259 §7).
enum JSONEscape {
    /// The replacement for half a surrogate pair.
    static let replacement: UInt32 = 0xfffd

    /// The character of the byte after a backslash; `nil` for `u` and for bytes that make no escape.
    static func character(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x22, 0x5c, 0x2f: byte
        case 0x62: 0x08
        case 0x66: 0x0c
        case 0x6e: 0x0a
        case 0x72: 0x0d
        case 0x74: 0x09
        default: nil
        }
    }

    /// The value of a hexadecimal digit.
    static func hexDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case 0x30...0x39: UInt16(byte &- 0x30)
        case 0x41...0x46: UInt16(byte &- 0x37)
        case 0x61...0x66: UInt16(byte &- 0x57)
        default: nil
        }
    }

    /// A character's UTF-8.
    static func utf8(_ character: UInt32) -> (bytes: [4 of UInt8], count: Int) {
        func low(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: character &>> shift & 0x3f) }
        func lead(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: character &>> shift) }
        if character < 0x80 { return ([lead(0), 0, 0, 0], 1) }
        if character < 0x800 { return ([0xc0 | lead(6), low(0), 0, 0], 2) }
        if character < 0x1_0000 { return ([0xe0 | lead(12), low(6), low(0), 0], 3) }
        return ([0xf0 | lead(18), low(12), low(6), low(0)], 4)
    }
}
