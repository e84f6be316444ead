/// Why limits cannot be put in force.
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

    /// The error in one line.
    public var description: String {
        switch self {
        case .invalid(let limit, let reason): "limit \(limit): \(reason)"
        case .pattern(let limit, let problem): "limit \(limit): \(problem)"
        case .duplicateName(let name): "two limits are called \(name)"
        case .tooManyLimits(let count): "\(count) limits, at most \(LimitBounds.maxLimits) can be in force"
        case .tooManyAttachments(let count):
            "the limits look at \(count) attachments, at most \(LimitBounds.maxAttachmentNames) are possible"
        case .overBudget(let need, let budget): "the limits need \(need) bytes at worst, the budget is \(budget)"
        }
    }
}

/// Limits in force together, immutable but for what they count; shared by all workers.
///
/// A later set takes over the windows of the limits that have not changed, see
/// ``init(replacing:definitions:budgetBytes:)``.
public final class LimitSet: Sendable {
    /// How many names of limits that are gone keep their counters.
    private static let maxRetired = 256

    /// The limits in the order of the file.
    public let limits: [Limit]
    /// The attachments that limits look at, in lower case; a session has to keep no others.
    public let attachmentNames: [String]
    /// The same as bytes.
    let attachmentBytes: [[UInt8]]
    /// How much memory the windows may take, in bytes.
    public let budgetBytes: Int
    /// The most memory that the windows can take, in bytes; never more than the budget.
    public let worstCaseBytes: Int
    private let clock: LimitClock
    /// The counters of limits that are gone: should one come back, it counts on.
    private let retired: [String: LimitCounters]

    /// Limits that have counted nothing.
    ///
    /// - Parameters:
    ///   - definitions: The limits in the order of the file.
    ///   - budgetBytes: How much memory the windows may take.
    ///   - clock: The clock for these limits and all that replace them.
    /// - Throws: The first thing that is wrong.
    public convenience init(
        definitions: [LimitDefinition],
        budgetBytes: Int = LimitBounds.defaultBudgetBytes,
        clock: @escaping LimitClock
    ) throws(LimitSetError) {
        try self.init(definitions, budgetBytes: budgetBytes, clock: clock, old: [:], retired: [:])
    }

    /// Limits in the place of others.
    ///
    /// A limit goes on counting in the windows it has when an old one has its name, matcher, keys and algorithm; mode
    /// and rejection may differ. Otherwise it starts with new windows. Counters stay with the name in any case.
    /// Both sets may be in use at a time, and what was taken under the old one is given back to where it came from.
    ///
    /// - Parameters:
    ///   - old: The limits in force.
    ///   - definitions: The limits that are to be.
    ///   - budgetBytes: How much memory the windows may take; those of the old set may stay for a moment besides.
    /// - Throws: The first thing that is wrong.
    public convenience init(
        replacing old: LimitSet,
        definitions: [LimitDefinition],
        budgetBytes: Int = LimitBounds.defaultBudgetBytes
    ) throws(LimitSetError) {
        let byName = Dictionary(uniqueKeysWithValues: old.limits.map { ($0.definition.name, $0) })
        try self.init(definitions, budgetBytes: budgetBytes, clock: old.clock, old: byName, retired: old.retired)
    }

    private init(
        _ definitions: [LimitDefinition],
        budgetBytes: Int,
        clock: @escaping LimitClock,
        old: [String: Limit],
        retired: [String: LimitCounters]
    ) throws(LimitSetError) {
        let names = try Self.check(definitions, budgetBytes: budgetBytes)
        var kept = retired
        for limit in old.values where kept.count < Self.maxRetired { kept[limit.definition.name] = limit.counters }
        var limits: [Limit] = []
        for (index, definition) in definitions.enumerated() {
            let before = old[definition.name]
            let counters = before?.counters ?? retired[definition.name] ?? LimitCounters()
            kept[definition.name] = nil
            var state = before.flatMap { definition.continues($0.definition) ? $0.state : nil }
            if state == nil {
                let maxKeys = definition.keys.isEmpty ? 0 : definition.maxKeys
                state = LimitState(definition.algorithm, maxKeys: maxKeys, counters: counters, clock: clock)
            }
            guard let state else { continue }
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
        self.clock = clock
        self.retired = kept
    }

    /// The limit of a name.
    ///
    /// - Parameter name: As in the file.
    public subscript(name: String) -> Limit? { limits.first { $0.definition.name == name } }

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
