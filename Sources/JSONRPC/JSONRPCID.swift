internal import Wire

/// A comparison of ids, which a peer may return in another spelling.
public enum JSONRPCID {
    /// A key that is equal for equal ids: strings by their characters, numbers by their value, to the last digit.
    ///
    /// `"\u0061"` and `"a"` have one key, and so have `1`, `1.0` and `10e-1`; `1` and `"1"` have two. Keys of different
    /// ids collide with a chance of 2⁻⁶⁴; the hash is seeded anew in every process.
    ///
    /// - Parameters:
    ///   - text: The id as on the wire: ``JSONScanner/idText``.
    ///   - kind: The kind of the id: ``JSONRPCFacts/id``.
    /// - Returns: The key, or `nil` when there is no id, it is an object or array, or its text was not kept.
    public static func key(of text: RawSpan, kind: JSONKind) -> UInt64? {
        guard text.byteCount > 0, text.byteCount <= JSONLimits.maxIDBytes else { return nil }
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(UInt64(kind.rawValue))
        switch kind {
        case .absent, .object, .array: return nil
        case .null: break
        case .boolean: hash.combine(text)
        case .string:
            guard text.byteCount >= 2 else { return nil }
            let content = text.extracting(1..<text.byteCount &- 1)
            if content.firstIndex(of: 0x5c) == nil {
                hash.combine(content)
            } else {
                combineUnescaped(content, &hash)
            }
        case .number: combineNumber(text, &hash)
        }
        return hash.value
    }

    /// The key of what the scanner read last.
    ///
    /// - Parameter scanner: After a message or a member of a batch ended.
    /// - Returns: The same key as ``key(of:kind:)``.
    public static func key(of scanner: borrowing JSONScanner) -> UInt64? {
        key(of: scanner.idText, kind: scanner.facts.id)
    }

    /// The characters of a valid string with escapes.
    private static func combineUnescaped(_ content: RawSpan, _ hash: inout ByteHash) {
        var plain = [256 of UInt8](repeating: 0)
        var count = 0
        var at = 0
        // No escape is shorter than what it stands for, so that what fits escaped fits unescaped.
        while at < content.byteCount {
            let byte = content.byte(at: at)
            guard byte == 0x5c, at &+ 1 < content.byteCount else {
                plain[count] = byte
                count &+= 1
                at &+= 1
                continue
            }
            let character = escaped(content, &at)
            let encoded = JSONEscape.utf8(character)
            for index in 0..<encoded.count { plain[count &+ index] = encoded.bytes[index] }
            count &+= encoded.count
        }
        hash.combine(plain.byteSpan.extracting(first: count))
    }

    /// The character of the escape at `at`, with its second half if it is a surrogate pair.
    private static func escaped(_ content: RawSpan, _ at: inout Int) -> UInt32 {
        let letter = content.byte(at: at &+ 1)
        guard letter == 0x75 else {
            at &+= 2
            return UInt32(JSONEscape.character(letter) ?? letter)
        }
        let unit = self.unit(content, at)
        at &+= 6
        guard unit & 0xf800 == 0xd800 else { return unit }
        guard unit < 0xdc00, at &+ 6 <= content.byteCount, content.uint16(at: at) == 0x5c75 else {
            return JSONEscape.replacement
        }
        let low = self.unit(content, at)
        guard low & 0xfc00 == 0xdc00 else { return JSONEscape.replacement }
        at &+= 6
        return 0x1_0000 &+ ((unit & 0x3ff) &<< 10 | low & 0x3ff)
    }

    private static func unit(_ content: RawSpan, _ at: Int) -> UInt32 {
        guard at &+ 6 <= content.byteCount else { return JSONEscape.replacement }
        var unit: UInt32 = 0
        for index in 2..<6 { unit = unit &<< 4 | UInt32(JSONEscape.hexDigit(content.byte(at: at &+ index)) ?? 0) }
        return unit
    }

    /// A number's sign, its digits without zeros at either end, and the power of ten after them.
    private static func combineNumber(_ text: RawSpan, _ hash: inout ByteHash) {
        var digits = [256 of UInt8](repeating: 0)
        var count = 0
        var power = 0
        var isFraction = false
        var at = text.byte(at: 0) == 0x2d ? 1 : 0
        let isNegative = at == 1
        while at < text.byteCount {
            let byte = text.byte(at: at)
            at &+= 1
            if byte == 0x2e {
                isFraction = true
            } else if byte | 0x20 == 0x65 {
                power &+= exponent(text, from: at)
                break
            } else {
                if isFraction { power &-= 1 }
                if count == 0, byte == 0x30 { continue }
                digits[count] = byte
                count &+= 1
            }
        }
        while count > 0, digits[count &- 1] == 0x30 {
            count &-= 1
            power &+= 1
        }
        guard count > 0 else { return }
        hash.combine(isNegative ? 1 : 0)
        hash.combine(UInt64(bitPattern: Int64(power)))
        hash.combine(digits.byteSpan.extracting(first: count))
    }

    /// The exponent from `start` to the end, brought into ±10⁹.
    private static func exponent(_ text: RawSpan, from start: Int) -> Int {
        var value = 0
        for index in start..<text.byteCount {
            let digit = text.byte(at: index) &- 0x30
            if digit <= 9 { value = min(value &* 10 &+ Int(digit), 1_000_000_000) }
        }
        return start < text.byteCount && text.byte(at: start) == 0x2d ? -value : value
    }
}
