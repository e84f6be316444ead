internal import Calls
internal import Policy

extension MappingReader {
    private static let matcherKeys = [
        "interface", "method", "version", "group", "protocol", "side", "caller", "peer", "attachment",
    ]

    /// A matcher of requests: the mapping `match:` of a limit.
    ///
    /// - Parameters:
    ///   - entry: The mapping.
    ///   - path: Its place in the file, for messages.
    ///   - owner: The word for what has the matcher, for messages.
    /// - Returns: The parts that are right; problems are reported.
    mutating func matcher(_ entry: YAMLEntry, _ path: String, of owner: String) -> RequestMatcher {
        var matcher = RequestMatcher()
        guard let entries = entries(of: entry.value, path, at: entry.position, known: Self.matcherKeys) else {
            return matcher
        }
        matcher.interface = pattern(entries["interface"], join(path, "interface"))
        matcher.method = pattern(entries["method"], join(path, "method"))
        matcher.version = pattern(entries["version"], join(path, "version"))
        matcher.group = pattern(entries["group"], join(path, "group"))
        matcher.caller = pattern(entries["caller"], join(path, "caller"))
        matcher.peer = pattern(entries["peer"], join(path, "peer"))
        matcher.callProtocol = value(entries["protocol"], path: join(path, "protocol"), kind: .callProtocol)
        matcher.side = value(entries["side"], path: join(path, "side"), kind: .side)
        if let entry = entries["attachment"] {
            matcher.attachments = attachments(entry, join(path, "attachment"), of: owner)
        }
        return matcher
    }

    private mutating func attachments(
        _ entry: YAMLEntry,
        _ path: String,
        of owner: String
    ) -> [RequestMatcher.Attachment] {
        guard case .mapping(let entries) = entry.value.content else {
            reject(path, at: entry.position, "must be a mapping of names to what their values look like")
            return []
        }
        if entries.count > LimitBounds.maxAttachments {
            reject(path, at: entry.position, "at most \(LimitBounds.maxAttachments) attachments in one \(owner)")
        }
        var attachments: [RequestMatcher.Attachment] = []
        for entry in entries {
            let path = join(path, entry.key.printable)
            guard let name = attachmentName(entry.key, path, at: entry.position) else { continue }
            guard let pattern = pattern(entry, path) else { continue }
            if pattern.text == RequestMatcher.hiddenText {
                reject(path, at: entry.position, "*** stands for a value that was not to be shown")
                continue
            }
            attachments.append(RequestMatcher.Attachment(name: name, value: pattern))
        }
        return attachments
    }

    /// The name of an attachment, in lower case; `nil` when it is none, which is reported.
    mutating func attachmentName(_ text: String, _ path: String, at position: YAMLPosition) -> String? {
        do throws(InvalidValue) {
            return try ValueKind<String>.attachmentName.parse(text)
        } catch {
            reject(path, at: position, error.reason)
            return nil
        }
    }

    /// A pattern, as a plain text or as a mapping of one of `exact`, `glob` and `regex`.
    mutating func pattern(_ entry: YAMLEntry?, _ path: String) -> TextPattern? {
        guard let entry else { return nil }
        let pattern: TextPattern
        var place = entry.position
        var path = path
        if case .mapping = entry.value.content {
            let kinds = ["exact", "glob", "regex"]
            guard let entries = entries(of: entry.value, path, at: place, known: kinds) else { return nil }
            guard entries.count == 1, let (kind, inner) = entries.first else {
                reject(path, at: place, "must have one of exact, glob and regex")
                return nil
            }
            path = join(path, kind)
            place = inner.position
            guard let text = text(inner, path) else { return nil }
            pattern = kind == "regex" ? .regex(text) : kind == "glob" ? .glob(text) : .exact(text)
        } else {
            guard let text = text(entry, path) else { return nil }
            pattern = TextPattern(shorthand: text)
        }
        guard let problem = pattern.problem() else { return pattern }
        reject(path, at: place, "\(problem): \(pattern.text.quoted)")
        return nil
    }
}
