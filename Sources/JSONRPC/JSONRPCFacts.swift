/// What stands in the place of a JSON value.
public enum JSONKind: UInt8, BitwiseCopyable, Sendable {
    /// Nothing: the member is not there.
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

/// What was found of one value: a message of its own or a member of a batch.
///
/// Only the members of the message itself count, never those of objects inside it. Names differ by case, as
/// JSON-RPC 2.0 §3 says, but see ``hasFoldedName``, and may be written with escapes. Of a name that comes twice the
/// last one counts.
public struct JSONRPCFacts: BitwiseCopyable, Equatable, Sendable {
    /// What `jsonrpc` says.
    public enum Version: UInt8, BitwiseCopyable, Sendable {
        /// Nothing: JSON-RPC 1.0, or no JSON-RPC at all.
        case absent
        /// `"2.0"`.
        case two
        /// Something else.
        case other
    }

    /// What `method` is.
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

    /// What is known of the place that a value comes from.
    public enum Place: UInt8, BitwiseCopyable, Sendable {
        /// Nothing: only a value that says itself that it is JSON-RPC is a message.
        case anywhere
        /// Responses to JSON-RPC calls: what has a result or an error is one.
        case responses
        /// Nothing but JSON-RPC stands there: what has a method is a call, whatever else it has.
        case messages
    }

    /// What is known of the place that it comes from.
    public var place = Place.anywhere
    /// What the value itself is; only an object can be a message.
    public var form = JSONKind.absent
    /// What `jsonrpc` says.
    public var version = Version.absent
    /// What `method` is.
    public var method = Method.absent
    /// How many methods came before the last one.
    public var otherMethodCount = 0
    /// Whether a name that counts is spelled in another case.
    public var hasFoldedName = false
    /// What `id` is.
    public var id = JSONKind.absent
    /// Whether `id` is longer than ``JSONLimits/maxIDBytes``, so that its text is not kept.
    public var isIDTooLong = false
    /// What `params` is.
    public var params = JSONKind.absent
    /// What `result` is.
    public var result = JSONKind.absent
    /// What `error` is.
    public var error = JSONKind.absent
    /// The `code` at the top of an `error` object when it is a whole number, brought into ±(2³¹ − 1); else `nil`.
    public var errorCode: Int32?
    /// Where the value's first byte is, counted from the first byte the scanner was given since it began.
    public var startOffset: UInt64 = 0
    /// Where the byte behind the value's last one is, counted likewise; 0 while it is going on.
    public var endOffset: UInt64 = 0

    /// Nothing is known.
    public init() {}
}
