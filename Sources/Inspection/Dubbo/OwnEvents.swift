internal import Telemetry

/// The events of Weir's own that a peer has not answered; few, and the oldest are forgotten first.
///
/// Dubbo Java answers none: once nothing is drained any more they are forgotten after a while, so that its connections
/// cost no more than others.
struct OwnEvents {
    private static let maxCount = 8
    private static let waitNanoseconds: UInt64 = 60_000_000_000
    private var ids: [UInt64] = []
    private var newest: UInt64 = 0

    var isEmpty: Bool { ids.isEmpty }

    mutating func add(_ id: UInt64, _ now: UInt64) {
        if ids.count == Self.maxCount { ids.removeFirst() }
        ids.append(id)
        newest = now
    }

    /// Forgets all of them if the newest has waited long.
    mutating func removeOld(_ now: UInt64) {
        if !ids.isEmpty, now >= newest &+ Self.waitNanoseconds { ids.removeAll() }
    }

    func contains(_ id: UInt64) -> Bool { ids.contains(id) }

    /// The event was answered: a second answer would be somebody else's.
    mutating func remove(_ id: UInt64) { ids.removeAll { $0 == id } }

    func encode(to writer: inout ReportWriter) {
        writer.add(each: ids) { $0.add($1) }
        writer.add(newest)
    }

    init() {}

    init(_ reader: inout ReportReader) throws(ReportError) {
        ids = try reader.each(atMost: Self.maxCount) { reader throws(ReportError) in try reader.number() }
        newest = try reader.number()
    }
}
