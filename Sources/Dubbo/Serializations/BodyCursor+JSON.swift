internal import Wire

/// JSON as fastjson and Gson write it.
///
/// Brackets are counted, not matched, and bytes outside strings are taken for literals: enough to find the members of
/// an object, in one pass and without a stack.
extension BodyCursor {
    /// Steps over white space.
    mutating func skipSpaces() throws(BodyError) {
        while let byte = next, byte == 0x20 || (0x09...0x0d).contains(byte) { try take(1) }
    }

    /// Steps over a string and returns the range of its characters.
    mutating func jsonString() throws(BodyError) -> EncodedString {
        try expect(0x22)
        let start = offset
        var encoding = EncodedString.Encoding.utf8
        while true {
            switch try byte() {
            case 0x22:
                return EncodedString(range: ByteRange(offset: start, count: offset - 1 - start), encoding: encoding)
            case 0x5c:
                encoding = .json
                try take(1)
            default:
                break
            }
        }
    }

    /// Steps over a value that must be a string or null; `nil` for null.
    mutating func jsonStringOrNull() throws(BodyError) -> EncodedString? {
        guard next != 0x22 else { return try jsonString() }
        let word = bytes.slice(try take(4))
        guard word.equals("null") else { throw .unreadable }
        return nil
    }

    /// Steps over any value; gives it when it is a string, or a list of exactly one string.
    mutating func jsonText() throws(BodyError) -> EncodedString? {
        if next == 0x22 { return try jsonString() }
        let start = offset
        if next == 0x5b {
            try take(1)
            try skipSpaces()
            if next == 0x22 {
                let only = try jsonString()
                try skipSpaces()
                if next == 0x5d {
                    try take(1)
                    return only
                }
            }
            rewind(to: start)
        }
        try skipJSON()
        return nil
    }

    /// Steps over a member's name and colon; `nil` at the object's end, which is stepped over too.
    ///
    /// Members after the first have a comma in front.
    mutating func jsonMember(isFirst: Bool) throws(BodyError) -> EncodedString? {
        try skipSpaces()
        if next == 0x7d {
            try take(1)
            return nil
        }
        if !isFirst {
            try expect(0x2c)
            try skipSpaces()
        }
        let name = try jsonString()
        try skipSpaces()
        try expect(0x3a)
        try skipSpaces()
        return name
    }

    /// Steps over any value.
    mutating func skipJSON() throws(BodyError) {
        var depth = 0
        repeat {
            try skipSpaces()
            switch next {
            case 0x22:
                _ = try jsonString()
            case 0x7b, 0x5b:
                depth += 1
                try take(1)
            case 0x7d, 0x5d:
                guard depth > 0 else { throw .unreadable }
                depth -= 1
                try take(1)
            case 0x2c, 0x3a:
                guard depth > 0 else { throw .unreadable }
                try take(1)
            default:
                try skipLiteral()
            }
        } while depth > 0
    }

    /// Steps over a number, `true`, `false` or `null`.
    private mutating func skipLiteral() throws(BodyError) {
        let start = offset
        scan: while let byte = next {
            switch byte {
            case 0x22, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d, 0x20, 0x09...0x0d: break scan
            default: try take(1)
            }
        }
        guard offset > start else { throw .unreadable }
    }
}
