/// Texts longer than this are not compared with known names.
private let longestCompared = 48

/// The known name that `name` was probably meant to be.
///
/// The measure is the optimal string alignment distance (insert, drop, change, swap of neighbours); a third of the
/// letters, at least one, may differ.
func nearestName(to name: String, among known: [String]) -> String? {
    let text = Array(name.utf8.prefix(longestCompared + 1)).map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }
    guard !text.isEmpty, text.count <= longestCompared else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in known {
        let distance = alignmentDistance(text, Array(candidate.utf8))
        guard distance <= max(1, min(text.count, candidate.utf8.count) / 3) else { continue }
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.name
}

private func alignmentDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for row in left.indices {
        var current = [row + 1]
        for column in right.indices {
            let change = last[column] + (lowercase(left[row]) == right[column] ? 0 : 1)
            var distance = min(change, last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                distance = min(distance, beforeLast[column - 1] + 1)
            }
            current.append(distance)
        }
        (beforeLast, last) = (last, current)
    }
    return last[right.count]
}

private func lowercase(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
}

extension String {
    /// The text in one line of bounded length, for a message: control characters become `?`, a long rest `…`.
    package var printable: String {
        var text = ""
        for (count, scalar) in unicodeScalars.enumerated() {
            guard count < 64 else { return text + "…" }
            let isControl = scalar.value < 0x20 || 0x7f...0x9f ~= scalar.value || 0x2028...0x202e ~= scalar.value
            text.unicodeScalars.append(isControl ? "?" : scalar)
        }
        return text
    }

    /// ``printable`` between quotes.
    package var quoted: String { "\"\(printable)\"" }
}
