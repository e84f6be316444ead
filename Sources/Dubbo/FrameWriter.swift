internal import Hessian

/// The frames and parts of frames that Weir writes itself.
public enum FrameWriter {
    /// A longer text of a reply is cut, in UTF-8 bytes.
    public static let maxTextBytes = 1024

    /// Whether ``reply(to:status:text:)`` can write in that serialization.
    ///
    /// - Parameter serialization: The request's serialization id.
    /// - Returns: Whether a peer that speaks it will understand the text.
    public static func canReply(in serialization: UInt8) -> Bool {
        switch serialization {
        case Serialization.hessian2, Serialization.fastjson, Serialization.fastjson2: true
        default: false
        }
    }

    /// A reply whose status is no success and whose body is one string, as every Dubbo peer reads it.
    ///
    /// Source: `ExchangeCodec.java` (`encodeResponse`), dubbo-go `protocol/dubbo/impl/codec.go`.
    ///
    /// - Parameters:
    ///   - request: The header of the request that is answered.
    ///   - status: Any but 20.
    ///   - text: What the caller is told; cut at ``maxTextBytes``.
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
        case Serialization.fastjson2: body = jsonbChunk(text)
        default: return nil
        }
        var frame: [UInt8] = [0xda, 0xbb, request.serialization, status]
        append(request.requestID, to: &frame)
        frame += length(of: body.count)
        return frame + body
    }

    /// A pair of the attachments map of a Hessian 2 body, to be inserted before the map's end.
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

    /// A body length as it stands in the header's last four bytes.
    ///
    /// - Parameter bodyBytes: At most ``FrameHeader/maxBodyBytes``.
    /// - Returns: Four bytes.
    public static func length(of bodyBytes: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bodyBytes >> $0) }
    }

    private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
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

    /// A JSONB string in UTF-8 behind its length, as `FastJson2ObjectOutput.java` writes each value.
    private static func jsonbChunk(_ text: String) -> [UInt8] {
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
        value += utf8
        return length(of: value.count) + value
    }
}
