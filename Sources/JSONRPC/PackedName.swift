internal import Wire

/// A text of at most 16 bytes as two words, to be compared with the few names that count; longer ones are none of them.
struct PackedName: BitwiseCopyable {
    private var word: UInt64 = 0
    /// The bytes after the eighth.
    private var high: UInt64 = 0
    private var count = 0

    mutating func append(_ piece: RawSpan) {
        let more = piece.byteCount
        guard count &+ more <= 16 else {
            count = 17
            return
        }
        guard count > 0 else {
            // All of it, nearly always.
            word = piece.word(at: 0, count: min(more, 8))
            high = more > 8 ? piece.word(at: 8, count: more &- 8) : 0
            count = more
            return
        }
        for index in 0..<more {
            let place = count &+ index
            let byte = UInt64(piece.byte(at: index)) &<< UInt64(truncatingIfNeeded: (place & 7) &* 8)
            if place < 8 { word |= byte } else { high |= byte }
        }
        count &+= more
    }

    /// The member of a message that it names.
    var field: JSONScanner.Field {
        switch (count, word) {
        case (7, 0x63_7072_6e6f_736a): .version
        case (6, 0x646f_6874_656d): .method
        case (2, 0x6469): .id
        case (6, 0x736d_6172_6170): .params
        case (6, 0x746c_7573_6572): .result
        case (5, 0x72_6f72_7265): .error
        default: .other
        }
    }

    /// A name that is none of those that count.
    static var none: PackedName {
        var name = PackedName()
        name.count = 17
        return name
    }

    /// True if there is nothing.
    var isEmpty: Bool { count == 0 }

    /// The meaning of an event stream's field of that name.
    var eventField: EventStreamReader.FieldName {
        switch (count, word) {
        case (4, 0x6174_6164): .data
        case (5, 0x74_6e65_7665): .event
        case (2, 0x6469): .id
        case (5, 0x79_7274_6572): .retry
        default: .other
        }
    }

    /// The kind of an event of that type.
    var eventKind: EventStreamReader.Kind {
        switch (count, word) {
        case (0, _), (7, 0x65_6761_7373_656d): .message
        case (8, 0x746e_696f_7064_6e65): .endpoint
        default: .other
        }
    }

    /// The member of a call that it names without regard to case.
    var foldedField: JSONScanner.Field {
        guard count == 2 || count == 6 || count == 7 else { return .other }
        var folded = self
        folded.word |= 0x2020_2020_2020_2020 &>> UInt64(truncatingIfNeeded: (8 &- count) &* 8)
        switch folded.field {
        case .version: return .version
        case .method: return .method
        case .id: return .id
        case .params: return .params
        case .other, .result, .error: return .other
        }
    }

    /// The parameter that it names.
    var parameter: JSONScanner.Parameter {
        switch (count, word) {
        case (4, 0x656d_616e): .name
        case (5, 0x61_7465_6d5f): .meta
        default: .other
        }
    }

    /// The member of `_meta` that it names.
    var metaMember: JSONScanner.Parameter {
        switch (count, word, high) {
        case (11, 0x7261_7065_6361_7274, 0x74_6e65): .traceparent
        case (10, 0x6174_7365_6361_7274, 0x6574): .tracestate
        default: .meta
        }
    }

    /// True if it is `code`.
    var isCode: Bool { count == 4 && word == 0x6564_6f63 }

    /// True if it is `2.0`.
    var isTwoZero: Bool { count == 3 && word == 0x30_2e32 }
}

/// Reads an error's code from the characters of a number, which is known to be one.
struct CodeReader: BitwiseCopyable {
    private var magnitude: Int64 = 0
    private var isNegative = false
    private var isFraction = false
    private var isWhole = true

    mutating func append(_ piece: RawSpan) {
        for index in 0..<piece.byteCount {
            let byte = piece.byte(at: index)
            switch byte {
            case 0x2d: isNegative = true
            case 0x30...0x39 where isFraction: isWhole = isWhole && byte == 0x30
            case 0x30...0x39: magnitude = min(magnitude &* 10 &+ Int64(byte &- 0x30), Int64(Int32.max))
            case 0x2e: isFraction = true
            default: isWhole = false
            }
        }
    }

    /// The number, brought into ±(2³¹ − 1); `nil` when it is not whole or has an exponent.
    var value: Int32? {
        isWhole ? Int32(truncatingIfNeeded: isNegative ? -magnitude : magnitude) : nil
    }
}
