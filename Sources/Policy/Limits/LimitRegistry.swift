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
    ///   - inherited: Limits of another process which has made the same change, see
    ///     ``LimitSet/init(replacing:definitions:budgetBytes:inheriting:)``.
    /// - Returns: The limits now in force.
    /// - Throws: What is wrong with them; the old ones stay in force then.
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

    /// What another process has to be given so that its limits go on in these windows and with these counters.
    ///
    /// See ``InheritedLimits``. From then on both hold for both processes together.
    ///
    /// One descriptor for what all limits share and one a limit, at most ``InheritedLimits/maxDescriptors``; none when
    /// there never were limits, or the kernel does not let memory be shared (``LimitSet/isShareable``). They stay this
    /// process's: they are to be sent or duplicated in `body`, and not closed.
    ///
    /// - Parameter body: Gets the descriptors, which are open until it returns, whatever is put in force meanwhile.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws.
    public func withDescriptors<Result, Failure: Error>(
        _ body: ([Int32]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let set = current
        defer { withExtendedLifetime(set) {} }
        return try body(set.descriptors)
    }
}
