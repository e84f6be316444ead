public import Calls
internal import Wire

/// Says of operations whether they are drained: one a worker, not for use by two threads at a time.
public final class DrainGate {
    private static let unknown: Int32 = -2
    private static let none: Int32 = -1

    /// Where signals are counted.
    public let registry: DrainRegistry
    private let operations: OperationRegistry
    private var version: UInt64 = 0
    /// The drains as they were when they were looked at last.
    public private(set) var orders: [DrainOrder] = []
    /// The drain of the whole service.
    public private(set) var service: DrainOrder?
    private var places = FlatTable(repeating: DrainGate.unknown, count: 0)

    /// A gate of one worker.
    ///
    /// - Parameters:
    ///   - registry: The drains of the process.
    ///   - operations: What the ids of operations stand for.
    public init(registry: DrainRegistry, operations: OperationRegistry) {
        self.registry = registry
        self.operations = operations
    }

    /// Looks at the drains anew, if they have changed.
    public func refresh() {
        guard registry.version != version else { return }
        version = registry.version
        orders = registry.current
        service = orders.first { $0.target.isService }
        places = FlatTable(repeating: Self.unknown, count: 0)
    }

    /// The drain that an operation is a part of: of several the one that refuses first.
    ///
    /// - Parameter operation: What is called.
    /// - Returns: The drain; `nil` for none.
    public func order(of operation: OperationID) -> DrainOrder? {
        while places.count <= operation.index { places.append(Self.unknown) }
        if places[operation.index] == Self.unknown {
            let facts = operations[operation]
            let place = first { $0.covers(facts) }
            places[operation.index] = place.map { Int32($0) } ?? Self.none
        }
        let place = places[operation.index]
        return place < 0 ? nil : orders[Int(place)]
    }

    /// The drain that a whole interface is a part of.
    ///
    /// - Parameter interface: The interface's full name.
    /// - Returns: The drain that refuses first; `nil` for none.
    public func order(ofInterface interface: String) -> DrainOrder? {
        first { $0.method.isEmpty && $0.covers(interface: interface, method: "") }.map { orders[$0] }
    }

    /// The place of the drain that refuses first, of those whose target fits.
    private func first(where fits: (DrainTarget) -> Bool) -> Int? {
        orders.indices.filter { fits(orders[$0].target) }.min { orders[$0].rejectTime < orders[$1].rejectTime }
    }
}
