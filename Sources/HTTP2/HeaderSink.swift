/// A header field as a ``HeaderSink`` receives it; it points into the decoder's memory and is valid during the call.
public struct HeaderField: ~Escapable {
    /// The name's number in the decoder's names, or `NameTable.unwanted`.
    public let nameID: UInt8
    /// True if an intermediary must never index it (RFC 7541 §6.2.3).
    public let isNeverIndexed: Bool
    /// True if its name was sent before the decoder joined the connection; the name is empty then.
    public let isUnknown: Bool
    /// True if its value was, too; the value is empty then.
    public let isValueUnknown: Bool
    /// The name; lower-case in HTTP/2, though nothing here checks it.
    public let name: RawSpan
    /// The value: any bytes.
    public let value: RawSpan

    /// A field of these parts.
    @inlinable
    @_lifetime(copy name, copy value)
    public init(
        nameID: UInt8,
        name: RawSpan,
        value: RawSpan,
        isNeverIndexed: Bool = false,
        isUnknown: Bool = false,
        isValueUnknown: Bool = false
    ) {
        self.nameID = nameID
        self.isNeverIndexed = isNeverIndexed
        self.isUnknown = isUnknown
        self.isValueUnknown = isValueUnknown
        self.name = name
        self.value = value
    }
}

/// The receiver of the fields of header blocks, in order.
///
/// A field arrives before an error after it in the same block is found, so a collector of fields decides at the block's
/// end. A sink is used through generics, so that its two functions are inlined into the decoder's loop.
public protocol HeaderSink: ~Copyable {
    /// True if fields of that name are wanted; the value of an unwanted field may stay undecoded.
    ///
    /// - Parameter nameID: The name's number, or `NameTable.unwanted` for all names that have none.
    /// - Returns: True if ``field(_:)`` is to be called.
    func wants(nameID: UInt8) -> Bool

    /// Receives a field.
    ///
    /// - Parameter field: Valid during the call.
    mutating func field(_ field: borrowing HeaderField)
}

extension HeaderSink where Self: ~Copyable {
    /// Everything is wanted.
    @inlinable @inline(__always)
    public func wants(nameID: UInt8) -> Bool { true }
}
