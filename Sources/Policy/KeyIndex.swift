internal import Wire

/// What stands for the value of a limit's key: 128 bits of a seeded hash.
///
/// The values themselves are not kept. Two of 10,000 values share a window with a chance below 2⁻¹⁰⁰, and the seeds are
/// drawn anew in every process, so that nobody can look for such a pair.
struct KeyDigest: BitwiseCopyable, Equatable, Sendable {
    let high: UInt64
    let low: UInt64
}

/// A ``KeyDigest`` in the making.
struct KeyHash: BitwiseCopyable, Equatable, Sendable {
    private static let secondSeed = UInt64.random(in: .min ... .max)

    private var first = ByteHash.processSeed
    private var second = KeyHash.secondSeed

    /// Takes one part of the key; parts do not run together.
    mutating func combine(_ part: RawSpan) {
        var hash = ByteHash(seed: first)
        hash.combine(part)
        first = hash.value
        hash = ByteHash(seed: second)
        hash.combine(part)
        second = hash.value
    }

    /// Takes one part of the key.
    mutating func combine(_ part: String) {
        let bytes = Array(part.utf8)
        // SAFETY: the span borrows the array, all of whose bytes are initialised.
        unsafe combine(bytes.span.bytes)
    }

    var digest: KeyDigest { KeyDigest(high: first, low: second) }
}

/// Which window belongs to which key, and the order in which windows expire.
///
/// Windows are numbered from 1 in order of first use; a number is never given up but may change its key. A hash table
/// of open addressing leads from a key to its number; a ring of links holds all that can expire, first to last.
/// Every operation takes constant time but for growing, which is amortised.
struct KeyIndex: Sendable {
    private struct Entry: BitwiseCopyable {
        var digest: KeyDigest
        var previous: UInt32
        var next: UInt32
    }

    /// Entry 0 begins and ends the ring.
    private var entries: [Entry]
    /// Numbers of entries, 0 for none; a power of two, at most half full.
    private var places: [UInt32]

    /// An index without keys.
    init() {
        entries = [Entry(digest: KeyDigest(high: 0, low: 0), previous: 0, next: 0)]
        places = Array(repeating: 0, count: 16)
    }

    /// The most memory an index of so many keys takes.
    static func worstCaseBytes(maxKeys: Int) -> Int {
        var count = 16
        while count < (maxKeys + 1) * 2 { count *= 2 }
        return arrayHeaderBytes * 2 + MemoryLayout<Entry>.stride * (maxKeys + 1) + MemoryLayout<UInt32>.stride * count
    }

    /// How many keys have a window.
    var count: Int { entries.count - 1 }

    /// The memory in use.
    var heapBytes: Int {
        arrayHeaderBytes * 2 + MemoryLayout<Entry>.stride * entries.count + MemoryLayout<UInt32>.stride * places.count
    }

    /// The window that expires first; 0 when none can.
    var oldest: Int { Int(entries[0].next) }

    /// The window of a key; 0 for none.
    func window(of digest: KeyDigest) -> Int {
        let mask = places.count &- 1
        var place = Int(truncatingIfNeeded: digest.low) & mask
        while true {
            let found = Int(places[place])
            if found == 0 || entries[found].digest == digest { return found }
            place = (place &+ 1) & mask
        }
    }

    /// Gives a key the next number.
    mutating func append(_ digest: KeyDigest, maxKeys: Int) -> Int {
        let window = entries.count
        if entries.count == entries.capacity {
            entries.reserveCapacity(min(entries.count * 2, maxKeys + 1))
        }
        entries.append(Entry(digest: digest, previous: UInt32(window), next: UInt32(window)))
        if entries.count * 2 > places.count { rebuild(count: places.count * 2) } else { insert(window) }
        return window
    }

    /// Gives the number of one key to another, which has none.
    mutating func replace(_ window: Int, with digest: KeyDigest) {
        remove(window)
        entries[window].digest = digest
        insert(window)
    }

    /// Moves a window in the order of expiry.
    mutating func touch(_ window: Int, _ touch: WindowTouch) {
        guard touch != .keep else { return }
        let entry = entries[window]
        entries[Int(entry.previous)].next = entry.next
        entries[Int(entry.next)].previous = entry.previous
        let number = UInt32(window)
        guard touch == .renew else {
            entries[window].previous = number
            entries[window].next = number
            return
        }
        let last = entries[0].previous
        entries[window].previous = last
        entries[window].next = 0
        entries[Int(last)].next = number
        entries[0].previous = number
    }

    private mutating func insert(_ window: Int) {
        let mask = places.count &- 1
        var place = Int(truncatingIfNeeded: entries[window].digest.low) & mask
        while places[place] != 0 { place = (place &+ 1) & mask }
        places[place] = UInt32(window)
    }

    private mutating func rebuild(count: Int) {
        places = Array(repeating: 0, count: count)
        for window in 1..<entries.count { insert(window) }
    }

    /// Takes a window out of the table and moves those behind it up, so that no search stops short of them.
    private mutating func remove(_ window: Int) {
        let mask = places.count &- 1
        var hole = Int(truncatingIfNeeded: entries[window].digest.low) & mask
        while Int(places[hole]) != window { hole = (hole &+ 1) & mask }
        var place = hole
        while true {
            place = (place &+ 1) & mask
            let candidate = Int(places[place])
            if candidate == 0 { break }
            let home = Int(truncatingIfNeeded: entries[candidate].digest.low) & mask
            // It may move when its home is not between the hole and where it stands.
            if (place &- home) & mask >= (place &- hole) & mask {
                places[hole] = places[place]
                hole = place
            }
        }
        places[hole] = 0
    }
}
