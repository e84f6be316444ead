internal import Wire

/// A pattern that is prepared for comparison.
enum TextMatcher: Sendable {
    case exact([UInt8])
    case glob(Glob)
    case regex(PCREPattern)

    init(_ pattern: TextPattern) throws(PatternProblem) {
        let bytes = pattern.text.utf8.count
        guard bytes <= TextPattern.maxBytes else {
            let reason = "a pattern has at most \(TextPattern.maxBytes) bytes, found \(bytes)"
            throw PatternProblem(offset: 0, reason: reason)
        }
        switch pattern {
        case .exact(let text): self = .exact(Array(text.utf8))
        case .glob(let text): self = .glob(Glob(text))
        case .regex(let text): self = .regex(try PCREPattern(text))
        }
    }

    /// True if a text matches; ``GivenUpSearches`` answers where a search was given up.
    func matches(_ text: RawSpan, scratch: borrowing PCREScratch, givenUp: some GivenUpSearches) -> Bool {
        switch self {
        case .exact(let bytes):
            return bytes.byteSpan.elementsEqual(text)
        case .glob(let glob):
            return glob.matches(text)
        case .regex(let pattern):
            switch pattern.search(text, scratch) {
            case .found: return true
            case .absent: return false
            case .givenUp: return givenUp.noteGivenUp()
            }
        }
    }

    /// The same for a text that is at hand as such; it allocates nothing.
    func matches(_ text: String, scratch: borrowing PCREScratch, givenUp: some GivenUpSearches) -> Bool {
        let text = text.utf8Span.span
        // SAFETY: the span borrows the text; every byte of it is initialised.
        return matches(unsafe text.bytes, scratch: scratch, givenUp: givenUp)
    }
}

/// The answer in place of a search for an expression that was given up at a bound.
protocol GivenUpSearches: Sendable {
    /// Notes a search that was given up.
    ///
    /// - Returns: True if the text counts as a match.
    func noteGivenUp() -> Bool
}
