/// The reasons for which a header block cannot be decoded.
///
/// The connection's table is lost with it (RFC 9113 §4.3).
public enum HPACKError: Error, Equatable, Sendable {
    /// The block ends inside a field.
    case truncated
    /// An index of 0, or one without an entry.
    case badIndex(UInt32)
    /// An integer of more than five continuation bytes, or past 2³² − 1.
    case integerOverflow
    /// A Huffman string with EOS in it, or with padding that is longer than 7 bits or not of ones.
    case badHuffman
    /// The fields are more than ``HPACKLimits/maxListBytes`` in all.
    case listTooLarge(limitBytes: UInt32)
    /// A size update after a field, or a third one in a block (RFC 7541 §4.2).
    case sizeUpdateMisplaced
    /// A size update above what the receiver's SETTINGS allow.
    case sizeUpdateTooLarge(declaredBytes: UInt32, limitBytes: UInt32)
    /// The receiver's SETTINGS made the table smaller and the next block does not begin by saying so.
    case sizeUpdateMissing
    /// A legal size update, but to more than ``HPACKLimits/maxTableBytes``: the table is not followed.
    case tableTooLarge(declaredBytes: UInt32)

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .truncated: "hpack_truncated"
        case .badIndex: "hpack_index"
        case .integerOverflow: "hpack_integer"
        case .badHuffman: "hpack_huffman"
        case .listTooLarge: "hpack_list_size"
        case .sizeUpdateMisplaced, .sizeUpdateTooLarge, .sizeUpdateMissing: "hpack_size_update"
        case .tableTooLarge: "hpack_table_size"
        }
    }
}

/// The bounds for decoding header blocks.
public struct HPACKLimits: BitwiseCopyable, Equatable, Sendable {
    /// The largest dynamic table that is followed, in bytes as RFC 7541 §4.1 counts them.
    public static let maxTableBytes: UInt32 = 16_384

    /// The most bytes of one block's fields: names, values and 32 a field, as MAX_HEADER_LIST_SIZE counts them.
    public var maxListBytes: UInt32

    /// Limits of those values.
    ///
    /// - Parameter maxListBytes: At most 2²⁴; more is taken for that.
    public init(maxListBytes: UInt32 = 65_536) {
        self.maxListBytes = min(maxListBytes, 1 << 24)
    }

    /// The longest block that could hold a list within the limit: no code is longer than 30 bits an octet.
    var maxBlockBytes: Int { Int(maxListBytes) * 4 }
}
