internal import Calls
internal import Policy

/// The algorithms by name, with the keys that belong to each.
private enum AlgorithmName: String, CaseIterable {
    case slidingWindow = "sliding_window"
    case fixedWindow = "fixed_window"
    case tokenBucket = "token_bucket"
    case concurrency

    var keys: [String] {
        switch self {
        case .slidingWindow, .fixedWindow: ["limit", "window"]
        case .tokenBucket: ["rate", "burst"]
        case .concurrency: ["limit"]
        }
    }
}

extension MappingReader {
    private static let limitKeys = [
        "name", "match", "per", "max_keys", "algorithm", "limit", "window", "rate", "burst", "mode", "reject",
    ]

    /// One limit: its name, when it has one that can be used, and all of it, when nothing is wrong.
    mutating func limit(_ node: YAMLNode, _ path: String) -> (name: PlacedText?, definition: LimitDefinition?) {
        let place = node.position
        guard let entries = entries(of: node, path, at: place, known: Self.limitKeys) else { return (nil, nil) }
        var name: PlacedText?
        if let entry = entries["name"] {
            let text = value(entry, path: join(path, "name"), kind: .limitName)
            name = text.map { PlacedText(text: $0, position: entry.position) }
        } else {
            reject(path, at: place, "needs a name")
        }
        let algorithm = algorithm(entries, path, at: place)
        var definition = LimitDefinition(name: name?.text ?? "", algorithm: algorithm ?? .concurrency(limit: 1))
        if let entry = entries["match"] { definition.match = matcher(entry, join(path, "match"), of: "limit") }
        if let entry = entries["per"] { definition.keys = keys(entry, join(path, "per")) }
        if let count = value(entries["max_keys"], path: join(path, "max_keys"), kind: .integer(LimitBounds.maxKeys)) {
            definition.maxKeys = count
        }
        if let entry = entries["max_keys"], entries["per"] == nil {
            reject(join(path, "max_keys"), at: entry.position, "means nothing without per")
        }
        definition.mode = value(entries["mode"], path: join(path, "mode"), kind: .word) ?? .enforce
        if let entry = entries["reject"] { definition.localReply = localReply(entry, join(path, "reject")) }
        return (name, name == nil || algorithm == nil ? nil : definition)
    }

    private mutating func algorithm(
        _ entries: [String: YAMLEntry],
        _ path: String,
        at place: YAMLPosition
    ) -> LimitAlgorithm? {
        let name: AlgorithmName
        if let entry = entries["algorithm"] {
            guard let given = value(entry, path: join(path, "algorithm"), kind: ValueKind<AlgorithmName>.word) else {
                return nil
            }
            name = given
        } else {
            name = .slidingWindow
        }
        for key in ["limit", "window", "rate", "burst"] {
            let isWanted = name.keys.contains(key)
            if let entry = entries[key], !isWanted {
                reject(join(path, key), at: entry.position, "means nothing with \(name.rawValue)")
            } else if entries[key] == nil, isWanted {
                reject(path, at: place, "\(name.rawValue) needs \(key)")
            }
        }
        let range = name == .concurrency ? LimitBounds.concurrency : LimitBounds.limit
        switch name {
        case .slidingWindow, .fixedWindow:
            let limit = value(entries["limit"], path: join(path, "limit"), kind: .integer(range))
            let window = value(entries["window"], path: join(path, "window"), kind: .duration(LimitBounds.window))
            guard let limit, let window else { return nil }
            return name == .fixedWindow
                ? .fixedWindow(limit: limit, window: window) : .slidingWindow(limit: limit, window: window)
        case .concurrency:
            return value(entries["limit"], path: join(path, "limit"), kind: .integer(range)).map {
                .concurrency(limit: $0)
            }
        case .tokenBucket:
            let rate = value(entries["rate"], path: join(path, "rate"), kind: .rate)
            let burst = value(entries["burst"], path: join(path, "burst"), kind: .integer(range))
            guard let rate, let burst else { return nil }
            let bucket = LimitAlgorithm.tokenBucket(rate: rate.count, period: rate.period, burst: burst)
            guard let problem = bucket.problem else { return bucket }
            reject(join(path, "burst"), at: entries["burst"]?.position ?? place, problem)
            return nil
        }
    }

    private mutating func keys(_ entry: YAMLEntry, _ path: String) -> [LimitKey] {
        var keys: [LimitKey] = []
        let texts = texts(entry, path)
        if case .sequence(let items) = entry.value.content, !(1...LimitBounds.maxKeyParts ~= items.count) {
            reject(path, at: entry.position, "must have 1...\(LimitBounds.maxKeyParts) items")
        }
        for text in texts {
            guard let key = key(text, path) else { continue }
            if keys.contains(key) {
                reject(path, at: text.position, "given twice: \(text.text.quoted)")
            } else {
                keys.append(key)
            }
        }
        return keys
    }

    private mutating func key(_ text: PlacedText, _ path: String) -> LimitKey? {
        let words = text.text.split(separator: " ").map(String.init)
        switch (words.first, words.count) {
        case ("caller", 1): return .caller
        case ("peer", 1): return .peer
        case ("method", 1): return .method
        case ("interface", 1): return .interface
        case ("attachment", 2):
            return attachmentName(words[1], path, at: text.position).map { .attachment($0) }
        default:
            let reason = "not one of caller, peer, method, interface, attachment NAME: \(text.text.quoted)"
            reject(path, at: text.position, reason)
            return nil
        }
    }

    private mutating func localReply(_ entry: YAMLEntry, _ path: String) -> LocalReplyPolicy {
        var policy = LocalReplyPolicy()
        let coded = CallProtocol.product.compactMap { callProtocol in
            callProtocol.traits.localReplies.setting.map { (callProtocol, key: $0.description) }
        }
        let known = ["text", "retry"] + coded.map(\.key) + ["http_status", "retry_after"]
        guard let entries = entries(of: entry.value, path, at: entry.position, known: known) else { return policy }
        policy.text = value(entries["text"], path: join(path, "text"), kind: .localReplyText)
        policy.retry = value(entries["retry"], path: join(path, "retry"), kind: .word) ?? .standard
        policy.givesRetryAfter = value(entries["retry_after"], path: join(path, "retry_after"), kind: .boolean) ?? false
        for (callProtocol, key) in coded {
            let settable = callProtocol.traits.localReplies.settable
            if let code = value(entries[key], path: join(path, key), kind: .replyCode(settable)) {
                policy.codes[callProtocol] = code
            }
            if let entry = entries[key], policy.isException(in: callProtocol) {
                let reason = "means nothing with retry: never, which is answered with status 20 and an exception"
                reject(join(path, key), at: entry.position, reason)
            }
        }
        if let status = value(
            entries["http_status"],
            path: join(path, "http_status"),
            kind: .replyCode(.these([200, 429]))
        ) {
            policy.httpStatus = UInt16(status)
        }
        return policy
    }
}
