internal import Synchronization

/// The registry of the limits in force, read cheaply by workers and changed by their owner.
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

    /// A registry with initial limits.
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

    /// Puts other limits in force; workers use them from their next call on.
    ///
    /// - Parameters:
    ///   - definitions: The new limits.
    ///   - budgetBytes: The memory that the windows may take.
    ///   - inherited: Limits of another process which has made the same change, see
    ///     ``LimitSet/init(replacing:definitions:budgetBytes:inheriting:)``.
    /// - Returns: The limits now in force.
    /// - Throws: The problems with them; the old ones stay in force then.
    @discardableResult
    public func replace(
        definitions: [LimitDefinition],
        budgetBytes: Int = LimitBounds.defaultBudgetBytes,
        inheriting inherited: InheritedLimits? = nil
    ) throws(LimitSetError) -> LimitSet {
        // One change at a time: of two the second builds on the first.
        try changes.withLock { _ throws(LimitSetError) in
            let (old, version) = versioned
            let set = try LimitSet(
                replacing: old,
                definitions: definitions,
                budgetBytes: budgetBytes,
                inheriting: inherited
            )
            lock.take()
            unsafe entry = Entry(set: set, version: version + 1)
            lock.giveBack()
            latest.store(version + 1, ordering: .releasing)
            return set
        }
    }

    /// Passes on the descriptors that let another process continue in these windows and with these counters.
    ///
    /// See ``InheritedLimits``. From then on both hold for both processes together.
    ///
    /// There is one descriptor for the memory shared by all limits and one for each limit, at most
    /// ``InheritedLimits/maxDescriptors``; none if there never were limits, or if the kernel does not let memory be
    /// shared (``LimitSet/isShareable``). They stay this process's: `body` sends or duplicates them and does not close
    /// them.
    ///
    /// - Parameter body: Receives the descriptors, which are open until it returns, even if other limits are put in
    ///   force meanwhile.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`.
    public func withDescriptors<Result, Failure: Error>(
        _ body: ([Int32]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let set = current
        defer { withExtendedLifetime(set) {} }
        return try body(set.descriptors)
    }
}
