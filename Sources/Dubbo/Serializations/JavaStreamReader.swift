internal import Wire

/// A reader for the Java object streams of Dubbo's three Java serializations.
///
/// Primitive values and `writeUTF` strings are in block data, which is cut into segments; objects are between the
/// segments. Source: Java Object Serialization Specification, chapter 6; `JavaObjectOutput`, `NativeJavaObjectOutput`,
/// `CompactedObjectOutputStream`.
struct JavaStreamReader: ~Escapable {
    private var cursor: BodyCursor
    /// The bytes left in the current segment.
    private var blockBytes = 0
    private var isStarted = false
    private let serialization: UInt8

    @_lifetime(copy body)
    init(_ body: RawSpan, serialization: UInt8) {
        cursor = BodyCursor(body)
        self.serialization = serialization
    }

    /// Lead bytes of the stream's grammar.
    private enum Tag {
        static let null: UInt8 = 0x70
        static let classDescription: UInt8 = 0x72
        static let object: UInt8 = 0x73
        static let string: UInt8 = 0x74
        static let blockData: UInt8 = 0x77
        static let blockDataLong: UInt8 = 0x7a
    }

    /// Native streams use `writeUTF` and `writeObject` as they are.
    private var isNative: Bool { serialization == Serialization.nativeJava }

    private mutating func start() throws(BodyError) {
        guard !isStarted else { return }
        guard try cursor.uint32() == 0xaced_0005 else { throw .unreadable }
        isStarted = true
    }

    /// Reads `count` bytes of block data.
    private mutating func block(_ count: Int) throws(BodyError) -> [UInt8] {
        try start()
        guard count <= cursor.remaining else { throw .unreadable }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            guard blockBytes > 0 else {
                try openBlock()
                continue
            }
            let range = try cursor.take(min(blockBytes, count - bytes.count))
            blockBytes -= Int(range.count)
            for at in range.indices { bytes.append(cursor.bytes.byte(at: at)) }
        }
        return bytes
    }

    private mutating func openBlock() throws(BodyError) {
        switch try cursor.byte() {
        case Tag.blockData: blockBytes = Int(try cursor.byte())
        case Tag.blockDataLong: blockBytes = Int(try cursor.uint32())
        default: throw .unreadable
        }
    }

    /// Reads a big-endian number of `count` bytes of block data.
    private mutating func blockNumber(_ count: Int) throws(BodyError) -> UInt32 {
        try block(count).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Steps to the place of an object; true if it is an object and not null.
    private mutating func findObject() throws(BodyError) -> Bool {
        try start()
        if !isNative, try blockNumber(1) == 0 { return false }
        guard blockBytes == 0 else { throw .unreadable }
        return true
    }

    /// Reads the class that an object's description begins with.
    private mutating func className(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        guard try findObject() else { return nil }
        try cursor.expect(Tag.object)
        try cursor.expect(Tag.classDescription)
        // Compact streams say first whether only the name follows, or all of the description; it has the name in front.
        if serialization == Serialization.compactedJava { try cursor.take(1) }
        return try rawString(into: &texts)
    }

    /// Reads a string outside block data.
    private mutating func rawString(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        let count = Int(try cursor.uint16())
        return texts.keep(EncodedString(range: try cursor.take(count), encoding: .units), of: cursor.bytes)
    }
}

extension JavaStreamReader: SerializedValues {
    mutating func string(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        if !isNative {
            // The number of UTF-16 units; each takes one to three bytes.
            let units = try blockNumber(4)
            if units == .max { return nil }
            let count = try blockNumber(2)
            guard count >= units, count <= UInt64(units) * 3 else { throw .unreadable }
            return try blockString(Int(count), into: &texts)
        }
        let count = try blockNumber(2)
        return try blockString(Int(count), into: &texts)
    }

    private mutating func blockString(
        _ count: Int,
        into texts: inout PrefixBuffer
    ) throws(BodyError) -> ByteRange? {
        let text = try block(count)
        let bytes = text.byteSpan
        return texts.keep(EncodedString(range: ByteRange(offset: 0, count: count), encoding: .units), of: bytes)
    }

    mutating func object(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        guard try findObject() else { return nil }
        if cursor.next == Tag.null {
            try cursor.take(1)
            return nil
        }
        try cursor.expect(Tag.string)
        return try rawString(into: &texts)
    }

    mutating func number() throws(BodyError) -> Int {
        Int(try blockNumber(1))
    }

    mutating func throwable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        metadata.exceptionClass = try className(into: &texts) ?? .empty
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
