/// A pattern for texts, as limits files, filters of calls and rules have it.
public enum TextPattern: Equatable, Sendable {
    /// These bytes and no others.
    case exact(String)
    /// `*` for any run of characters, `?` for exactly one, anything else for itself; the whole text must fit.
    case glob(String)
    /// A PCRE2 expression; a match anywhere in the text is enough.
    case regex(String)

    /// The longest pattern, in bytes.
    public static let maxBytes = 1024

    /// The pattern of a plain text: `/…/` is an expression, a text with `*` or `?` a glob, any other the text itself.
    ///
    /// - Parameter shorthand: The text as in `method: place*`.
    public init(shorthand: String) {
        let bytes = Array(shorthand.utf8)
        let slash = UInt8(ascii: "/")
        if bytes.count >= 2, bytes.first == slash, bytes.last == slash {
            self = .regex(String(shorthand.dropFirst().dropLast()))
        } else if bytes.contains(UInt8(ascii: "*")) || bytes.contains(UInt8(ascii: "?")) {
            self = .glob(shorthand)
        } else {
            self = .exact(shorthand)
        }
    }

    /// The pattern's own text, without slashes.
    public var text: String {
        switch self {
        case .exact(let text), .glob(let text), .regex(let text): text
        }
    }

    /// The problem with the pattern; `nil` if it is valid.
    ///
    /// - Returns: `nil` when it can be used.
    public func problem() -> PatternProblem? {
        do throws(PatternProblem) {
            _ = try TextMatcher(self)
            return nil
        } catch {
            return error
        }
    }
}

/// The reason for which a pattern cannot be used.
public struct PatternProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// The position in the pattern, in bytes from its start; 0 for the whole.
    public let offset: Int
    /// The reason in one line; for an expression in PCRE2's words.
    public let reason: String

    /// Makes a problem.
    ///
    /// - Parameters:
    ///   - offset: The position in bytes from the pattern's start.
    ///   - reason: The reason in one line.
    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    /// The problem in one line.
    public var description: String { offset > 0 ? "\(reason) at offset \(offset)" : reason }
}
