/// The layout of the memory that processes share for their limits, in words of eight bytes.
///
///     0 magic | 1 version | 2, 3 fingerprint | 4 bytes | 5 identity | 6, 7 seeds | 8 lock | 9 latest time | 10 keys
///     16 … 23 name | 24 its bytes | 32 … 47 generations of holders | 64 … the windows' tables
///
/// The memory of all limits together (``LimitSharing``) begins in the same way, without time and keys, and has rows of
/// counters in place of windows. Words 0 to 7 and the name are written before any other process has the memory and
/// never again; a reader takes them once.
enum LimitLayout {
    /// The version of the layout, raised with every change of a place or its meaning.
    static let version: UInt64 = 1
    /// The first word of a limit's memory, and of that of all limits together.
    static let limitMagic: UInt64 = 0x5745_4952_4c49_4d31
    static let sharingMagic: UInt64 = 0x5745_4952_4c53_4831

    static let magic = 0
    static let versionPlace = 1
    static let fingerprintHigh = 2
    static let fingerprintLow = 3
    static let byteCount = 4
    static let identity = 5
    static let seedHigh = 6
    static let seedLow = 7
    /// The holder of the lock, see ``RobustLock``; time and number of keys change under it and share its cache line.
    static let lock = 8
    static let latest = 9
    static let keys = 10
    static let name = 16
    static let nameBytes = 24
    static let generations = 32
    static let tables = 64

    /// The largest memory that is adopted: what a budget may be, and what does not count towards it.
    static let maxBytes = LimitBounds.budgetBytes.upperBound + 1 << 20

    /// Writes what never changes.
    static func begin(_ memory: SharedMemory, magic: UInt64) {
        let words = memory.words
        words[versionPlace] = version
        words[byteCount] = UInt64(memory.byteCount)
        words[identity] = UInt64.random(in: 1 ... .max)
        words[seedHigh] = UInt64.random(in: .min ... .max)
        words[seedLow] = UInt64.random(in: .min ... .max)
        words.commit(self.magic, magic)
    }

    /// True if memory from another process has this layout.
    static func fits(_ memory: SharedMemory, magic: UInt64) -> Bool {
        let words = memory.words
        return words[self.magic] == magic && words[versionPlace] == version
            && words[byteCount] == UInt64(memory.byteCount)
    }

    /// Writes a name of at most 64 bytes into eight words, and its length after them.
    static func write(_ name: String, to words: SharedWords, at place: Int) {
        var parts = [UInt64](repeating: 0, count: 8)
        for (index, byte) in name.utf8.prefix(64).enumerated() { parts[index / 8] |= UInt64(byte) << (index % 8 * 8) }
        for (index, part) in parts.enumerated() { words[place + index] = part }
        words.commit(place + 8, UInt64(min(name.utf8.count, 64)))
    }

    /// The name that was written there; `nil` for none, or bytes that are no name.
    static func name(in words: SharedWords, at place: Int) -> String? {
        let count = words[place + 8]
        guard 1...64 ~= count else { return nil }
        let bytes = (0..<Int(count)).map { UInt8(truncatingIfNeeded: words[place + $0 / 8] >> ($0 % 8 * 8)) }
        let name = String(decoding: bytes, as: UTF8.self)
        return LimitDefinition.isName(name) ? name : nil
    }
}
