/// Something in the configuration that keeps Weir from starting.
public struct ConfigurationProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where a value came from.
    public enum Source: Equatable, Sendable, CustomStringConvertible {
        /// A place in the configuration file.
        case file(String, YAMLPosition)
        /// An environment variable.
        case environment(String)
        /// A flag of the command line.
        case flag(String)

        /// `weir.yaml:12:3`, the variable's name or the flag.
        public var description: String {
            switch self {
            case .file(let name, let position): "\(name):\(position.line):\(position.column)"
            case .environment(let name): name.printable
            case .flag(let name): name.printable
            }
        }
    }

    /// Where.
    public let source: Source
    /// Which setting, as `section.key`; empty when no setting is meant, as for a syntax error.
    public let keyPath: String
    /// Why, in one line; never holds a secret value.
    public let reason: String

    /// Makes a problem.
    ///
    /// - Parameters:
    ///   - source: Where.
    ///   - keyPath: Which setting, or an empty text.
    ///   - reason: Why, in one line.
    public init(source: Source, keyPath: String, reason: String) {
        self.source = source
        self.keyPath = keyPath
        self.reason = reason
    }

    /// One line: `weir.yaml:12:3: provider.listen: not an address: "foo"`.
    public var description: String {
        keyPath.isEmpty ? "\(source): \(reason)" : "\(source): \(keyPath): \(reason)"
    }
}

/// Everything that is wrong with a configuration, never empty.
public struct ConfigurationProblems: Error, Equatable, Sendable, CustomStringConvertible {
    /// The problems: of the file in its order, of the environment by name, of the flags as given, then contradictions.
    public let problems: [ConfigurationProblem]

    /// Problems found together.
    ///
    /// - Parameter problems: At least one.
    public init(problems: [ConfigurationProblem]) { self.problems = problems }

    /// One line a problem, without a newline at the end.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
