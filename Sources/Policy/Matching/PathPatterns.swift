/// Paths of HTTP requests as settings name them.
public struct PathPatterns: Sendable {
    /// The longest pattern, in bytes.
    public static let maxBytes = 1024

    private let globs: [Glob]

    /// Patterns that no path fits.
    public init() { globs = [] }

    /// Those patterns.
    ///
    /// - Parameter texts: `*` for any bytes, `?` for one character, anything else for itself.
    public init(_ texts: [String]) { globs = texts.map(Glob.init) }

    /// Whether there are none.
    public var isEmpty: Bool { globs.isEmpty }

    /// Whether all of a path fits one of them.
    ///
    /// - Parameter path: The path without its query.
    /// - Returns: Whether it does.
    public func matches(_ path: RawSpan) -> Bool { globs.contains { $0.matches(path) } }
}
