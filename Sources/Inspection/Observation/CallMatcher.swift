public import Calls

/// The application of a filter on one thread; an operation's names are looked at once only.
public struct CallMatcher {
    private enum Known {
        case nothing
        case unwanted
        case wanted(CallProtocol)
    }

    private let filter: CallFilter
    private let registry: OperationRegistry
    /// What is known of operations, by id; bounded as the registry is.
    private var known: [Known] = []

    /// A matcher that has seen no call.
    ///
    /// - Parameters:
    ///   - filter: What is wanted.
    ///   - registry: The operations of the process.
    public init(_ filter: CallFilter, registry: OperationRegistry) {
        self.filter = filter
        self.registry = registry
    }

    /// Whether a call is wanted; it costs no allocation once the operation was seen.
    ///
    /// - Parameter observed: The call.
    /// - Returns: Whether everything the filter says fits.
    public mutating func admits(_ observed: ObservedCall) -> Bool {
        guard filter.admits(observed.call), let callProtocol = wanted(observed.call.operation) else { return false }
        if let caller = filter.caller, !caller.matches(observed.caller) { return false }
        guard let code = filter.code else { return true }
        return code.matches(ResultCode.name(of: observed.call.code, in: callProtocol))
    }

    /// The operation's protocol, if its names are wanted.
    private mutating func wanted(_ id: OperationID) -> CallProtocol? {
        while known.count <= id.index { known.append(.nothing) }
        if case .nothing = known[id.index] {
            let operation = registry[id]
            known[id.index] = filter.admits(operation) ? .wanted(operation.callProtocol) : .unwanted
        }
        guard case .wanted(let callProtocol) = known[id.index] else { return nil }
        return callProtocol
    }
}
