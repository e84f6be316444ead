internal import Wire

extension TripleHeaderName {
    /// True if a request header of that name is an attachment: one that neither HTTP nor gRPC nor Dubbo itself uses.
    ///
    /// Java's server passes `content-type` and `te` to the application too; they carry nothing that the caller set.
    public var isAttachment: Bool { rawValue >= Self.dubboAttachments.rawValue && self != .httpStatus }

    /// True if a request header is an attachment.
    ///
    /// - Parameters:
    ///   - id: The number that ``table`` gives the name; `NameTable.unwanted` for most attachments.
    ///   - name: The name's bytes, lower-case; looked at only if `id` is no name's.
    /// - Returns: `false` for names that HTTP, gRPC (all of `grpc-`) or Dubbo use, for pseudo-headers and for no name.
    ///
    /// Source: `StreamUtils.toAttachments`, gRPC `PROTOCOL-HTTP2.md` (Custom-Metadata).
    public static func isAttachment(_ id: UInt8, name: RawSpan) -> Bool {
        if let known = TripleHeaderName(id: id) { return known.isAttachment }
        guard name.byteCount > 0, name.byte(at: 0) != 0x3a else { return false }
        return !(name.byteCount >= 5 && name.extracting(0..<5).equals("grpc-"))
    }
}

/// The values of attachments as text.
public enum TripleAttachment {
    /// True if the name is that of a binary value: it ends in `-bin`.
    ///
    /// - Parameter name: The name's bytes, lower-case.
    /// - Returns: True if the value is base64 on the wire, or raw bytes after a zero byte.
    public static func isBinary(_ name: RawSpan) -> Bool {
        let count = name.byteCount
        return count > 4 && name.extracting(count - 4..<count).equals("-bin")
    }

    /// A value as it can be shown.
    ///
    /// Values of `-bin` names are shown in base64, without padding, however they travelled: gRPC's C core sends the
    /// raw bytes after a zero byte to a peer that understands this. What is not UTF-8 becomes U+FFFD.
    ///
    /// - Parameters:
    ///   - value: The value's bytes.
    ///   - isBinary: The result of ``isBinary(_:)`` for its name.
    ///   - maxBytes: The most bytes of the value that are shown.
    /// - Returns: The text.
    public static func text(_ value: RawSpan, isBinary: Bool, maxBytes: Int) -> String {
        var shown = value.extracting(0..<min(value.byteCount, max(0, maxBytes)))
        guard isBinary else { return shown.text }
        if shown.byteCount > 0, shown.byte(at: 0) == 0 {
            shown = shown.extracting(1..<shown.byteCount)
            return base64(shown)
        }
        while shown.byteCount > 0, shown.byte(at: shown.byteCount - 1) == 0x3d {
            shown = shown.extracting(0..<shown.byteCount - 1)
        }
        return shown.text
    }

    private static func base64(_ bytes: RawSpan) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.byteCount / 3 * 4 + 4)
        var at = 0
        while at < bytes.byteCount {
            let left = min(3, bytes.byteCount - at)
            var group: UInt32 = 0
            for index in 0..<3 { group = group << 8 | (index < left ? UInt32(bytes.byte(at: at + index)) : 0) }
            for index in 0...left { text.append(digit(UInt8(group >> (18 - 6 * UInt32(index)) & 63))) }
            at += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: 0x41 + value
        case 26..<52: 0x61 + value - 26
        case 52..<62: 0x30 + value - 52
        case 62: 0x2b
        default: 0x2f
        }
    }
}
