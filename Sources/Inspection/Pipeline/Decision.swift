package import Policy

/// The result for a request.
public enum Decision: Sendable {
    /// It is passed on as it is.
    case forward
    /// It is passed on with more attachments or headers.
    case insert([InsertedField])
    /// It is answered by Weir, and upstream never sees it.
    case reply(LocalReply)

    /// Passes a request on with one more attachment or header.
    ///
    /// - Parameters:
    ///   - key: Its name.
    ///   - value: Its value.
    /// - Returns: The decision.
    public static func insert(key: String, value: String) -> Decision {
        .insert([InsertedField(key: key, value: value)])
    }

    /// Weir's answer, if the request is not passed on.
    var reply: LocalReply? { if case .reply(let reply) = self { reply } else { nil } }
    /// The fields that the request is given.
    var inserted: [InsertedField] { if case .insert(let fields) = self { fields } else { [] } }
}

/// An attachment or a header that a request is given.
public struct InsertedField: Equatable, Sendable {
    /// Its name.
    public var key: String
    /// Its value.
    public var value: String

    /// A field of that name and value.
    ///
    /// - Parameters:
    ///   - key: Its name.
    ///   - value: Its value.
    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// The decision about a request, and the permit that it holds.
package struct DecidedRequest {
    package var decision = Decision.forward
    /// The permit of its call, until that ends: whoever gets it gives it to the call
    /// or back to ``LimitStage/release(_:)``.
    package var permit = LimitToken.none
}

/// The decision about the calls of a batch, and their permits.
struct DecidedBatch {
    /// Weir's answer, if the batch is not passed on.
    var reply: LocalReply?
    /// The fields that its request is given; empty for a batch of several calls.
    var inserted: [InsertedField] = []
    var permits = BatchPermits()
}
