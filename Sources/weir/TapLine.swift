/// The fields of one line: a flat JSON object, as the admin API writes them.
struct TapLine {
    private var fields: [String: String] = [:]

    /// Reads a line.
    ///
    /// - Parameter bytes: One JSON object without nested ones, white space around it; `nil` for anything else.
    init?(_ bytes: some Collection<UInt8>) {
        var reader = FlatObjectReader(rest: Array(bytes)[...])
        guard let fields = reader.object() else { return nil }
        self.fields = fields
    }

    /// A field's text, or its number, `true`, `false` or `null` as they are spelled; `nil` without the field.
    subscript(name: String) -> String? { fields[name] }
}

/// Reads what `JSONText` writes, and no more of JSON than that needs.
private struct FlatObjectReader {
    var rest: ArraySlice<UInt8>

    mutating func object() -> [String: String]? {
        var fields: [String: String] = [:]
        guard take(UInt8(ascii: "{")) else { return nil }
        if take(UInt8(ascii: "}")) { return isAtEnd ? fields : nil }
        while true {
            guard let name = string(), take(UInt8(ascii: ":")), let value = value() else { return nil }
            fields[name] = value
            if take(UInt8(ascii: "}")) { return isAtEnd ? fields : nil }
            guard take(UInt8(ascii: ",")) else { return nil }
        }
    }

    private var isAtEnd: Bool { rest.allSatisfy(Self.isSpace) }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0d ~= byte }

    private mutating func take(_ byte: UInt8) -> Bool {
        rest = rest.drop(while: Self.isSpace)
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func value() -> String? {
        rest = rest.drop(while: Self.isSpace)
        if rest.first == UInt8(ascii: "\"") { return string() }
        let word = rest.prefix { 0x61...0x7a ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2d || $0 == 0x2b || $0 == 0x2e }
        rest = rest[word.endIndex...]
        return word.isEmpty ? nil : String(decoding: word, as: UTF8.self)
    }

    private mutating func string() -> String? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        var text: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let character = escape() else { return nil }
                text += character
            default: text.append(byte)
            }
        }
        return nil
    }

    /// What stands behind a backslash.
    private mutating func escape() -> [UInt8]? {
        switch rest.popFirst() {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            let digits = rest.prefix(4)
            rest = rest.dropFirst(4)
            guard digits.count == 4, let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) else {
                return nil
            }
            return Array(String(decoding: [unit], as: UTF16.self).utf8)
        case let byte?: return [byte]
        case nil: return nil
        }
    }
}
