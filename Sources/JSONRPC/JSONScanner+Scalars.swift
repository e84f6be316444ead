internal import Wire

/// Numbers and literals.
extension JSONScanner {
    /// Reads bytes of a number up to the byte after it, which is left for ``structure(_:_:)``.
    @inline(__always)
    mutating func number(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        while at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            let isDigit = byte &- 0x30 <= 9
            switch state {
            case .integer, .fraction, .exponent:
                if isDigit {
                    at = bytes.endOfDigits(from: at &+ 1)
                    continue
                }
                guard try !leaveDigits(byte) else {
                    if capture != .nothing { flush(bytes, to: at) }
                    return endNumber(at: at)
                }
            case .zero:
                // A digit after a leading zero (RFC 8259 §6).
                guard !isDigit else { return try badNumber() }
                guard try !leaveDigits(byte) else {
                    if capture != .nothing { flush(bytes, to: at) }
                    return endNumber(at: at)
                }
            case .minus:
                guard isDigit else { return try badNumber() }
                state = byte == 0x30 ? .zero : .integer
            case .point:
                guard isDigit else { return try badNumber() }
                state = .fraction
            case .exponentMark where byte == 0x2b || byte == 0x2d: state = .exponentSign
            default:
                guard isDigit else { return try badNumber() }
                state = .exponent
            }
            if state == .word { return .needsMore }
            at &+= 1
        }
        return .needsMore
    }

    /// Processes a byte that is not a digit; true if the number ended before it.
    @inline(__always)
    private mutating func leaveDigits(_ byte: UInt8) throws(JSONError) -> Bool {
        switch byte {
        case 0x2e:
            guard state == .integer || state == .zero else {
                try beginWord(.badNumber)
                return false
            }
            state = .point
            return false
        case 0x45, 0x65:
            guard state != .exponent else {
                try beginWord(.badNumber)
                return false
            }
            state = .exponentMark
            return false
        case 0x2c, 0x5d, 0x7d, 0x00...0x20: return true
        default:
            // 0x1F, 1f, 7L.
            guard depth > 0, Self.isWord(byte) else { return true }
            try beginWord(.badNumber)
            return false
        }
    }

    /// The byte that comes next belongs to no number.
    @inline(never)
    private mutating func badNumber() throws(JSONError) -> Progress {
        try beginWord(.badNumber)
        return .needsMore
    }

    /// Notes that a number ended in front of `at`.
    @inline(__always)
    mutating func endNumber(at: Int) -> Progress {
        if capture != .nothing { endCapture() }
        return endScalar(at)
    }

    /// Letters of `true`, `false` or `null` after the first.
    @inline(__always)
    mutating func literal(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        while at < bytes.byteCount {
            guard bytes.byte(at: at) == UInt8(truncatingIfNeeded: literalRest) else {
                try beginWord(.badLiteral)
                return .needsMore
            }
            at &+= 1
            literalRest &>>= 8
            if literalRest == 0 {
                if capture != .nothing {
                    flush(bytes, to: at)
                    endCapture()
                }
                return endScalar(at)
            }
        }
        return .needsMore
    }

    /// In a stream only white space shows the end of a number or a literal.
    @inline(__always)
    private mutating func endScalar(_ at: Int) -> Progress {
        if depth == 0, framing == .stream { needsSpace = true }
        return endValue(at)
    }
}
