internal import Synchronization

/// Where the limits in force are found, by workers cheaply and by whoever changes them.
public final class LimitRegistry: Sendable {
    private struct Entry {
        var set: LimitSet
        var version: UInt64
    }

    /// Held while limits are made ready, which may take milliseconds; workers do not wait for it.
    private let changes = Mutex(())
    private let lock = ShortLock()
    // SAFETY: touched only while `lock` is held, and by the initialiser.
    nonisolated(unsafe) private var entry: Entry
    private let latest = Atomic<UInt64>(1)

    /// A registry with limits to begin with.
    ///
    /// - Parameter set: The limits in force.
    public init(_ set: LimitSet) { unsafe entry = Entry(set: set, version: 1) }

    /// A number that changes with the limits; reading it costs a load.
    public var version: UInt64 { latest.load(ordering: .acquiring) }

    /// The limits in force.
    public var current: LimitSet { versioned.set }

    /// The limits in force and their number.
    var versioned: (set: LimitSet, version: UInt64) {
        lock.take()
        defer { lock.giveBack() }
        return unsafe (entry.set, entry.version)
    }

    /// Puts other limits in force; workers take them up with their next call.
    ///
    /// - Parameters:
    ///   - definitions: The limits that are to be.
    ///   - budgetBytes: How much memory the windows may take.
    /// - Returns: The limits now in force.
    /// - Throws: What is wrong with them; the old ones stay in force then.
    @discardableResult
    public func replace(
        definitions: [LimitDefinition],
        budgetBytes: Int = LimitBounds.defaultBudgetBytes
    ) throws(LimitSetError) -> LimitSet {
        // One change at a time: of two the second builds on the first.
        try changes.withLock { _ throws(LimitSetError) in
            let (old, version) = versioned
            let set = try LimitSet(replacing: old, definitions: definitions, budgetBytes: budgetBytes)
            lock.take()
            unsafe entry = Entry(set: set, version: version + 1)
            lock.giveBack()
            latest.store(version + 1, ordering: .releasing)
            return set
        }
    }
}
