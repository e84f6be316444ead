internal import Synchronization

/// The drains of the process, for the requesters that start and undo them and for the workers that read them cheaply.
public final class DrainRegistry: Sendable {
    /// The most drains at a time.
    public static let maxOrders = 1000

    private let orders = Mutex<[DrainOrder]>([])
    private let latest = Atomic<UInt64>(1)
    private let signals = (0..<DrainSignal.allCases.count).map { _ in Counter() }

    private let recalled = Atomic<UInt64>(0)

    private final class Counter: Sendable {
        let count = Atomic<UInt64>(0)
    }

    /// A registry without drains.
    public init() {}

    /// A number that changes with the drains.
    public var version: UInt64 { latest.load(ordering: .acquiring) }

    /// The drains, in the order in which they were asked for.
    public var current: [DrainOrder] { orders.withLock { $0 } }

    /// The drain of the whole service, if there is one.
    public var service: DrainOrder? { current.first { $0.target.isService } }

    /// Starts a drain; one of the same target is replaced, and begins anew.
    ///
    /// - Parameter order: The drain.
    /// - Returns: True if there was room for it.
    @discardableResult
    public func begin(_ order: DrainOrder) -> Bool {
        let isTaken = orders.withLock { orders in
            orders.removeAll { $0.target == order.target }
            guard orders.count < Self.maxOrders else { return false }
            orders.append(order)
            return true
        }
        latest.wrappingAdd(1, ordering: .releasing)
        return isTaken
    }

    /// Undoes a drain.
    ///
    /// - Parameter target: The target that is no longer drained.
    /// - Returns: The drain; `nil` if there was none.
    @discardableResult
    public func end(_ target: DrainTarget) -> DrainOrder? {
        let ended = orders.withLock { orders -> DrainOrder? in
            guard let place = orders.firstIndex(where: { $0.target == target }) else { return nil }
            return orders.remove(at: place)
        }
        if ended != nil { latest.wrappingAdd(1, ordering: .releasing) }
        return ended
    }

    /// Connections that were closed because their consumers had stayed away after a drain was undone.
    public var recalledConnections: UInt64 { recalled.load(ordering: .relaxed) }

    /// Counts such a connection as closed.
    public func countRecalled() { recalled.wrappingAdd(1, ordering: .relaxed) }

    /// A signal was given on a connection.
    public func count(_ signal: DrainSignal) {
        signals[Int(signal.rawValue)].count.wrappingAdd(1, ordering: .relaxed)
    }

    /// The number of times that a signal was given.
    public func count(of signal: DrainSignal) -> UInt64 {
        signals[Int(signal.rawValue)].count.load(ordering: .relaxed)
    }
}
