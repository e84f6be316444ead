public import Policy

/// The limits of one or more files.
public struct LimitsDocument: Equatable, Sendable {
    /// The limits in the order of the files.
    public var definitions: [LimitDefinition] = []
    /// How much memory their windows may take, in bytes.
    public var budgetBytes = LimitBounds.defaultBudgetBytes

    /// No limits.
    public init() {}
}

/// Reads limits files.
///
/// A file has the keys `limits`, a list, and `budget`, a size. Every value is checked here down to the last pattern,
/// so that limits without a problem can be put in force.
public enum LimitsFile {
    /// Reads files as one document.
    ///
    /// - Parameter files: The files in their order; names must be different over all of them.
    /// - Returns: Limits that a ``LimitSet`` takes.
    /// - Throws: Every problem there is, in the order of the files, at most 100 a file.
    public static func read(_ files: [SettingsFile]) throws(ConfigurationProblems) -> LimitsDocument {
        var draft = LimitsDraft()
        for file in files {
            draft.take(file)
        }
        draft.findContradictions()
        guard draft.problems.isEmpty else { throw ConfigurationProblems(problems: draft.problems) }
        return draft.document
    }

    /// Reads one text.
    ///
    /// - Parameters:
    ///   - text: YAML.
    ///   - path: The name that problems carry.
    /// - Returns: Limits that a ``LimitSet`` takes.
    /// - Throws: Every problem there is, at most 100.
    public static func read(text: String, path: String) throws(ConfigurationProblems) -> LimitsDocument {
        try read([SettingsFile(name: path, bytes: Array(text.utf8))])
    }
}

/// Limits in the making.
struct LimitsDraft {
    var document = LimitsDocument()
    var problems: [ConfigurationProblem] = []
    /// Where each limit's name is, by name.
    private var places: [String: ConfigurationProblem.Source] = [:]
    private var budgetPlace: ConfigurationProblem.Source?

    private static let keys = ["limits", "budget"]

    /// Takes a file: every problem of its text and of its values, in the order of the text.
    mutating func take(_ file: SettingsFile) {
        let text = YAMLDocument(bytes: file.bytes)
        var reader = MappingReader(file: file.name)
        for problem in text.problems {
            reader.reject(problem.keyPath, at: problem.position, problem.reason)
        }
        if let root = text.root, !root.isNull { take(root, &reader) }
        problems += reader.sortedProblems
    }

    private mutating func take(_ root: YAMLNode, _ reader: inout MappingReader) {
        guard let entries = reader.entries(of: root, "", at: root.position, known: Self.keys) else { return }
        if let entry = entries["budget"] {
            let source = reader.source(entry.position)
            if let bytes = reader.value(entry, path: "budget", kind: .size(LimitBounds.budgetBytes)) {
                if let budgetPlace {
                    reader.reject("budget", at: entry.position, "given twice, first at \(budgetPlace)")
                }
                document.budgetBytes = bytes
            }
            budgetPlace = budgetPlace ?? source
        }
        guard let entry = entries["limits"], !entry.value.isNull else { return }
        guard case .sequence(let items) = entry.value.content else {
            return reader.reject("limits", at: entry.position, "must be a list, found \(entry.value.content.kind)")
        }
        for (index, item) in items.enumerated() {
            take(item, path: "limits[\(index)]", reader: &reader)
        }
    }

    private mutating func take(_ item: YAMLNode, path: String, reader: inout MappingReader) {
        let found = reader.limit(item, path)
        guard let name = found.name else { return }
        let source = reader.source(name.position)
        if let first = places[name.text] {
            reader.reject("\(path).name", at: name.position, "\(name.text.quoted) is given twice, first at \(first)")
        } else {
            places[name.text] = source
        }
        if let definition = found.definition { document.definitions.append(definition) }
    }

    /// Looks for what is wrong with all files together; only when each is right by itself.
    mutating func findContradictions() {
        guard problems.isEmpty else { return }
        let definitions = document.definitions
        guard definitions.count <= LimitBounds.maxLimits else {
            return reject(definitions[LimitBounds.maxLimits], "more than \(LimitBounds.maxLimits) limits")
        }
        var names: Set<String> = []
        for definition in definitions {
            names.formUnion(definition.attachmentNames)
            guard names.count <= LimitBounds.maxAttachmentNames else {
                return reject(
                    definition,
                    "all limits together look at more than \(LimitBounds.maxAttachmentNames) attachments"
                )
            }
        }
        checkBudget()
    }

    private mutating func checkBudget() {
        let needs = document.definitions.map { (definition: $0, bytes: $0.worstCaseBytes) }
        let total = needs.reduce(0) { $0 + $1.bytes }
        guard total > document.budgetBytes else { return }
        let largest = needs.sorted { $0.bytes > $1.bytes }
        let list = largest.prefix(5).map { "\($0.definition.name) \(mebibytes($0.bytes))" }.joined(separator: ", ")
        let rest = largest.count > 5 ? ", \(largest.count - 5) more" : ""
        reject(
            largest[0].definition,
            """
            the limits need \(mebibytes(total)) at worst (\(list)\(rest)), more than the budget of \
            \(mebibytes(document.budgetBytes)): lower limit or max_keys, or raise budget
            """
        )
    }

    private mutating func reject(_ definition: LimitDefinition, _ reason: String) {
        guard let source = places[definition.name] else { return }
        problems.append(ConfigurationProblem(source: source, keyPath: definition.name, reason: reason))
    }
}

/// Bytes in MiB with one place after the point, rounded up.
private func mebibytes(_ bytes: Int) -> String {
    let tenths = (bytes * 10 + (1 << 20) - 1) >> 20
    return "\(tenths / 10).\(tenths % 10) MiB"
}
