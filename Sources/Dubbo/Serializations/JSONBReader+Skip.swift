internal import Wire

extension JSONBReader {
    /// Steps over one value of any kind, remembering the symbols it defines.
    mutating func skipValue() throws(BodyError) {
        // How many values each open level still holds, or `openObject`.
        var levels = InlineArray<64, UInt32>(repeating: 0)
        var depth = 0
        repeat {
            if depth > 0 {
                if try closes(levels[depth - 1]) {
                    depth -= 1
                    continue
                }
                if levels[depth - 1] != Self.openObject { levels[depth - 1] -= 1 }
            }
            guard let count = try open() else { continue }
            guard depth < Self.maxDepth else { throw .unreadable }
            levels[depth] = count
            depth += 1
        } while depth > 0
    }

    private static var openObject: UInt32 { .max }

    /// True if a level ends here; an object that does not end moves past the next member's name.
    private mutating func closes(_ level: UInt32) throws(BodyError) -> Bool {
        guard level == Self.openObject else { return level == 0 }
        if cursor.next == Lead.objectEnd {
            try cursor.take(1)
            return true
        }
        try skipName()
        return false
    }

    /// Steps over a member's name, which in a map may be any scalar.
    mutating func skipName() throws(BodyError) {
        guard !Lead.isString(cursor.next) else {
            _ = try string()
            return
        }
        try skipScalar(try cursor.byte())
    }

    /// Steps over a scalar, or over the start of an array or object, and returns its number of values.
    private mutating func open() throws(BodyError) -> UInt32? {
        while true {
            let lead = try cursor.byte()
            switch lead {
            case Lead.typed:
                _ = try symbol()
            case 0xb9:
                // A decimal's scale; the unscaled value follows.
                _ = try int()
            case 0x94...0xa3:
                return UInt32(lead - 0x94)
            case 0xa4:
                let count = try int()
                // A value takes at least one byte.
                guard count >= 0, count <= cursor.remaining else { throw .unreadable }
                return UInt32(count)
            case Lead.object:
                return Self.openObject
            default:
                try skipScalar(lead)
                return nil
            }
        }
    }

    private mutating func skipScalar(_ lead: UInt8) throws(BodyError) {
        if let count = Self.fixedBytes(after: lead) {
            try cursor.take(count)
            return
        }
        switch lead {
        case 0x79...0x7e, 0x91, 0xbb:
            _ = try counted()
        case Lead.symbol:
            _ = try symbol()
        case 0x90, 0xb6:
            _ = try int()
        case 0x93:
            _ = try plainString()
        case 0xa7:
            try cursor.take(3)
            _ = try int()
        case 0xa8:
            try cursor.take(7)
            _ = try int()
        case 0xaa:
            try cursor.take(7)
            _ = try int()
            _ = try plainString()
        case 0xae:
            try skipNumber()
            _ = try int()
        case 0xb4, 0xb8, 0xba:
            try skipNumber()
        default:
            throw .unreadable
        }
    }

    /// Steps over a number of at most 64 bits.
    private mutating func skipNumber() throws(BodyError) {
        let lead = try cursor.byte()
        guard lead <= 0x48 || lead >= 0xbc, let count = Self.fixedBytes(after: lead) else { throw .unreadable }
        try cursor.take(count)
    }

    /// The number of bytes after a lead that determines it.
    private static func fixedBytes(after lead: UInt8) -> Int? {
        switch lead {
        case 0x00...0x2f, 0xaf...0xb3, 0xd8...0xff: 0
        case 0x30...0x3f, 0xbd, 0xc8...0xd7: 1
        case 0x40...0x47, 0xbc, 0xc0...0xc7: 2
        case 0x48, 0xa9, 0xac, 0xad, 0xb7, 0xbf: 4
        case 0xab, 0xb5, 0xbe: 8
        case 0x49...0x78: Int(lead) - 0x49
        default: nil
        }
    }
}
