internal import Wire

/// A writer of Hessian 2 values in hessian-lite's own choice of forms, the shortest for each value.
///
/// One encoder writes one body: classes and types are spelled out at their first use and referred to afterwards. The
/// caller keeps the structure right: every begin has its end, a list of `count` gets as many elements, an object gets
/// one value a field.
///
/// Source: hessian-lite `Hessian2Output.java`.
public struct HessianEncoder: Sendable {
    /// The bytes written so far.
    public private(set) var bytes: [UInt8]
    /// The most bytes of a byte array in one chunk.
    private let binaryChunkBytes: Int
    private var classes: [HessianClass: Int32] = [:]
    private var types: [String: Int32] = [:]

    /// An encoder whose body is appended to `bytes`.
    ///
    /// - Parameters:
    ///   - bytes: The bytes before the body, such as a frame's header.
    ///   - binaryChunkBytes: The size of the chunks of byte arrays, from 1 to 65535. hessian-lite splits at the end of
    ///     its buffer of 8192 bytes, which for the first value of a body is the default.
    public init(appendingTo bytes: [UInt8] = [], binaryChunkBytes: Int = 8189) {
        self.bytes = bytes
        self.binaryChunkBytes = max(1, min(binaryChunkBytes, 0xffff))
    }

    // MARK: Scalars

    /// Writes null.
    public mutating func null() { bytes.append(0x4e) }

    /// Writes a boolean.
    public mutating func bool(_ value: Bool) { bytes.append(value ? 0x54 : 0x46) }

    /// Writes an `int`.
    public mutating func int(_ value: Int32) {
        switch value {
        case -0x10...0x2f: bytes.append(UInt8(truncatingIfNeeded: 0x90 + value))
        case -0x800...0x7ff: append(zero: 0xc8, Int64(value), lowBytes: 1)
        case -0x40000...0x3ffff: append(zero: 0xd4, Int64(value), lowBytes: 2)
        default: append(tag: 0x49, UInt32(bitPattern: value))
        }
    }

    /// Writes a `long`.
    public mutating func long(_ value: Int64) {
        switch value {
        case -0x8...0xf: bytes.append(UInt8(truncatingIfNeeded: 0xe0 + value))
        case -0x800...0x7ff: append(zero: 0xf8, value, lowBytes: 1)
        case -0x40000...0x3ffff: append(zero: 0x3c, value, lowBytes: 2)
        case -0x8000_0000...0x7fff_ffff: append(tag: 0x59, UInt32(truncatingIfNeeded: value))
        default: append(tag: 0x4c, UInt64(bitPattern: value))
        }
    }

    /// Writes a `double`; as Java's writer does it, negative zero becomes zero and every not-a-number the same one.
    public mutating func double(_ value: Double) {
        if let whole = Self.whole(value) {
            switch whole {
            case 0: bytes.append(0x5b)
            case 1: bytes.append(0x5c)
            case -0x80...0x7f: bytes += [0x5d, UInt8(truncatingIfNeeded: whole)]
            default: append(tag: 0x5e, UInt16(bitPattern: whole))
            }
        } else if let thousandths = Self.thousandths(value) {
            append(tag: 0x5f, UInt32(bitPattern: thousandths))
        } else {
            append(tag: 0x44, value.isNaN ? 0x7ff8_0000_0000_0000 : value.bitPattern)
        }
    }

    /// Writes a point in time.
    ///
    /// - Parameter milliseconds: Since 1970-01-01T00:00Z.
    public mutating func date(milliseconds: Int64) {
        if milliseconds % 60_000 == 0, let minutes = Int32(exactly: milliseconds / 60_000) {
            append(tag: 0x4b, UInt32(bitPattern: minutes))
        } else {
            append(tag: 0x4a, UInt64(bitPattern: milliseconds))
        }
    }

    /// Writes a string.
    public mutating func string(_ value: String) { string(utf16: Array(value.utf16)) }

    /// Writes a string of any UTF-16 units, each encoded by itself (CESU-8), in chunks of at most 0x8000.
    public mutating func string(utf16 units: [UInt16]) {
        var from = 0
        while units.count - from > 0x8000 {
            // A chunk does not end between the halves of a pair.
            let count = units[from + 0x7fff] & 0xfc00 == 0xd800 ? 0x7fff : 0x8000
            bytes += [0x52, UInt8(count >> 8), UInt8(count & 0xff)]
            append(units[from..<from + count])
            from += count
        }
        let count = units.count - from
        switch count {
        case 0...0x1f: bytes.append(UInt8(count))
        case 0x20...0x3ff: bytes += [0x30 + UInt8(count >> 8), UInt8(count & 0xff)]
        default: bytes += [0x53, UInt8(count >> 8), UInt8(count & 0xff)]
        }
        append(units[from...])
    }

    /// Writes a byte array.
    public mutating func binary(_ content: [UInt8]) {
        var from = 0
        while content.count - from > binaryChunkBytes {
            bytes += [0x41, UInt8(binaryChunkBytes >> 8), UInt8(binaryChunkBytes & 0xff)]
            bytes += content[from..<from + binaryChunkBytes]
            from += binaryChunkBytes
        }
        let count = content.count - from
        switch count {
        case 0...0xf: bytes.append(0x20 + UInt8(count))
        case 0x10...0x3ff: bytes += [0x34 + UInt8(count >> 8), UInt8(count & 0xff)]
        default: bytes += [0x42, UInt8(count >> 8), UInt8(count & 0xff)]
        }
        bytes += content[from...]
    }

    /// Writes a reference to a list, map or object that began before.
    ///
    /// - Parameter id: Its number: they count together from 0 in the order in which they begin.
    public mutating func ref(_ id: Int32) {
        bytes.append(0x51)
        int(id)
    }

    // MARK: Lists, maps and objects

    /// Begins a list of `count` elements; it has no end marker.
    ///
    /// - Parameters:
    ///   - type: Its class, such as `[string` or `java.util.LinkedList`; `nil` for a plain list.
    ///   - count: The number of elements that follow; not negative.
    public mutating func beginList(type: String? = nil, count: Int32) {
        let isShort = count >= 0 && count <= 7
        switch (type, isShort) {
        case (nil, true): bytes.append(0x78 + UInt8(count))
        case (nil, false): bytes.append(0x58)
        case (let type?, _):
            bytes.append(isShort ? 0x70 + UInt8(count) : 0x56)
            self.type(type)
        }
        if !isShort { int(count) }
    }

    /// Begins a list of unknown length; ``end()`` ends it.
    ///
    /// - Parameter type: Its class, or `nil`.
    public mutating func beginVariableList(type: String? = nil) { begin(0x55, untyped: 0x57, type: type) }

    /// Begins a map; keys and values follow in turn, then ``end()``.
    ///
    /// - Parameter type: Its class, such as `java.util.TreeMap`; `nil` for a `HashMap`.
    public mutating func beginMap(type: String? = nil) { begin(0x4d, untyped: 0x48, type: type) }

    /// Ends a map or a list of unknown length.
    public mutating func end() { bytes.append(0x5a) }

    /// Begins an object, after the definition of its class at the first use; one value a field follows.
    ///
    /// - Parameter definition: The class.
    public mutating func beginObject(_ definition: HessianClass) {
        let known = classes[definition]
        let index = known ?? Int32(truncatingIfNeeded: classes.count)
        if known == nil {
            classes[definition] = index
            bytes.append(0x43)
            string(definition.name)
            int(Int32(truncatingIfNeeded: definition.fieldNames.count))
            for name in definition.fieldNames { string(name) }
        }
        if index <= 0xf {
            bytes.append(0x60 + UInt8(index))
        } else {
            bytes.append(0x4f)
            int(index)
        }
    }

    // MARK: Pieces

    private mutating func begin(_ typed: UInt8, untyped: UInt8, type: String?) {
        bytes.append(type == nil ? untyped : typed)
        if let type { self.type(type) }
    }

    private mutating func type(_ name: String) {
        if let index = types[name] { return int(index) }
        types[name] = Int32(truncatingIfNeeded: types.count)
        string(name)
    }

    /// The 16-bit integer that `value` is, if it is one; the standard library's way to ask needs libm.
    private static func whole(_ value: Double) -> Int16? {
        guard value >= -0x8000, value <= 0x7fff else { return nil }
        let whole = Int16(value)
        return Double(whole) == value ? whole : nil
    }

    /// The thousandths that Java's reader turns back into exactly `value`, if there are.
    private static func thousandths(_ value: Double) -> Int32? {
        guard !value.isNaN else { return nil }
        // Java's conversion to int cuts the fraction off and stops at the ends of the range.
        let thousandths = Int32(min(max(value * 1000, -0x8000_0000), 0x7fff_ffff))
        return 0.001 * Double(thousandths) == value ? thousandths : nil
    }

    /// Writes a number relative to the lead byte of zero, followed by `lowBytes` bytes.
    private mutating func append(zero: Int64, _ value: Int64, lowBytes: Int) {
        bytes.append(UInt8(truncatingIfNeeded: zero + value >> (8 * lowBytes)))
        for shift in (0..<lowBytes).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
    }

    /// Writes a lead byte and a big-endian number.
    private mutating func append(tag: UInt8, _ value: some FixedWidthInteger) {
        bytes.append(tag)
        bytes.appendBigEndian(value)
    }

    private mutating func append(_ units: ArraySlice<UInt16>) {
        for unit in units {
            switch unit {
            case 0..<0x80: bytes.append(UInt8(unit))
            case 0x80..<0x800: bytes += [0xc0 | UInt8(unit >> 6), 0x80 | UInt8(unit & 0x3f)]
            default: bytes += [0xe0 | UInt8(unit >> 12), 0x80 | UInt8(unit >> 6 & 0x3f), 0x80 | UInt8(unit & 0x3f)]
            }
        }
    }
}
