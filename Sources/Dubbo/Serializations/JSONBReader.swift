internal import Wire

/// A reader for JSONB, the binary JSON of fastjson2.
///
/// A value begins with a lead byte. Names of types and members may be symbols: text and number the first time, only the
/// number later. Source: `JSONB.Constants`, `JSONWriterJSONB`, `JSONReaderJSONB`.
struct JSONBReader: ~Escapable {
    /// The most symbols that are remembered; a name beyond is unknown where it is used again.
    static let maxSymbols = 512
    /// The most values inside values that are read.
    static let maxDepth = 64

    /// The position.
    var cursor: BodyCursor
    private var symbols: [EncodedString?] = []

    /// A reader at the first byte.
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { cursor = BodyCursor(bytes) }

    /// Lead bytes that are not part of a range.
    enum Lead {
        static let symbol: UInt8 = 0x7f
        static let typed: UInt8 = 0x92
        static let oneElement: UInt8 = 0x95
        static let objectEnd: UInt8 = 0xa5
        static let object: UInt8 = 0xa6
        static let null: UInt8 = 0xaf

        /// True if a string begins so, or a symbol that stands for one.
        static func isString(_ lead: UInt8?) -> Bool {
            guard let lead else { return false }
            return (0x49...symbol).contains(lead)
        }

        /// True if a number of at most 32 bits begins so.
        static func isInt(_ lead: UInt8?) -> Bool {
            guard let lead else { return false }
            return lead <= 0x48 || lead >= 0xf0
        }
    }

    /// Reads a number of at most 32 bits.
    mutating func int() throws(BodyError) -> Int {
        let lead = try cursor.byte()
        switch lead {
        case 0x00...0x2f: return Int(lead)
        case 0xf0...0xff: return Int(lead) - 0x100
        case 0x30...0x3f: return ((Int(lead) - 0x38) << 8) + Int(try cursor.byte())
        case 0x40...0x47: return ((Int(lead) - 0x44) << 16) + Int(try cursor.uint16())
        case 0x48: return Int(Int32(bitPattern: try cursor.uint32()))
        case 0xbc: return Int(Int16(bitPattern: try cursor.uint16()))
        case 0xbd: return Int(Int8(bitPattern: try cursor.byte()))
        default: throw .unreadable
        }
    }

    /// Reads a length and steps over as many bytes.
    mutating func counted() throws(BodyError) -> ByteRange {
        let count = try int()
        return try cursor.take(count)
    }

    /// Reads a string; `nil` for null and for a symbol that is not known.
    mutating func string() throws(BodyError) -> EncodedString? {
        switch cursor.next {
        case Lead.null:
            try cursor.take(1)
            return nil
        case Lead.symbol:
            try cursor.take(1)
            return try symbol()
        default:
            return try plainString()
        }
    }

    /// Reads a string that is written out.
    mutating func plainString() throws(BodyError) -> EncodedString {
        let lead = try cursor.byte()
        switch lead {
        // Called ASCII, but every character up to U+00FF is written so.
        case 0x49...0x78: return EncodedString(range: try cursor.take(Int(lead) - 0x49), encoding: .latin1)
        case 0x79: return EncodedString(range: try counted(), encoding: .latin1)
        case 0x7a: return EncodedString(range: try counted(), encoding: .utf8)
        case 0x7b: return markedUTF16(try counted())
        case 0x7c: return EncodedString(range: try counted(), encoding: .utf16LittleEndian)
        case 0x7d: return EncodedString(range: try counted(), encoding: .utf16BigEndian)
        case 0x7e: return EncodedString(range: try counted(), encoding: .gb18030)
        default: throw .unreadable
        }
    }

    /// UTF-16 with a byte order mark; big-endian without one.
    private func markedUTF16(_ range: ByteRange) -> EncodedString {
        let mark = range.count >= 2 ? cursor.bytes.uint16(at: Int(range.offset)) : 0
        guard mark == 0xfeff || mark == 0xfffe else { return EncodedString(range: range, encoding: .utf16BigEndian) }
        return EncodedString(
            range: ByteRange(offset: Int(range.offset) + 2, count: Int(range.count) - 2),
            encoding: mark == 0xfeff ? .utf16BigEndian : .utf16LittleEndian
        )
    }

    /// Reads what follows a symbol's or a type's lead: a number that is known, or a text and its number.
    mutating func symbol() throws(BodyError) -> EncodedString? {
        if Lead.isInt(cursor.next) {
            let known = try int()
            return symbols.indices.contains(known) ? symbols[known] : nil
        }
        let text = try plainString()
        let number = try int()
        if number >= 0, number < Self.maxSymbols {
            if symbols.count <= number {
                symbols.append(contentsOf: repeatElement(nil, count: number + 1 - symbols.count))
            }
            symbols[number] = text
        }
        return text
    }

    /// Steps over any value; gives it when it is a string, or a list of exactly one string.
    mutating func text() throws(BodyError) -> EncodedString? {
        if Lead.isString(cursor.next) { return try string() }
        let start = cursor.offset
        if cursor.next == Lead.typed {
            try cursor.take(1)
            _ = try symbol()
        }
        if cursor.next == Lead.oneElement {
            try cursor.take(1)
            if Lead.isString(cursor.next) { return try string() }
        }
        cursor.rewind(to: start)
        try skipValue()
        return nil
    }
}
