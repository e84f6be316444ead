internal import Wire

/// Forms that are not JSON and that one peer or another accepts all the same.
///
/// A call that its service understands is a call, and a call that Weir could not read would pass every limit. So the
/// scanner reads past everything that Jackson, Gson, fastjson, Go, Python and System.Text.Json accept, with their
/// lenient settings: NaN and other words, numbers of any form, comments, quotes of the other kind or none, too many
/// commas, control characters and invalid UTF-8 in strings, unknown escapes, any depth, anything after the value.
/// ``JSONScanner/leniency`` reports that it had to. No peer accepts a bracket that closes another kind, or a value that
/// does not end.
extension JSONScanner {
    /// Notes that the value is no JSON.
    @inline(never)
    mutating func tolerate(_ error: JSONError) {
        if leniency == nil { leniency = error }
    }

    /// Processes a byte that is not allowed at its place.
    ///
    /// - Throws: ``JSONError/unexpectedByte`` if no peer takes it.
    @inline(never)
    mutating func looseByte(_ byte: UInt8, _ at: inout Int) throws(JSONError) -> Progress {
        if byte == 0xef, state == .outside {
            valueStartOffset = origin &+ UInt64(at)
            state = .mark
            markLeft = 2
            at &+= 1
            return .needsMore
        }
        guard depth > 0 || framing == .single, !needsSpace else { throw .unexpectedByte }
        if byte == 0x2f || byte == 0x23 {
            commented = state
            state = byte == 0x23 ? .lineComment : .slash
        } else {
            guard depth > 0 else { throw .unexpectedByte }
            if try looseToken(byte, &at) { return closeLoose(&at) }
        }
        tolerate(.unexpectedByte)
        at &+= 1
        return .needsMore
    }

    /// A byte inside a value that is no comment's.
    ///
    /// - Returns: True if it closes the array or object; otherwise the byte, or nothing, was taken into a new state.
    private mutating func looseToken(_ byte: UInt8, _ at: inout Int) throws(JSONError) -> Bool {
        let isSeparator = byte == 0x2c || byte == 0x3b
        switch state {
        case .afterValue where byte == 0x3b: state = isObject ? .key : .value
        case .colon where byte == 0x3d: state = .value
        // What follows a comma too many.
        case .key where byte == 0x7d, .value where byte == 0x5d && !isObject: return true
        case .objectStart where isSeparator, .key where isSeparator: state = .key
        case .arrayStart where isSeparator, .value where isSeparator && !isObject: state = .value
        case .value where byte == 0x3e && isObject: break
        case .objectStart, .key: try beginLooseKey(byte, &at)
        case .arrayStart, .value: try beginLooseValue(byte, &at)
        default: throw .unexpectedByte
        }
        return false
    }

    private mutating func closeLoose(_ at: inout Int) -> Progress {
        tolerate(.unexpectedByte)
        return close(&at)
    }

    private mutating func beginLooseKey(_ byte: UInt8, _ at: inout Int) throws(JSONError) {
        guard byte == 0x27 || Self.isWord(byte) else { throw .unexpectedByte }
        beginKey(byte == 0x27 ? at &+ 1 : at)
        beginLoose(byte, &at)
    }

    private mutating func beginLooseValue(_ byte: UInt8, _ at: inout Int) throws(JSONError) {
        guard byte == 0x27 || Self.isWord(byte) else { throw .unexpectedByte }
        isKey = false
        highSurrogate = 0
        if depth <= messageDepth &+ 1 {
            // NaN, Infinity, +1, .5; of any other word some peers make a string.
            let isNumber = byte == 0x4e || byte == 0x49 || byte == 0x2b || byte == 0x2e
            note(isNumber ? .number : .string, at)
            if capture == .id {
                // Its text is nothing that could stand in a reply.
                capture = .nothing
                facts.isIDTooLong = true
            } else if byte != 0x27, capture != .nothing {
                captureFrom = at
            }
        }
        beginLoose(byte, &at)
    }

    private mutating func beginLoose(_ byte: UInt8, _ at: inout Int) {
        isLoose = byte == 0x27
        state = isLoose ? .looseString : .word
        // The first letter is read by its state.
        if !isLoose { at &-= 1 }
    }

    /// True if a word may begin with the byte, or continue with it.
    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x00...0x20, 0x22, 0x23, 0x27, 0x2c, 0x2f, 0x3a, 0x3b, 0x3d, 0x5b, 0x5d, 0x7b, 0x7d, 0x7f: false
        default: true
        }
    }

    /// A number or a word goes on as no JSON does.
    mutating func beginWord(_ error: JSONError) throws(JSONError) {
        guard depth > 0 else { throw error }
        tolerate(error)
        isKey = false
        if capture == .id {
            capture = .nothing
            facts.isIDTooLong = true
            idBuffer.removeAll(keepBytes: JSONLimits.maxIDBytes)
        }
        state = .word
    }

    /// Reads bytes of any lenient form.
    @inline(never)
    mutating func loose(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        switch state {
        case .word: return word(bytes, &at)
        case .looseString: return looseString(bytes, &at)
        case .deep, .deepString, .deepEscape: return deep(bytes, &at)
        case .mark: try mark(bytes.byte(at: at))
        default: try comment(bytes.byte(at: at))
        }
        at &+= 1
        return .needsMore
    }

    /// Letters up to the byte after them, which is left.
    private mutating func word(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        while at < bytes.byteCount, Self.isWord(bytes.byte(at: at)) { at &+= 1 }
        guard at < bytes.byteCount else { return .needsMore }
        return endLoose(bytes, &at, to: at)
    }

    /// Characters up to the string's end, an escape, or the end of the bytes.
    private mutating func looseString(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        while at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            if byte == 0x27 {
                at &+= 1
                isLoose = false
                return endLoose(bytes, &at, to: at &- 1)
            }
            if byte == 0x5c {
                if isUnescaping { flush(bytes, to: at) }
                at &+= 1
                if isUnescaping { captureFrom = at }
                state = .escape
                return .needsMore
            }
            at &+= 1
        }
        return .needsMore
    }

    private mutating func endLoose(_ bytes: RawSpan, _ at: inout Int, to end: Int) -> Progress {
        if capture != .nothing {
            flush(bytes, to: end)
            endCapture()
        }
        guard isKey else { return endValue(at) }
        isKey = false
        state = .colon
        return .needsMore
    }

    /// Arrays and objects deeper than is kept: only their brackets are counted.
    private mutating func deep(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        while at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            at &+= 1
            switch (state, byte) {
            case (.deepEscape, _): state = .deepString
            case (.deepString, 0x5c): state = .deepEscape
            case (.deepString, 0x22): state = .deep
            case (.deepString, _): break
            case (_, 0x22): state = .deepString
            case (_, 0x5b), (_, 0x7b): extraDepth &+= 1
            case (_, 0x5d), (_, 0x7d):
                extraDepth &-= 1
                if extraDepth == 0 { return endValue(at) }
            default: break
            }
        }
        return .needsMore
    }

    /// The bytes of a byte order mark after its first (RFC 8259 §8.1: readers may ignore it).
    private mutating func mark(_ byte: UInt8) throws(JSONError) {
        guard byte == (markLeft == 2 ? 0xbb : 0xbf) else { throw .unexpectedByte }
        markLeft &-= 1
        if markLeft == 0 { state = .marked }
    }

    private mutating func comment(_ byte: UInt8) throws(JSONError) {
        switch (state, byte) {
        case (.slash, 0x2f): state = .lineComment
        case (.slash, 0x2a): state = .comment
        case (.slash, _): throw .unexpectedByte
        case (.lineComment, 0x0a), (.lineComment, 0x0d): state = commented
        case (.comment, 0x2a), (.commentStar, 0x2a): state = .commentStar
        case (.commentStar, 0x2f): state = commented
        case (.commentStar, _): state = .comment
        default: break
        }
    }
}
