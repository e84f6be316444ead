public import Wire

/// The meaning of an event.
///
/// Source: `HeartbeatHandler`, `HeaderExchangeHandler.handlerEvent`.
public enum EventPayload: BitwiseCopyable, Equatable, Sendable {
    /// Null.
    case heartbeat
    /// `R`: send no new calls down this connection.
    case readonly
    /// `W`: takes a readonly back.
    case writeable
    /// Anything else, or a serialization that is not read.
    case other
}

/// A reader for bodies in serializations other than Hessian 2.
///
/// JSON lines (fastjson, gson) and length-prefixed JSONB (fastjson2) give names, attachments and exceptions. Java
/// object streams and Kryo give names, the reply's kind and the exception's class. Other serializations give nothing.
/// Texts are decoded to UTF-8 and appended to the caller's buffer, and the ranges point there.
///
/// Nothing throws or traps on any bytes. Work grows with the body's length, nesting is bounded (``JSONBReader``), and
/// memory is bounded by the buffer's limit and ``RequestMetadata/maxAttachments``.
public enum SerializedBody {
    /// Reads a request's body.
    ///
    /// - Parameters:
    ///   - body: The bytes after the header, or the first of them.
    ///   - isWhole: True if `body` is complete. If not, the names at its start still count; attachments are not
    ///     claimed.
    ///   - serialization: The frame's serialization id.
    ///   - metadata: The metadata to fill in; its previous content is dropped.
    ///   - texts: The buffer for the texts; a text that does not fit leaves its field unknown.
    /// - Returns: True if interface and method were understood.
    public static func readRequest(
        _ body: RawSpan,
        isWhole: Bool,
        serialization: UInt8,
        into metadata: inout RequestMetadata,
        texts: inout PrefixBuffer
    ) -> Bool {
        metadata.removeAll()
        switch serialization {
        case Serialization.fastjson, Serialization.gson:
            var lines = FastjsonReader(body, isWhole: isWhole)
            readNames(&lines, into: &metadata, texts: &texts)
            if isWhole, lines.readLast(into: &metadata.attachments, texts: &texts) {
                metadata.known.insert(.attachments)
            }
        case Serialization.fastjson2:
            var chunks = Fastjson2Reader(body)
            readNames(&chunks, into: &metadata, texts: &texts)
            if isWhole, chunks.readLast(into: &metadata.attachments, texts: &texts) {
                metadata.known.insert(.attachments)
            }
        case Serialization.java, Serialization.compactedJava, Serialization.nativeJava:
            var stream = JavaStreamReader(body, serialization: serialization)
            readNames(&stream, into: &metadata, texts: &texts)
        case Serialization.kryo, Serialization.kryo2:
            var kryo = KryoReader(body, serialization: serialization)
            readNames(&kryo, into: &metadata, texts: &texts)
        default:
            return false
        }
        return metadata.known.isSuperset(of: [.interface, .method])
    }

    /// Reads a reply's body.
    ///
    /// - Parameters:
    ///   - body: The bytes after the header, or the first of them.
    ///   - isWhole: True if `body` is complete; if not, attachments are not claimed.
    ///   - status: The frame's status: 20 has a kind, any other status an error text.
    ///   - serialization: The frame's serialization id.
    ///   - metadata: The metadata to fill in; its previous content is dropped.
    ///   - texts: The buffer for the texts; a text that does not fit leaves its field unknown.
    /// - Returns: True if the kind, or the error text, was understood.
    public static func readResponse(
        _ body: RawSpan,
        isWhole: Bool,
        status: UInt8,
        serialization: UInt8,
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) -> Bool {
        metadata.removeAll()
        switch serialization {
        case Serialization.fastjson, Serialization.gson:
            var lines = FastjsonReader(body, isWhole: isWhole)
            return readReply(&lines, isWhole: isWhole, status: status, into: &metadata, texts: &texts)
        case Serialization.fastjson2:
            var chunks = Fastjson2Reader(body)
            return readReply(&chunks, isWhole: isWhole, status: status, into: &metadata, texts: &texts)
        case Serialization.java, Serialization.compactedJava, Serialization.nativeJava:
            var stream = JavaStreamReader(body, serialization: serialization)
            return readReply(&stream, isWhole: isWhole, status: status, into: &metadata, texts: &texts)
        case Serialization.kryo, Serialization.kryo2:
            var kryo = KryoReader(body, serialization: serialization)
            return readReply(&kryo, isWhole: isWhole, status: status, into: &metadata, texts: &texts)
        default:
            return false
        }
    }

    /// Reads an event's body, in Hessian 2 too.
    ///
    /// - Parameters:
    ///   - body: All of the bytes after the header.
    ///   - serialization: The frame's serialization id.
    /// - Returns: The meaning of the event; ``EventPayload/other`` if unknown.
    public static func readEvent(_ body: RawSpan, serialization: UInt8) -> EventPayload {
        // The longest payload that means anything is a Java stream of eleven bytes.
        guard body.byteCount <= 16 else { return .other }
        var texts = PrefixBuffer(limitBytes: 16)
        var value: ByteRange?
        do throws(BodyError) {
            switch serialization {
            case Serialization.hessian2:
                var cursor = BodyCursor(body)
                value = try cursor.hessianString(into: &texts)
            case Serialization.fastjson, Serialization.gson:
                var lines = FastjsonReader(body, isWhole: true)
                value = try lines.string(into: &texts)
            case Serialization.fastjson2:
                var chunks = Fastjson2Reader(body)
                value = try chunks.string(into: &texts)
            case Serialization.java, Serialization.compactedJava, Serialization.nativeJava:
                var stream = JavaStreamReader(body, serialization: serialization)
                value = try stream.object(into: &texts)
            case Serialization.kryo, Serialization.kryo2:
                var kryo = KryoReader(body, serialization: serialization)
                value = try kryo.object(into: &texts)
            default:
                return .other
            }
        } catch {
            return .other
        }
        guard let value else { return .heartbeat }
        let text = texts.bytes.slice(value)
        return text.equals("R") ? .readonly : text.equals("W") ? .writeable : .other
    }
}

extension BodyCursor {
    /// Reads a short Hessian 2 string or null; dubbo-go adds a byte of its own, so what follows is left alone.
    fileprivate mutating func hessianString(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange? {
        let lead = try byte()
        if lead == 0x4e { return nil }
        guard lead < 0x20 else { throw .unreadable }
        return texts.keep(EncodedString(range: try take(Int(lead)), encoding: .units), of: bytes)
    }
}
