internal import Wire

/// A string in a body: its place and its encoding.
struct EncodedString: BitwiseCopyable {
    /// The encoding of the characters.
    enum Encoding: BitwiseCopyable {
        /// UTF-8, taken as it is.
        case utf8
        /// One byte a character: ISO 8859-1.
        case latin1
        /// UTF-16, big-endian.
        case utf16BigEndian
        /// UTF-16, little-endian.
        case utf16LittleEndian
        /// GB 18030: its ASCII is read, any other character becomes U+FFFD.
        case gb18030
        /// UTF-8 with JSON's backslash escapes.
        case json
        /// One to three bytes a UTF-16 unit: Java's `writeUTF` and Kryo.
        case units
        /// ASCII whose last byte has bit 7 set: Kryo's short form.
        case markedASCII

        /// True if bytes below 0x80 stand for themselves, so that text without other bytes is UTF-8 already.
        var isASCIICompatible: Bool { self == .latin1 || self == .gb18030 || self == .units }

        /// The fewest UTF-8 bytes that a string of this length can need, so that a string that cannot fit is refused
        /// unread.
        func leastTextBytes(for count: Int) -> Int {
            switch self {
            case .utf8, .latin1, .markedASCII: count
            case .utf16BigEndian, .utf16LittleEndian, .gb18030, .units: count / 2
            // A six-byte escape may stand for one byte.
            case .json: count / 6
            }
        }
    }

    var range: ByteRange
    var encoding: Encoding
}

extension PrefixBuffer {
    /// Appends a string as UTF-8.
    ///
    /// - Parameters:
    ///   - string: The place and encoding of the string.
    ///   - bytes: The bytes that it is in.
    /// - Returns: The range in this buffer; `nil` if it does not fit.
    mutating func keep(_ string: EncodedString, of bytes: RawSpan) -> ByteRange? {
        let piece = bytes.slice(string.range)
        guard string.encoding.leastTextBytes(for: piece.byteCount) <= limitBytes - count else { return nil }
        if string.encoding == .utf8 { return keep(piece) }
        if string.encoding.isASCIICompatible, piece.isASCII(from: 0, count: piece.byteCount) { return keep(piece) }
        var text = UTF8Builder()
        text.append(piece, encoding: string.encoding)
        return keep(text.bytes.byteSpan)
    }

    private mutating func keep(_ piece: RawSpan) -> ByteRange? {
        let offset = count
        guard append(piece) else { return nil }
        return ByteRange(offset: offset, count: piece.byteCount)
    }
}

/// A converter from other encodings to UTF-8; invalid characters become U+FFFD.
struct UTF8Builder {
    /// The text so far.
    private(set) var bytes: [UInt8] = []
    /// A high surrogate that waits for its low one; 0 when none does.
    private var high: UInt32 = 0

    /// Appends a whole string.
    mutating func append(_ piece: RawSpan, encoding: EncodedString.Encoding) {
        bytes.reserveCapacity(piece.byteCount)
        switch encoding {
        case .utf8: for at in 0..<piece.byteCount { append(raw: piece.byte(at: at)) }
        case .latin1: for at in 0..<piece.byteCount { append(unit: UInt32(piece.byte(at: at))) }
        case .markedASCII: for at in 0..<piece.byteCount { append(raw: piece.byte(at: at) & 0x7f) }
        case .utf16BigEndian: appendUTF16(piece, isLittleEndian: false)
        case .utf16LittleEndian: appendUTF16(piece, isLittleEndian: true)
        case .gb18030: appendGB18030(piece)
        case .json: appendJSON(piece)
        case .units: appendUnits(piece)
        }
        flush()
    }

    private mutating func appendUTF16(_ piece: RawSpan, isLittleEndian: Bool) {
        var at = 0
        while at + 2 <= piece.byteCount {
            let unit = piece.uint16(at: at)
            append(unit: UInt32(isLittleEndian ? unit.byteSwapped : unit))
            at += 2
        }
        if at < piece.byteCount { append(unit: 0xfffd) }
    }

    /// Two bytes a character, or four where the second one is a digit.
    private mutating func appendGB18030(_ piece: RawSpan) {
        var at = 0
        while at < piece.byteCount {
            let byte = piece.byte(at: at)
            if byte < 0x80 {
                append(raw: byte)
                at += 1
            } else {
                append(unit: 0xfffd)
                let isLong = at + 1 < piece.byteCount && (0x30...0x39).contains(piece.byte(at: at + 1))
                at += isLong ? 4 : 2
            }
        }
    }

    private mutating func appendUnits(_ piece: RawSpan) {
        var at = 0
        while at < piece.byteCount {
            let lead = UInt32(piece.byte(at: at))
            let length = lead < 0x80 ? 1 : lead >> 5 == 0b110 ? 2 : lead >> 4 == 0b1110 ? 3 : 0
            guard length > 0, at + length <= piece.byteCount else {
                append(unit: 0xfffd)
                at += 1
                continue
            }
            var unit = length == 1 ? lead : length == 2 ? lead & 0x1f : lead & 0x0f
            for next in 1..<max(length, 1) { unit = (unit << 6) | (UInt32(piece.byte(at: at + next)) & 0x3f) }
            append(unit: unit)
            at += length
        }
    }

    private mutating func appendJSON(_ piece: RawSpan) {
        var at = 0
        while at < piece.byteCount {
            let byte = piece.byte(at: at)
            at += 1
            guard byte == 0x5c, at < piece.byteCount else {
                append(raw: byte)
                continue
            }
            let escape = piece.byte(at: at)
            at += 1
            switch escape {
            case 0x75: at += appendHex(piece, from: at, digits: 4)
            case 0x78: at += appendHex(piece, from: at, digits: 2)
            case 0x62: append(raw: 0x08)
            case 0x74: append(raw: 0x09)
            case 0x6e: append(raw: 0x0a)
            case 0x76: append(raw: 0x0b)
            case 0x66: append(raw: 0x0c)
            case 0x72: append(raw: 0x0d)
            default: append(raw: escape)
            }
        }
    }

    /// Returns how many digits it used: all of them, or none when one is missing.
    private mutating func appendHex(_ piece: RawSpan, from offset: Int, digits: Int) -> Int {
        var unit: UInt32 = 0
        for at in offset..<offset + digits {
            let digit = at < piece.byteCount ? Self.hexDigit(piece.byte(at: at)) : nil
            guard let digit else {
                append(unit: 0xfffd)
                return 0
            }
            unit = (unit << 4) | digit
        }
        append(unit: unit)
        return digits
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41 + 10)
        case 0x61...0x66: UInt32(byte - 0x61 + 10)
        default: nil
        }
    }

    private mutating func append(raw byte: UInt8) {
        flush()
        bytes.append(byte)
    }

    private mutating func append(unit: UInt32) {
        if unit & 0xfc00 == 0xdc00 {
            append(scalar: high == 0 ? 0xfffd : 0x10000 + ((high & 0x3ff) << 10) + (unit & 0x3ff))
            high = 0
            return
        }
        flush()
        if unit & 0xfc00 == 0xd800 { high = unit } else { append(scalar: unit) }
    }

    /// A high surrogate that got no low one is no character.
    private mutating func flush() {
        guard high != 0 else { return }
        high = 0
        append(scalar: 0xfffd)
    }

    private mutating func append(scalar: UInt32) {
        let character = Unicode.Scalar(scalar) ?? "\u{fffd}"
        bytes.append(contentsOf: UTF8.encode(character) ?? UTF8.encodedReplacementCharacter)
    }
}
