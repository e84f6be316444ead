/// A value as it was given, whatever it came from.
enum SettingInput {
    /// Nothing was written after the key.
    case null
    case text(String)
    /// A list of texts.
    case list([String])
}

/// One setting: its name, what it means, how it is read and shown.
struct SettingKey: Sendable {
    /// Where a value belongs.
    typealias Place<Value> = any WritableKeyPath<WeirSettings, Value> & Sendable

    /// `section.key`, or a key without a section.
    let path: String
    /// What it means, in one line.
    let help: String
    let isList: Bool
    /// Whether quotes around a text are none of it where it does not come from a file.
    let takesQuotes: Bool
    /// Puts a value where it belongs, or says everything that is wrong with it.
    let read: @Sendable (SettingInput, inout WeirSettings) -> [InvalidValue]
    /// The value as YAML.
    let show: @Sendable (WeirSettings) -> String

    /// The environment variable that sets it: `WEIR_PROVIDER_LISTEN`.
    var environmentName: String { variableName(of: path) }

    /// A single value.
    static func value<Value>(
        _ path: String,
        at place: Place<Value>,
        kind: ValueKind<Value>,
        help: String
    ) -> Self {
        Self(
            path: path,
            help: help,
            isList: false,
            takesQuotes: kind.takesQuotes,
            read: { input, settings in
                reading {
                    () throws(InvalidValue) in
                    let text = try singleText(input, kind.listHint)
                    guard let text else { throw InvalidValue(reason: "needs a value") }
                    settings[keyPath: place] = try kind.parse(text)
                }
            },
            show: { kind.show($0[keyPath: place]) }
        )
    }

    /// A single value that may be absent: nothing, `~`, `null` or `off`.
    static func optional<Value>(
        _ path: String,
        at place: Place<Value?>,
        kind: ValueKind<Value>,
        help: String
    ) -> Self {
        Self(
            path: path,
            help: help,
            isList: false,
            takesQuotes: kind.takesQuotes,
            read: { input, settings in
                reading {
                    () throws(InvalidValue) in
                    let text = try singleText(input, kind.listHint)
                    if let text, text != "off" {
                        settings[keyPath: place] = try kind.parse(text)
                    } else {
                        settings[keyPath: place] = nil
                    }
                }
            },
            show: { $0[keyPath: place].map(kind.show) ?? "off" }
        )
    }

    /// A list without repetitions.
    static func list<Value: Hashable>(
        _ path: String,
        at place: Place<[Value]>,
        kind: ValueKind<Value>,
        count: ClosedRange<Int>,
        help: String
    ) -> Self {
        Self(
            path: path,
            help: help,
            isList: true,
            takesQuotes: kind.takesQuotes,
            read: { input, settings in
                guard case .list(let texts) = input else { return [InvalidValue(reason: "must be a list")] }
                guard count ~= texts.count else {
                    return [InvalidValue(reason: "must have \(count.lowerBound)...\(count.upperBound) items")]
                }
                var values: [Value] = []
                var seen: Set<Value> = []
                let problems = texts.enumerated().flatMap { index, text in
                    reading {
                        () throws(InvalidValue) in
                        do throws(InvalidValue) {
                            let value = try kind.parse(text)
                            guard seen.insert(value).inserted else {
                                throw InvalidValue(reason: "given twice: \(text.quoted)")
                            }
                            values.append(value)
                        } catch {
                            throw InvalidValue(reason: error.reason, item: index)
                        }
                    }
                }
                if problems.isEmpty { settings[keyPath: place] = values }
                return problems
            },
            show: { "[\($0[keyPath: place].map(kind.show).joined(separator: ", "))]" }
        )
    }
}

/// The environment variable of a key path or section.
func variableName(of path: String) -> String {
    "WEIR_" + path.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
}

private func reading(_ body: () throws(InvalidValue) -> Void) -> [InvalidValue] {
    do throws(InvalidValue) {
        try body()
        return []
    } catch {
        return [error]
    }
}

private func singleText(_ input: SettingInput, _ listHint: String) throws(InvalidValue) -> String? {
    switch input {
    case .null: return nil
    case .text(let text): return text
    case .list: throw InvalidValue(reason: "must be a single value, found a list\(listHint)")
    }
}
