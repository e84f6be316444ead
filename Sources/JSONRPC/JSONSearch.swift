internal import Wire

extension RawSpan {
    /// The position of the first byte at or after `offset` that is a quote, a backslash, a control character or not
    /// ASCII; `byteCount` without one.
    @inline(__always)
    func endOfPlainCharacters(from offset: Int) -> Int {
        let count = byteCount
        var at = offset
        while at &+ 16 <= count {
            let first = Self.specials(word(at: at))
            if first != 0 { return at &+ first.trailingZeroBitCount / 8 }
            let second = Self.specials(word(at: at &+ 8))
            if second != 0 { return at &+ 8 &+ second.trailingZeroBitCount / 8 }
            at &+= 16
        }
        while at &+ 8 <= count {
            let hits = Self.specials(word(at: at))
            if hits != 0 { return at &+ hits.trailingZeroBitCount / 8 }
            at &+= 8
        }
        let rest = count &- at
        guard rest > 0 else { return count }
        if count >= 8 {
            // The zeros shifted in stand after the last byte and are hits.
            let last = word(at: count &- 8) &>> UInt64(truncatingIfNeeded: 64 &- 8 &* rest)
            return at &+ Self.specials(last).trailingZeroBitCount / 8
        }
        while at < count {
            let byte = byte(at: at)
            if byte < 0x20 || byte >= 0x80 || byte == 0x22 || byte == 0x5c { break }
            at &+= 1
        }
        return at
    }

    /// The high bit of each byte that ends plain characters; only the lowest one set is to be trusted.
    ///
    /// A byte below 0x80 borrows in a subtraction exactly when it is a hit; bytes from 0x80 are hits themselves and do
    /// not borrow. So every bit below and including the first hit's is right.
    @inline(__always)
    private static func specials(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = (word ^ 0x2222_2222_2222_2222) &- ones
        let slashes = (word ^ 0x5c5c_5c5c_5c5c_5c5c) &- ones
        let controls = word &- 0x2020_2020_2020_2020
        return (quotes | slashes | controls | word) & 0x8080_8080_8080_8080
    }

    /// The position after the valid three-byte characters at `offset`, or where the last four bytes begin.
    ///
    /// Three bytes are what Chinese, Japanese and Korean text has, so they are worth a loop of their own.
    @inline(__always)
    func endOfThreeByteCharacters(from offset: Int) -> Int {
        var at = offset
        while at &+ 4 <= byteCount {
            let word = uint32(at: at)
            guard word & 0xf0c0_c000 == 0xe080_8000 else { return at }
            // Overlong forms and surrogates are left for the exact check.
            let top = word &>> 24 & 0xf
            let next = word &>> 16 & 0x3f
            if top == 0, next < 0x20 { return at }
            if top == 0xd, next >= 0x20 { return at }
            at &+= 3
        }
        return at
    }

    /// The position of the first byte at or after `offset` that is not a space, as far as whole words tell.
    @inline(__always)
    func endOfSpaces(from offset: Int) -> Int {
        var at = offset
        while at &+ 8 <= byteCount, word(at: at) == 0x2020_2020_2020_2020 { at &+= 8 }
        return at
    }

    /// The position of the first byte at or after `offset` that is no digit.
    @inline(__always)
    func endOfDigits(from offset: Int) -> Int {
        var at = offset
        while at < byteCount, byte(at: at) &- 0x30 <= 9 { at &+= 1 }
        return at
    }
}
