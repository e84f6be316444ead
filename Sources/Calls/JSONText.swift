/// A writer that appends JSON to a byte buffer: the only place that spells Weir's JSON lines.
///
/// The caller keeps the structure right: commas come by themselves, brackets must be closed.
public struct JSONText: Sendable {
    /// The text so far, UTF-8.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// An empty text.
    public init() {}

    /// Forgets the text and keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    /// Returns the text so far; what follows is written after it.
    ///
    /// - Returns: UTF-8 text, seldom a whole JSON value.
    public mutating func takeBytes() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    /// Opens an object.
    public mutating func beginObject() { open(0x7b) }

    /// Closes an object.
    public mutating func endObject() { close(0x7d) }

    /// Opens an array.
    public mutating func beginArray() { open(0x5b) }

    /// Closes an array.
    public mutating func endArray() { close(0x5d) }

    /// Ends a line and starts a new text after it.
    public mutating func endLine() {
        bytes.append(0x0a)
        needsComma = false
    }

    /// A member's name; its value must follow.
    ///
    /// - Parameter name: An ASCII name that needs no escaping.
    public mutating func key(_ name: StaticString) {
        separate()
        bytes.append(0x22)
        append(literal: name)
        bytes.append(0x22)
        bytes.append(0x3a)
        needsComma = false
    }

    /// A member's name that comes from elsewhere; its value must follow.
    ///
    /// - Parameter name: Any text.
    public mutating func key(text name: String) {
        string(name)
        bytes.append(0x3a)
        needsComma = false
    }

    /// A string value.
    ///
    /// - Parameter value: Any text.
    public mutating func string(_ value: String) {
        separate()
        bytes.append(0x22)
        for byte in value.utf8 { appendEscaped(byte) }
        bytes.append(0x22)
        needsComma = true
    }

    /// A string value from a literal.
    ///
    /// - Parameter value: An ASCII text that needs no escaping.
    public mutating func string(literal value: StaticString) {
        separate()
        bytes.append(0x22)
        append(literal: value)
        bytes.append(0x22)
        needsComma = true
    }

    /// An integer value.
    ///
    /// - Parameter value: Any integer.
    public mutating func number(_ value: some BinaryInteger) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
        needsComma = true
    }

    /// A number with a fraction; not-a-number and infinities become `null`.
    ///
    /// - Parameter value: Any double.
    public mutating func number(_ value: Double) {
        guard value.isFinite else { return null() }
        separate()
        bytes.append(contentsOf: value.description.utf8)
        needsComma = true
    }

    /// `true` or `false`.
    ///
    /// - Parameter value: The value.
    public mutating func bool(_ value: Bool) {
        separate()
        append(literal: value ? "true" : "false")
        needsComma = true
    }

    /// `null`.
    public mutating func null() {
        separate()
        append(literal: "null")
        needsComma = true
    }

    /// A value that is JSON already, such as a number kept as text.
    ///
    /// - Parameter json: One complete JSON value.
    public mutating func raw(_ json: String) {
        separate()
        bytes.append(contentsOf: json.utf8)
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(0x2c) }
    }

    private mutating func append(literal: StaticString) {
        for at in 0..<literal.utf8CodeUnitCount {
            // SAFETY: at is below the literal's length.
            bytes.append(unsafe literal.utf8Start[at])
        }
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case 0x22, 0x5c:
            bytes.append(0x5c)
            bytes.append(byte)
        case 0x0a:
            append(literal: "\\n")
        case 0x0d:
            append(literal: "\\r")
        case 0x09:
            append(literal: "\\t")
        case 0..<0x20, 0x7f:
            append(literal: "\\u00")
            let digits: StaticString = "0123456789abcdef"
            // SAFETY: a nibble is below 16, the literal's length.
            bytes.append(unsafe digits.utf8Start[Int(byte >> 4)])
            bytes.append(unsafe digits.utf8Start[Int(byte & 15)])
        default:
            bytes.append(byte)
        }
    }
}
