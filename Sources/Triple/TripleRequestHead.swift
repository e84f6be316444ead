public import Wire

/// The facts in a request's headers that counting, limiting and tracing a call need.
///
/// Fields are given one by one, as a decoder finds them; the wanted values are copied to one buffer, into which all
/// ranges point. The last one of equal names counts, and the shortest of several deadlines.
public struct TripleRequestHead: BitwiseCopyable, Equatable, Sendable {
    /// A set of facts.
    public struct Marks: OptionSet, BitwiseCopyable, Sendable {
        /// One bit a fact.
        public let rawValue: UInt8
        /// A set with those bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Only Triple sends such a header: `triple-protocol-version`, or one that begins with `tri-`.
        public static let isTriple = Marks(rawValue: 1)
        /// `grpc-encoding` names a compression, so that messages may be compressed.
        public static let mayBeCompressed = Marks(rawValue: 2)
        /// A deadline was given that cannot be read.
        public static let hasBadTimeout = Marks(rawValue: 4)
        /// A value did not fit into the buffer; its range is empty.
        public static let isCut = Marks(rawValue: 8)
    }

    /// `:path`, or HTTP/1.1's request target (which has no header: set it).
    public var path = ByteRange.empty
    /// `:method`, or HTTP/1.1's method (which has no header: set it).
    public var httpMethod = ByteRange.empty
    /// `tri-service-version`, or `rest-service-version`.
    public var version = ByteRange.empty
    /// `tri-service-group`, or `rest-service-group`.
    public var group = ByteRange.empty
    /// `tri-consumer-appname`: who calls.
    public var caller = ByteRange.empty
    /// The whole `content-type`, so that a refusal can repeat it.
    public var contentTypeText = ByteRange.empty
    /// `content-encoding`: how the body is coded.
    public var contentEncoding = ByteRange.empty
    /// The time the caller waits, in nanoseconds; 0 if it names none.
    public var timeoutNanoseconds: UInt64 = 0
    /// `grpc-previous-rpc-attempts`: how often the client has tried before.
    public var previousAttempts: UInt16 = 0
    /// The meaning of `content-type`.
    public var contentType = TripleContentType.none
    /// Further facts.
    public var marks: Marks = []

    /// An empty head.
    @inlinable @inline(__always)
    public init() {}

    /// The form of the call.
    ///
    /// `nil` for HTTP that nothing marks as Triple: it may still be, if its path was configured to be.
    public var form: TripleForm? {
        if contentType == .grpc { return .grpc }
        return marks.contains(.isTriple) ? .http : nil
    }

    /// True if ``take(_:_:into:)`` uses a field of that name.
    ///
    /// - Parameter id: The number that ``TripleHeaderName/table`` gives the name.
    /// - Returns: `false` for attachments, except those that carry a deadline.
    public static func wants(_ id: UInt8) -> Bool {
        switch TripleHeaderName(id: id) {
        case .path, .method, .contentType, .contentEncoding, .grpcEncoding, .grpcTimeout, .tripleTimeout,
            .connectTimeout,
            .serviceTimeout, .timeout, .timeoutBudget, .serviceVersion, .serviceGroup, .consumerApplication,
            .restVersion, .restGroup, .headerConvert, .tripleProtocolVersion, .grpcPreviousAttempts:
            true
        default: false
        }
    }

    /// Records the wanted facts of one header field.
    ///
    /// - Parameters:
    ///   - id: The number that ``TripleHeaderName/table`` gives its name.
    ///   - value: Its value.
    ///   - texts: The buffer for texts; the same for all fields of a request.
    public mutating func take(_ id: UInt8, _ value: RawSpan, into texts: inout PrefixBuffer) {
        guard let name = TripleHeaderName(id: id) else { return }
        switch name {
        case .path: path = keep(value, &texts)
        case .method: httpMethod = keep(value, &texts)
        case .contentType:
            contentTypeText = keep(value, &texts)
            contentType = TripleContentType(value)
        case .contentEncoding: contentEncoding = keep(value, &texts)
        case .grpcTimeout, .tripleTimeout, .connectTimeout, .serviceTimeout, .timeout, .timeoutBudget:
            takeTimeout(name, value)
        case .grpcEncoding:
            if !value.isEmpty, !value.equals("identity") { marks.insert(.mayBeCompressed) }
        case .headerConvert, .tripleProtocolVersion: marks.insert(.isTriple)
        case .grpcPreviousAttempts: previousAttempts = UInt16(clamping: value.decimal ?? 0)
        case .serviceVersion, .serviceGroup, .consumerApplication:
            marks.insert(.isTriple)
            takeNames(name, keep(value, &texts))
        case .restVersion, .restGroup: takeNames(name, keep(value, &texts))
        default: break
        }
    }

    private mutating func keep(_ value: RawSpan, _ texts: inout PrefixBuffer) -> ByteRange {
        let range = ByteRange(offset: texts.count, count: value.byteCount)
        guard texts.append(value) else {
            marks.insert(.isCut)
            return .empty
        }
        return range
    }

    private mutating func takeNames(_ name: TripleHeaderName, _ value: ByteRange) {
        switch name {
        case .serviceVersion: version = value
        case .serviceGroup: group = value
        case .restVersion: if version.isEmpty { version = value }
        case .restGroup: if group.isEmpty { group = value }
        default: caller = value
        }
    }

    private mutating func takeTimeout(_ name: TripleHeaderName, _ value: RawSpan) {
        if name == .tripleTimeout || name == .serviceTimeout { marks.insert(.isTriple) }
        do throws(TripleTimeoutError) {
            let time = name == .grpcTimeout ? try TripleTimeout.grpc(value) : try TripleTimeout.milliseconds(value)
            if timeoutNanoseconds == 0 || time < timeoutNanoseconds { timeoutNanoseconds = time }
        } catch {
            marks.insert(.hasBadTimeout)
        }
    }
}
