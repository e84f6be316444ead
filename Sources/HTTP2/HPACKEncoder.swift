internal import Wire

/// A writer of header blocks that do not change the receiver's dynamic table: indexes into the static table and
/// literals without indexing, no Huffman code.
///
/// Such blocks can be inserted among those of the connection's own sender. Once one of the sender's blocks is withheld
/// or changed, the receiver's table differs from the sender's, and all later blocks must be rewritten, too. A block is
/// ``beginBlock(into:)`` and then its fields. Source: RFC 7541 §6.
public struct HPACKEncoder: Sendable {
    private var pending = HPACKSizeUpdates()

    /// An encoder that has nothing to announce.
    public init() {}

    /// Keeps size updates for the next block: those of a block that was withheld or is rewritten.
    ///
    /// - Parameter updates: The updates that the direction's decoder found; see ``HPACKDecoder/sizeUpdates``.
    public mutating func carry(_ updates: HPACKSizeUpdates) {
        if let lowest = updates.lowestBytes { pending.append(lowest) }
        if let last = updates.lastBytes { pending.append(last) }
    }

    /// Keeps a size update for the next block, where the receiver waits for one.
    ///
    /// - Parameter bytes: The table's size; `nil` for nothing.
    public mutating func announce(_ bytes: UInt32?) {
        if let bytes { pending.append(bytes) }
    }

    /// Begins a block: writes the pending size updates, the smallest and the last (RFC 7541 §4.2).
    ///
    /// - Parameter out: The buffer; at most twelve bytes are appended.
    public mutating func beginBlock(into out: inout [UInt8]) {
        guard let lowest = pending.lowestBytes, let last = pending.lastBytes else { return }
        if lowest != last { Self.integer(lowest, mask: 0x1f, lead: 0x20, into: &out) }
        Self.integer(last, mask: 0x1f, lead: 0x20, into: &out)
        pending = HPACKSizeUpdates()
    }

    /// Writes a field as a decoder handed it over.
    ///
    /// - Parameters:
    ///   - field: Its name and value must be known.
    ///   - out: The buffer that the field is appended to.
    public func field(_ field: borrowing HeaderField, into out: inout [UInt8]) {
        self.field(name: field.name, value: field.value, isNeverIndexed: field.isNeverIndexed, into: &out)
    }

    /// Writes a field.
    ///
    /// - Parameters:
    ///   - name: In lower case; fewer than 2³² bytes.
    ///   - value: Any bytes; fewer than 2³².
    ///   - isNeverIndexed: True if intermediaries must never index it; it is then always a literal.
    ///   - out: The buffer that the field is appended to.
    public func field(name: RawSpan, value: RawSpan, isNeverIndexed: Bool = false, into out: inout [UInt8]) {
        let fixed = HPACKStaticTable.shared
        let first = Int(fixed.indexOfName.id(of: name))
        if first != 0, !isNeverIndexed, let index = fixed.index(name: name, value: value, from: first) {
            return Self.integer(UInt32(index), mask: 0x7f, lead: 0x80, into: &out)
        }
        Self.integer(UInt32(first), mask: 0x0f, lead: isNeverIndexed ? 0x10 : 0, into: &out)
        if first == 0 { Self.string(name, into: &out) }
        Self.string(value, into: &out)
    }

    /// Writes a field of a name and value that are known beforehand.
    ///
    /// - Parameters:
    ///   - name: ASCII, in lower case.
    ///   - value: ASCII.
    ///   - out: The buffer that the field is appended to.
    public func field(name: StaticString, value: StaticString, into out: inout [UInt8]) {
        let name = Array(name.description.utf8)
        let value = Array(value.description.utf8)
        field(name: name.byteSpan, value: value.byteSpan, into: &out)
    }

    private static func string(_ text: RawSpan, into out: inout [UInt8]) {
        integer(UInt32(text.byteCount), mask: 0x7f, lead: 0, into: &out)
        out.append(text)
    }

    /// RFC 7541 §5.1: `lead` has the bits that `mask` has not.
    private static func integer(_ value: UInt32, mask: UInt8, lead: UInt8, into out: inout [UInt8]) {
        guard value >= UInt32(mask) else { return out.append(lead | UInt8(truncatingIfNeeded: value)) }
        out.append(lead | mask)
        var rest = value - UInt32(mask)
        while rest >= 0x80 {
            out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        out.append(UInt8(truncatingIfNeeded: rest))
    }
}

extension HPACKStaticTable {
    /// The index of a field, looked for from the first index of its name on.
    func index(name: RawSpan, value: RawSpan, from first: Int) -> Int? {
        let text = bytes.byteSpan
        var index = first
        while index <= Self.count, text.slice(entries[index].name).elementsEqual(name) {
            if text.slice(entries[index].value).elementsEqual(value) { return index }
            index += 1
        }
        return nil
    }
}
