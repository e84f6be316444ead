internal import Hessian
internal import Wire

/// Gives replies attachments that their providers did not give them.
///
/// A reply of status 20 begins with a number that says what follows: 0 an exception, 1 a value, 2 null; 3, 4 and 5 the
/// same and a map of attachments. dubbo-go writes one null more behind whatever it writes. Source: `DubboCodec.java`
/// (`encodeResponseData`), `DecodeableRpcResult.java`, dubbo-go `protocol/dubbo/impl/hessian.go`.
public enum ReplyPatch {
    /// Whether a consumer reads attachments of replies: it says so by the protocol version of its requests.
    ///
    /// Versions from 2.0.10 to 2.6.3 are those of releases that do not. Source: `Version.java`
    /// (`isSupportResponseAttachment`).
    ///
    /// - Parameter version: The request's first text.
    /// - Returns: Whether it is 2.0.2 to 2.0.9.
    public static func readsAttachments(version: RawSpan) -> Bool {
        let start: [UInt8] = [0x32, 0x2e, 0x30, 0x2e]
        guard version.byteCount == 5 else { return false }
        for index in start.indices where version.byte(at: index) != start[index] { return false }
        return (0x32...0x39).contains(version.byte(at: 4))
    }

    /// A reply with one more attachment.
    ///
    /// - Parameters:
    ///   - key: The attachment's name, which the reply does not have.
    ///   - value: Its value.
    ///   - header: The reply's header: status 20, Hessian 2, no event.
    ///   - body: The reply's whole body.
    ///   - mayAddMap: Whether the consumer reads attachments, so that a reply without a map may be given one.
    /// - Returns: The frame; `nil` when the body has another form than those above.
    public static func attaching(
        key: String,
        value: String,
        to header: FrameHeader,
        _ body: [UInt8],
        mayAddMap: Bool
    ) -> [UInt8]? {
        // SAFETY: the array's bytes are initialised and outlive the span.
        let bytes = unsafe body.span.bytes
        guard let kind = body.first, (0x90...0x95).contains(kind), let end = endOfValue(bytes, kind) else { return nil }
        let pair = FrameWriter.attachment(key: key, value: value)
        let patched =
            kind < 0x93
            ? addingMap(pair, bytes, kind, end, mayAddMap: mayAddMap) : adding(pair, bytes, toMapAt: end)
        return patched.map { FrameWriter.frame(like: header, body: $0) }
    }

    /// Where the reply's value ends, of which kinds 2 and 5 have none.
    private static func endOfValue(_ bytes: RawSpan, _ kind: UInt8) -> Int? {
        var at = 1
        guard kind != 0x92, kind != 0x95 else { return at }
        var scanner = HessianScanner(keptBytes: 1024)
        guard (try? scanner.skipValue(bytes, &at)) == true else { return nil }
        return at
    }

    private static func addingMap(
        _ pair: [UInt8],
        _ bytes: RawSpan,
        _ kind: UInt8,
        _ end: Int,
        mayAddMap: Bool
    ) -> [UInt8]? {
        let tail = bytes.byteCount - end
        guard mayAddMap, tail == 0 || (tail == 1 && bytes.byte(at: end) == HessianTag.null) else { return nil }
        var body = [kind + 3]
        body += bytes.extracting(1..<end).array
        body.append(HessianTag.untypedMap)
        body += pair
        body.append(HessianTag.end)
        // What dubbo-go writes behind a reply stays behind it.
        if tail == 1 { body.append(HessianTag.null) }
        return body
    }

    private static func adding(_ pair: [UInt8], _ bytes: RawSpan, toMapAt start: Int) -> [UInt8]? {
        guard start < bytes.byteCount else { return nil }
        var at = start + 1
        var body = bytes.extracting(0..<start).array
        switch bytes.byte(at: start) {
        case HessianTag.null: body += [HessianTag.untypedMap] + pair + [HessianTag.end]
        case HessianTag.untypedMap: body += [HessianTag.untypedMap] + pair
        case HessianTag.typedMap:
            var scanner = HessianScanner(keptBytes: 1024)
            guard (try? scanner.skipType(bytes, &at)) == true else { return nil }
            body += bytes.extracting(start..<at).array + pair
        default: return nil
        }
        return body + bytes.extracting(at..<bytes.byteCount).array
    }
}

/// The first bytes of the values that are looked for here.
private enum HessianTag {
    static let null: UInt8 = 0x4e
    static let untypedMap: UInt8 = 0x48
    static let typedMap: UInt8 = 0x4d
    static let end: UInt8 = 0x5a
}
