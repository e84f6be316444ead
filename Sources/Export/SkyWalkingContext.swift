/// SkyWalking's `sw8`: eight fields with `-` between them, texts in base64.
enum SkyWalkingContext {
    /// The trace's id, which is no W3C id and may be any text.
    ///
    /// - Parameter sw8: The header's value.
    /// - Returns: The second field as the text it encodes; `nil` if there is none or it is not base64.
    static func traceID(_ sw8: String) -> String? {
        let fields = sw8.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard fields.count >= 2, let bytes = decodeBase64(fields[1]), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The bytes of a base64 text with or without padding.
    private static func decodeBase64(_ text: Substring.UTF8View) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var isPadded = false
        for digit in text {
            if digit == UInt8(ascii: "=") {
                isPadded = true
                continue
            }
            guard !isPadded, let value = sextet(digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        // Six bits left over are a digit too many.
        return count < 6 ? bytes : nil
    }

    private static func sextet(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
