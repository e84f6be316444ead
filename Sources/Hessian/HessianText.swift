internal import Wire

/// A converter from the bytes of Hessian strings to text for display.
public enum HessianText {
    /// The text of a string's content bytes.
    ///
    /// Dubbo writes each UTF-16 unit by itself (CESU-8): the two halves of a surrogate pair become one character here,
    /// a half without its other half becomes U+FFFD, and so does what is no UTF-8 at all. UTF-8 proper, with
    /// characters of four bytes, is taken as it is.
    ///
    /// - Parameters:
    ///   - bytes: The content, without length bytes.
    ///   - maxBytes: The most UTF-8 bytes of the result; it is cut in front of the character that does not fit.
    /// - Returns: The text, at most `maxBytes` long.
    public static func string(_ bytes: RawSpan, maxBytes: Int) -> String {
        let taken = bytes.extracting(0..<inputBytes(of: bytes.byteCount, for: maxBytes))
        let text = hasSurrogate(taken) ? String(decoding: merged(taken), as: UTF8.self) : taken.text
        return cut(text, maxBytes)
    }

    /// The text of UTF-16 units, with U+FFFD for half surrogate pairs.
    ///
    /// - Parameters:
    ///   - units: The units of a string value.
    ///   - maxBytes: The most UTF-8 bytes of the result; it is cut in front of the character that does not fit.
    /// - Returns: The text, at most `maxBytes` long.
    public static func string(utf16 units: [UInt16], maxBytes: Int) -> String {
        // One unit gives one byte at least; a pair that the cut would split lies past the limit.
        let taken = units.prefix(max(0, min(units.count, maxBytes)))
        return cut(String(decoding: taken, as: UTF16.self), maxBytes)
    }

    /// The number of input bytes that can matter: merging turns six bytes into four, nothing shrinks more.
    private static func inputBytes(of count: Int, for maxBytes: Int) -> Int {
        guard maxBytes > 0 else { return 0 }
        guard maxBytes < count else { return count }
        return min(count, maxBytes + maxBytes / 2 + 6)
    }

    /// True if there is a unit from U+D800 to U+DFFF: `ED` and then a byte from `A0`.
    private static func hasSurrogate(_ bytes: RawSpan) -> Bool {
        var from = 0
        while let at = bytes.firstIndex(of: 0xed, from: from) {
            if at + 1 < bytes.byteCount, bytes.byte(at: at + 1) >= 0xa0 { return true }
            from = at + 1
        }
        return false
    }

    /// The bytes with surrogate pairs as one character of four bytes; lone halves become U+FFFD.
    private static func merged(_ bytes: RawSpan) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.byteCount)
        var at = 0
        while at < bytes.byteCount {
            guard let half = surrogate(bytes, at) else {
                result.append(bytes.byte(at: at))
                at += 1
                continue
            }
            at += 3
            if half < 0xdc00, let low = surrogate(bytes, at), low >= 0xdc00 {
                let scalar = 0x10000 + (half - 0xd800) << 10 + (low - 0xdc00)
                result.append(UInt8(0xf0 | scalar >> 18))
                result.append(UInt8(0x80 | scalar >> 12 & 0x3f))
                result.append(UInt8(0x80 | scalar >> 6 & 0x3f))
                result.append(UInt8(0x80 | scalar & 0x3f))
                at += 3
            } else {
                result.append(contentsOf: [0xef, 0xbf, 0xbd])
            }
        }
        return result
    }

    /// The surrogate half that the three bytes at `at` spell, if they do.
    private static func surrogate(_ bytes: RawSpan, _ at: Int) -> UInt32? {
        guard at + 3 <= bytes.byteCount, bytes.byte(at: at) == 0xed else { return nil }
        let tail = bytes.uint16(at: at + 1)
        guard tail & 0xe0c0 == 0xa080 else { return nil }
        return 0xd000 | UInt32(tail >> 8 & 0x3f) << 6 | UInt32(tail & 0x3f)
    }

    private static func cut(_ text: String, _ maxBytes: Int) -> String {
        let utf8 = text.utf8
        guard utf8.count > maxBytes else { return text }
        var bytes = Array(utf8.prefix(max(0, maxBytes) + 1))
        // A byte 10xxxxxx goes on with the character in front of it.
        while let last = bytes.popLast(), last & 0xc0 == 0x80 {}
        return String(decoding: bytes, as: UTF8.self)
    }
}
