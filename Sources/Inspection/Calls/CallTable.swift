package import Calls
internal import Wire

/// The calls in flight of one worker, found by connection, direction and raw 64-bit id.
///
/// One table for all connections of a worker, so that an idle connection costs nothing: entries in a slab with a free
/// list, chained in buckets; each connection's entries are linked so that they can be ended with it; each entry hangs
/// in a slot of a timing wheel by its deadline. A call past its deadline becomes a tombstone, kept until a late reply
/// takes it or too many newer ones push it out. Every operation is O(1) but growth.
package final class CallTable {
    /// The kind of an entry.
    package enum Kind: UInt8, BitwiseCopyable {
        case free
        case call
        case heartbeat
        case tombstone
        /// A call that its caller gave up at its deadline; its trailers may still come.
        case timedOut
        /// A call that its caller gave up before; its trailers may still come.
        case cancelled

        /// True if its caller has given it up, and it waits for trailers.
        @inline(__always)
        var isGivenUp: Bool { self == .timedOut || self == .cancelled }
    }

    package struct Entry: BitwiseCopyable {
        var id: UInt64
        var start: UInt64
        var deadline: UInt64
        var requestBytes: UInt64
        var session: UInt32
        var operation: OperationID
        var kind: Kind
        var direction: Direction
        var side: Side
        /// The caller's place in the process's ``CallerRegistry``.
        var caller: UInt8 = CallerRegistry.unknown
        fileprivate var nextInBucket: Int32
        fileprivate var nextInSession: Int32
        fileprivate var previousInSession: Int32
        fileprivate var nextInTime: Int32
        fileprivate var previousInTime: Int32
    }

    package static let none: Int32 = -1
    /// The wheel's slots: 512 of 2²⁷ ns (134 ms); a deadline further away is met again each time round.
    static let slotShift: UInt64 = 27
    private static let slotCount = 512
    /// The most calls that their callers have given up and whose trailers are waited for; more end at once.
    static let maxGivenUp = 4096

    private var entries = FlatTable<Entry>(repeating: Entry.blank, count: 0)
    private var firstFree = CallTable.none
    private var buckets = FlatTable<Int32>(repeating: CallTable.none, count: 64)
    private var slots = FlatTable<Int32>(repeating: CallTable.none, count: CallTable.slotCount)
    private var currentSlotTime: UInt64 = 0
    private var oldestTombstone = CallTable.none
    private var newestTombstone = CallTable.none
    private var tombstones = 0

    /// The entries that are no tombstones.
    private(set) var count = 0
    /// Those of them that their callers have given up.
    private var givenUp = 0
    /// All entries.
    var entryCount: Int { count + tombstones }
    /// The most calls and the most tombstones.
    let maxCalls: Int
    let maxTombstones: Int
    private let seed: UInt64

    init(maxCalls: Int, maxTombstones: Int) {
        self.maxCalls = maxCalls
        self.maxTombstones = maxTombstones
        seed = ByteHash.processSeed
    }

    var isFull: Bool { count &- givenUp >= maxCalls }
    var isEmpty: Bool { count == 0 }
    /// The calls that somebody waits for.
    var inFlight: Int { count - givenUp }

    subscript(index: Int32) -> Entry { entries[Int(index)] }

    /// The entry's kind.
    @inline(__always)
    func kind(_ index: Int32) -> Kind { entries[Int(index)].kind }

    /// When the entry is given up.
    @inline(__always)
    func deadline(_ index: Int32) -> UInt64 { entries[Int(index)].deadline }

    /// Counts further bytes of the entry's request.
    func addRequestBytes(_ index: Int32, _ count: UInt64) { entries[Int(index)].requestBytes &+= count }

    /// Gives the entry another deadline.
    func setDeadline(_ index: Int32, _ deadline: UInt64) {
        unlinkInTime(index)
        entries[Int(index)].deadline = deadline
        linkInTime(index)
    }

    // MARK: Finding

    @inline(__always)
    private func bucket(_ session: UInt32, going direction: Direction, id: UInt64) -> Int {
        var hash = ByteHash(seed: seed)
        hash.combine(id ^ (UInt64(session) << 1 | UInt64(direction.rawValue)) &* 0x9e37_79b9_7f4a_7c15)
        return Int(truncatingIfNeeded: hash.value) & (buckets.count &- 1)
    }

    /// The entry of that id, a tombstone too; ``none`` when there is none.
    @inline(__always)
    func find(session: UInt32, direction: Direction, id: UInt64) -> Int32 {
        var index = buckets[bucket(session, going: direction, id: id)]
        while index >= 0 {
            let place = Int(index)
            if entries[place].id == id, entries[place].session == session, entries[place].direction == direction {
                return index
            }
            index = entries[place].nextInBucket
        }
        return Self.none
    }

    // MARK: Adding and taking

    /// Adds an entry in front of its session's list, whose head is `first`.
    ///
    /// The fields are written one by one: made up elsewhere and copied, an entry waits for its own stores.
    @inline(__always)
    func add(_ new: Entry, first: inout Int32) -> Int32 {
        let index = reserve()
        let place = Int(index)
        entries[place].id = new.id
        entries[place].start = new.start
        entries[place].deadline = new.deadline
        entries[place].requestBytes = new.requestBytes
        entries[place].session = new.session
        entries[place].operation = new.operation
        entries[place].kind = new.kind
        entries[place].direction = new.direction
        entries[place].side = new.side
        entries[place].caller = new.caller
        let bucket = bucket(new.session, going: new.direction, id: new.id)
        entries[place].nextInBucket = buckets[bucket]
        buckets[bucket] = index
        entries[place].nextInSession = first
        entries[place].previousInSession = Self.none
        if first >= 0 { entries[Int(first)].previousInSession = index }
        first = index
        linkInTime(index)
        count &+= 1
        return index
    }

    /// A free place in the slab.
    @inline(__always)
    private func reserve() -> Int32 {
        guard firstFree < 0 else {
            let index = firstFree
            firstFree = entries[Int(index)].nextInBucket
            return index
        }
        if entries.count >= buckets.count { growBuckets() }
        entries.append(Entry.blank)
        return Int32(entries.count - 1)
    }

    /// Takes an entry out of everything.
    func remove(_ index: Int32, first: inout Int32) {
        let place = Int(index)
        if entries[place].kind == .tombstone {
            unlinkTombstone(index)
        } else {
            unlinkInTime(index)
            count &-= 1
            if entries[place].kind.isGivenUp { givenUp &-= 1 }
        }
        unlinkInBucket(index)
        let previous = entries[place].previousInSession
        let next = entries[place].nextInSession
        if previous >= 0 { entries[Int(previous)].nextInSession = next } else { first = next }
        if next >= 0 { entries[Int(next)].previousInSession = previous }
        entries[place].kind = .free
        entries[place].nextInBucket = firstFree
        firstFree = index
    }

    /// Makes a call one that its caller has given up.
    ///
    /// - Parameters:
    ///   - index: The call.
    ///   - kind: As what it ends unless its trailers come.
    ///   - deadline: How long they are waited for.
    /// - Returns: True if there was room for one more.
    func giveUp(_ index: Int32, as kind: Kind, until deadline: UInt64) -> Bool {
        guard givenUp < Self.maxGivenUp else { return false }
        givenUp += 1
        entries[Int(index)].kind = kind
        setDeadline(index, deadline)
        return true
    }

    /// Makes a call a tombstone.
    ///
    /// - Returns: The tombstone that has to go for it, or ``none``.
    func bury(_ index: Int32) -> Int32 {
        unlinkInTime(index)
        count -= 1
        entries[Int(index)].kind = .tombstone
        entries[Int(index)].nextInTime = Self.none
        entries[Int(index)].previousInTime = newestTombstone
        if newestTombstone >= 0 { entries[Int(newestTombstone)].nextInTime = index } else { oldestTombstone = index }
        newestTombstone = index
        tombstones += 1
        return tombstones > maxTombstones ? oldestTombstone : Self.none
    }

    /// The entry after `index` in its session.
    func next(after index: Int32) -> Int32 { entries[Int(index)].nextInSession }

    private func unlinkInBucket(_ index: Int32) {
        let place = Int(index)
        let next = entries[place].nextInBucket
        let bucket = bucket(entries[place].session, going: entries[place].direction, id: entries[place].id)
        var at = buckets[bucket]
        if at == index {
            buckets[bucket] = next
            return
        }
        while at >= 0 {
            let after = entries[Int(at)].nextInBucket
            if after == index {
                entries[Int(at)].nextInBucket = next
                return
            }
            at = after
        }
    }

    private func growBuckets() {
        buckets = FlatTable(repeating: Self.none, count: buckets.count * 2)
        for index in 0..<entries.count where entries[index].kind != .free {
            let entry = entries[index]
            let place = bucket(entry.session, going: entry.direction, id: entry.id)
            entries[index].nextInBucket = buckets[place]
            buckets[place] = Int32(index)
        }
    }

    // MARK: Time

    @inline(__always)
    private static func slot(_ deadline: UInt64) -> Int {
        // The slot after the deadline's, so that an entry is due when its slot is visited.
        Int(truncatingIfNeeded: deadline >> slotShift &+ 1) & (slotCount &- 1)
    }

    private func linkInTime(_ index: Int32) {
        let place = Self.slot(entries[Int(index)].deadline)
        let first = slots[place]
        entries[Int(index)].nextInTime = first
        entries[Int(index)].previousInTime = Self.none
        if first >= 0 { entries[Int(first)].previousInTime = index }
        slots[place] = index
    }

    private func unlinkInTime(_ index: Int32) {
        let place = Int(index)
        let previous = entries[place].previousInTime
        let next = entries[place].nextInTime
        if previous >= 0 {
            entries[Int(previous)].nextInTime = next
        } else {
            slots[Self.slot(entries[place].deadline)] = next
        }
        if next >= 0 { entries[Int(next)].previousInTime = previous }
    }

    private func unlinkTombstone(_ index: Int32) {
        let entry = entries[Int(index)]
        if entry.previousInTime >= 0 {
            entries[Int(entry.previousInTime)].nextInTime = entry.nextInTime
        } else {
            oldestTombstone = entry.nextInTime
        }
        if entry.nextInTime >= 0 {
            entries[Int(entry.nextInTime)].previousInTime = entry.previousInTime
        } else {
            newestTombstone = entry.previousInTime
        }
        tombstones -= 1
    }

    /// Appends the entries whose deadline is at or before `now` to `due`.
    func collectDue(_ now: UInt64, into due: inout [Int32]) {
        let target = now >> Self.slotShift
        guard target > currentSlotTime else { return }
        let visits = min(target - currentSlotTime, UInt64(Self.slotCount))
        currentSlotTime = target
        guard count > 0 else { return }
        for back in 0..<visits {
            var index = slots[Int(truncatingIfNeeded: target - back) & (Self.slotCount - 1)]
            while index >= 0 {
                let entry = entries[Int(index)]
                if entry.deadline <= now { due.append(index) }
                index = entry.nextInTime
            }
        }
    }
}

extension CallTable.Entry {
    /// An entry that stands for nothing.
    static let blank = CallTable.Entry(
        kind: .free,
        session: 0,
        direction: .toUpstream,
        id: 0,
        side: .provider,
        operation: OperationID(rawValue: 0),
        start: 0,
        deadline: 0,
        requestBytes: 0
    )

    /// An entry that is not in a table yet.
    package init(
        kind: CallTable.Kind,
        session: UInt32,
        direction: Direction,
        id: UInt64,
        side: Side,
        operation: OperationID,
        start: UInt64,
        deadline: UInt64,
        requestBytes: UInt64
    ) {
        self.id = id
        self.start = start
        self.deadline = deadline
        self.requestBytes = requestBytes
        self.session = session
        self.operation = operation
        self.kind = kind
        self.direction = direction
        self.side = side
        nextInBucket = CallTable.none
        nextInSession = CallTable.none
        previousInSession = CallTable.none
        nextInTime = CallTable.none
        previousInTime = CallTable.none
    }
}
