/// A value from the command line.
public struct SettingsOverride: Equatable, Sendable {
    /// `section.key`.
    public let keyPath: String
    /// The value as text, with quotes or without; lists are separated by commas or as in the file.
    public let text: String
    /// The flag as a problem should name it: `--listen`.
    public let flag: String

    /// Makes an override.
    ///
    /// - Parameters:
    ///   - keyPath: `section.key`.
    ///   - text: The value as text.
    ///   - flag: The flag as a problem should name it.
    public init(keyPath: String, text: String, flag: String) {
        self.keyPath = keyPath
        self.text = text
        self.flag = flag
    }
}

/// A configuration file that has been read.
public struct SettingsFile: Equatable, Sendable {
    /// The name that problems carry.
    public let name: String
    /// The content.
    public let bytes: [UInt8]

    /// Makes a file.
    ///
    /// - Parameters:
    ///   - name: The name that problems carry.
    ///   - bytes: The content, YAML in UTF-8.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// Turns a file, the environment and flags into settings, or into everything that is wrong with them.
///
/// Flags win over the environment, the environment over the file, the file over the defaults. A value that is wrong
/// is a problem even where another one wins.
///
/// A variable is `WEIR_` and the key path in upper case with underscores: `WEIR_RELAY_MAX_CONNECTIONS`. An empty one
/// is as good as none. An unknown one is a problem when it belongs to a section or resembles a known one; what
/// Kubernetes
/// sets for a service named `weir…` is passed over.
///
/// A side is on when anything is said about it and its `enabled` is not false. When nothing switches the consumer
/// side on and nothing is said about the provider side, the provider side is on.
public struct SettingsLoader: Sendable {
    private let file: SettingsFile?
    private let environment: [String: String]
    private let overrides: [SettingsOverride]

    /// Takes what there is.
    ///
    /// - Parameters:
    ///   - file: The configuration file, when there is one.
    ///   - environment: Variables; those without the prefix `WEIR_` are of no interest.
    ///   - overrides: Values from the command line; of two for one key the later wins.
    public init(
        file: SettingsFile? = nil,
        environment: [String: String] = [:],
        overrides: [SettingsOverride] = []
    ) {
        self.file = file
        self.environment = environment
        self.overrides = overrides
    }

    /// The settings.
    ///
    /// - Returns: Settings of which every value is in its range and none contradicts another.
    /// - Throws: Every problem there is, at most 100 of the file.
    public func load() throws(ConfigurationProblems) -> WeirSettings {
        var draft = SettingsDraft()
        if let file { draft.take(file) }
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) {
            draft.take(variable: name, text: text)
        }
        for override in overrides {
            draft.take(override)
        }
        draft.settleSides()
        draft.findContradictions()
        guard draft.problems.isEmpty else { throw ConfigurationProblems(problems: draft.problems) }
        return draft.settings
    }
}
