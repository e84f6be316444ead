/// Reads the mappings of one file of limits or rules and collects what is wrong with them.
struct MappingReader {
    /// A text and where it stands.
    struct PlacedText {
        let text: String
        let position: YAMLPosition
    }

    /// How many problems are noted; fewer are shown, but they are sorted first.
    private static let maxProblems = 10_000

    let file: String
    private var problems: [ConfigurationProblem] = []

    init(file: String) { self.file = file }

    /// The problems in the order of the text; the last one that is kept says when there are more.
    var sortedProblems: [ConfigurationProblem] {
        let ordered = problems.enumerated().sorted { left, right in
            let (first, second) = (left.element.textPlace, right.element.textPlace)
            return first == second ? left.offset < right.offset : first < second
        }
        var kept = ordered.prefix(YAMLDocument.maxProblems).map(\.element)
        if ordered.count > kept.count, let last = kept.popLast() {
            let reason = "and more problems from here on"
            kept.append(ConfigurationProblem(source: last.source, keyPath: last.keyPath, reason: reason))
        }
        return kept
    }

    /// A place in the file.
    func source(_ position: YAMLPosition) -> ConfigurationProblem.Source { .file(file, position) }

    /// Notes a problem.
    mutating func reject(_ path: String, at position: YAMLPosition, _ reason: String) {
        guard problems.count < Self.maxProblems else { return }
        problems.append(ConfigurationProblem(source: source(position), keyPath: path, reason: reason))
    }

    /// The entries of a mapping by key; unknown ones are reported.
    ///
    /// - Returns: `nil` when it is no mapping, which is reported.
    mutating func entries(
        of node: YAMLNode,
        _ path: String,
        at position: YAMLPosition,
        known: [String]
    ) -> [String: YAMLEntry]? {
        guard node.content != .refused else { return nil }
        guard case .mapping(let entries) = node.content else {
            let found = node.isNull ? "nothing" : node.content.kind
            reject(path, at: position, "must be a mapping with \(known.joined(separator: ", ")), found \(found)")
            return nil
        }
        var byKey: [String: YAMLEntry] = [:]
        for entry in entries {
            if known.contains(entry.key) {
                byKey[entry.key] = entry
            } else {
                reject(join(path, entry.key.printable), at: entry.position, unknownReason(entry.key, known))
            }
        }
        return byKey
    }

    /// A single value; `nil` when there is none or it is wrong, which is reported.
    mutating func value<Value>(_ entry: YAMLEntry?, path: String, kind: ValueKind<Value>) -> Value? {
        guard let entry, let text = text(entry, path) else { return nil }
        do throws(InvalidValue) {
            return try kind.parse(text)
        } catch {
            reject(path, at: entry.position, error.reason)
            return nil
        }
    }

    /// The text of a single value; `nil` when there is something else, which is reported.
    mutating func text(_ entry: YAMLEntry, _ path: String) -> String? {
        switch entry.value.content {
        case .refused: return nil
        case .scalar(let text, _):
            guard entry.value.isNull else { return text }
            reject(path, at: entry.position, "needs a value")
        case .sequence, .mapping:
            reject(path, at: entry.position, "must be a single value, found \(entry.value.content.kind)")
        }
        return nil
    }

    /// The texts of a single value or of a list of them, each with its place.
    mutating func texts(_ entry: YAMLEntry, _ path: String) -> [PlacedText] {
        guard case .sequence(let items) = entry.value.content else {
            return text(entry, path).map { [PlacedText(text: $0, position: entry.position)] } ?? []
        }
        var texts: [PlacedText] = []
        for item in items where item.content != .refused {
            if case .scalar(let text, _) = item.content, !item.isNull {
                texts.append(PlacedText(text: text, position: item.position))
            } else {
                reject(path, at: item.position, "must be a list of texts, found \(item.content.kind)")
            }
        }
        return texts
    }
}

/// A key inside of another.
func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

private func unknownReason(_ key: String, _ known: [String]) -> String {
    // The nearest name is looked for among words with dashes.
    let dashed = known.map { String($0.map { $0 == "_" ? "-" : $0 }) }
    if let nearest = nearestName(to: key, among: dashed), let index = dashed.firstIndex(of: nearest) {
        return "unknown key, did you mean \(known[index].quoted)?"
    }
    return "unknown key, known are \(known.joined(separator: ", "))"
}

extension ConfigurationProblem {
    fileprivate var textPlace: (Int, Int) {
        guard case .file(_, let position) = source else { return (0, 0) }
        return (position.line, position.column)
    }
}

extension YAMLNode.Content {
    /// What it is, in words.
    var kind: String {
        switch self {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "an alias"
        }
    }
}
