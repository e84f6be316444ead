/// Shows one text after another in the same place of a terminal; what was there before it stays above.
public struct DemoScreen: Sendable {
    private var lines = 0

    /// A screen on which nothing has been shown.
    public init() {}

    /// What to write so that `text` takes the place of the text before.
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

    /// What to write at the end: the last text stays, and the cursor comes back below it.
    public var farewell: String { "\u{1b}[?25h" }
}
