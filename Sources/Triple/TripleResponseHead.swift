public import Wire

/// The facts in a reply's headers and trailers about its result.
///
/// The fields of both are given to the same value, in order; ``TripleResult`` draws the conclusion.
public struct TripleResponseHead: BitwiseCopyable, Equatable, Sendable {
    /// The value for a status that was not seen.
    public static let noStatus: Int16 = -1
    /// The value of a `grpc-status` that is no number of at most two digits.
    public static let unknownStatus: Int16 = 2

    /// `:status`, or HTTP/1.1's (which has no header: set it); 0 when it was not seen or is no number from 100 to 999.
    public var httpStatus: UInt16 = 0
    /// `grpc-status`; ``noStatus`` when it was not seen.
    public var grpcStatus = Self.noStatus
    /// True if `tri-exception-code` was seen: the message is an exception of the application.
    public var hasExceptionCode = false
    /// True if a field could not be decoded: its name or value was in a header table's entry that was not seen.
    public var hasUnknown = false
    /// The meaning of `content-type`.
    public var contentType = TripleContentType.none
    /// The place of the last `grpc-message`, encoded, in the texts it was kept in; see ``GRPCMessageText``.
    public var grpcMessage = ByteRange.empty

    /// An empty head.
    @inlinable @inline(__always)
    public init() {}

    /// True if this is an interim reply (100 to 199): the real one follows and needs a new value.
    public var isInterim: Bool { httpStatus >= 100 && httpStatus < 200 }

    /// True if ``take(_:_:into:)`` uses a field of that name.
    ///
    /// - Parameter id: The number that ``TripleHeaderName/table`` gives the name.
    /// - Returns: True for five names.
    public static func wants(_ id: UInt8) -> Bool {
        switch TripleHeaderName(id: id) {
        case .status, .grpcStatus, .grpcMessage, .exceptionCode, .contentType: true
        default: false
        }
    }

    /// Records the wanted facts of one header or trailer field.
    ///
    /// - Parameters:
    ///   - id: The number that ``TripleHeaderName/table`` gives its name.
    ///   - value: Its value.
    ///   - texts: The buffer for `grpc-message`, if it fits.
    public mutating func take(_ id: UInt8, _ value: RawSpan, into texts: inout PrefixBuffer) {
        switch TripleHeaderName(id: id) {
        case .status: httpStatus = Self.httpStatus(value)
        case .grpcStatus: grpcStatus = Self.grpcStatus(value)
        case .grpcMessage:
            let range = ByteRange(offset: texts.count, count: value.byteCount)
            grpcMessage = texts.append(value) ? range : .empty
        case .exceptionCode: hasExceptionCode = true
        case .contentType: contentType = TripleContentType(value)
        default: break
        }
    }

    /// Reads a `grpc-status`.
    ///
    /// - Parameter value: The header's value.
    /// - Returns: 0 to 99 (dubbo-go's 17 is one of them); ``unknownStatus`` for anything else.
    public static func grpcStatus(_ value: RawSpan) -> Int16 {
        guard value.byteCount <= 2, let status = value.decimal else { return unknownStatus }
        return Int16(truncatingIfNeeded: status)
    }

    private static func httpStatus(_ value: RawSpan) -> UInt16 {
        guard value.byteCount == 3, let status = value.decimal, status >= 100 else { return 0 }
        return UInt16(truncatingIfNeeded: status)
    }
}
