internal import Wire

/// A reader for fastjson2 bodies: every value is a 32-bit length and that many bytes of JSONB.
///
/// Symbols do not outlive their value, so arguments and results are skipped unread. Source: `FastJson2ObjectOutput`.
struct Fastjson2Reader: ~Escapable {
    private var cursor: BodyCursor

    @_lifetime(copy body)
    init(_ body: RawSpan) { cursor = BodyCursor(body) }

    private mutating func next() throws(BodyError) -> ByteRange {
        let count = try cursor.uint32()
        guard count <= cursor.remaining else { throw .unreadable }
        return try cursor.take(Int(count))
    }

    /// Reads the attachments from the last value, if there is one after the values read so far.
    mutating func readLast(into list: inout [Attachment], texts: inout PrefixBuffer) -> Bool {
        do throws(BodyError) {
            var start = cursor.offset
            while cursor.remaining > 0 {
                start = cursor.offset
                _ = try next()
            }
            cursor.rewind(to: start)
            try attachments(into: &list, texts: &texts)
            return true
        } catch {
            return false
        }
    }
}

extension Fastjson2Reader: SerializedValues {
    mutating func string(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        var value = JSONBReader(cursor.bytes.slice(try next()))
        let string = try value.string()
        guard value.cursor.remaining == 0 else { throw .unreadable }
        guard let string else { return nil }
        return texts.keep(string, of: value.cursor.bytes)
    }

    mutating func object(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        try string(into: &texts)
    }

    mutating func number() throws(BodyError) -> Int {
        var value = JSONBReader(cursor.bytes.slice(try next()))
        return try value.int()
    }

    mutating func throwable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        // A value that was cut off still has its class, and perhaps its message, in front.
        let count = Int(try cursor.uint32())
        var value = JSONBReader(cursor.bytes.slice(try cursor.take(min(count, cursor.remaining))))
        do throws(BodyError) {
            try value.readThrowable(into: &metadata, texts: &texts)
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
        var value = JSONBReader(cursor.bytes.slice(try next()))
        var found = AttachmentCollector()
        try value.openObject()
        while value.cursor.next != JSONBReader.Lead.objectEnd {
            guard JSONBReader.Lead.isString(value.cursor.next) else {
                try value.skipName()
                try value.skipValue()
                continue
            }
            let key = try value.string()
            guard let text = try value.text(), let key else { continue }
            found.keep(key: key, value: text, of: value.cursor.bytes, texts: &texts)
        }
        guard value.cursor.remaining == 1 else { throw .unreadable }
        list.append(contentsOf: found.list)
    }
}

extension JSONBReader {
    /// Steps over an object's start and the name of its type, if one is written.
    @discardableResult
    fileprivate mutating func openObject() throws(BodyError) -> EncodedString? {
        var type: EncodedString?
        if cursor.next == Lead.typed {
            try cursor.take(1)
            type = try symbol()
        }
        try cursor.expect(Lead.object)
        return type
    }

    /// Reads class and message of a throwable, which is written by its fields.
    ///
    /// `cause` may come before `detailMessage` and use the same symbols, so it is read and not skipped.
    fileprivate mutating func readThrowable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError) {
        // A throwable always has its type; an object without one is something else.
        guard let type = try openObject() else { throw .unreadable }
        metadata.exceptionClass = texts.keepClassName(type, of: cursor.bytes) ?? .empty
        var message: EncodedString?
        while cursor.next != Lead.objectEnd {
            guard let name = try string() else {
                try skipValue()
                continue
            }
            let nameBytes = cursor.bytes.slice(name.range)
            let isField = nameBytes.equals("detailMessage")
            guard isField || nameBytes.equals("message"), Lead.isString(cursor.next) else {
                try skipValue()
                continue
            }
            message = try string()
            if isField { break }
        }
        // `message` alone counts only here, where the whole object is known to have no `detailMessage`.
        if let message { metadata.message = texts.keep(message, of: cursor.bytes) }
    }
}
