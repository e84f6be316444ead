internal import Hessian
internal import Wire

/// An editor that adds attachments to replies.
///
/// A reply of status 20 begins with its kind: 0 for an exception, 1 for a value, 2 for null; 3, 4 and 5 for the same
/// with a map of attachments. dubbo-go writes one null more at the end of every reply. Source: `DubboCodec.java`
/// (`encodeResponseData`), `DecodeableRpcResult.java`, dubbo-go `protocol/dubbo/impl/hessian.go`.
public enum ReplyPatch {
    /// True if a consumer reads the attachments of replies; the protocol version of its requests says so.
    ///
    /// Versions from 2.0.10 to 2.6.3 belong to releases that do not. Source: `Version.java`
    /// (`isSupportResponseAttachment`).
    ///
    /// - Parameter version: The request's first text.
    /// - Returns: True for 2.0.2 to 2.0.9.
    public static func readsAttachments(version: RawSpan) -> Bool {
        let start: [UInt8] = [0x32, 0x2e, 0x30, 0x2e]
        guard version.byteCount == 5 else { return false }
        for index in start.indices where version.byte(at: index) != start[index] { return false }
        return (0x32...0x39).contains(version.byte(at: 4))
    }

    /// A reply with one more attachment.
    ///
    /// - Parameters:
    ///   - key: The attachment's name.
    ///   - value: Its value.
    ///   - header: The reply's header: status 20, Hessian 2, no event.
    ///   - body: The reply's whole body.
    ///   - mayAddMap: True if the consumer reads attachments, so that a reply without a map may be given one.
    /// - Returns: The frame; `nil` if the body has another form than those above, or already has the attachment.
    public static func attaching(
        key: String,
        value: String,
        to header: FrameHeader,
        _ body: [UInt8],
        mayAddMap: Bool
    ) -> [UInt8]? {
        let pair = FrameWriter.attachment(key: key, value: value)
        let bytes = body.byteSpan
        guard let kind = body.first, (0x90...0x95).contains(kind) else { return nil }
        // One scanner for all of it: types of the map may be numbers of those that the value named.
        var scanner = HessianScanner(keptBytes: 1024)
        var at = 1
        if kind != 0x92, kind != 0x95 {
            guard (try? scanner.skipValue(bytes, &at)) == true else { return nil }
        }
        var patched: [UInt8]
        if kind < 0x93 {
            guard mayAddMap else { return nil }
            patched = [kind + 3] + bytes.extracting(1..<at).array + map(of: pair)
        } else {
            let start = at
            guard let room = place(in: bytes, &at, key: pair, &scanner) else { return nil }
            patched = bytes.extracting(0..<start).array
            patched += room == start ? map(of: pair) : bytes.extracting(start..<room).array + pair
            if room > start { patched.append(bytes.extracting(room..<at)) }
        }
        // What dubbo-go writes behind a reply stays behind it.
        let tail = bytes.byteCount - at
        guard tail == 0 || (tail == 1 && bytes.byte(at: at) == HessianTag.null) else { return nil }
        patched.append(bytes.extracting(at..<bytes.byteCount))
        return FrameWriter.frame(like: header, body: patched)
    }

    private static func map(of pair: [UInt8]) -> [UInt8] { [HessianTag.untypedMap] + pair + [HessianTag.end] }

    /// Steps over a reply's attachments.
    ///
    /// - Parameters:
    ///   - bytes: The reply's body.
    ///   - at: The position of the attachments; moved past them.
    ///   - pair: The attachment that they must not have, its key first.
    ///   - scanner: The scanner that has read the body so far.
    /// - Returns: The position for one more attachment; the start of the attachments if they are null; `nil` if they
    ///   are no map, or have it.
    private static func place(
        in bytes: RawSpan,
        _ at: inout Int,
        key pair: [UInt8],
        _ scanner: inout HessianScanner
    ) -> Int? {
        guard at < bytes.byteCount else { return nil }
        let start = at
        at += 1
        switch bytes.byte(at: start) {
        case HessianTag.null: return start
        case HessianTag.untypedMap: break
        case HessianTag.typedMap:
            guard (try? scanner.skipType(bytes, &at)) == true else { return nil }
        default: return nil
        }
        let room = at
        while at < bytes.byteCount, bytes.byte(at: at) != HessianTag.end {
            let key = at
            guard (try? scanner.skipValue(bytes, &at)) == true else { return nil }
            if bytes.extracting(key..<at).array.elementsEqual(pair.prefix(at - key)) { return nil }
            guard (try? scanner.skipValue(bytes, &at)) == true else { return nil }
        }
        guard at < bytes.byteCount else { return nil }
        at += 1
        return room
    }
}

/// The lead bytes that are looked for here.
private enum HessianTag {
    static let null: UInt8 = 0x4e
    static let untypedMap: UInt8 = 0x48
    static let typedMap: UInt8 = 0x4d
    static let end: UInt8 = 0x5a
}
