internal import Wire

/// A pattern of bytes, `*` and `?`.
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
        var end = start + 1
        guard text.byte(at: start) >= 0xc0 else { return end }
        while end < text.byteCount, end - start < 4, text.byte(at: end) & 0xc0 == 0x80 { end += 1 }
        return end
    }
}
