internal import Wire

/// The receiver of the messages that an ``HTTP1Reader`` reads.
///
/// The order for one message is: ``requestLine(method:target:version:)`` or ``statusLine(status:reason:version:)``, the
/// headers, ``headEnded(_:)``, pieces of the body, trailers, ``messageEnded()``. An interim response ends with its
/// head. The calls for a head that fails before ``headEnded(_:)`` are void.
///
/// Spans live only during the call they come with.
public protocol HTTP1Sink: ~Copyable {
    /// Says which headers are wanted.
    ///
    /// - Parameter name: A header's name, in whatever case.
    /// - Returns: The number that the sink knows it by; ``NameTable/unwanted`` for all others.
    static func number(ofHeader name: RawSpan) -> UInt8

    /// True if all other headers are told too, with the number ``NameTable/unwanted``; asked once a header.
    var wantsAllHeaders: Bool { get }

    /// Takes the first line of a request.
    ///
    /// - Parameters:
    ///   - method: The method as it is spelled; `HTTP1Method(method)` says which it is.
    ///   - target: The target in whatever form, not decoded; at least one byte, no white space.
    ///   - version: The version.
    mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version)

    /// Takes the first line of a response.
    ///
    /// - Parameters:
    ///   - status: 100 to 999.
    ///   - reason: The reason phrase; may be empty.
    ///   - version: The version.
    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version)

    /// Records where a header line ends, wanted or not; told before ``header(_:name:value:)``.
    ///
    /// - Parameter end: The bytes of the head up to and with that line's end.
    mutating func headerLine(end: Int)

    /// Takes a header line.
    ///
    /// - Parameters:
    ///   - id: Its number; see ``number(ofHeader:)``.
    ///   - name: The name as it is spelled.
    ///   - value: The value without white space around it; may be empty. No control characters but tabs.
    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan)

    /// Takes a trailer line; as ``header(_:name:value:)``.
    ///
    /// - Parameters:
    ///   - id: Its number; see ``number(ofHeader:)``.
    ///   - name: The name as it is spelled.
    ///   - value: The value.
    mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan)

    /// Says which request a response answers; asked once for every final response, when its head is complete.
    ///
    /// - Returns: The method of the oldest request that has no final response yet; ``HTTP1Method/other`` if unknown.
    mutating func answeredMethod() -> HTTP1Method

    /// Takes what the complete head means.
    ///
    /// - Parameter head: The facts.
    mutating func headEnded(_ head: HTTP1Head)

    /// Takes a piece of the body, chunk framing removed.
    ///
    /// - Parameter piece: At least one byte.
    mutating func body(_ piece: RawSpan)

    /// Takes the end of a message that is not interim.
    mutating func messageEnded()
}

extension HTTP1Sink where Self: ~Copyable {
    /// Passes it over.
    @inlinable @inline(__always)
    public mutating func headerLine(end: Int) {}

    /// Only the wanted ones are told.
    @inlinable
    public var wantsAllHeaders: Bool { false }

    /// Passes it over: a reader of responses needs no such line.
    @inlinable
    public mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version) {}

    /// Passes it over: a reader of requests needs no such line.
    @inlinable
    public mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) {}

    /// Passes it over.
    @inlinable
    public mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan) {}

    /// Unknown.
    @inlinable
    public mutating func answeredMethod() -> HTTP1Method { .other }
}
