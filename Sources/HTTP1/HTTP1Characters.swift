internal import Wire

/// Single bytes with a meaning.
enum Byte {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0a
    static let carriageReturn: UInt8 = 0x0d
    static let space: UInt8 = 0x20
    static let comma: UInt8 = 0x2c
    static let colon: UInt8 = 0x3a
    static let semicolon: UInt8 = 0x3b

    /// True if the byte is a token character (RFC 9110 §5.6.2: `!#$%&'*+-.^_` + backtick + `|~`, digits, letters).
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x03ff_6cfa_0000_0000
        let high: UInt64 = 0x57ff_ffff_c7ff_fffe
        return byte < 0x40 ? low &>> UInt64(byte) & 1 == 1 : byte < 0x80 && high &>> UInt64(byte &- 0x40) & 1 == 1
    }

    /// True if the byte is a space or a tab.
    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// The value of a hexadecimal digit; `nil` for any other byte.
    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte &- 0x30)
        case 0x41...0x46: UInt64(byte &- 0x37)
        case 0x61...0x66: UInt64(byte &- 0x57)
        default: nil
        }
    }
}

extension RawSpan {
    /// The position of the first control character other than a tab at or after `offset`; `byteCount` without one.
    ///
    /// It looks at eight bytes at a time: one pass finds the end of a line and checks for forbidden bytes before it.
    func firstControl(from offset: Int) -> Int {
        let count = byteCount
        var at = offset
        while at < count {
            if at &+ 8 <= count {
                let word = word(at: at)
                let highs: UInt64 = 0x8080_8080_8080_8080
                // A byte below 0x80 borrows when it is below 0x20; one equal to 0x7f becomes 0 and then borrows. The
                // borrows can only falsify what lies above the first true hit.
                let controls = (word &- 0x2020_2020_2020_2020) & ~word
                let deletes = ((word ^ 0x7f7f_7f7f_7f7f_7f7f) &- 0x0101_0101_0101_0101) & ~word
                let hits = (controls | deletes) & highs
                guard hits != 0 else {
                    at &+= 8
                    continue
                }
                at &+= hits.trailingZeroBitCount / 8
            }
            let byte = byte(at: at)
            if (byte < 0x20 && byte != Byte.tab) || byte == 0x7f { return at }
            at &+= 1
        }
        return count
    }

    /// The part of `range` without spaces and tabs at its ends.
    func trimmed(_ lower: Int, _ upper: Int) -> ByteRange {
        var lower = lower
        var upper = upper
        while lower < upper, Byte.isBlank(byte(at: lower)) { lower &+= 1 }
        while lower < upper, Byte.isBlank(byte(at: upper &- 1)) { upper &-= 1 }
        return ByteRange(offset: lower, count: upper &- lower)
    }
}
