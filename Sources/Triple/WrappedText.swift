internal import Wire

/// A reader for the text of a wrapped string, in the serializations that peers use.
///
/// The text must be in one piece, as every name is; its bytes are returned as they are (CESU-8 for Hessian, the inside
/// of the quotes for JSON without escapes). Anything else is unknown, not an error.
enum WrappedText {
    /// The string that a value is.
    ///
    /// - Parameters:
    ///   - value: The value's whole bytes.
    ///   - serialization: The wrapper's `serializeType`.
    /// - Returns: The place of the text in `value`; `nil` for another value, or an unknown serialization.
    static func range(in value: RawSpan, serialization: RawSpan) -> ByteRange? {
        if serialization.equals("hessian4") || serialization.equals("hessian2") {
            return hessian(value, from: 0, isAlone: true)
        }
        if serialization.equals("fastjson2") { return chunk(value) ?? json(value) }
        if serialization.equals("msgpack") { return messagePack(value) }
        return json(value)
    }

    /// The class of the object that a value is: what its bytes begin with.
    ///
    /// - Parameters:
    ///   - value: The value's bytes, perhaps cut off after the name.
    ///   - serialization: The wrapper's `serializeType`.
    /// - Returns: The place of the name in `value`; `nil` for another value, or an unknown serialization.
    static func className(in value: RawSpan, serialization: RawSpan) -> ByteRange? {
        if serialization.equals("hessian4") || serialization.equals("hessian2") {
            // The first class that is defined, or the type of a map that stands for an object.
            guard value.byteCount > 0, value.byte(at: 0) == 0x43 || value.byte(at: 0) == 0x4d else { return nil }
            return hessian(value, from: 1, isAlone: false)
        }
        guard serialization.equals("fastjson2"), value.byteCount > 5, value.byte(at: 4) == 0x92 else { return nil }
        return binaryJSON(value, from: 5)
    }

    /// A Hessian string of one chunk, its length in UTF-16 units; `isAlone` when the bytes must end with it.
    static func hessian(_ bytes: RawSpan, from offset: Int, isAlone: Bool) -> ByteRange? {
        guard offset < bytes.byteCount else { return nil }
        let lead = bytes.byte(at: offset)
        let left = bytes.byteCount &- offset
        let units: Int
        let start: Int
        switch lead {
        case 0x00...0x1f:
            units = Int(lead)
            start = offset &+ 1
        case 0x30...0x33:
            guard left >= 2 else { return nil }
            units = Int(lead & 3) << 8 | Int(bytes.byte(at: offset &+ 1))
            start = offset &+ 2
        case 0x53:
            guard left >= 3 else { return nil }
            units = Int(bytes.uint16(at: offset &+ 1))
            start = offset &+ 3
        default: return nil
        }
        guard let end = end(ofUnits: units, in: bytes, from: start), !isAlone || end == bytes.byteCount else {
            return nil
        }
        return ByteRange(offset: start, count: end &- start)
    }

    private static func end(ofUnits units: Int, in bytes: RawSpan, from start: Int) -> Int? {
        var at = start
        var left = units
        while left > 0 {
            guard at < bytes.byteCount else { return nil }
            switch bytes.byte(at: at) {
            case 0x00...0x7f: at &+= 1
            case 0xc0...0xdf: at &+= 2
            case 0xe0...0xef: at &+= 3
            // UTF-8 proper, as other than Java's writers spell a pair of units.
            case 0xf0...0xf7:
                at &+= 4
                left &-= 1
            default: return nil
            }
            left &-= 1
        }
        return left == 0 && at <= bytes.byteCount ? at : nil
    }

    /// A string of fastjson2: JSONB after a length of 32 bits.
    ///
    /// Source: `FastJson2ObjectOutput`.
    private static func chunk(_ value: RawSpan) -> ByteRange? {
        guard value.byteCount >= 5, value.uint32(at: 0) == UInt32(value.byteCount &- 4),
            let text = binaryJSON(value, from: 4), text.indices.upperBound == value.byteCount
        else { return nil }
        return text
    }

    /// A JSONB string of one byte a character, or of UTF-8, at `offset`.
    ///
    /// Source: `JSONB.Constants`.
    private static func binaryJSON(_ bytes: RawSpan, from offset: Int) -> ByteRange? {
        let left = bytes.byteCount &- offset
        guard left >= 1 else { return nil }
        let lead = bytes.byte(at: offset)
        if (0x49...0x78).contains(lead) { return text(in: bytes, from: offset &+ 1, count: Int(lead) &- 0x49) }
        guard lead == 0x79 || lead == 0x7a, left >= 2 else { return nil }
        let count = bytes.byte(at: offset &+ 1)
        switch count {
        case 0x00...0x2f: return text(in: bytes, from: offset &+ 2, count: Int(count))
        case 0x38...0x3f:
            guard left >= 3 else { return nil }
            let low = Int(bytes.byte(at: offset &+ 2))
            return text(in: bytes, from: offset &+ 3, count: Int(count &- 0x38) << 8 | low)
        default: return nil
        }
    }

    private static func text(in bytes: RawSpan, from start: Int, count: Int) -> ByteRange? {
        count <= bytes.byteCount &- start ? ByteRange(offset: start, count: count) : nil
    }

    /// A JSON string without escapes.
    private static func json(_ value: RawSpan) -> ByteRange? {
        let end = value.byteCount &- 1
        guard end >= 1, value.byte(at: 0) == 0x22, value.byte(at: end) == 0x22,
            value.firstIndex(of: 0x22, from: 1) == end, value.firstIndex(of: 0x5c) == nil
        else { return nil }
        return ByteRange(offset: 1, count: end &- 1)
    }

    private static func messagePack(_ value: RawSpan) -> ByteRange? {
        guard value.byteCount > 0 else { return nil }
        let lead = value.byte(at: 0)
        var found: ByteRange?
        if (0xa0...0xbf).contains(lead) {
            found = text(in: value, from: 1, count: Int(lead & 0x1f))
        } else if lead == 0xd9, value.byteCount >= 2 {
            found = text(in: value, from: 2, count: Int(value.byte(at: 1)))
        } else if lead == 0xda, value.byteCount >= 3 {
            found = text(in: value, from: 3, count: Int(value.uint16(at: 1)))
        }
        return found?.indices.upperBound == value.byteCount ? found : nil
    }
}
