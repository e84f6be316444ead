internal import Synchronization

/// The operations of the process, interned to small integers: one registry, shared by all workers.
///
/// It is bounded: past `capacity` every new operation becomes the overflow operation of its protocol (interface and
/// method `_other`), so that no peer can make series without end. Nothing is ever removed, so an id stays valid.
/// Workers ask only at the first sight of an operation; see ``OperationCache``.
public final class OperationRegistry: Sendable {
    private struct State {
        var operations: [Operation] = []
        var indices: [Operation: UInt32] = [:]
        var overflowed: UInt64 = 0
        /// The number of tools told apart, per interface.
        var tools: [String: Int] = [:]
    }

    /// The most tools of an interface that are told apart.
    public static let maxTools = 128

    /// The operation of a tool of an MCP server, if it is told apart.
    public enum Tool: Equatable, Sendable {
        /// The tool has an operation of its own.
        case known(OperationID)
        /// It would be one too many: it is counted with others of its kind.
        case overflow(OperationID)
        /// The tool is not known to have one.
        case unknown
    }

    /// The reason to tell a tool apart.
    public enum Naming: Equatable, Sendable {
        /// No reason.
        case none
        /// The tool was met in the traffic or a pattern names it; at most ``maxTools`` such tools are told apart.
        case learned
        /// The configuration has its name, and bounds such names itself.
        case configured
    }

    /// The most operations that are told apart; the overflow operations are not counted.
    public let capacity: Int
    private let state: Mutex<State>

    /// A registry that holds the overflow operation of each protocol, or place for one, and nothing else.
    ///
    /// - Parameter capacity: The most operations that are told apart.
    public init(capacity: Int) {
        self.capacity = capacity
        var state = State()
        for callProtocol in CallProtocol.places {
            let other = Operation(
                callProtocol: callProtocol,
                interface: "_other",
                version: "",
                group: "",
                method: "_other"
            )
            state.indices[other] = UInt32(state.operations.count)
            state.operations.append(other)
        }
        self.state = Mutex(state)
    }

    /// The overflow operation of a protocol.
    ///
    /// - Parameter callProtocol: The protocol of the calls that did not fit.
    /// - Returns: An id that every registry has.
    public static func overflow(_ callProtocol: CallProtocol) -> OperationID {
        OperationID(rawValue: UInt32(callProtocol.rawValue))
    }

    /// The id of `operation`: known, new, or the overflow operation when the registry is full.
    ///
    /// - Parameter operation: An operation whose names already have bounded lengths.
    /// - Returns: The id; the same one whenever it is asked for.
    public func intern(_ operation: Operation) -> OperationID {
        state.withLock { intern(operation, &$0) }
    }

    /// The id of an operation that another process has counted calls of.
    ///
    /// Known, new, or the overflow operation, which is not counted as one more overflow.
    ///
    /// - Parameter operation: An operation as the other process told it apart.
    /// - Returns: The id.
    public func adopt(_ operation: Operation) -> OperationID {
        state.withLock { state in
            let before = state.overflowed
            defer { state.overflowed = before }
            return intern(operation, &state)
        }
    }

    private func intern(_ operation: Operation, _ state: inout State) -> OperationID {
        if let known = state.indices[operation] { return OperationID(rawValue: known) }
        guard state.operations.count < capacity + CallProtocol.placeCount else {
            state.overflowed += 1
            return Self.overflow(operation.callProtocol)
        }
        let id = UInt32(state.operations.count)
        state.operations.append(operation)
        state.indices[operation] = id
        return OperationID(rawValue: id)
    }

    /// The operation under which a tool of an MCP server is counted.
    ///
    /// - Parameters:
    ///   - operation: `tools/call:` and its name.
    ///   - naming: The reason to tell it apart from now on.
    /// - Returns: The tool's id if it is told apart, or the id of `tools/call:_other` if ``maxTools`` others of the
    ///   interface are.
    public func tool(_ operation: Operation, _ naming: Naming) -> Tool {
        state.withLock { state in
            if let known = state.indices[operation] { return .known(OperationID(rawValue: known)) }
            let count = state.tools[operation.interface] ?? 0
            guard count < Self.maxTools || naming == .configured else {
                let other = Operation(
                    callProtocol: operation.callProtocol,
                    interface: operation.interface,
                    version: "",
                    group: "",
                    method: "tools/call:_other"
                )
                return .overflow(intern(other, &state))
            }
            guard naming != .none else { return .unknown }
            let id = intern(operation, &state)
            guard id != Self.overflow(operation.callProtocol) else { return .overflow(id) }
            if naming == .learned { state.tools[operation.interface] = count + 1 }
            return .known(id)
        }
    }

    /// Counts a call of an operation that did not fit and was found in a worker's own table.
    public func countOverflow() { state.withLock { $0.overflowed += 1 } }

    /// Every operation by id; the first ones are the overflow operations.
    public var operations: [Operation] { state.withLock { $0.operations } }

    /// The number of operations that are told apart now.
    public var count: Int { state.withLock { $0.operations.count - CallProtocol.placeCount } }

    /// The number of calls whose operation did not fit.
    public var overflowed: UInt64 { state.withLock { $0.overflowed } }

    /// The operation of an id.
    ///
    /// - Parameter id: Handed out by this registry.
    public subscript(id: OperationID) -> Operation { state.withLock { $0.operations[id.index] } }
}
