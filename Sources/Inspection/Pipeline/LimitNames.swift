internal import Calls
internal import Policy
internal import Wire

/// The names of the attachments and headers that the limits in force look at.
final class LimitNames: Sendable {
    /// No names.
    static let none = LimitNames([])

    /// The names in lower case.
    let names: [[UInt8]]
    /// The lengths that any of the names has, a bit each; 63 for all above.
    private let lengths: UInt64

    init(_ names: [String]) {
        self.names = names.map { Array($0.utf8) }
        lengths = names.reduce(0) { $0 | 1 << UInt64(min($1.utf8.count, 63)) }
    }

    var isEmpty: Bool { names.isEmpty }

    /// The place of a name in any case; −1 when no limit looks at it.
    @inline(__always)
    func index(of name: RawSpan) -> Int {
        guard lengths & 1 << UInt64(min(name.byteCount, 63)) != 0 else { return -1 }
        for index in names.indices {
            let known = names[index]
            if name.equals(lowerCased: known.byteSpan) { return index }
        }
        return -1
    }
}

/// A header that a limit looks at.
struct LimitedHeader: BitwiseCopyable {
    /// Its name's place among ``LimitNames``.
    var name: Int32
    var value: ByteRange
}
