public import Calls
internal import Wire

/// The test if operations are drained: one a worker, not for use by two threads at a time.
public final class DrainGate {
    private static let unknown: Int32 = -2
    private static let none: Int32 = -1

    /// The registry, which counts signals.
    public let registry: DrainRegistry
    private let operations: OperationRegistry
    private var version: UInt64 = 0
    /// The drains as they were when they were looked at last.
    public private(set) var orders: [DrainOrder] = []
    /// The drain of the whole service.
    public private(set) var service: DrainOrder?
    private var places = FlatTable(repeating: DrainGate.unknown, count: 0)
    private var leavingPlaces = FlatTable(repeating: DrainGate.unknown, count: 0)

    /// A gate of one worker.
    ///
    /// - Parameters:
    ///   - registry: The drains of the process.
    ///   - operations: The operations behind the ids.
    public init(registry: DrainRegistry, operations: OperationRegistry) {
        self.registry = registry
        self.operations = operations
    }

    /// Reads the drains again, if they have changed.
    public func refresh() {
        guard registry.version != version else { return }
        version = registry.version
        orders = registry.current
        service = orders.first { $0.target.isService }
        places = FlatTable(repeating: Self.unknown, count: 0)
        leavingPlaces = FlatTable(repeating: Self.unknown, count: 0)
    }

    /// The drain that covers an operation; of several the one that refuses first.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: The drain; `nil` for none.
    public func order(of operation: OperationID) -> DrainOrder? {
        order(of: operation, in: &places) { _ in true }
    }

    /// The drain that lets the reply to a call announce that its interface leaves.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: The drain; `nil` for none.
    public func leavingOrder(of operation: OperationID) -> DrainOrder? {
        order(of: operation, in: &leavingPlaces, where: \.isLeaving)
    }

    /// True if consumers are to be told that a whole interface is drained.
    ///
    /// - Parameter interface: The interface's full name; empty for the whole service.
    /// - Returns: True if it is, by itself or with its service.
    public func isSignalled(interface: String) -> Bool {
        orders.contains { order in
            let target = order.target
            guard order.isSignalled, target.method.isEmpty else { return false }
            return interface.isEmpty ? target.isService : target.covers(interface: interface, method: "")
        }
    }

    /// The first refusing drain among those that match and cover an operation.
    private func order(
        of operation: OperationID,
        in places: inout FlatTable<Int32>,
        where fits: (DrainOrder) -> Bool
    ) -> DrainOrder? {
        while places.count <= operation.index { places.append(Self.unknown) }
        if places[operation.index] == Self.unknown {
            let facts = operations[operation]
            let place = orders.indices
                .filter { fits(orders[$0]) && orders[$0].target.covers(facts) }
                .min { orders[$0].rejectTime < orders[$1].rejectTime }
            places[operation.index] = place.map { Int32($0) } ?? Self.none
        }
        let place = places[operation.index]
        return place < 0 ? nil : orders[Int(place)]
    }
}
