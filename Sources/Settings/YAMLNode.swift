/// A place in a YAML text.
public struct YAMLPosition: Equatable, Sendable {
    /// The line, counted from 1.
    public let line: Int
    /// The column in characters, counted from 1.
    public let column: Int

    /// Makes a place.
    ///
    /// - Parameters:
    ///   - line: Counted from 1.
    ///   - column: In characters, counted from 1.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A value of a YAML text with its place.
public struct YAMLNode: Equatable, Sendable {
    /// What a node holds.
    public enum Content: Equatable, Sendable {
        /// A text; a quoted one is never read as null.
        case scalar(text: String, isQuoted: Bool)
        /// A list.
        case sequence([YAMLNode])
        /// Keys and values in the order of the text; every key occurs once.
        case mapping([YAMLEntry])
        /// Something that is refused and has been reported (an alias): nothing more can be said about it.
        case refused
    }

    /// What the node holds.
    public let content: Content
    /// Where it begins.
    public let position: YAMLPosition

    /// Whether nothing was written: an empty plain text, `~` or `null`.
    public var isNull: Bool {
        guard case .scalar(let text, false) = content else { return false }
        return text.isEmpty || text == "~" || text == "null"
    }
}

/// A key of a mapping and its value.
public struct YAMLEntry: Equatable, Sendable {
    /// The key's text.
    public let key: String
    /// Where the key begins.
    public let position: YAMLPosition
    /// The value.
    public let value: YAMLNode
}

/// Why a text is no YAML that Weir takes.
public struct YAMLProblem: Equatable, Sendable {
    /// Where.
    public let position: YAMLPosition
    /// The keys on the way to the place, joined by dots; empty at the top.
    public let keyPath: String
    /// Why, in one line.
    public let reason: String
}

/// A YAML text as a tree, and what is wrong with it.
///
/// One document of at most ``maxBytes`` and ``maxDepth`` levels. Aliases, anchors and tags are refused: a configuration
/// has no use for them, and without aliases a small text cannot stand for a large tree. After a syntax error the tree
/// holds what was read before it.
public struct YAMLDocument: Sendable {
    /// The longest text that is read, in bytes.
    public static let maxBytes = 1 << 20
    /// How deep lists and mappings may be nested.
    public static let maxDepth = 16
    /// How many problems are kept; the last one then says that there are more.
    public static let maxProblems = 100

    /// The top of the tree; `nil` for a text without content.
    public let root: YAMLNode?
    /// Everything that is wrong, in the order of the text.
    public let problems: [YAMLProblem]
    /// Whether the text was read to its end.
    public let isComplete: Bool

    /// Reads a text.
    ///
    /// - Parameter bytes: UTF-8, with or without a byte order mark.
    public init(bytes: [UInt8]) {
        var builder = YAMLTreeBuilder()
        guard bytes.count <= Self.maxBytes else {
            let reason = "longer than \(Self.maxBytes) bytes"
            builder.report(reason, at: YAMLPosition(line: 1, column: 1))
            self.init(root: nil, problems: builder.problems, isComplete: false)
            return
        }
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        var reader = YAMLEventReader(bytes: bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes)
        let isComplete = builder.read(&reader)
        self.init(root: builder.root, problems: builder.problems, isComplete: isComplete)
    }

    private init(root: YAMLNode?, problems: [YAMLProblem], isComplete: Bool) {
        self.root = root
        self.problems = problems
        self.isComplete = isComplete
    }
}
