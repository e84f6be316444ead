extension SettingsDraft {
    /// Takes a file: every problem of its text and of its values, in the order of the text.
    mutating func take(_ file: SettingsFile) {
        let document = YAMLDocument(bytes: file.bytes)
        isComplete = document.isComplete
        var found = document.problems.map { problem in
            ConfigurationProblem(
                source: .file(file.name, problem.position),
                keyPath: problem.keyPath,
                reason: problem.reason
            )
        }
        for problem in document.problems {
            failed.insert(problem.keyPath)
        }
        if let root = document.root { take(root: root, of: file.name) }
        found += problems
        // Sorted by place; what has the same place stays in the order it was found in.
        let ordered = found.enumerated().sorted { left, right in
            let (first, second) = (left.element.place, right.element.place)
            return first == second ? left.offset < right.offset : first < second
        }
        problems = ordered.prefix(YAMLDocument.maxProblems).map(\.element)
    }

    private mutating func take(root: YAMLNode, of file: String) {
        guard !root.isNull else { return }
        switch root.content {
        case .refused:
            break
        case .mapping(let entries):
            for entry in entries {
                if SettingKey.sections.contains(entry.key) {
                    take(section: entry, of: file)
                } else {
                    take(entry, path: entry.key, siblings: Self.topNames, of: file)
                }
            }
        case .scalar, .sequence:
            reject(
                "",
                from: .file(file, root.position),
                "must be a mapping of sections, found \(root.content.kindText)"
            )
        }
    }

    private mutating func take(section: YAMLEntry, of file: String) {
        mentioned.insert(section.key)
        guard !section.value.isNull, section.value.content != .refused else { return }
        guard case .mapping(let entries) = section.value.content else {
            let reason = "must be a mapping of settings, found \(section.value.content.kindText)"
            return reject(section.key, from: .file(file, section.position), reason)
        }
        let prefix = section.key + "."
        let siblings = SettingKey.all.filter { $0.path.hasPrefix(prefix) }.map {
            String($0.path.dropFirst(prefix.count))
        }
        for entry in entries {
            take(entry, path: prefix + entry.key, siblings: siblings, of: file)
        }
    }

    private mutating func take(_ entry: YAMLEntry, path: String, siblings: [String], of file: String) {
        let source = ConfigurationProblem.Source.file(file, entry.position)
        guard siblings.contains(entry.key), let key = SettingKey.byPath[path] else {
            guard problems.count < YAMLDocument.maxProblems else { return }
            return reject(path.printable, from: source, unknownReason(entry.key, siblings: siblings))
        }
        mention(path, from: source)
        let input: SettingInput
        switch entry.value.content {
        case .refused:
            failed.insert(path)
            return
        case .mapping:
            return reject(path, from: source, "must be \(key.isList ? "a list" : "a single value"), found a mapping")
        case .scalar(let text, _):
            input = entry.value.isNull ? .null : .text(text)
        case .sequence where !key.isList:
            input = .list([])
        case .sequence(let items):
            guard let texts = texts(of: items, in: path, of: file) else { return }
            input = .list(texts)
        }
        for problem in key.read(input, &settings) {
            var place = entry.position
            if let item = problem.item, case .sequence(let items) = entry.value.content {
                place = items[item].position
            }
            reject(path, from: .file(file, place), problem.reason)
        }
    }

    /// The texts of a list; `nil` when something else is in it, which is reported.
    private mutating func texts(of items: [YAMLNode], in path: String, of file: String) -> [String]? {
        var texts: [String] = []
        for item in items {
            if case .scalar(let text, _) = item.content {
                texts.append(text)
            } else if item.content == .refused {
                failed.insert(path)
            } else if problems.count < YAMLDocument.maxProblems {
                reject(
                    path,
                    from: .file(file, item.position),
                    "must be a list of texts, found \(item.content.kindText)"
                )
            }
        }
        return texts.count == items.count ? texts : nil
    }

    private static let topNames = SettingKey.sections + SettingKey.all.map(\.path).filter { !$0.contains(".") }
}

extension ConfigurationProblem {
    fileprivate var place: (Int, Int) {
        guard case .file(_, let position) = source else { return (0, 0) }
        return (position.line, position.column)
    }
}

extension YAMLNode.Content {
    fileprivate var kindText: String {
        switch self {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "an alias"
        }
    }
}

private func unknownReason(_ name: String, siblings: [String]) -> String {
    if let nearest = nearestName(to: name, among: siblings) { return "unknown key, did you mean \(nearest.quoted)?" }
    if let dot = name.firstIndex(of: "."), SettingKey.byPath[name] != nil {
        let leaf = String(name[name.index(after: dot)...])
        return "unknown key, write \(leaf.quoted) inside the mapping \(String(name[..<dot]).quoted)"
    }
    if let elsewhere = SettingKey.all.first(where: { $0.path.hasSuffix("." + name) }) {
        return "unknown key here, did you mean \(elsewhere.path.quoted)?"
    }
    return "unknown key, known are \(siblings.joined(separator: ", "))"
}
