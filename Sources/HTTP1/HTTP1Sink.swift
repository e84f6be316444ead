internal import Wire

/// The receiver of the messages that an ``HTTP1Reader`` reads.
///
/// The order for one message is: ``requestLine(method:target:version:)`` or ``statusLine(status:reason:version:)``, the
/// headers, ``headEnded(_:)``, pieces of the body, trailers, ``messageEnded()``. An interim response ends with its
/// head. The calls for a head that fails before ``headEnded(_:)`` are void.
///
/// Spans live only during the call they come with.
public protocol HTTP1Sink: ~Copyable {
    /// The number of a wanted header.
    ///
    /// - Parameter name: A header's name, in any case.
    /// - Returns: The sink's number for it; ``NameTable/unwanted`` for all others.
    static func number(ofHeader name: RawSpan) -> UInt8

    /// True if all other headers are passed on too, with the number ``NameTable/unwanted``; read once a header.
    var wantsAllHeaders: Bool { get }

    /// Receives the first line of a request.
    ///
    /// - Parameters:
    ///   - method: The method as spelled; `HTTP1Method(method)` classifies it.
    ///   - target: The target in any form, not decoded; at least one byte, no white space.
    ///   - version: The version.
    mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version)

    /// Receives the first line of a response.
    ///
    /// - Parameters:
    ///   - status: 100 to 999.
    ///   - reason: The reason phrase; may be empty.
    ///   - version: The version.
    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version)

    /// Receives the end of a header line, wanted or not; called before ``header(_:name:value:)``.
    ///
    /// - Parameter end: The bytes of the head up to and with that line's end.
    mutating func headerLine(end: Int)

    /// Receives a header line.
    ///
    /// - Parameters:
    ///   - id: Its number; see ``number(ofHeader:)``.
    ///   - name: The name as spelled.
    ///   - value: The value without white space around it; may be empty. No control characters but tabs.
    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan)

    /// Receives a trailer line; as ``header(_:name:value:)``.
    ///
    /// - Parameters:
    ///   - id: Its number; see ``number(ofHeader:)``.
    ///   - name: The name as spelled.
    ///   - value: The value.
    mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan)

    /// The method of the request that a response answers; asked once for every final response, when its head is
    /// complete.
    ///
    /// - Returns: The method of the oldest request that has no final response yet; ``HTTP1Method/other`` if unknown.
    mutating func answeredMethod() -> HTTP1Method

    /// Receives the facts of the complete head.
    ///
    /// - Parameter head: The facts.
    mutating func headEnded(_ head: HTTP1Head)

    /// Receives a piece of the body, without chunk framing.
    ///
    /// - Parameter piece: At least one byte.
    mutating func body(_ piece: RawSpan)

    /// Receives the end of a message that is not interim.
    mutating func messageEnded()
}

extension HTTP1Sink where Self: ~Copyable {
    /// Ignores it.
    @inlinable @inline(__always)
    public mutating func headerLine(end: Int) {}

    /// Only the wanted ones are passed on.
    @inlinable
    public var wantsAllHeaders: Bool { false }

    /// Ignores it: a reader of responses needs no such line.
    @inlinable
    public mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version) {}

    /// Ignores it: a reader of requests needs no such line.
    @inlinable
    public mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) {}

    /// Ignores it.
    @inlinable
    public mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan) {}

    /// Unknown.
    @inlinable
    public mutating func answeredMethod() -> HTTP1Method { .other }
}
