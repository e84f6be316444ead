extension HessianValue: CustomStringConvertible {
    /// The value as text for people, at most 4096 bytes of it.
    public var description: String { rendered() }

    /// The value as text for people, close to JSON.
    ///
    /// Classes are written before brackets (`org.example.User {"name": "Ann"}`, `int[] [1, 2]`), dates as
    /// `date(2026-11-21T03:39:00.000Z)`, byte arrays as `bytes(3: 00ff7f)`. A list, map or object with references to it
    /// carries its number (`#0 [ref #0]`). Text beyond the bound ends in `…`, as does nesting beyond 64 levels.
    ///
    /// - Parameters:
    ///   - maxBytes: The most UTF-8 bytes of the result.
    ///   - maxTextBytes: The most bytes shown of one string or of one class name.
    ///   - maxBinaryBytes: The most bytes shown of one byte array.
    /// - Returns: The text; control characters and quotes in it are escaped as in JSON.
    public func rendered(maxBytes: Int = 4096, maxTextBytes: Int = 512, maxBinaryBytes: Int = 32) -> String {
        var text = HessianRendering(maxBytes: maxBytes, maxTextBytes: maxTextBytes, maxBinaryBytes: maxBinaryBytes)
        text.findReferences(self, 0)
        text.append(self, 0)
        return text.result
    }
}

/// A builder of the text of a value.
private struct HessianRendering {
    static let deepest = 64
    static let ellipsis = Array("…".utf8)

    let maxBytes: Int
    let maxTextBytes: Int
    let maxBinaryBytes: Int
    var bytes: [UInt8] = []
    var isFull = false
    /// The numbers that occur in a reference.
    var referred: Set<Int> = []

    init(maxBytes: Int, maxTextBytes: Int, maxBinaryBytes: Int) {
        self.maxBytes = max(0, maxBytes)
        self.maxTextBytes = max(0, maxTextBytes)
        self.maxBinaryBytes = max(0, maxBinaryBytes)
    }

    var result: String {
        guard isFull else { return String(decoding: bytes, as: UTF8.self) }
        guard maxBytes >= Self.ellipsis.count else { return "" }
        var kept = Array(bytes.prefix(maxBytes - Self.ellipsis.count + 1))
        while let last = kept.popLast(), last & 0xc0 == 0x80 {}
        return String(decoding: kept + Self.ellipsis, as: UTF8.self)
    }

    mutating func findReferences(_ value: HessianValue, _ depth: Int) {
        guard depth < Self.deepest else { return }
        switch value {
        case .ref(let id): referred.insert(id)
        case .list(let list): for element in list.elements { findReferences(element, depth + 1) }
        case .object(let object): for value in object.values { findReferences(value, depth + 1) }
        case .map(let map):
            for entry in map.entries {
                findReferences(entry.key, depth + 1)
                findReferences(entry.value, depth + 1)
            }
        default: break
        }
    }

    mutating func append(_ value: HessianValue, _ depth: Int) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .int32(let value): append(String(value))
        case .int64(let value): append(String(value))
        case .double(let value): append(value.description)
        case .date(let milliseconds): append("date(\(HessianDate.text(milliseconds)))")
        case .string(let units): appendQuoted(HessianText.string(utf16: units, maxBytes: maxTextBytes), units.count)
        case .binary(let content): appendBinary(content)
        case .ref(let id): append("ref #\(id)")
        case .list(let list):
            open(list.className, id: list.id, bracket: "[")
            appendItems(list.elements.count, end: "]", depth: depth) { $0.append(list.elements[$1], depth + 1) }
        case .map(let map):
            open(map.className, id: map.id, bracket: "{")
            appendItems(map.entries.count, end: "}", depth: depth) {
                $0.append(map.entries[$1].key, depth + 1)
                $0.append(": ")
                $0.append(map.entries[$1].value, depth + 1)
            }
        case .object(let object):
            open(object.definition.name, id: object.id, bracket: "{")
            let names = object.definition.fieldNames
            appendItems(min(names.count, object.values.count), end: "}", depth: depth) {
                $0.appendQuoted(names[$1], names[$1].utf16.count)
                $0.append(": ")
                $0.append(object.values[$1], depth + 1)
            }
        }
    }

    private mutating func appendItems(
        _ count: Int,
        end: StaticString,
        depth: Int,
        item: (inout HessianRendering, Int) -> Void
    ) {
        if depth + 1 >= Self.deepest, count > 0 {
            append("…")
        } else {
            for index in 0..<count {
                guard !isFull else { return }
                if index > 0 { append(", ") }
                item(&self, index)
            }
        }
        append(end.description)
    }

    /// Writes the class name and number before a bracket, and the bracket.
    private mutating func open(_ className: String?, id: Int, bracket: String) {
        if referred.contains(id) { append("#\(id) ") }
        if let className {
            // Java spells the class of an array `[int`.
            let isArray = className.utf8.first == 0x5b
            appendEscaped(cut(isArray ? String(className.dropFirst()) : className))
            append(isArray ? "[] " : " ")
        }
        append(bracket)
    }

    private func cut(_ text: String) -> String {
        guard text.utf8.count > maxTextBytes else { return text }
        return HessianText.string(utf16: Array(text.utf16.prefix(maxTextBytes)), maxBytes: maxTextBytes) + "…"
    }

    private mutating func appendBinary(_ content: [UInt8]) {
        append("bytes(\(content.count)")
        if !content.isEmpty { append(": ") }
        for byte in content.prefix(maxBinaryBytes) {
            append((byte < 16 ? "0" : "") + String(byte, radix: 16))
        }
        append(content.count > maxBinaryBytes ? "…)" : ")")
    }

    /// Writes a string in quotes, `…` after them when not all of its `units` are there.
    private mutating func appendQuoted(_ text: String, _ units: Int) {
        let shown = text.utf8.count > maxTextBytes ? cut(text) : text
        append("\"")
        appendEscaped(shown)
        append(text.utf16.count < units ? "…\"" : "\"")
    }

    private mutating func appendEscaped(_ text: String) {
        guard !isFull else { return }
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5c: bytes += [0x5c, byte]
            case 0x0a: bytes += Array("\\n".utf8)
            case 0x0d: bytes += Array("\\r".utf8)
            case 0x09: bytes += Array("\\t".utf8)
            case 0..<0x20, 0x7f: bytes += Array((byte < 16 ? "\\u000" : "\\u00").utf8) + String(byte, radix: 16).utf8
            default: bytes.append(byte)
            }
        }
        isFull = bytes.count > maxBytes
    }

    private mutating func append(_ text: String) {
        guard !isFull else { return }
        bytes += text.utf8
        isFull = bytes.count > maxBytes
    }
}
