/// The reasons for which bytes are not JSON, or not JSON within Weir's bounds; most are read past
/// (``JSONScanner/leniency``).
///
/// Source: RFC 8259.
public enum JSONError: Error, Equatable, Sendable, CaseIterable {
    /// A byte that is not allowed at its place.
    case unexpectedByte
    /// Something other than white space follows the value of a body.
    case trailingBytes
    /// More than ``JSONLimits/maxDepth`` arrays and objects inside each other.
    case tooDeep
    /// A backslash with something after it that is no escape.
    case badEscape
    /// A control character inside a string.
    case controlInString
    /// A string that is not UTF-8.
    case badUTF8
    /// A number that is none.
    case badNumber
    /// A word other than `true`, `false` and `null`.
    case badLiteral
    /// The bytes ended before the value did, or without one.
    case truncated

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .unexpectedByte: "json_unexpected_byte"
        case .trailingBytes: "json_trailing_bytes"
        case .tooDeep: "json_too_deep"
        case .badEscape: "json_escape"
        case .controlInString: "json_control_character"
        case .badUTF8: "json_utf8"
        case .badNumber: "json_number"
        case .badLiteral: "json_literal"
        case .truncated: "json_truncated"
        }
    }
}

/// The bounds for reading and keeping JSON.
public enum JSONLimits {
    /// The most nested arrays and objects that are told apart; deeper ones are only counted.
    public static let maxDepth = 512
    /// The longest method that is kept, in bytes of UTF-8; a longer one counts as too long.
    public static let maxMethodBytes = 512
    /// The most bytes of methods that are kept besides the last one's, of a message that has several.
    public static let maxOtherMethodBytes = 4096
    /// The longest id that is kept, in bytes as on the wire, quotes counted; a longer one counts as too long.
    public static let maxIDBytes = 256
    /// The longest `params.name` that is kept, in bytes of UTF-8.
    public static let maxParameterNameBytes = 255
    /// The longest `params._meta.traceparent` that is kept, in bytes.
    public static let maxTraceparentBytes = 128
    /// The longest `params._meta.tracestate` that is kept, in bytes.
    public static let maxTracestateBytes = 512
    /// The most members of a batch that are remembered one by one.
    public static let maxBatchMembers = 5000
    /// The most bytes of methods and ids that are remembered of a batch.
    public static let maxBatchTextBytes = 131_072
}
