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

    /// True if a text matches; a search that was given up is counted and is no match.
    func matches(_ text: RawSpan, scratch: borrowing PCREScratch, counters: LimitCounters) -> Bool {
        switch self {
        case .exact(let bytes):
            return bytes.byteSpan.elementsEqual(text)
        case .glob(let glob):
            return glob.matches(text)
        case .regex(let pattern):
            switch pattern.search(text, scratch) {
            case .found: return true
            case .absent: return false
            case .givenUp:
                counters.countGivenUp()
                return false
            }
        }
    }

    /// The same for a text that is at hand as such.
    func matches(_ text: String, scratch: borrowing PCREScratch, counters: LimitCounters) -> Bool {
        let bytes = Array(text.utf8)
        return matches(bytes.byteSpan, scratch: scratch, counters: counters)
    }
}
