/// The kind of a JSON value.
public enum JSONKind: UInt8, BitwiseCopyable, Sendable {
    /// No value: the member is absent.
    case absent
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean
    /// A number.
    case number
    /// A string.
    case string
    /// An object.
    case object
    /// An array.
    case array
}

/// The facts of one value: a message of its own or a member of a batch.
///
/// Only the members of the message itself count, never those of objects inside it. Names are case-sensitive, as
/// JSON-RPC 2.0 §3 says, but see ``hasFoldedName``, and may be written with escapes. The last one of equal names
/// counts.
public struct JSONRPCFacts: BitwiseCopyable, Equatable, Sendable {
    /// The value of `jsonrpc`.
    public enum Version: UInt8, BitwiseCopyable, Sendable {
        /// No value: JSON-RPC 1.0, or no JSON-RPC at all.
        case absent
        /// `"2.0"`.
        case two
        /// Something else.
        case other
    }

    /// The form of `method`.
    public enum Method: UInt8, BitwiseCopyable, Sendable {
        /// Not there.
        case absent
        /// A string, which ``JSONScanner/method`` has.
        case text
        /// A string longer than ``JSONLimits/maxMethodBytes``, which is not kept.
        case tooLong
        /// No string.
        case notText
    }

    /// The knowledge about the place that a value comes from.
    public enum Place: UInt8, BitwiseCopyable, Sendable {
        /// None: only a value that itself says that it is JSON-RPC is a message.
        case anywhere
        /// Responses to JSON-RPC calls: what has a result or an error is one.
        case responses
        /// Everything there is JSON-RPC: a value with a method is a call, whatever else it has.
        case messages
    }

    /// The knowledge about the place it comes from.
    public var place = Place.anywhere
    /// The kind of the value itself; only an object can be a message.
    public var form = JSONKind.absent
    /// The value of `jsonrpc`.
    public var version = Version.absent
    /// The form of `method`.
    public var method = Method.absent
    /// The number of methods before the last one.
    public var otherMethodCount = 0
    /// True if a name that counts has another case.
    public var hasFoldedName = false
    /// The kind of `id`.
    public var id = JSONKind.absent
    /// True if `id` is longer than ``JSONLimits/maxIDBytes``, so that its text is not kept.
    public var isIDTooLong = false
    /// The kind of `params`.
    public var params = JSONKind.absent
    /// The kind of `result`.
    public var result = JSONKind.absent
    /// The kind of `error`.
    public var error = JSONKind.absent
    /// The `code` at the top of an `error` object when it is a whole number, brought into ±(2³¹ − 1); else `nil`.
    public var errorCode: Int32?
    /// The offset of the value's first byte, counted from the first byte the scanner was given since it began.
    public var startOffset: UInt64 = 0
    /// The offset of the byte after the value, counted likewise; 0 while it is incomplete.
    public var endOffset: UInt64 = 0

    /// Empty facts.
    public init() {}
}
