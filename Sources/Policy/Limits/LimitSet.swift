/// The reasons for which limits cannot be put in force.
public enum LimitSetError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A value is out of its range.
    case invalid(limit: String, reason: String)
    /// A pattern cannot be used.
    case pattern(limit: String, PatternProblem)
    /// Two limits have one name.
    case duplicateName(String)
    /// There are more limits than ``LimitBounds/maxLimits``.
    case tooManyLimits(Int)
    /// All limits together look at more attachments than ``LimitBounds/maxAttachmentNames``.
    case tooManyAttachments(Int)
    /// The windows could take more memory than they may.
    case overBudget(needBytes: Int, budgetBytes: Int)
    /// There is no memory for the windows, or no room for their addresses.
    case noMemory(limit: String)

    /// The error in one line.
    public var description: String {
        switch self {
        case .invalid(let limit, let reason): "limit \(limit): \(reason)"
        case .pattern(let limit, let problem): "limit \(limit): \(problem)"
        case .duplicateName(let name): "two limits are called \(name)"
        case .tooManyLimits(let count): "\(count) limits, at most \(LimitBounds.maxLimits) can be in force"
        case .tooManyAttachments(let count):
            "the limits look at \(count) attachments, at most \(LimitBounds.maxAttachmentNames) are possible"
        case .noMemory(let limit): "limit \(limit): there is no memory for its windows"
        case .overBudget(let need, let budget): "the limits need \(need) bytes at worst, the budget is \(budget)"
        }
    }
}

/// The limits in force together, immutable except for their counts; shared by all workers.
///
/// A later set takes over the windows of unchanged limits, see ``init(replacing:definitions:budgetBytes:inheriting:)``.
/// So does the set of another process that inherits them; the limits then belong to both processes and hold for both
/// together: each decides in the same windows, under the same locks.
public final class LimitSet: Sendable {
    /// The most names of removed limits that keep their counters.
    private static let maxRetired = 256

    /// The limits in the order of the file.
    public let limits: [Limit]
    /// The attachments that limits look at, in lower case; a session has to keep no others.
    public let attachmentNames: [String]
    /// The same as bytes.
    let attachmentBytes: [[UInt8]]
    /// The memory that the windows may take, in bytes.
    public let budgetBytes: Int
    /// The most memory that the windows can take, in bytes; never more than the budget.
    public let worstCaseBytes: Int
    private let clock: LimitClock
    /// The counters of limits that are gone: should one come back, it counts on.
    private let retired: [String: LimitCounters]
    /// The part of all limits that is shared with other processes; `nil` as long as there never were any.
    private let sharing: LimitSharing?

    /// Limits that have counted nothing, or go on where another process's are.
    ///
    /// A limit goes on in the windows of an inherited one that has its name, matcher, keys and algorithm and was made
    /// by a Weir that lays them out in the same way; the counters go on with the name in any case. Nothing that is
    /// inherited is an error: what does not fit begins anew. No more than 16 processes can share limits at a time.
    ///
    /// - Parameters:
    ///   - definitions: The limits in the order of the file.
    ///   - budgetBytes: The memory that the windows may take, in bytes.
    ///   - inherited: Limits of another process.
    ///   - clock: The clock for these limits and all that replace them, and the same in all processes that share them.
    /// - Throws: The first thing that is wrong.
    public convenience init(
        definitions: [LimitDefinition],
        budgetBytes: Int = LimitBounds.defaultBudgetBytes,
        inheriting inherited: InheritedLimits? = nil,
        clock: @escaping LimitClock
    ) throws(LimitSetError) {
        let sharing = inherited?.sharing.flatMap { LimitSharing(adopting: $0) }
        let old = Old(sharing: sharing, clock: clock)
        try self.init(definitions, budgetBytes: budgetBytes, old: old, inherited: inherited)
    }

    /// Limits in the place of others.
    ///
    /// A limit goes on counting in the windows it has when an old one has its name, matcher, keys and algorithm; mode
    /// and reply may differ. Otherwise it starts with new windows. Counters stay with the name in any case.
    /// Both sets may be in use at a time, and what was taken under the old one is given back to where it came from.
    ///
    /// - Parameters:
    ///   - old: The limits in force.
    ///   - definitions: The new limits.
    ///   - budgetBytes: The memory that the windows may take; those of the old set may stay for a moment besides.
    ///   - inherited: The limits of a process that is to be followed, which has made the same change: matching limits
    ///     continue in its windows and with its counters, whatever they were shared with before.
    /// - Throws: The first thing that is wrong.
    public convenience init(
        replacing old: LimitSet,
        definitions: [LimitDefinition],
        budgetBytes: Int = LimitBounds.defaultBudgetBytes,
        inheriting inherited: InheritedLimits? = nil
    ) throws(LimitSetError) {
        let isTheirs = inherited.map { old.isShared(with: $0) } ?? true
        let other = isTheirs ? nil : inherited?.sharing.flatMap { LimitSharing(adopting: $0) }
        let byName = Dictionary(uniqueKeysWithValues: old.limits.map { ($0.definition.name, $0) })
        let old =
            if let other {
                // Windows and counters of the memory before are nobody's any more.
                Old(sharing: other, clock: old.clock)
            } else {
                Old(sharing: old.sharing, clock: old.clock, limits: byName, retired: old.retired)
            }
        try self.init(definitions, budgetBytes: budgetBytes, old: old, inherited: inherited)
    }

    /// The earlier limits.
    private struct Old {
        var sharing: LimitSharing?
        var clock: LimitClock
        var limits: [String: Limit] = [:]
        var retired: [String: LimitCounters] = [:]
    }

    private init(
        _ definitions: [LimitDefinition],
        budgetBytes: Int,
        old: Old,
        inherited: InheritedLimits?
    ) throws(LimitSetError) {
        let names = try Self.check(definitions, budgetBytes: budgetBytes)
        var kept = old.retired
        for limit in old.limits.values where kept.count < Self.maxRetired {
            kept[limit.definition.name] = limit.counters
        }
        var sharing = old.sharing
        var limits: [Limit] = []
        for (index, definition) in definitions.enumerated() {
            sharing = sharing ?? LimitSharing()
            guard let sharing else { throw .noMemory(limit: definition.name) }
            kept[definition.name] = nil
            let (state, counters) = try Self.state(of: definition, old, sharing: sharing, inherited: inherited)
            do throws(PatternProblem) {
                limits.append(
                    try Limit(definition, index: index, names: names, state: state, counters: counters)
                )
            } catch {
                throw .pattern(limit: definition.name, error)
            }
        }
        self.limits = limits
        self.attachmentNames = names
        self.attachmentBytes = names.map { Array($0.utf8) }
        self.budgetBytes = budgetBytes
        self.worstCaseBytes = definitions.reduce(0) { $0 + $1.worstCaseBytes }
        self.clock = old.clock
        self.retired = kept
        self.sharing = sharing
    }

    /// The state of a limit: in an inherited memory that fits, or its current one, or a new one.
    private static func state(
        of definition: LimitDefinition,
        _ old: Old,
        sharing: LimitSharing,
        inherited: InheritedLimits?
    ) throws(LimitSetError) -> (LimitState, LimitCounters) {
        let before = old.limits[definition.name]
        let known = before?.counters ?? old.retired[definition.name] ?? sharing.counters(of: definition.name)
        guard let counters = known ?? LimitCounters() else { throw .noMemory(limit: definition.name) }
        let own = before.flatMap { definition.continues($0.definition) ? $0.state : nil }
        if let inherited, inherited.isOf(sharing), let memory = inherited[definition.name],
            own == nil || own?.identity != memory.words[LimitLayout.identity],
            let state = LimitState(
                adopting: memory,
                definition,
                sharing: sharing,
                counters: counters,
                clock: old.clock
            )
        {
            return (state, counters)
        }
        if let own { return (own, counters) }
        let made = LimitState(definition, sharing: sharing, counters: counters, clock: old.clock)
        guard let made else { throw .noMemory(limit: definition.name) }
        return (made, counters)
    }

    /// The limit of a name.
    ///
    /// - Parameter name: The name in the file.
    public subscript(name: String) -> Limit? { limits.first { $0.definition.name == name } }

    /// True if the limits of another process are these: the common part is in one memory.
    ///
    /// - Parameter inherited: The limits that the other process has handed over.
    /// - Returns: True if decisions of both are counted in the same place.
    public func isShared(with inherited: InheritedLimits) -> Bool { sharing.map(inherited.isOf) ?? false }

    /// True if other processes can inherit all of these limits.
    public var isShareable: Bool { limits.allSatisfy { $0.isShareable && sharing?.isShareable == true } }

    /// The descriptors by which another process inherits the limits, see ``InheritedLimits``; open for the lifetime of
    /// this set.
    var descriptors: [Int32] {
        guard let sharing, sharing.isShareable else { return [] }
        return [sharing.memory.descriptor] + limits.filter(\.isShareable).map { $0.state.memory.descriptor }
    }

    /// Releases the holdings of calls in flight of processes that have ended.
    ///
    /// A limit on calls in flight does so itself before it refuses, ten times a second at most; this is for who has
    /// noticed the end of a process, or wants to show how much is in use.
    public func releaseEndedProcesses() {
        for limit in limits where limit.definition.algorithm.isHeld { limit.state.releaseEnded() }
    }

    /// Checks everything but patterns and collects the names of attachments.
    private static func check(
        _ definitions: [LimitDefinition],
        budgetBytes: Int
    ) throws(LimitSetError) -> [String] {
        guard definitions.count <= LimitBounds.maxLimits else { throw .tooManyLimits(definitions.count) }
        var names: Set<String> = []
        var attachments: [String] = []
        var need = 0
        for definition in definitions {
            if let problem = definition.problem { throw .invalid(limit: definition.name, reason: problem) }
            guard names.insert(definition.name).inserted else { throw .duplicateName(definition.name) }
            for name in definition.attachmentNames where !attachments.contains(name) { attachments.append(name) }
            need += definition.worstCaseBytes
        }
        guard attachments.count <= LimitBounds.maxAttachmentNames else { throw .tooManyAttachments(attachments.count) }
        guard need <= budgetBytes else { throw .overBudget(needBytes: need, budgetBytes: budgetBytes) }
        return attachments
    }
}
