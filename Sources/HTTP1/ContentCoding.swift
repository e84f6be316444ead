internal import Wire

/// The coding of a message's body (`content-encoding`).
///
/// Source: RFC 9110 §8.4 and the registry of content codings.
public enum ContentCoding: UInt8, Equatable, Sendable, CaseIterable {
    /// The bytes as they are.
    case identity = 1
    /// The gzip format (RFC 1952); `x-gzip` is the same.
    case gzip = 2
    /// The zlib format (RFC 1950), or the bare deflate format (RFC 1951), which some peers send under this name.
    case deflate = 3
    /// Another coding, or more than one.
    case other = 4

    private static let table = NameTable([
        ("identity", identity.rawValue), ("gzip", gzip.rawValue), ("x-gzip", gzip.rawValue),
        ("deflate", deflate.rawValue),
    ])

    /// Reads the header's value.
    ///
    /// - Parameter value: The value without blanks at its ends; names are compared without regard to case. An empty one
    ///   codes nothing.
    public init(_ value: RawSpan) {
        guard value.byteCount > 0 else {
            self = .identity
            return
        }
        self = ContentCoding(rawValue: Self.table.id(ignoringCaseOf: value)) ?? .other
    }

    /// True if an ``Inflater`` can read it.
    public var isReadable: Bool { self == .gzip || self == .deflate }

    /// The coding of a message that has another header line about it.
    ///
    /// - Parameter next: The coding in that line.
    /// - Returns: The one of them that codes anything; ``other`` if both do.
    public func followed(by next: ContentCoding) -> ContentCoding {
        if next == .identity { return self }
        return self == .identity ? next : .other
    }
}
