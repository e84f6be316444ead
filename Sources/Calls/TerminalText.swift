/// Text from the wire, for a terminal.
public enum TerminalText {
    /// The text without what a terminal would obey, control characters and marks that turn the direction: each such
    /// character is a question mark.
    ///
    /// - Parameter text: Any text.
    /// - Returns: The same text where there is no such character.
    public static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isHarmful) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(isHarmful(scalar) ? "?" : scalar) }
        return String(result)
    }

    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: true
        default: false
        }
    }
}
