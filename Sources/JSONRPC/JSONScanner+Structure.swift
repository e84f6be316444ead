internal import Wire

/// The bytes between tokens, and nesting.
extension JSONScanner {
    /// White space, or one byte that is structure or begins a token.
    @inline(__always)
    mutating func structure(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        let byte = bytes.byte(at: at)
        if byte <= 0x20 { return try spaces(bytes, &at) }
        switch state {
        case .afterValue:
            if byte == 0x2c {
                at &+= 1
                guard isObject else {
                    state = .value
                    return .needsMore
                }
                // Almost always the next name follows at once.
                if at < bytes.byteCount, bytes.byte(at: at) == 0x22 {
                    at &+= 1
                    beginKey(at)
                } else {
                    state = .key
                }
                return .needsMore
            }
            guard byte == (isObject ? 0x7d : 0x5d) else { return try looseByte(byte, &at) }
            return close(&at)
        case .colon:
            guard byte == 0x3a else { return try looseByte(byte, &at) }
            state = .value
            at &+= 1
            return .needsMore
        case .objectStart where byte == 0x7d, .arrayStart where byte == 0x5d: return close(&at)
        case .objectStart, .key:
            guard byte == 0x22 else { return try looseByte(byte, &at) }
            at &+= 1
            beginKey(at)
            return .needsMore
        case .finished:
            tolerate(.trailingBytes)
            at = bytes.byteCount
            return .needsMore
        default:
            if needsSpace { throw .unexpectedByte }
            return try beginValue(byte, &at)
        }
    }

    /// Steps over white space; after a value of a stream only up to its line's end.
    private mutating func spaces(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        let count = bytes.byteCount
        while at < count {
            switch bytes.byte(at: at) {
            case 0x0a:
                at &+= 1
                if awaitsLineEnd {
                    awaitsLineEnd = false
                    needsSpace = false
                    isLineDelimited = true
                    return .lineEnd
                }
                at = bytes.endOfSpaces(from: at)
            case 0x20, 0x09, 0x0d: at &+= 1
            case 0x00..<0x20:
                guard depth > 0 || state == .finished else { throw .unexpectedByte }
                tolerate(.unexpectedByte)
                at &+= 1
            default:
                needsSpace = false
                return .needsMore
            }
        }
        needsSpace = false
        return .needsMore
    }

    @inline(__always)
    private mutating func beginValue(_ byte: UInt8, _ at: inout Int) throws(JSONError) -> Progress {
        let kind: JSONKind
        switch byte {
        case 0x22: kind = .string
        case 0x7b: kind = .object
        case 0x5b: kind = .array
        case 0x30...0x39, 0x2d: kind = .number
        case 0x74, 0x66: kind = .boolean
        case 0x6e: kind = .null
        default: return try looseByte(byte, &at)
        }
        if depth <= messageDepth &+ 1 || isInMeta { note(kind, at) }
        at &+= 1
        switch kind {
        case .string:
            isKey = false
            highSurrogate = 0
            state = .string
        case .object: open(isObject: true)
        case .array: open(isObject: false)
        case .number: state = byte == 0x2d ? .minus : byte == 0x30 ? .zero : .integer
        default:
            // The letters still to come, the first lowest.
            literalRest = byte == 0x74 ? 0x65_7572 : byte == 0x66 ? 0x6573_6c61 : 0x6c_6c75
            state = .literal
        }
        return .needsMore
    }

    @inline(__always)
    private mutating func open(isObject opensObject: Bool) {
        guard depth < JSONLimits.maxDepth else {
            tolerate(.tooDeep)
            extraDepth = 1
            state = .deep
            return
        }
        let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: depth & 63)
        let row = depth &>> 6
        if isObject { levels[row] |= bit } else { levels[row] &= ~bit }
        depth &+= 1
        isObject = opensObject
        state = opensObject ? .objectStart : .arrayStart
    }

    @inline(__always)
    mutating func close(_ at: inout Int) -> Progress {
        at &+= 1
        if depth == messageDepth { messageDepth = 0 }
        depth &-= 1
        isObject = levels[depth &>> 6] &>> UInt64(truncatingIfNeeded: depth & 63) & 1 == 1
        return endValue(at)
    }

    /// Notes that a value ended in front of `at`.
    @inline(__always)
    mutating func endValue(_ at: Int) -> Progress {
        state = .afterValue
        if depth > 1 { return .needsMore }
        return endOuterValue(at)
    }

    private mutating func endOuterValue(_ at: Int) -> Progress {
        if depth == 1 {
            guard isBatch else { return .needsMore }
            facts.endOffset = origin &+ UInt64(at)
            return .batchMember
        }
        state = framing == .single ? .finished : .outside
        awaitsLineEnd = framing == .stream
        if isBatch { return .batchEnd }
        facts.endOffset = origin &+ UInt64(at)
        return .message
    }
}
