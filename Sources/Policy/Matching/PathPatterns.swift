/// The paths of HTTP requests that settings name.
public struct PathPatterns: Sendable {
    /// The longest pattern, in bytes.
    public static let maxBytes = 1024

    private let globs: [Glob]

    /// Patterns that no path fits.
    public init() { globs = [] }

    /// Matches these patterns.
    ///
    /// - Parameter texts: Globs: `*` for any run of characters, `?` for exactly one, anything else for itself.
    public init(_ texts: [String]) { globs = texts.map(Glob.init) }

    /// True if there are none.
    public var isEmpty: Bool { globs.isEmpty }

    /// True if all of a path matches one of them.
    ///
    /// - Parameter path: The path without its query.
    /// - Returns: True if it does.
    public func matches(_ path: RawSpan) -> Bool { globs.contains { $0.matches(path) } }
}
