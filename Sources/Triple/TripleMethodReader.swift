internal import Wire

/// A reader that finds the method that a generic call names, in the first message of its request as it arrives.
///
/// The message is a ``TripleRequestWrapper``. The result is final with the byte at which its serialization and its
/// first argument are both complete; later bytes do not matter, so it does not depend on the pieces. Everything else is
/// skipped, however long it is: only those two fields are kept, ``maxKeptBytes`` at most.
///
/// Give it the message's payload piece by piece, without gRPC's prefix and not compressed, until ``isOver``.
public struct TripleMethodReader: Sendable {
    /// The most bytes of the two fields together: names are short.
    public static let maxKeptBytes = 512

    private enum Part: UInt8 {
        /// In a field's number and kind.
        case tag
        /// In a number that is a field's value.
        case number
        /// In a field's length.
        case length
        /// In bytes of a known count.
        case bytes
    }

    private var part = Part.tag
    /// The number being read.
    private var value: UInt64 = 0
    private var shift: UInt64 = 0
    /// The tag of the field being read.
    private var tag: UInt64 = 0
    /// The number of its bytes still to come.
    private var left: UInt64 = 0
    private var fieldCount = 0
    /// The fields wanted, as they came.
    private var kept: [UInt8] = []
    private var hasSerialization = false
    private var hasArgument = false
    /// True if no later byte changes the result.
    public private(set) var isOver = false
    /// The method; `nil` while it is not known, or if it cannot be told.
    public private(set) var method: [UInt8]?

    /// A reader in front of a message.
    public init() {}

    /// Reads the next bytes of the message.
    ///
    /// - Parameter piece: Any number of bytes; those after the wanted fields are skipped.
    public mutating func take(_ piece: RawSpan) {
        var at = 0
        while at < piece.byteCount, !isOver {
            guard part == .bytes else {
                take(piece.byte(at: at))
                at += 1
                continue
            }
            let count = Int(min(left, UInt64(piece.byteCount - at)))
            if isWanted { keep(piece.extracting(at..<at + count)) }
            at += count
            left -= UInt64(count)
            if left == 0 { endField() }
        }
    }

    /// True if the current field is the serialization, or the first argument.
    private var isWanted: Bool { tag == 0x0a || (tag == 0x12 && !hasArgument) }

    private mutating func keep(_ piece: RawSpan) {
        guard kept.count + piece.byteCount <= Self.maxKeptBytes else {
            isOver = true
            return
        }
        kept.append(piece)
    }

    /// A byte of a number.
    private mutating func take(_ byte: UInt8) {
        if part == .length, isWanted { kept.append(byte) }
        value |= UInt64(byte & 0x7f) << shift
        guard byte < 0x80 else {
            shift += 7
            isOver = shift >= 70
            return
        }
        let number = value
        (value, shift) = (0, 0)
        switch part {
        case .tag: beginField(number)
        case .number: part = .tag
        case .length, .bytes:
            guard number <= UInt64(Int32.max) else {
                isOver = true
                return
            }
            begin(bytes: number)
        }
    }

    private mutating func beginField(_ number: UInt64) {
        tag = number
        fieldCount += 1
        guard number >> 3 > 0, number <= UInt64(UInt32.max), fieldCount <= ProtobufCursor.maxFields else {
            isOver = true
            return
        }
        switch number & 7 {
        case 0: part = .number
        case 1: begin(bytes: 8)
        case 2:
            part = .length
            if isWanted { kept.append(UInt8(truncatingIfNeeded: number)) }
        case 5: begin(bytes: 4)
        default: isOver = true
        }
    }

    private mutating func begin(bytes: UInt64) {
        part = .bytes
        left = bytes
        if bytes == 0 { endField() }
    }

    private mutating func endField() {
        part = .tag
        if tag == 0x0a { hasSerialization = true } else if tag == 0x12 { hasArgument = true }
        guard hasSerialization, hasArgument else { return }
        isOver = true
        method = Self.method(in: kept.byteSpan)
    }

    /// The method that the fields of a wrapper name.
    private static func method(in wrapper: RawSpan) -> [UInt8]? {
        guard let name = TripleRequestWrapper(wrapper)?.genericMethod(in: wrapper) else { return nil }
        return wrapper.slice(name).array
    }
}
