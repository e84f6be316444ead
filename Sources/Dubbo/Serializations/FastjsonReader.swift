internal import Wire

/// A reader for fastjson and Gson bodies: one JSON value a line.
///
/// JSON escapes line ends inside strings, so lines are values. Source: `FastJsonObjectOutput`, `GsonJsonObjectOutput`.
struct FastjsonReader: ~Escapable {
    private let body: RawSpan
    private let isWhole: Bool
    private var offset = 0

    @_lifetime(copy body)
    init(_ body: RawSpan, isWhole: Bool) {
        self.body = body
        self.isWhole = isWhole
    }

    /// The next line; one that no line end closes counts only when nothing is missing.
    private mutating func next() throws(BodyError) -> ByteRange {
        guard offset < body.byteCount else { throw .unreadable }
        let end = body.firstIndex(of: 0x0a, from: offset)
        guard isWhole || end != nil else { throw .unreadable }
        return take(to: end ?? body.byteCount)
    }

    private mutating func take(to end: Int) -> ByteRange {
        defer { offset = Swift.min(end + 1, body.byteCount) }
        return ByteRange(offset: offset, count: end - offset)
    }

    /// Reads the attachments from the last line, if there is one after the lines read so far.
    mutating func readLast(into list: inout [Attachment], texts: inout PrefixBuffer) -> Bool {
        do throws(BodyError) {
            var start = offset
            while offset < body.byteCount {
                start = offset
                _ = try next()
            }
            offset = start
            try attachments(into: &list, texts: &texts)
            return true
        } catch {
            return false
        }
    }
}

extension FastjsonReader: SerializedValues {
    mutating func string(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        var line = BodyCursor(body.slice(try next()))
        try line.skipSpaces()
        let string = try line.jsonStringOrNull()
        try line.skipSpaces()
        guard line.remaining == 0 else { throw .unreadable }
        guard let string else { return nil }
        return texts.keep(string, of: line.bytes)
    }

    mutating func object(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        try string(into: &texts)
    }

    mutating func number() throws(BodyError) -> Int {
        var line = BodyCursor(body.slice(try next()))
        try line.skipSpaces()
        let digit = try line.byte()
        try line.skipSpaces()
        guard line.remaining == 0, (0x30...0x39).contains(digit) else { throw .unreadable }
        return Int(digit - 0x30)
    }

    mutating func throwable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        // A line that was cut off still has its class, and perhaps its message, in front.
        let end = body.firstIndex(of: 0x0a, from: offset) ?? body.byteCount
        var line = BodyCursor(body.slice(take(to: end)))
        do throws(BodyError) {
            try line.readThrowable(into: &metadata, texts: &texts)
        } catch {
            // What was read before stays, and attachments may follow.
        }
    }

    mutating func skip() throws(BodyError) {
        _ = try next()
    }

    mutating func attachments(
        into list: inout [Attachment],
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        var line = BodyCursor(body.slice(try next()))
        var found = AttachmentCollector()
        try line.skipSpaces()
        try line.expect(0x7b)
        var isFirst = true
        while let key = try line.jsonMember(isFirst: isFirst) {
            isFirst = false
            guard let value = try line.jsonText() else { continue }
            found.keep(key: key, value: value, of: line.bytes, texts: &texts)
        }
        try line.skipSpaces()
        guard line.remaining == 0 else { throw .unreadable }
        list.append(contentsOf: found.list)
    }
}

extension BodyCursor {
    /// Reads class and message of a throwable: fastjson writes `@type` and the getter `message`, Gson the field
    /// `detailMessage` and no class.
    fileprivate mutating func readThrowable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        try skipSpaces()
        try expect(0x7b)
        var message: EncodedString?
        var hasField = false
        var isFirst = true
        while let name = try jsonMember(isFirst: isFirst) {
            isFirst = false
            guard next == 0x22 else {
                try skipJSON()
                continue
            }
            let value = try jsonString()
            let nameBytes = bytes.slice(name.range)
            if nameBytes.equals("@type") {
                metadata.exceptionClass = texts.keep(value, of: bytes) ?? .empty
            } else if nameBytes.equals("detailMessage") {
                hasField = true
                metadata.message = texts.keep(value, of: bytes)
            } else if nameBytes.equals("message") {
                message = value
            }
        }
        // Only a whole object is known to have no `detailMessage`.
        if !hasField, let message { metadata.message = texts.keep(message, of: bytes) }
    }
}
