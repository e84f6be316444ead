/// A small set of wanted names, looked up by their bytes without making a `String`.
///
/// A lookup costs a hash of three bytes, and one comparison if its slot is taken. The owner of the table chooses the
/// number that stands for each name.
public struct NameTable: Sendable {
    /// The number of every name that is not in the table.
    public static let unwanted: UInt8 = 0

    private struct Slot: BitwiseCopyable {
        var name = ByteRange.empty
        var id = NameTable.unwanted
    }

    private var slots: [Slot]
    private var store: [UInt8] = []
    private let longestBytes: Int

    /// A table of the given names.
    ///
    /// - Parameter names: Lower-case ASCII, none of them empty, each with its number; 0 is ``unwanted`` and taken.
    public init(_ names: [(name: StaticString, id: UInt8)]) {
        self.init(made: names.map { (name: $0.name.description, id: $0.id) })
    }

    /// A table of names that are known only at run time.
    ///
    /// - Parameter names: Lower-case ASCII, none of them empty, each with its number; 0 is ``unwanted`` and taken.
    public init(made names: [(name: String, id: UInt8)]) {
        var count = 16
        while count < names.count * 4 { count *= 2 }
        slots = Array(repeating: Slot(), count: count)
        longestBytes = names.reduce(0) { max($0, $1.name.utf8.count) }
        for (name, id) in names {
            let bytes = Array(name.utf8)
            var place = start(bytes.byteSpan)
            while slots[place].id != Self.unwanted { place = (place + 1) & (count - 1) }
            slots[place] = Slot(name: ByteRange(offset: store.count, count: bytes.count), id: id)
            store += bytes
        }
    }

    /// The number of a name.
    ///
    /// - Parameter name: The name's bytes, spelled as in the table.
    /// - Returns: Its number, or ``unwanted``.
    public func id(of name: RawSpan) -> UInt8 { find(name) { $0.elementsEqual(name) } }

    /// The number of a name in any case.
    ///
    /// - Parameter name: The name's bytes; ASCII letters are compared without regard to case.
    /// - Returns: Its number, or ``unwanted``.
    public func id(ignoringCaseOf name: RawSpan) -> UInt8 { find(name) { name.equals(lowerCased: $0) } }

    /// The number of the name of the same length that `isSame` accepts, or ``unwanted``.
    @inline(__always)
    private func find(_ name: RawSpan, _ isSame: (RawSpan) -> Bool) -> UInt8 {
        guard name.byteCount > 0, name.byteCount <= longestBytes else { return Self.unwanted }
        var place = start(name)
        while slots[place].id != Self.unwanted {
            let candidate = slots[place].name
            if Int(candidate.count) == name.byteCount, isSame(store.byteSpan.slice(candidate)) {
                return slots[place].id
            }
            place = (place &+ 1) & (slots.count &- 1)
        }
        return Self.unwanted
    }

    /// The first slot of the search for a name; the same for upper and lower case.
    private func start(_ name: RawSpan) -> Int {
        let first = Int(name.byte(at: 0) | 0x20)
        let middle = Int(name.byte(at: name.byteCount / 2) | 0x20)
        let last = Int(name.byte(at: name.byteCount &- 1) | 0x20)
        return (name.byteCount &* 7 &+ first &* 31 &+ middle &* 13 &+ last &* 3) & (slots.count &- 1)
    }
}

extension RawSpan {
    /// True if these bytes, with ASCII capitals in lower case, equal the others.
    ///
    /// - Parameter other: Without ASCII capitals.
    /// - Returns: True if the lengths and all bytes are equal.
    public func equals(lowerCased other: RawSpan) -> Bool {
        let count = byteCount
        guard count == other.byteCount else { return false }
        guard count > 8 else { return Self.lowerCased(word(at: 0, count: count)) == other.word(at: 0, count: count) }
        var at = 0
        while at &+ 8 < count {
            guard Self.lowerCased(word(at: at)) == other.word(at: at) else { return false }
            at &+= 8
        }
        return Self.lowerCased(word(at: count &- 8)) == other.word(at: count &- 8)
    }

    /// Eight bytes with their ASCII capitals made small.
    @inline(__always)
    private static func lowerCased(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = word & (ones &* 0x7f)
        // The highest bit of each byte: whether it is `A` or more, and whether it is more than `Z`.
        let fromA = low &+ ones &* (0x80 &- 0x41)
        let pastZ = low &+ ones &* (0x80 &- 0x5b)
        let capitals = (fromA & ~pastZ & ~word) & (ones &* 0x80)
        return word | capitals &>> 2
    }
}
