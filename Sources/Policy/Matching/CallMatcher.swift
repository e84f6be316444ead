public import Calls
internal import Wire

/// A filter at work on one thread: the names of an operation are compared once.
///
/// A search for an expression that is given up at its bound counts as a match: a viewer rather sees one call too many.
public final class CallMatcher {
    private enum Known {
        case nothing
        case unwanted
        case wanted(CallProtocol)
    }

    /// The answer where a search was given up.
    private struct Admitted: GivenUpSearches {
        func noteGivenUp() -> Bool { true }
    }

    private let filter: CallFilter
    private let registry: OperationRegistry
    private let scratch = PCREScratch()
    private var facts = RequestFacts(attachments: 0)
    /// The verdicts about operations, by id; bounded as the registry is.
    private var known: [Known] = []

    /// A matcher that has seen no call.
    ///
    /// - Parameters:
    ///   - filter: The calls that are wanted.
    ///   - registry: The operations of the process.
    public init(_ filter: CallFilter, registry: OperationRegistry) {
        self.filter = filter
        self.registry = registry
    }

    /// True if a call is wanted; it costs no allocation once the operation was seen.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - caller: The calling application; its first 1,024 bytes are compared.
    /// - Returns: True if all of the filter fits.
    public func admits(_ call: FinishedCall, caller: String) -> Bool {
        guard call.durationNanoseconds >= filter.minNanoseconds, filter.matcher?.mayMatch(call.side) != false else {
            return false
        }
        if let outcomes = filter.outcomes, !outcomes.contains(call.outcome) { return false }
        guard let callProtocol = wanted(call.operation) else { return false }
        if let matcher = filter.matcher, !matcher.isStatic {
            facts.clear()
            let caller = caller.utf8Span.span
            // SAFETY: the span borrows the text; every byte of it is initialised.
            facts.note(caller: unsafe caller.bytes)
            guard matcher.matches(facts, scratch: scratch, givenUp: Admitted()) else { return false }
        }
        guard let code = filter.codeMatcher else { return true }
        return code.matches(ResultCode.name(of: call.code, in: callProtocol), scratch: scratch, givenUp: Admitted())
    }

    /// True if calls of an operation can be wanted.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: True if protocol, interface and method fit.
    public func admits(_ operation: Operation) -> Bool {
        filter.matcher?.matches(operation, scratch: scratch, givenUp: Admitted()) ?? true
    }

    /// The operation's protocol, if its names are wanted.
    private func wanted(_ id: OperationID) -> CallProtocol? {
        while known.count <= id.index { known.append(.nothing) }
        if case .nothing = known[id.index] {
            let operation = registry[id]
            known[id.index] = admits(operation) ? .wanted(operation.callProtocol) : .unwanted
        }
        guard case .wanted(let callProtocol) = known[id.index] else { return nil }
        return callProtocol
    }
}
