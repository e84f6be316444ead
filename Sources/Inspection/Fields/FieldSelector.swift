internal import Triple
internal import Wire

/// The names of attachments and headers whose values somebody wants: trace contexts, the settings' own list, limits.
///
/// Compiled on each change of the configuration; every protocol fills the values of a request in one pass, by slot.
/// A name that several want has one slot.
final class FieldSelector: Sendable {
    /// Wants nothing.
    static let none = FieldSelector(traces: false, listed: [], limited: [])
    /// The most names that the settings may list, and the most that limits look at.
    static let maxNames = 64
    /// The slot of a name that nobody wants.
    static let unwanted: UInt8 = .max

    /// The names in lower case, by slot.
    let names: [[UInt8]]
    /// The slots of the settings' own list, in its order.
    let listed: [UInt8]
    /// The slots of what limits look at.
    let limited: [UInt8]
    /// True if no value is wanted.
    let isEmpty: Bool
    /// The slots by name; a number is a slot's and one more.
    private let table: NameTable
    /// The lengths that any of the names has, a bit each; 63 for all above.
    private let lengths: UInt64
    /// The slots of headers by the number that ``TripleHeaderName/table`` gives them.
    private let headerSlots: [UInt8]
    /// By slot, the most bytes that are kept of a value.
    private let maxBytes: [Int]

    /// A selector of those names.
    ///
    /// - Parameters:
    ///   - traces: True if trace contexts are wanted; their slots are those of ``TraceField``.
    ///   - listed: The settings' own list, in lower case; the first ``maxNames`` count.
    ///   - limited: What limits look at, in lower case; the first ``maxNames`` count.
    init(traces: Bool, listed: [String], limited: [String]) {
        var names = TraceField.allCases.map(\.text)
        var wanted = traces ? Array(names.indices) : []
        func slot(_ name: String) -> UInt8 {
            let place = names.firstIndex(of: name) ?? names.count
            if place == names.count { names.append(name) }
            if !wanted.contains(place) { wanted.append(place) }
            return UInt8(place)
        }
        self.listed = listed.prefix(Self.maxNames).map(slot)
        let uncut = Set(wanted)
        self.limited = limited.prefix(Self.maxNames).map(slot)
        self.names = names.map { Array($0.utf8) }
        isEmpty = wanted.isEmpty
        table = NameTable(made: wanted.map { (names[$0], UInt8($0) + 1) })
        lengths = wanted.reduce(0) { $0 | 1 << UInt64(min(names[$1].utf8.count, 63)) }
        var headerSlots = Array(repeating: Self.unwanted, count: TripleHeaderName.allCases.count + 1)
        for name in TripleHeaderName.allCases {
            let text = name.text.description
            if let place = wanted.first(where: { names[$0] == text }) { headerSlots[Int(name.rawValue)] = UInt8(place) }
        }
        self.headerSlots = headerSlots
        // Of what limits alone look at no more is kept than they compare.
        maxBytes = names.indices.map { uncut.contains($0) ? .max : ConnectionCaller.maxBytes }
    }

    /// The slot of a name in any case; ``unwanted`` if nobody wants it.
    @inline(__always)
    func slot(of name: RawSpan) -> UInt8 {
        guard lengths & 1 << UInt64(min(name.byteCount, 63)) != 0 else { return Self.unwanted }
        let number = table.id(ignoringCaseOf: name)
        return number == NameTable.unwanted ? Self.unwanted : number &- 1
    }

    /// The slot of a header by the number that ``TripleHeaderName/table`` gives its name.
    @inline(__always)
    func slot(ofHeader id: UInt8) -> UInt8 { headerSlots[Int(id)] }

    /// True if a header may be wanted whose name has that number: one without a number must be looked at.
    @inline(__always)
    func wants(header id: UInt8) -> Bool { id == NameTable.unwanted || headerSlots[Int(id)] != Self.unwanted }

    /// The part of a value that is kept.
    @_lifetime(copy value)
    func kept(_ value: RawSpan, in slot: UInt8) -> RawSpan { value.extracting(first: maxBytes[Int(slot)]) }
}
