/// A place of a terminal that shows one text after another; earlier output stays above.
public struct DemoScreen: Sendable {
    private var lines = 0

    /// A screen on which nothing has been shown.
    public init() {}

    /// The bytes that replace the previous text by `text`.
    ///
    /// - Parameter text: Whole lines, fewer than the terminal has and none wider than it.
    /// - Returns: The text with the control sequences that it needs.
    public mutating func show(_ text: String) -> String {
        // Hide the cursor, go up to the first line; end each line by erasing what is right of it.
        let start = lines > 0 ? "\u{1b}[?25l\u{1b}[\(lines)F" : "\u{1b}[?25l"
        let body = text.split(separator: "\n", omittingEmptySubsequences: false)
        lines = body.count - 1
        return start + body.joined(separator: "\u{1b}[K\n") + "\u{1b}[J"
    }

    /// The bytes for the end: the last text stays, and the cursor returns below it.
    public var farewell: String { "\u{1b}[?25h" }
}
