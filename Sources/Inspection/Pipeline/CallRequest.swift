public import Calls
package import Telemetry

/// One request, or the calls of one batch, as the stages of the ``RequestPipeline`` see it.
///
/// Its names are known, and nothing of it has been passed on.
public struct CallRequest: Sendable {
    /// The power that a drain has over a request.
    package enum DrainHandling: UInt8, Sendable {
        /// The request is refused once the drain's grace is over.
        case refuse
        /// The request is only counted: the protocol tells its connections to end (HTTP/2's GOAWAY).
        case count
        /// Nothing: the request is counted later, when its method is known.
        case none
    }

    /// The called operation; of a batch that of its first member.
    public var operation: OperationID
    /// Where Weir stands.
    public var side: Side
    /// True if no reply is waited for; of a batch, whether none is for any of its calls.
    public var isOneway: Bool
    /// How many calls it makes: more than one for a batch only.
    public var calls: Int
    /// The power that a drain has over it.
    package var drainHandling = DrainHandling.refuse
    /// Why no answer can be written to it (a serialization that Weir does not write, say); `nil` if one can.
    package var unanswerable: PartialVerdictReason?
    /// True if it may be given a trace context: the calls of a batch have a span each and one head.
    package var takesContext = true
    /// Why nothing can be inserted into it; `nil` if something can.
    package var insertFailure: TracingCounters.Injection?

    /// A request of those values.
    ///
    /// - Parameters:
    ///   - operation: What is called.
    ///   - side: Where Weir stands.
    ///   - isOneway: True if no reply is waited for.
    ///   - calls: How many calls it makes, at least 1.
    public init(operation: OperationID, side: Side, isOneway: Bool = false, calls: Int = 1) {
        self.operation = operation
        self.side = side
        self.isOneway = isOneway
        self.calls = calls
    }
}
