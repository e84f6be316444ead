internal import Wire

/// The text of `grpc-message`: UTF-8 with percent signs for bytes that a header cannot carry.
///
/// Source: gRPC `PROTOCOL-HTTP2.md` (Status-Message).
public enum GRPCMessageText {
    /// The most UTF-8 bytes of a message that Weir writes, before encoding; Java cuts its own at 1,024 characters.
    public static let maxWrittenBytes = 1024

    /// The text of a header's value.
    ///
    /// A percent sign without two hex digits after it stands for itself; so do bytes that should have been encoded
    /// (dubbo-python sends raw UTF-8). Invalid UTF-8 becomes U+FFFD.
    ///
    /// - Parameters:
    ///   - value: The value of `grpc-message`.
    ///   - maxBytes: The most UTF-8 bytes of the result; it is cut in front of the character that does not fit.
    /// - Returns: The text, at most `maxBytes` long.
    public static func decode(_ value: RawSpan, maxBytes: Int) -> String {
        guard maxBytes > 0 else { return "" }
        // A character that the limit halves is read whole, and then cut off.
        let wantedBytes = min(value.byteCount, maxBytes) + 4
        var bytes: [UInt8] = []
        bytes.reserveCapacity(wantedBytes)
        var at = 0
        while at < value.byteCount, bytes.count < wantedBytes {
            let byte = value.byte(at: at)
            at += 1
            if byte == 0x25, at + 2 <= value.byteCount, let high = hexDigit(value.byte(at: at)),
                let low = hexDigit(value.byte(at: at + 1))
            {
                bytes.append(high << 4 | low)
                at += 2
            } else {
                bytes.append(byte)
            }
        }
        return cut(String(decoding: bytes, as: UTF8.self), maxBytes)
    }

    /// The header's value for a text.
    ///
    /// Beyond what the grammar asks for, `+` is encoded: Java reads it as a space otherwise.
    ///
    /// - Parameter text: The message; cut to ``maxWrittenBytes``.
    /// - Returns: ASCII without control characters, at most three times as long.
    public static func encode(_ text: String) -> [UInt8] {
        let shown = cut(text, maxWrittenBytes).utf8
        var bytes: [UInt8] = []
        bytes.reserveCapacity(shown.count)
        for byte in shown {
            if byte >= 0x20, byte < 0x7f, byte != 0x25, byte != 0x2b {
                bytes.append(byte)
            } else {
                bytes.append(0x25)
                bytes.append(upperHex(byte >> 4))
                bytes.append(upperHex(byte & 15))
            }
        }
        return bytes
    }

    private static func upperHex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x37 + nibble }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    /// The text up to a number of UTF-8 bytes, no character halved.
    static func cut(_ text: String, _ maxBytes: Int) -> String {
        let utf8 = text.utf8
        guard utf8.count > maxBytes else { return text }
        var bytes = Array(utf8.prefix(maxBytes + 1))
        // A byte 10xxxxxx goes on with the character in front of it.
        while let last = bytes.popLast(), last & 0xc0 == 0x80 {}
        return String(decoding: bytes, as: UTF8.self)
    }
}
