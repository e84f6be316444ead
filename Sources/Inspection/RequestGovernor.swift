public import Calls

/// What a verdict is asked about: a request whose names are known and of which nothing has been passed on.
public struct RequestFacts: Sendable {
    /// What is called; of a batch its first member.
    public var operation: OperationID
    /// Where Weir stands.
    public var side: Side
    /// Whether a reply is waited for.
    public var isOneway: Bool
    /// How many calls it makes: more than one for a batch only.
    public var calls: Int

    /// Facts of those values.
    public init(operation: OperationID, side: Side, isOneway: Bool = false, calls: Int = 1) {
        self.operation = operation
        self.side = side
        self.isOneway = isOneway
        self.calls = calls
    }
}

/// An answer that Weir gives in upstream's place.
public struct Refusal: Equatable, Sendable {
    /// What the call is counted as: `limited` or `drained`.
    public var outcome: Outcome
    /// What the caller is told.
    public var text: String
    /// The status of a Dubbo reply.
    public var dubboStatus: UInt8
    /// The error code of a JSON-RPC reply.
    public var jsonrpcCode: Int32
    /// The status of the HTTP response around a JSON-RPC error; 503 when it is drained.
    public var httpStatus: UInt16
    /// Whether a Dubbo caller is given an exception, which it does not retry, where Weir can write one.
    public var isFinal: Bool
    /// When a call may pass again, in nanoseconds from now; the caller is told where its protocol has a place for it.
    public var retryAfterNanoseconds: UInt64?

    /// A refusal with the usual codes for a call over a limit.
    public init(
        outcome: Outcome = .limited,
        text: String,
        dubboStatus: UInt8 = 100,
        jsonrpcCode: Int32 = -32000,
        httpStatus: UInt16 = 200,
        isFinal: Bool = false,
        retryAfterNanoseconds: UInt64? = nil
    ) {
        self.outcome = outcome
        self.text = text
        self.dubboStatus = dubboStatus
        self.jsonrpcCode = jsonrpcCode
        self.httpStatus = outcome == .drained ? 503 : httpStatus
        self.isFinal = isFinal
        self.retryAfterNanoseconds = retryAfterNanoseconds
    }
}

/// What becomes of a request.
public enum Verdict: Sendable {
    /// It is passed on as it is.
    case admit
    /// It is answered by Weir and upstream never sees it.
    case refuse(Refusal)
    /// It is passed on with more attachments or headers.
    case insert([InsertedText])

    /// It is passed on with one more attachment or header.
    ///
    /// - Parameters:
    ///   - key: Its name.
    ///   - value: Its value.
    /// - Returns: The verdict.
    public static func insert(key: String, value: String) -> Verdict { .insert([InsertedText(key: key, value: value)]) }
}

/// An attachment or a header that a request is given.
public struct InsertedText: Equatable, Sendable {
    /// Its name.
    public var key: String
    /// Its value.
    public var value: String

    /// A text of that name and value.
    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// Decides about requests before they are passed on.
///
/// Without one, sessions only read along and pass everything on at once. With one, a request is held back until its
/// names are known.
public protocol RequestGovernor: AnyObject {
    /// The verdict on a request.
    ///
    /// - Parameter request: What is known of it.
    /// - Returns: What becomes of it.
    func verdict(on request: RequestFacts) -> Verdict
}
