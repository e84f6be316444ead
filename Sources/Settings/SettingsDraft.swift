/// Settings in the making, with where each value came from and what was wrong.
struct SettingsDraft {
    var settings = WeirSettings()
    var problems: [ConfigurationProblem] = []
    /// Where each value that was given came from, the winning place last.
    var origins: [String: ConfigurationProblem.Source] = [:]
    /// Keys with a wrong value somewhere: what is left of them says nothing about contradictions.
    var failed: Set<String> = []
    /// Sections about which something was said.
    var mentioned: Set<String> = []
    /// Whether the file was read to its end.
    var isComplete = true

    /// Takes a variable of the environment.
    mutating func take(variable name: String, text: String) {
        guard name.hasPrefix("WEIR_"), !text.isEmpty else { return }
        if let key = SettingKey.all.first(where: { $0.environmentName == name }) {
            put(text, into: key, from: .environment(name))
            return
        }
        guard !isServiceLink(name) else { return }
        let plain = Self.plain(name.dropFirst("WEIR_".count).lowercased())
        let nearest = nearestName(to: plain, among: SettingKey.all.map { Self.plain($0.path) })
        let meant = SettingKey.all.first { Self.plain($0.path) == nearest }
        let isOurs = SettingKey.sections.contains { name.hasPrefix("\(variableName(of: $0))_") }
        guard meant != nil || isOurs else { return }
        let hint = meant.map { ", did you mean \($0.environmentName)?" } ?? ""
        problems.append(
            ConfigurationProblem(source: .environment(name), keyPath: "", reason: "no such setting\(hint)")
        )
    }

    /// Takes a value of the command line.
    mutating func take(_ override: SettingsOverride) {
        let source = ConfigurationProblem.Source.flag(override.flag)
        guard let key = SettingKey.byPath[override.keyPath] else {
            let nearest = nearestName(to: override.keyPath, among: SettingKey.all.map(\.path))
            let hint = nearest.map { ", did you mean \($0.quoted)?" } ?? ""
            problems.append(
                ConfigurationProblem(
                    source: source,
                    keyPath: override.keyPath.printable,
                    reason: "no such setting\(hint)"
                )
            )
            return
        }
        put(override.text, into: key, from: source)
    }

    /// Decides about the sides once everything has been said.
    mutating func settleSides() {
        if origins["consumer.enabled"] == nil { settings.consumer.isEnabled = mentioned.contains("consumer") }
        if origins["provider.enabled"] == nil {
            settings.provider.isEnabled = mentioned.contains("provider") || !settings.consumer.isEnabled
        }
    }

    /// Notes a value that is wrong.
    mutating func reject(_ path: String, from source: ConfigurationProblem.Source, _ reason: String) {
        failed.insert(path)
        problems.append(ConfigurationProblem(source: source, keyPath: path, reason: reason))
    }

    /// Notes that something was said about a key, whether right or wrong.
    mutating func mention(_ path: String, from source: ConfigurationProblem.Source) {
        origins[path] = source
        if let dot = path.firstIndex(of: ".") { mentioned.insert(String(path[..<dot])) }
    }

    private mutating func put(_ text: String, into key: SettingKey, from source: ConfigurationProblem.Source) {
        mention(key.path, from: source)
        guard let input = input(text, for: key) else {
            return reject(key.path, from: source, "not a list: \(text.quoted); write it as a,b or [a, b]")
        }
        for problem in key.read(input, &settings) {
            reject(key.path, from: source, problem.reason)
        }
    }

    /// A text as it may stand in a variable or behind a flag: as it is, a list separated by commas, or as the file and
    /// `check --show` have it, in quotes or brackets; `nil` when brackets hold no list of texts.
    private func input(_ text: String, for key: SettingKey) -> SettingInput? {
        let first = text.utf8.first
        if key.isList {
            guard first == UInt8(ascii: "[") else { return .list(text.split(separator: ",").map { trimmed($0) }) }
            guard case .sequence(let items) = Self.value(of: text) else { return nil }
            let texts = items.compactMap { item in
                if case .scalar(let text, _) = item.content { text } else { nil }
            }
            return texts.count == items.count ? .list(texts) : nil
        }
        let isQuoted = first == UInt8(ascii: "'") || first == UInt8(ascii: "\"")
        guard isQuoted, key.takesQuotes, case .scalar(let inner, true) = Self.value(of: text) else {
            return .text(text)
        }
        return .text(inner)
    }

    /// What a text is in YAML, if it is right.
    private static func value(of text: String) -> YAMLNode.Content? {
        let document = YAMLDocument(bytes: Array(text.utf8))
        return document.problems.isEmpty ? document.root?.content : nil
    }

    private static func plain(_ path: String) -> String {
        String(path.map { $0 == "." || $0 == "_" ? "-" : $0 })
    }
}

private func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
}

/// Whether a name has a form that Kubernetes gives to variables of a service: `WEIR_SERVICE_HOST`, `WEIR_PORT_80_TCP`.
private func isServiceLink(_ name: String) -> Bool {
    let words = name.split(separator: "_")
    let isPort = words.last == "PORT"
    let pairs = zip(words, words.dropFirst())
    return isPort
        || pairs.contains { first, second in
            first == "SERVICE" && (second == "HOST" || second == "PORT")
                || first == "PORT" && second.allSatisfy(\.isNumber)
        }
}
