/// What a text has to look like, as it is written in a limits file.
public enum TextPattern: Equatable, Sendable {
    /// These bytes and no others.
    case exact(String)
    /// `*` for any bytes, `?` for one character, anything else for itself; the whole text must fit.
    case glob(String)
    /// A PCRE2 expression; a match anywhere in the text is enough.
    case regex(String)

    /// The longest pattern, in bytes.
    public static let maxBytes = 1024

    /// The pattern that a plain text stands for: `/…/` an expression, a text with `*` or `?` a glob, else itself.
    ///
    /// - Parameter shorthand: As in `method: place*`.
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

    /// What is wrong with the pattern.
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

/// Why a pattern cannot be used.
public struct PatternProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where in the pattern, in bytes from its start; 0 when the whole is meant.
    public let offset: Int
    /// Why, in one line; of an expression in PCRE2's words.
    public let reason: String

    /// Makes a problem.
    ///
    /// - Parameters:
    ///   - offset: In bytes from the pattern's start.
    ///   - reason: Why, in one line.
    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    /// The problem in one line.
    public var description: String { offset > 0 ? "\(reason) at offset \(offset)" : reason }
}
