internal import Wire

/// The state of one connection besides its two streams.
struct Flow: BitwiseCopyable {
    var first: Endpoint
    var second: Endpoint
    /// True if the consumer was told that it is over.
    ///
    /// It is remembered so that late segments do not open it again.
    var isClosed = false
    /// True if the place holds a connection.
    var isUsed = true
    /// The bucket its endpoints fall into.
    var bucket: Int32 = -1
    /// The next connection of the same bucket, or the next free place; -1 at the end.
    var nextInBucket: Int32 = -1
    /// Its neighbours in the list of all, ordered by the last packet.
    var older: Int32 = -1
    var newer: Int32 = -1
    /// Its neighbours in the list of connections that keep early bytes.
    var olderHolder: Int32 = -1
    var newerHolder: Int32 = -1
    var isHolder = false
}

/// All connections, found by their endpoints, in the order of their last packets.
///
/// A connection's place never changes; the two streams of the connection at `slot` are at `2 * slot` and the next.
struct FlowTable: ~Copyable {
    private(set) var flows: [Flow] = []
    var directions: [DirectionState] = []
    /// The number of connections.
    private(set) var count = 0
    /// The connection that was silent for the longest time, or -1.
    private(set) var oldest: Int32 = -1
    private var newest: Int32 = -1
    /// The connection that began to keep early bytes before all others that do, or -1.
    private(set) var oldestHolder: Int32 = -1
    private var newestHolder: Int32 = -1
    private var firstFree: Int32 = -1
    private var buckets = [Int32](repeating: -1, count: 1024)

    /// Finds the connection between two endpoints, and the one of them that is `source`.
    ///
    /// - Parameters:
    ///   - source: The sender of the segment.
    ///   - destination: The receiver of the segment.
    /// - Returns: Its place and the sender, or `nil` if it is not known.
    func find(_ source: Endpoint, _ destination: Endpoint) -> (slot: Int, role: EndpointRole)? {
        // Packets of one connection come in runs.
        if newest >= 0, let role = role(of: source, destination, at: Int(newest)) { return (Int(newest), role) }
        var slot = buckets[bucket(source, destination)]
        while slot >= 0 {
            if let role = role(of: source, destination, at: Int(slot)) { return (Int(slot), role) }
            slot = flows[Int(slot)].nextInBucket
        }
        return nil
    }

    /// Adds a connection that is not there yet.
    ///
    /// - Parameters:
    ///   - first: The sender of its first packet.
    ///   - second: The other end.
    /// - Returns: Its place.
    mutating func insert(first: Endpoint, second: Endpoint) -> Int {
        if count >= buckets.count { growBuckets() }
        let slot: Int
        if firstFree >= 0 {
            slot = Int(firstFree)
            firstFree = flows[slot].nextInBucket
            flows[slot] = Flow(first: first, second: second)
            directions[2 * slot] = DirectionState()
            directions[2 * slot + 1] = DirectionState()
        } else {
            slot = flows.count
            flows.append(Flow(first: first, second: second))
            directions.append(DirectionState())
            directions.append(DirectionState())
        }
        count += 1
        enter(slot, into: bucket(first, second))
        append(slot)
        return slot
    }

    /// Forgets a connection; it must not be a holder any more.
    ///
    /// - Parameter slot: Its place.
    mutating func remove(_ slot: Int) {
        leaveBucket(slot)
        unlink(slot)
        flows[slot].isUsed = false
        flows[slot].nextInBucket = firstFree
        firstFree = Int32(slot)
        count -= 1
    }

    /// Makes a connection the one with the latest packet.
    ///
    /// - Parameter slot: Its place.
    @inline(__always)
    mutating func touch(_ slot: Int) {
        guard newest != Int32(slot) else { return }
        unlink(slot)
        append(slot)
    }

    /// Notes that a connection is over.
    ///
    /// - Parameter slot: Its place.
    mutating func markClosed(_ slot: Int) { flows[slot].isClosed = true }

    /// Adds a connection to the list of those that keep early bytes, or removes it.
    ///
    /// - Parameters:
    ///   - slot: Its place.
    ///   - holds: True if it keeps any.
    mutating func setHolder(_ slot: Int, _ holds: Bool) {
        guard flows[slot].isHolder != holds else { return }
        flows[slot].isHolder = holds
        if holds {
            flows[slot].olderHolder = newestHolder
            flows[slot].newerHolder = -1
            let place = Int32(slot)
            if newestHolder >= 0 { flows[Int(newestHolder)].newerHolder = place } else { oldestHolder = place }
            newestHolder = place
        } else {
            let (older, newer) = (flows[slot].olderHolder, flows[slot].newerHolder)
            if older >= 0 { flows[Int(older)].newerHolder = newer } else { oldestHolder = newer }
            if newer >= 0 { flows[Int(newer)].olderHolder = older } else { newestHolder = older }
        }
    }

    private func role(of source: Endpoint, _ destination: Endpoint, at slot: Int) -> EndpointRole? {
        if flows[slot].first == source, flows[slot].second == destination { return .first }
        if flows[slot].first == destination, flows[slot].second == source { return .second }
        return nil
    }

    /// Both directions fall into the same bucket.
    private func bucket(_ one: Endpoint, _ other: Endpoint) -> Int {
        let (low, high) = one.precedes(other) ? (one, other) : (other, one)
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(low.low)
        hash.combine(low.high)
        hash.combine(high.low)
        hash.combine(high.high)
        hash.combine(UInt64(low.port) << 16 | UInt64(high.port))
        return Int(truncatingIfNeeded: hash.value) & (buckets.count - 1)
    }

    private mutating func enter(_ slot: Int, into bucket: Int) {
        flows[slot].bucket = Int32(bucket)
        flows[slot].nextInBucket = buckets[bucket]
        buckets[bucket] = Int32(slot)
    }

    private mutating func leaveBucket(_ slot: Int) {
        let bucket = Int(flows[slot].bucket)
        let next = flows[slot].nextInBucket
        var at = Int(buckets[bucket])
        guard at != slot else {
            buckets[bucket] = next
            return
        }
        while Int(flows[at].nextInBucket) != slot { at = Int(flows[at].nextInBucket) }
        flows[at].nextInBucket = next
    }

    private mutating func growBuckets() {
        buckets = [Int32](repeating: -1, count: buckets.count * 4)
        for slot in flows.indices where flows[slot].isUsed {
            enter(slot, into: bucket(flows[slot].first, flows[slot].second))
        }
    }

    private mutating func append(_ slot: Int) {
        flows[slot].older = newest
        flows[slot].newer = -1
        if newest >= 0 { flows[Int(newest)].newer = Int32(slot) } else { oldest = Int32(slot) }
        newest = Int32(slot)
    }

    private mutating func unlink(_ slot: Int) {
        let (older, newer) = (flows[slot].older, flows[slot].newer)
        if older >= 0 { flows[Int(older)].newer = newer } else { oldest = newer }
        if newer >= 0 { flows[Int(newer)].older = older } else { newest = older }
    }
}
