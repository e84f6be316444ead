internal import Synchronization
internal import Wire

/// Connections that were announced: they are answered by Weir and not relayed, so that it can be seen whether
/// connections arrive.
final class ExpectedConnections: Sendable {
    /// The most connections expected at a time; the oldest make room.
    static let maxCount = 16
    private static let patienceNanoseconds: UInt64 = 10_000_000_000

    private struct Entry {
        let peer: Endpoint
        let word: String
        let until: UInt64
    }

    private let entries = Mutex<[Entry]>([])
    /// The flag that workers check for every connection they accept.
    private let count = Atomic<Int>(0)

    /// True if any is expected.
    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    func add(_ peer: Endpoint, word: String, now: UInt64) {
        entries.withLock { entries in
            entries.removeAll { $0.until < now || $0.peer == peer }
            if entries.count == Self.maxCount { entries.removeFirst() }
            entries.append(Entry(peer: peer, word: word, until: now + Self.patienceNanoseconds))
            count.store(entries.count, ordering: .relaxed)
        }
    }

    /// The word of a connection that is expected, which it is no longer then.
    func take(_ peer: Endpoint, now: UInt64) -> String? {
        entries.withLock { entries in
            let found = entries.firstIndex { $0.peer == peer && $0.until >= now }.map { entries.remove(at: $0).word }
            entries.removeAll { $0.until < now }
            count.store(entries.count, ordering: .relaxed)
            return found
        }
    }
}
