internal import Wire

/// The hash of a limit's key value: 128 bits, seeded.
///
/// The values themselves are not kept. Two of 10,000 values share a window with a chance below 2⁻¹⁰⁰, and the seeds are
/// drawn anew for every limit's memory, so that no peer can search for such a pair.
struct KeyDigest: BitwiseCopyable, Equatable, Sendable {
    let high: UInt64
    let low: UInt64
}

/// An unfinished ``KeyDigest``.
struct KeyHash: BitwiseCopyable, Equatable, Sendable {
    private var first: UInt64
    private var second: UInt64

    /// A hash that has seen nothing.
    ///
    /// - Parameters:
    ///   - first: One seed.
    ///   - second: Another.
    init(_ first: UInt64, _ second: UInt64) {
        self.first = first
        self.second = second
    }

    /// Adds one part of the key; parts do not run together.
    mutating func combine(_ part: RawSpan) {
        var hash = ByteHash(seed: first)
        hash.combine(part)
        first = hash.value
        hash = ByteHash(seed: second)
        hash.combine(part)
        second = hash.value
    }

    /// Adds one part of the key.
    mutating func combine(_ part: String) {
        let bytes = Array(part.utf8)
        combine(bytes.byteSpan)
    }

    var digest: KeyDigest { KeyDigest(high: first, low: second) }
}

/// The index from keys to windows, and the order in which windows expire; in memory that other processes may share.
///
/// Windows are numbered from 1 in order of first use; a number is never given up but may change its key. A hash table
/// of open addressing leads from a key to its number; a ring of links holds all windows that can expire, first to last.
/// Every operation takes constant time. The memory may hold wrong values: impossible numbers are detected and reported,
/// upon which the owner rebuilds the table and the ring (``rebuild(inOrder:)``), and nothing loops for ever.
struct KeyIndex: BitwiseCopyable, Sendable {
    /// The words of an entry: the digest, and the numbers before and after it in the ring, which the first one closes.
    private static let entryWords = 3

    let words: SharedWords
    let maxKeys: Int
    /// The start of the table, in half words: numbers of entries, 0 for none; a power of two, at most half full.
    private let places: Int
    private let mask: Int
    /// The end of the index, in words.
    let end: Int

    /// The index of a limit's memory.
    init(_ words: SharedWords, maxKeys: Int) {
        self.words = words
        self.maxKeys = maxKeys
        places = (LimitLayout.tables + Self.entryWords * (maxKeys + 1)) * 2
        mask = Self.placeCount(maxKeys) - 1
        end = LimitLayout.tables + Self.wordCount(maxKeys: maxKeys)
    }

    /// The number of words of an index for that many keys.
    static func wordCount(maxKeys: Int) -> Int {
        maxKeys == 0 ? 0 : entryWords * (maxKeys + 1) + placeCount(maxKeys) / 2
    }

    private static func placeCount(_ maxKeys: Int) -> Int {
        var count = 16
        while count < (maxKeys + 1) * 2 { count *= 2 }
        return count
    }

    /// The number of keys with a window.
    var count: Int { Int(min(words[LimitLayout.keys], UInt64(maxKeys))) }

    /// The window that expires first; 0 when none can.
    var oldest: Int { maxKeys == 0 ? 0 : next(0) }

    /// The window of a key; 0 for none, `nil` when the index is damaged.
    func window(of digest: KeyDigest) -> Int? {
        var place = Int(truncatingIfNeeded: digest.low) & mask
        var left = mask
        while left >= 0 {
            left &-= 1
            let found = Int(words[half: places &+ place])
            if found == 0 { return 0 }
            if found > maxKeys { return nil }
            if self.digest(found) == digest { return found }
            place = (place &+ 1) & mask
        }
        return nil
    }

    /// Gives a key the next number; there must be one.
    func append(_ digest: KeyDigest) -> Int {
        let window = count &+ 1
        write(digest, window)
        link(window, previous: window, next: window)
        words.commit(LimitLayout.keys, UInt64(window))
        insert(window)
        return window
    }

    /// Gives the number of one key to another that has none.
    ///
    /// - Returns: True if it succeeded; if not, the index is damaged and must be rebuilt.
    func replace(_ window: Int, with digest: KeyDigest) -> Bool {
        let wasThere = remove(window)
        write(digest, window)
        if wasThere { insert(window) }
        return wasThere
    }

    /// Moves a window in the order of expiry.
    func touch(_ window: Int, _ touch: WindowTouch) {
        guard touch != .keep else { return }
        let (before, after) = (previous(window), next(window))
        setNext(before, after)
        setPrevious(after, before)
        guard touch == .renew else { return link(window, previous: window, next: window) }
        let last = previous(0)
        link(window, previous: last, next: 0)
        setNext(last, window)
        setPrevious(0, window)
    }

    /// Makes the table and the ring anew.
    ///
    /// - Parameter windows: All that can expire, the first of them first.
    func rebuild(inOrder windows: [Int]) {
        for place in 0...mask { words[half: places &+ place] = 0 }
        link(0, previous: 0, next: 0)
        for window in 1..<count + 1 {
            link(window, previous: window, next: window)
            insert(window)
        }
        for window in windows { touch(window, .renew) }
    }

    private func insert(_ window: Int) {
        var place = Int(truncatingIfNeeded: digest(window).low) & mask
        var left = mask
        while words[half: places &+ place] != 0, left > 0 {
            place = (place &+ 1) & mask
            left &-= 1
        }
        words[half: places &+ place] = UInt32(truncatingIfNeeded: window)
    }

    /// Removes a window from the table and moves up the entries after it, so that no search stops early.
    private func remove(_ window: Int) -> Bool {
        var hole = Int(truncatingIfNeeded: digest(window).low) & mask
        var left = mask
        while Int(words[half: places &+ hole]) != window {
            guard left > 0 else { return false }
            left &-= 1
            hole = (hole &+ 1) & mask
        }
        var place = hole
        left = mask
        while left > 0 {
            left &-= 1
            place = (place &+ 1) & mask
            let candidate = Int(words[half: places &+ place])
            if candidate == 0 { break }
            guard candidate <= maxKeys else { return false }
            let home = Int(truncatingIfNeeded: digest(candidate).low) & mask
            // It may move when its home is not between the hole and where it stands.
            if (place &- home) & mask >= (place &- hole) & mask {
                words[half: places &+ hole] = UInt32(truncatingIfNeeded: candidate)
                hole = place
            }
        }
        words[half: places &+ hole] = 0
        return true
    }

    // MARK: Entries

    private func entry(_ window: Int) -> Int { LimitLayout.tables &+ window &* Self.entryWords }

    private func digest(_ window: Int) -> KeyDigest {
        KeyDigest(high: words[entry(window)], low: words[entry(window) &+ 1])
    }

    private func write(_ digest: KeyDigest, _ window: Int) {
        words[entry(window)] = digest.high
        words[entry(window) &+ 1] = digest.low
    }

    /// A neighbour in the ring; 0, which is in every ring, for a number that can be none.
    private func checked(_ number: UInt32) -> Int { Int(number) <= maxKeys ? Int(number) : 0 }

    private func previous(_ window: Int) -> Int { checked(words[half: (entry(window) &+ 2) &* 2]) }
    private func next(_ window: Int) -> Int { checked(words[half: (entry(window) &+ 2) &* 2 &+ 1]) }

    private func setPrevious(_ window: Int, _ to: Int) {
        words[half: (entry(window) &+ 2) &* 2] = UInt32(truncatingIfNeeded: to)
    }

    private func setNext(_ window: Int, _ to: Int) {
        words[half: (entry(window) &+ 2) &* 2 &+ 1] = UInt32(truncatingIfNeeded: to)
    }

    private func link(_ window: Int, previous: Int, next: Int) {
        words[entry(window) &+ 2] =
            UInt64(UInt32(truncatingIfNeeded: previous)) | UInt64(truncatingIfNeeded: next) << 32
    }
}
