internal import Wire

/// One entry of a table: the places of its name and value, one after the other.
struct HPACKEntry: BitwiseCopyable, Sendable {
    /// The name's first byte, counted as the entry's table counts.
    var offset: UInt32
    var nameBytes: UInt16
    var valueBytes: UInt16
    var nameID: UInt8
    /// True if the name was sent before the decoder joined the connection; none is kept then.
    var isUnknown: Bool

    var name: ByteRange { ByteRange(offset: Int(offset), count: Int(nameBytes)) }

    var value: ByteRange { ByteRange(offset: Int(offset) &+ Int(nameBytes), count: Int(valueBytes)) }

    /// The size that it counts in its table.
    var tableBytes: Int { Int(nameBytes) &+ Int(valueBytes) &+ Int(HPACKTable.entryOverhead) }
}

/// The dynamic table: entries in order of arrival, oldest first, over bytes in the same order.
///
/// Both rows are used like rings, but unwrapped, so that every name and value is one piece: new ones are appended,
/// evicted ones stay at the front until the row is full, and then the live part moves to the front, or to a larger row.
/// A row is never larger than one and a half times its largest live part, and moves at most three bytes for each
/// appended one.
struct HPACKTable: ~Copyable {
    /// The size that an entry counts besides its name and value (RFC 7541 §4.1).
    static let entryOverhead: UInt32 = 32

    private var store: [UInt8] = []
    private var entries: [HPACKEntry] = []
    /// The oldest entry that is not evicted.
    private var first = 0
    /// The size of the table by RFC 7541 §4.1.
    private(set) var tableBytes = 0
    /// The largest size allowed.
    private(set) var maxBytes: Int
    /// The offset that the store's first byte has in entries; it wraps around.
    private var base: UInt32 = 0

    /// An empty table; at most ``HPACKLimits/maxTableBytes``, so that lengths fit into 16 bits.
    init(maxBytes: Int) { self.maxBytes = min(maxBytes, Int(HPACKLimits.maxTableBytes)) }

    /// The number of entries.
    var count: Int { entries.count &- first }

    /// The heap memory it owns, in bytes.
    var ownedBytes: Int {
        let rows = store.capacity + entries.capacity * MemoryLayout<HPACKEntry>.stride
        return rows + (store.capacity > 0 ? 32 : 0) + (entries.capacity > 0 ? 32 : 0)
    }

    /// The bytes that entries point into.
    var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            store.byteSpan
        }
    }

    /// The entry at `index`, or `nil`; 1 is the newest.
    ///
    /// Its offset points into ``bytes``.
    func entry(_ index: Int) -> HPACKEntry? {
        let place = entries.count &- index
        guard index > 0, place >= first else { return nil }
        var entry = entries[place]
        entry.offset &-= base
        return entry
    }

    /// Adds an entry, evicting what it takes; one larger than the table empties it (RFC 7541 §4.4).
    mutating func insert(name: RawSpan, value: RawSpan, nameID: UInt8, isUnknown: Bool) {
        let textBytes = name.byteCount + value.byteCount
        guard textBytes + Int(Self.entryOverhead) <= maxBytes else { return evict(to: 0) }
        evict(to: maxBytes - textBytes - Int(Self.entryOverhead))
        makeRoom(textBytes: textBytes)
        entries.append(
            HPACKEntry(
                offset: base &+ UInt32(store.count),
                nameBytes: UInt16(name.byteCount),
                valueBytes: UInt16(value.byteCount),
                nameID: nameID,
                isUnknown: isUnknown
            )
        )
        store.append(name)
        store.append(value)
        tableBytes += textBytes + Int(Self.entryOverhead)
    }

    /// Changes what it may hold; at most ``HPACKLimits/maxTableBytes``.
    mutating func resize(to bytes: Int) {
        maxBytes = min(bytes, Int(HPACKLimits.maxTableBytes))
        evict(to: maxBytes)
        if store.capacity > max(2 * maxBytes, 64) { trim() }
    }

    /// Releases the memory that the live entries do not need.
    mutating func trim() {
        moveStore(capacity: liveBytes)
        moveEntries(capacity: count)
    }

    /// The bytes of all names and values.
    private var liveBytes: Int { tableBytes - count * Int(Self.entryOverhead) }

    private mutating func evict(to bytes: Int) {
        while tableBytes > bytes, first < entries.count {
            tableBytes -= entries[first].tableBytes
            first += 1
        }
        guard first == entries.count else { return }
        first = 0
        base = 0
        entries.removeAll(keepingCapacity: true)
        store.removeAll(keepingCapacity: true)
    }

    private mutating func makeRoom(textBytes: Int) {
        if store.count + textBytes > store.capacity {
            let needed = liveBytes + textBytes
            if needed <= store.capacity / 4 * 3 {
                let evicted = store.count - liveBytes
                store.removeSubrange(0..<evicted)
                base &+= UInt32(evicted)
            } else {
                moveStore(capacity: needed + needed / 2)
            }
        }
        guard entries.count == entries.capacity else { return }
        if count + 1 <= entries.capacity / 4 * 3 {
            entries.removeSubrange(0..<first)
            first = 0
        } else {
            moveEntries(capacity: count + 1 + (count + 1) / 2)
        }
    }

    private mutating func moveStore(capacity: Int) {
        let evicted = store.count - liveBytes
        var moved: [UInt8] = []
        moved.reserveCapacity(capacity)
        moved.append(contentsOf: store[evicted...])
        store = moved
        base &+= UInt32(evicted)
    }

    private mutating func moveEntries(capacity: Int) {
        var moved: [HPACKEntry] = []
        moved.reserveCapacity(capacity)
        moved.append(contentsOf: entries[first...])
        entries = moved
        first = 0
    }
}
