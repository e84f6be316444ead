internal import Wire

/// A worker's own cache of caller names, so that the registry is asked only at first sight.
///
/// Open addressing over the hash of the names' bytes as they are on the wire. Finding a known name makes no String and
/// allocates nothing. At most ``maxNames`` are remembered; one more empties the cache and all are learnt anew, so that
/// a peer that invents names costs time and not memory.
public struct CallerCache: ~Copyable {
    /// The most names remembered.
    public static let maxNames = 1024

    /// A remembered name; a hash of 0 marks a free slot.
    ///
    /// Not private: the compiler must be able to name it where another module keeps a cache.
    struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        /// The position of the name in ``store``.
        var offset: UInt32 = 0
        var byteCount: UInt16 = 0
        var caller: UInt8 = 0
    }

    private let registry: CallerRegistry
    private var slots = FlatTable(repeating: Slot(), count: 64)
    private var used = 0
    private var store: [UInt8] = []
    private let seed: UInt64

    /// A memory that is empty.
    ///
    /// - Parameter registry: The process's callers.
    public init(registry: CallerRegistry) {
        self.registry = registry
        seed = ByteHash.processSeed
    }

    /// The place of a name in the registry.
    ///
    /// - Parameter name: The name as it is on the wire; cut to ``CallerRegistry/maxNameBytes``.
    /// - Returns: The result of ``CallerRegistry/place(of:)``.
    public mutating func place(of name: RawSpan) -> UInt8 {
        let name = name.extracting(first: CallerRegistry.maxNameBytes)
        guard name.byteCount > 0 else { return CallerRegistry.unknown }
        var hasher = ByteHash(seed: seed)
        hasher.combine(name)
        let hash = hasher.value | 1
        var place = Int(truncatingIfNeeded: hash) & (slots.count &- 1)
        while slots[place].hash != 0 {
            if slots[place].hash == hash, isSame(slots[place], name) { return slots[place].caller }
            place = (place &+ 1) & (slots.count &- 1)
        }
        return learn(name, hash)
    }

    private func isSame(_ slot: Slot, _ name: RawSpan) -> Bool {
        guard Int(slot.byteCount) == name.byteCount else { return false }
        let start = Int(slot.offset)
        let bytes = store.byteSpan
        return bytes.extracting(start..<start &+ name.byteCount).elementsEqual(name)
    }

    private mutating func learn(_ name: RawSpan, _ hash: UInt64) -> UInt8 {
        if used >= Self.maxNames { forget() }
        if used * 2 >= slots.count { grow() }
        let slot = Slot(
            hash: hash,
            offset: UInt32(store.count),
            byteCount: UInt16(name.byteCount),
            caller: registry.place(of: name)
        )
        insert(slot)
        store.append(name)
        used += 1
        return slot.caller
    }

    private mutating func insert(_ slot: Slot) {
        var place = Int(truncatingIfNeeded: slot.hash) & (slots.count - 1)
        while slots[place].hash != 0 { place = (place + 1) & (slots.count - 1) }
        slots[place] = slot
    }

    private mutating func grow() {
        var larger = FlatTable(repeating: Slot(), count: slots.count * 2)
        swap(&larger, &slots)
        for index in 0..<larger.count where larger[index].hash != 0 { insert(larger[index]) }
    }

    private mutating func forget() {
        slots = FlatTable(repeating: Slot(), count: slots.count)
        store.removeAll(keepingCapacity: true)
        used = 0
    }
}
