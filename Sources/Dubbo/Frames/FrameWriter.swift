internal import Hessian
internal import Wire

/// The frames and parts of frames that Weir writes itself.
public enum FrameWriter {
    /// A longer text of a reply is cut, in UTF-8 bytes.
    public static let maxTextBytes = 1024

    /// True if ``reply(to:status:text:)`` can write in that serialization.
    ///
    /// - Parameter serialization: The request's serialization id.
    /// - Returns: True if a peer of that serialization understands the text.
    public static func canReply(in serialization: UInt8) -> Bool {
        switch serialization {
        case Serialization.hessian2, Serialization.fastjson, Serialization.fastjson2: true
        default: false
        }
    }

    /// A reply with an error status and one string as its body, which every Dubbo peer reads.
    ///
    /// Source: `ExchangeCodec.java` (`encodeResponse`), dubbo-go `protocol/dubbo/impl/codec.go`.
    ///
    /// - Parameters:
    ///   - request: The header of the request that is answered.
    ///   - status: Any but 20.
    ///   - text: The message for the caller; cut at ``maxTextBytes``.
    /// - Returns: The frame, or `nil` when the request's serialization is not one Weir writes.
    public static func reply(to request: FrameHeader, status: UInt8, text: String) -> [UInt8]? {
        var text = text
        while text.utf8.count > maxTextBytes { text.removeLast() }
        let body: [UInt8]
        switch request.serialization {
        case Serialization.hessian2:
            var encoder = HessianEncoder()
            encoder.string(text)
            body = encoder.bytes
        case Serialization.fastjson: body = jsonLine(text)
        case Serialization.fastjson2: body = chunk(jsonbString(text))
        default: return nil
        }
        var frame: [UInt8] = [0xda, 0xbb, request.serialization, status]
        frame.appendBigEndian(request.requestID)
        frame += length(of: body.count)
        return frame + body
    }

    /// True if ``exception(to:text:attachments:)`` can write in that serialization.
    ///
    /// - Parameter serialization: The request's serialization id.
    /// - Returns: True for Hessian 2 and fastjson 2.
    public static func canThrow(in serialization: UInt8) -> Bool {
        serialization == Serialization.hessian2 || serialization == Serialization.fastjson2
    }

    /// A reply with an exception, which no Dubbo Java caller retries; in Hessian 2 and fastjson 2.
    ///
    /// The class is one that every Java peer has. Only its message field is written: the peer's constructor fills in
    /// the others. Source: `DubboCodec.java` (`encodeResponseData`), hessian-lite `JavaDeserializer.java`,
    /// `FastJson2ObjectInput.java` (`readThrowable`), fastjson2 `ObjectReaderException.java`.
    ///
    /// - Parameters:
    ///   - request: The header of the request that is answered.
    ///   - text: The exception's message; cut at ``maxTextBytes``.
    ///   - attachments: The reply's attachments; with none the reply has a form that peers of any age read.
    /// - Returns: The frame, or `nil` when the request's serialization is neither.
    public static func exception(
        to request: FrameHeader,
        text: String,
        attachments: [(key: String, value: String)] = []
    ) -> [UInt8]? {
        guard canThrow(in: request.serialization) else { return nil }
        var text = text
        while text.utf8.count > maxTextBytes { text.removeLast() }
        let body =
            request.serialization == Serialization.hessian2
            ? hessianException(text, attachments) : jsonbException(text, attachments)
        var frame: [UInt8] = [0xda, 0xbb, request.serialization, 20]
        frame.appendBigEndian(request.requestID)
        return frame + length(of: body.count) + body
    }

    private static func hessianException(_ text: String, _ attachments: [(key: String, value: String)]) -> [UInt8] {
        var encoder = HessianEncoder()
        encoder.int(attachments.isEmpty ? 0 : 3)
        encoder.beginObject(HessianClass(name: "java.lang.RuntimeException", fieldNames: ["detailMessage"]))
        encoder.string(text)
        if !attachments.isEmpty {
            encoder.beginMap()
            for (key, value) in attachments {
                encoder.string(key)
                encoder.string(value)
            }
            encoder.end()
        }
        return encoder.bytes
    }

    /// An event that a provider sends its consumers.
    public enum Event: String, Sendable {
        /// It takes no more requests.
        case readonly = "R"
        /// It takes requests again; Dubbo Java since 3.2.1.
        case writeable = "W"
    }

    /// An event that asks for no answer, in Hessian 2.
    ///
    /// Source: `HeaderExchangeServer.java` (`sendChannelReadOnlyEvent`), `CommonConstants.java`.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - requestID: Its id: dubbo-go answers nevertheless, with the same one.
    /// - Returns: The frame.
    public static func event(_ event: Event, requestID: UInt64) -> [UInt8] {
        var frame: [UInt8] = [0xda, 0xbb, 0xa0 | Serialization.hessian2, 0]
        frame.appendBigEndian(requestID)
        var encoder = HessianEncoder()
        encoder.string(event.rawValue)
        return frame + length(of: encoder.bytes.count) + encoder.bytes
    }

    /// A pair for the attachments map of a Hessian 2 body, to be inserted before the map's end.
    ///
    /// - Parameters:
    ///   - key: The attachment's name.
    ///   - value: Its value.
    /// - Returns: Two strings.
    public static func attachment(key: String, value: String) -> [UInt8] {
        var encoder = HessianEncoder()
        encoder.string(key)
        encoder.string(value)
        return encoder.bytes
    }

    /// A frame with another body.
    ///
    /// - Parameters:
    ///   - header: The header, but for the length.
    ///   - body: At most ``FrameHeader/maxBodyBytes``.
    /// - Returns: The frame.
    static func frame(like header: FrameHeader, body: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0xda, 0xbb, header.flags, header.status]
        frame.appendBigEndian(header.requestID)
        return frame + length(of: body.count) + body
    }

    /// A body length as the header's last four bytes.
    ///
    /// - Parameter bodyBytes: At most ``FrameHeader/maxBodyBytes``.
    /// - Returns: Four bytes.
    public static func length(of bodyBytes: Int) -> [UInt8] {
        UInt32(truncatingIfNeeded: bodyBytes).bigEndianBytes
    }

    /// A JSON string and the line's end.
    private static func jsonLine(_ text: String) -> [UInt8] {
        var line: [UInt8] = [0x22]
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5c: line += [0x5c, byte]
            case 0..<0x20: line += Array("\\u00".utf8) + [hex(byte >> 4), hex(byte & 15)]
            default: line.append(byte)
            }
        }
        return line + [0x22, 0x0a]
    }

    private static func hex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

    /// The values of a reply in fastjson 2, each after its length: the kind, the exception, the attachments.
    ///
    /// A type or a member's name is followed by the number that it has from then on.
    private static func jsonbException(_ text: String, _ attachments: [(key: String, value: String)]) -> [UInt8] {
        // fastjson2 writes the classes of `java.lang` by their short names.
        let members = [0x7f] + jsonbString("detailMessage") + [0x01] + jsonbString(text)
        let thrown = [0x92] + jsonbString("RuntimeException") + [0x00, 0xa6] + members + [0xa5]
        let body = chunk([0xbd, attachments.isEmpty ? 0 : 3]) + chunk(thrown)
        guard !attachments.isEmpty else { return body }
        let pairs = attachments.flatMap { jsonbString($0.key) + jsonbString($0.value) }
        return body + chunk([0xa6] + pairs + [0xa5])
    }

    /// A value after its length, as `FastJson2ObjectOutput.java` writes each.
    private static func chunk(_ value: [UInt8]) -> [UInt8] { length(of: value.count) + value }

    /// A JSONB string in UTF-8.
    private static func jsonbString(_ text: String) -> [UInt8] {
        let utf8 = Array(text.utf8)
        var value: [UInt8]
        if utf8.count <= 47, utf8.allSatisfy({ $0 < 0x80 }) {
            value = [0x49 + UInt8(utf8.count)]
        } else {
            // The length is a JSONB int: one byte up to 47, else two of which the first is offset by 0x38.
            value = [0x7a]
            value +=
                utf8.count <= 47
                ? [UInt8(utf8.count)] : [0x38 + UInt8(utf8.count >> 8), UInt8(truncatingIfNeeded: utf8.count)]
        }
        return value + utf8
    }
}
