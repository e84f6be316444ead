internal import Wire

/// Strings: their characters in bulk, escapes and split characters a byte at a time.
extension JSONScanner {
    /// True if the current token is wanted without its escapes.
    @inline(__always)
    var isUnescaping: Bool {
        capture == .key || capture == .method || capture == .version || capture == .parameter
    }

    @inline(__always)
    mutating func beginKey(_ at: Int) {
        isKey = true
        highSurrogate = 0
        state = .string
        guard isNameWanted else { return }
        capture = .key
        captureFrom = at
        packed = PackedName()
    }

    /// Characters up to the string's end, an escape, or the end of the bytes.
    @inline(__always)
    mutating func string(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        while true {
            at = bytes.endOfPlainCharacters(from: at)
            guard at < bytes.byteCount else { return .needsMore }
            let byte = bytes.byte(at: at)
            if byte == 0x22 { return endString(bytes, &at) }
            if byte == 0x5c {
                if isUnescaping { flush(bytes, to: at) }
                at &+= 1
                if isUnescaping { captureFrom = at }
                state = .escape
                return .needsMore
            }
            guard byte >= 0x80 else {
                tolerate(.controlInString)
                at &+= 1
                continue
            }
            at = bytes.endOfThreeByteCharacters(from: at)
            guard at < bytes.byteCount else { return .needsMore }
            let lead = bytes.byte(at: at)
            if lead < 0x80 { continue }
            beginMultibyte(lead)
            at &+= 1
            multibyte(bytes, &at)
            if state != .string { return .needsMore }
        }
    }

    @inline(__always)
    private mutating func endString(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        let end = at
        at &+= 1
        if capture != .nothing {
            flush(bytes, to: capture == .id ? at : end)
            endCapture()
        }
        guard isKey else { return endValue(at) }
        // Almost always the colon follows at once.
        if at < bytes.byteCount, bytes.byte(at: at) == 0x3a {
            at &+= 1
            state = .value
        } else {
            state = .colon
        }
        return .needsMore
    }

    // MARK: UTF-8

    /// Processes the first byte of a character of two to four bytes (RFC 3629 §4: no overlong forms, no surrogates).
    private mutating func beginMultibyte(_ lead: UInt8) {
        multibyteLow = 0x80
        multibyteHigh = 0xbf
        switch lead {
        case 0xc2...0xdf: multibyteLeft = 1
        case 0xe0...0xef:
            multibyteLeft = 2
            if lead == 0xe0 { multibyteLow = 0xa0 }
            if lead == 0xed { multibyteHigh = 0x9f }
        case 0xf0...0xf4:
            multibyteLeft = 3
            if lead == 0xf0 { multibyteLow = 0x90 }
            if lead == 0xf4 { multibyteHigh = 0x8f }
        default: return tolerate(.badUTF8)
        }
        state = .multibyte
    }

    /// The bytes of a character after its first.
    mutating func multibyte(_ bytes: RawSpan, _ at: inout Int) {
        while state == .multibyte, at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            guard byte >= multibyteLow, byte <= multibyteHigh else {
                tolerate(.badUTF8)
                state = .string
                return
            }
            at &+= 1
            multibyteLow = 0x80
            multibyteHigh = 0xbf
            multibyteLeft &-= 1
            if multibyteLeft == 0 {
                state = .string
                return
            }
        }
    }

    // MARK: Escapes

    /// Processes the byte after a backslash; one that makes no escape stands for itself.
    mutating func escape(_ bytes: RawSpan, _ at: inout Int) {
        let byte = bytes.byte(at: at)
        if byte == 0x75 {
            hexLeft = 4
            hexUnit = 0
            state = .hex
        } else {
            state = isLoose ? .looseString : .string
            if let character = JSONEscape.character(byte) {
                if isUnescaping { appendCharacter(UInt32(character)) }
            } else {
                if !isLoose || byte != 0x27 { tolerate(.badEscape) }
                guard byte >= 0x20, byte < 0x80 else { return }
                if isUnescaping { appendCharacter(UInt32(byte)) }
            }
        }
        at &+= 1
        if isUnescaping { captureFrom = at }
    }

    /// The digits after `\u`.
    mutating func hex(_ bytes: RawSpan, _ at: inout Int) {
        while at < bytes.byteCount {
            guard let digit = JSONEscape.hexDigit(bytes.byte(at: at)) else {
                tolerate(.badEscape)
                state = isLoose ? .looseString : .string
                if isUnescaping { appendCharacter(JSONEscape.replacement) }
                break
            }
            at &+= 1
            hexUnit = hexUnit &<< 4 | digit
            hexLeft &-= 1
            if hexLeft == 0 {
                state = isLoose ? .looseString : .string
                if isUnescaping { appendUnit(hexUnit) }
                break
            }
        }
        if isUnescaping { captureFrom = at }
    }
}
