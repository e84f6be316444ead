/// The reasons for which a direction's bytes cannot be followed as HTTP/1.
///
/// A form that two readers could divide into messages differently is an error and not a choice: Weir would count, limit
/// or answer a request wrongly if the application understood it in another way. The reader goes opaque on an error; the
/// bytes themselves pass.
///
/// Source: RFC 9112 (2.2, 3, 5, 6, 7, 11.2).
public enum HTTP1Error: Error, Equatable, Sendable, CaseIterable {
    /// The head, the trailers or a chunk's extensions are longer than ``HTTP1Limits`` allows.
    case headTooLong
    /// The first line is neither a request line nor a status line.
    case badStartLine
    /// The first line names a version other than HTTP/1.0 and HTTP/1.1.
    case unsupportedVersion
    /// A line ends in LF without CR.
    case bareLineFeed
    /// A CR is followed by something other than LF.
    case bareCarriageReturn
    /// NUL or another control character in a head, in trailers or in a chunk's extensions.
    case controlCharacter
    /// A header line continues on the next line (obs-fold), or a line begins with a space.
    case foldedHeader
    /// A header name is empty, is no token, or has no colon after it.
    case badHeaderName
    /// White space between a header's name and its colon.
    case spaceBeforeColon
    /// A content-length is not a decimal number of at most 18 digits.
    case badContentLength
    /// Two content-lengths differ.
    case differingContentLengths
    /// Both content-length and transfer-encoding are there.
    case lengthAndTransferEncoding
    /// A transfer-encoding is unknown, chunked twice, or does not end in chunked.
    case badTransferEncoding
    /// An HTTP/1.0 message has a transfer-encoding.
    case transferEncodingInHTTP10
    /// A chunk does not begin with a hexadecimal number of at most 15 digits.
    case badChunkSize
    /// A chunk's data is not followed by CR LF.
    case badChunkEnd

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .headTooLong: "http_head_too_long"
        case .badStartLine: "http_start_line"
        case .unsupportedVersion: "http_version"
        case .bareLineFeed: "http_bare_lf"
        case .bareCarriageReturn: "http_bare_cr"
        case .controlCharacter: "http_control_character"
        case .foldedHeader: "http_folded_header"
        case .badHeaderName: "http_header_name"
        case .spaceBeforeColon: "http_space_before_colon"
        case .badContentLength: "http_content_length"
        case .differingContentLengths: "http_differing_lengths"
        case .lengthAndTransferEncoding: "http_length_and_encoding"
        case .badTransferEncoding: "http_transfer_encoding"
        case .transferEncodingInHTTP10: "http_encoding_in_1_0"
        case .badChunkSize: "http_chunk_size"
        case .badChunkEnd: "http_chunk_end"
        }
    }
}

/// The bounds for reading HTTP/1.
public enum HTTP1Limits {
    /// The most bytes of a head, from its first line to its empty line inclusive; the same for trailers.
    public static let maxHeadBytes = 65_536
    /// The most bytes of one chunk's extensions.
    public static let maxChunkExtensionBytes = 4096
    /// The most memory an unused line buffer goes on holding.
    static let keptLineBytes = 512
}
