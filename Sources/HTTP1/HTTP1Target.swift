internal import Wire

/// Request targets with the same meaning in different spellings.
///
/// A service finds the same resource under `http://host/rpc`, `/rp%63` and `/rpc`, so they name one operation. Source:
/// RFC 9112 §3.2.2 (absolute form), RFC 3986 §6.2.2.2 (percent-encoded unreserved characters).
public enum HTTP1Target {
    /// True if ``plain(_:)`` may differ from the target.
    ///
    /// - Parameter target: A request's target.
    /// - Returns: `false` for the targets of nearly all clients.
    public static func mayDiffer(_ target: RawSpan) -> Bool {
        guard target.byteCount > 0, target.byte(at: 0) == 0x2f else { return target.byteCount > 1 }
        return target.firstIndex(of: 0x25) != nil
    }

    /// The target in the form that is most often sent to an origin server.
    ///
    /// It begins with its path, in which nothing is encoded unnecessarily; the query stays unchanged.
    ///
    /// - Parameter target: A request's target.
    /// - Returns: The same target in plain form; targets of other forms unchanged.
    public static func plain(_ target: RawSpan) -> [UInt8] {
        var at = endOfAuthority(target)
        var plain: [UInt8] = []
        plain.reserveCapacity(target.byteCount &- at &+ 1)
        if at > 0, at == target.byteCount || target.byte(at: at) != 0x2f { plain.append(0x2f) }
        while at < target.byteCount {
            let byte = target.byte(at: at)
            if byte == 0x3f { break }
            if byte == 0x25, let character = unreserved(target, at) {
                plain.append(character)
                at &+= 3
            } else {
                plain.append(byte)
                at &+= 1
            }
        }
        while at < target.byteCount {
            plain.append(target.byte(at: at))
            at &+= 1
        }
        return plain
    }

    /// The start of the path after `http://` or `https://` and a host; 0 for targets of another form.
    private static func endOfAuthority(_ target: RawSpan) -> Int {
        var start = 0
        for scheme: StaticString in ["http://", "https://"] where begins(target, with: scheme) {
            start = scheme.utf8CodeUnitCount
        }
        guard start > 0 else { return 0 }
        var at = start
        while at < target.byteCount, target.byte(at: at) != 0x2f, target.byte(at: at) != 0x3f { at &+= 1 }
        return at
    }

    private static func begins(_ target: RawSpan, with scheme: StaticString) -> Bool {
        let count = scheme.utf8CodeUnitCount
        guard target.byteCount > count else { return false }
        let letters = count == 7 ? 4 : 5
        for index in 0..<letters {
            let wanted: UInt8 = [0x68, 0x74, 0x74, 0x70, 0x73][index]
            guard target.byte(at: index) | 0x20 == wanted else { return false }
        }
        return target.byte(at: letters) == Byte.colon && target.uint16(at: letters &+ 1) == 0x2f2f
    }

    /// The character that the three bytes at `at` encode, if it does not need encoding (RFC 3986 §2.3).
    private static func unreserved(_ target: RawSpan, _ at: Int) -> UInt8? {
        guard at &+ 2 < target.byteCount, let high = Byte.hexDigit(target.byte(at: at &+ 1)),
            let low = Byte.hexDigit(target.byte(at: at &+ 2))
        else { return nil }
        let byte = UInt8(high &<< 4 | low)
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: return byte
        default: return nil
        }
    }
}
