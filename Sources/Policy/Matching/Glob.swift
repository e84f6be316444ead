internal import Wire

/// The one glob of all limits, filters and settings: `*` stands for any run of characters, also none, `?` for exactly
/// one, anything else for itself; the whole text must fit.
///
/// A character is a UTF-8 code point; a byte that belongs to none counts as one. There are no escapes and no sets: a
/// text with a literal `*` or `?` wants an exact pattern or an expression.
struct Glob: Sendable {
    private let pattern: [UInt8]

    init(_ text: String) { pattern = Array(text.utf8) }

    /// True if all of `text` matches.
    ///
    /// Only the last `*` is ever tried again, which is enough: a `*` before it has matched as little as it could, and
    /// what it left can be taken by the last one. Cost: at most the product of both lengths.
    func matches(_ text: RawSpan) -> Bool {
        var at = 0
        var place = 0
        var star = -1
        var resume = 0
        while at < text.byteCount {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                star = place
                resume = at
                place += 1
            } else if place < pattern.count, pattern[place] == UInt8(ascii: "?") {
                place += 1
                at = Self.endOfCharacter(at, in: text)
            } else if place < pattern.count, pattern[place] == text.byte(at: at) {
                place += 1
                at += 1
            } else if star >= 0 {
                resume = Self.endOfCharacter(resume, in: text)
                at = resume
                place = star + 1
            } else {
                return false
            }
        }
        while place < pattern.count, pattern[place] == UInt8(ascii: "*") { place += 1 }
        return place == pattern.count
    }

    /// The end of the UTF-8 character at `start`; a byte that begins none counts as one.
    private static func endOfCharacter(_ start: Int, in text: RawSpan) -> Int {
        let count =
            switch text.byte(at: start) {
            case 0xc2...0xdf: 2
            case 0xe0...0xef: 3
            case 0xf0...0xf4: 4
            default: 1
            }
        guard count > 1, start + count <= text.byteCount else { return start + 1 }
        for at in start + 1..<start + count where text.byte(at: at) & 0xc0 != 0x80 { return start + 1 }
        return start + count
    }
}
