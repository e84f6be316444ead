public import Wire

/// One attachment whose value is text.
public struct Attachment: BitwiseCopyable, Equatable, Sendable {
    /// The place of the key.
    public var key: ByteRange
    /// The place of the value.
    public var value: ByteRange

    /// An attachment at these places.
    public init(key: ByteRange, value: ByteRange) {
        self.key = key
        self.value = value
    }
}

/// The places of a request's names: ranges into one piece of bytes, which the reader defines.
///
/// Texts are UTF-8, or CESU-8 as Hessian writes it (`HessianText` makes a `String` of them). Source:
/// `DubboCodec.encodeRequestData`.
public struct RequestMetadata: Sendable {
    /// A set of fields.
    public struct Fields: OptionSet, BitwiseCopyable, Sendable {
        /// One bit a field.
        public let rawValue: UInt8
        /// A set with these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The protocol version, slot 1.
        public static let dubboVersion = Fields(rawValue: 1)
        /// The interface (path), slot 2.
        public static let interface = Fields(rawValue: 2)
        /// The service version, slot 3.
        public static let version = Fields(rawValue: 4)
        /// The method, slot 4.
        public static let method = Fields(rawValue: 8)
        /// The parameter descriptor, slot 5.
        public static let parameterDescriptor = Fields(rawValue: 16)
        /// The method a generic call names.
        public static let genericMethod = Fields(rawValue: 32)
        /// The attachments.
        public static let attachments = Fields(rawValue: 64)
    }

    /// The fields that were read and are not null.
    public var known: Fields = []
    /// Slot 1: the protocol version, `2.0.2` today; a release version from consumers up to 2.6.2.
    public var dubboVersion = ByteRange.empty
    /// Slot 2: the interface's name.
    public var interface = ByteRange.empty
    /// Slot 3: the service's version; may be empty or null.
    public var version = ByteRange.empty
    /// Slot 4: the method's name as on the wire.
    public var method = ByteRange.empty
    /// Slot 5: JVM descriptors of the parameters, concatenated.
    public var parameterDescriptor = ByteRange.empty
    /// The first argument of `$invoke` and `$invokeAsync`, the method's real name.
    public var genericMethod = ByteRange.empty
    /// The attachments whose values are text, or a list of exactly one text, in order.
    public var attachments: [Attachment] = []

    /// Empty metadata.
    public init() {}

    /// The most attachments that are kept; further ones are passed over.
    public static let maxAttachments = 128

    /// Forgets everything and keeps the memory.
    public mutating func removeAll() {
        known = []
        dubboVersion = .empty
        interface = .empty
        version = .empty
        method = .empty
        parameterDescriptor = .empty
        genericMethod = .empty
        if !attachments.isEmpty { attachments.removeAll(keepingCapacity: true) }
    }
}

/// The facts of a reply's body.
public struct ResponseMetadata: Sendable {
    /// The kind of a status-20 reply, announced by its first value.
    ///
    /// Source: `DubboCodec` RESPONSE_*.
    public enum Kind: UInt8, BitwiseCopyable, Sendable {
        /// A throwable.
        case exception = 0
        /// A value.
        case value = 1
        /// Null.
        case null = 2
        /// A throwable, then attachments.
        case exceptionWithAttachments = 3
        /// A value, then attachments.
        case valueWithAttachments = 4
        /// Null, then attachments.
        case nullWithAttachments = 5

        /// True if the application threw an exception.
        public var isException: Bool { self == .exception || self == .exceptionWithAttachments }
        /// True if attachments follow.
        public var hasAttachments: Bool { rawValue >= 3 }
    }

    /// The kind; `nil` for a status other than 20, for an event, and where it could not be read.
    public var kind: Kind?
    /// The class of the throwable; empty when unknown.
    public var exceptionClass = ByteRange.empty
    /// The throwable's message (for a status other than 20 the error text); `nil` when null or unknown.
    public var message: ByteRange?
    /// The attachments whose values are text, in order.
    public var attachments: [Attachment] = []
    /// True if an attachments map was read, even an empty one.
    public var hasAttachments = false

    /// Empty metadata.
    public init() {}

    /// Forgets everything and keeps the memory.
    public mutating func removeAll() {
        kind = nil
        exceptionClass = .empty
        message = nil
        hasAttachments = false
        if !attachments.isEmpty { attachments.removeAll(keepingCapacity: true) }
    }
}
