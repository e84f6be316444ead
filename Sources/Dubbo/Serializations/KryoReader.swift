internal import Wire

/// A reader for bodies in Kryo.
///
/// Source: Kryo `Output.writeString`, `DefaultClassResolver`, `KryoObjectOutput`,
/// `KryoObjectOutput2`.
struct KryoReader: ~Escapable {
    private var cursor: BodyCursor
    private let serialization: UInt8

    @_lifetime(copy body)
    init(_ body: RawSpan, serialization: UInt8) {
        cursor = BodyCursor(body)
        self.serialization = serialization
    }

    /// The byte before an object: null, a class written by name, or a string, which Kryo registers as the second class.
    private enum Class {
        static let null: UInt8 = 0
        static let named: UInt8 = 1
        static let string: UInt8 = 3
    }

    /// Before an object that may be referred to later.
    private static var firstOccurrence: UInt8 { 1 }

    /// Reads a string; `nil` for null.
    private mutating func plainString() throws(BodyError) -> EncodedString? {
        let first = try cursor.byte()
        guard first & 0x80 != 0 else { return try markedASCII() }
        var length = Int(first & 0x3f)
        if first & 0x40 != 0 {
            var shift = 6
            var byte: UInt8
            repeat {
                guard shift <= 27 else { throw .unreadable }
                byte = try cursor.byte()
                length |= Int(byte & 0x7f) << shift
                shift += 7
            } while byte & 0x80 != 0
        }
        // The length counts UTF-16 units and is one more than the text's; 0 is null.
        guard length > 0 else { return nil }
        guard length - 1 <= cursor.remaining else { throw .unreadable }
        let start = cursor.offset
        for _ in 1..<length {
            switch try cursor.byte() >> 4 {
            case 0...7: break
            case 12, 13: try cursor.take(1)
            case 14: try cursor.take(2)
            default: throw .unreadable
            }
        }
        return EncodedString(range: ByteRange(offset: start, count: cursor.offset - start), encoding: .units)
    }

    /// The rest of an ASCII string; its first byte was read, its last one has bit 7 set.
    private mutating func markedASCII() throws(BodyError) -> EncodedString {
        let start = cursor.offset - 1
        while try cursor.byte() & 0x80 == 0 {}
        return EncodedString(range: ByteRange(offset: start, count: cursor.offset - start), encoding: .markedASCII)
    }
}

extension KryoReader: SerializedValues {
    mutating func string(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        guard let string = try plainString() else { return nil }
        return texts.keep(string, of: cursor.bytes)
    }

    mutating func object(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        if cursor.next == Class.null {
            try cursor.take(1)
            return nil
        }
        // The second registration writes no class where the declared one is known.
        if serialization == Serialization.kryo { try cursor.expect(Class.string) }
        try cursor.expect(Self.firstOccurrence)
        return try string(into: &texts)
    }

    mutating func number() throws(BodyError) -> Int {
        Int(try cursor.byte())
    }

    mutating func throwable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        try cursor.expect(Class.named)
        // The number of the name within this stream, where it is the first.
        try cursor.expect(0)
        metadata.exceptionClass = try string(into: &texts) ?? .empty
        try skip()
    }

    /// The end of an object is known only from its class, so nothing after an object is read.
    mutating func skip() throws(BodyError) {
        throw .unreadable
    }

    mutating func attachments(
        into list: inout [Attachment],
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        try skip()
    }
}
