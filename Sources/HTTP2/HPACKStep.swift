internal import Wire

/// The representation of a field (RFC 7541 §6).
@usableFromInline
enum HPACKForm: UInt8, BitwiseCopyable {
    case indexed
    /// A literal that becomes the table's newest entry.
    case inserted
    case plain
    case neverIndexed
}

/// The place of a name or value.
struct HPACKPiece: BitwiseCopyable {
    enum Place: UInt8, BitwiseCopyable {
        case block
        case scratch
        case table
        case fixed
    }

    var range = ByteRange.empty
    var place = Place.block

    @_lifetime(copy block, copy scratch, copy table, copy fixed)
    func text(_ block: RawSpan, scratch: RawSpan, table: RawSpan, fixed: RawSpan) -> RawSpan {
        switch place {
        case .block: block.slice(range)
        case .scratch: scratch.slice(range)
        case .table: table.slice(range)
        case .fixed: fixed.slice(range)
        }
    }
}

/// The progress in a block, and the last field.
@usableFromInline
struct HPACKStep: BitwiseCopyable {
    /// The next byte of the block.
    @usableFromInline var at = 0
    /// The size of the fields so far, by the rules of MAX_HEADER_LIST_SIZE.
    private var listBytes: UInt32 = 0
    @usableFromInline var form = HPACKForm.indexed
    @usableFromInline var nameID: UInt8 = 0
    var isUnknown = false
    var isValueUnknown = false
    var name = HPACKPiece()
    var value = HPACKPiece()

    /// True if the value follows the name.
    @inlinable var isLiteral: Bool { form != .indexed }

    /// True if the field becomes an entry.
    @inlinable var isInserted: Bool { form == .inserted }

    /// Counts bytes of the list.
    mutating func count(_ bytes: UInt32, _ limits: HPACKLimits) throws(HPACKError) {
        // Neither passes 2²⁶: a block is at most four times the limit, an entry at most the table.
        listBytes += bytes
        guard listBytes <= limits.maxListBytes else { throw .listTooLarge(limitBytes: limits.maxListBytes) }
    }

    /// Reads an integer whose first bits are those of `mask` in the next byte (RFC 7541 §5.1).
    mutating func integer(_ block: RawSpan, mask: UInt8) throws(HPACKError) -> UInt32 {
        guard at < block.byteCount else { throw .truncated }
        let first = block.byte(at: at) & mask
        at &+= 1
        guard first == mask else { return UInt32(first) }
        var value = UInt64(mask)
        var shift: UInt64 = 0
        while shift < 35 {
            guard at < block.byteCount else { throw .truncated }
            let byte = block.byte(at: at)
            at &+= 1
            value += UInt64(byte & 0x7f) << shift
            shift += 7
            guard byte & 0x80 != 0 else {
                guard let number = UInt32(exactly: value) else { throw .integerOverflow }
                return number
            }
        }
        throw .integerOverflow
    }

    /// Reads a string (RFC 7541 §5.2).
    ///
    /// - Parameters:
    ///   - block: The block.
    ///   - scratch: The buffer for a decoded Huffman string.
    ///   - limits: The limits; the rest of the list's bound limits the string.
    ///   - isNeeded: True if a Huffman string is decoded; otherwise the piece is the coded one.
    /// - Returns: The place of the string.
    /// - Throws: ``HPACKError``.
    mutating func string(
        _ block: RawSpan,
        scratch: inout HPACKScratch,
        limits: HPACKLimits,
        isNeeded: Bool
    ) throws(HPACKError) -> HPACKPiece {
        guard at < block.byteCount else { throw .truncated }
        let isHuffman = block.byte(at: at) & 0x80 != 0
        let length = try integer(block, mask: 0x7f)
        guard Int(length) <= block.byteCount &- at else { throw .truncated }
        let range = ByteRange(offset: at, count: Int(length))
        at &+= Int(length)
        guard isHuffman, isNeeded else { return HPACKPiece(range: range, place: .block) }
        let left = Int(limits.maxListBytes - listBytes)
        do throws(HuffmanError) {
            let text = try scratch.append(huffman: block.slice(range), maxBytes: left)
            return HPACKPiece(range: text, place: .scratch)
        } catch {
            switch error {
            case .badCode: throw .badHuffman
            case .tooLong: throw .listTooLarge(limitBytes: limits.maxListBytes)
            }
        }
    }
}
