internal import Calls
internal import Inspection
internal import Synchronization

extension Pipe {
    /// The most bytes of a read while nothing is known of the sink.
    static let usualReadBytes = 65_536
    /// The most bytes of a read whose sink did not take all of the one before, or while the process is crowded.
    static let leastReadBytes = 16_384
}

extension SharedState {
    /// So many bytes may wait for sinks, of all connections, before each reads the least.
    ///
    /// The bound of the whole process is this, a read buffer for each worker, and for each direction of a connection
    /// ``Pipe/leastReadBytes`` and what Weir adds to them.
    static let maxWaitingBytes = 16 << 20

    /// True if slow readers have left so many bytes in the process that reads are small.
    @inline(__always)
    var isCrowded: Bool { waitingBytes.load(ordering: .relaxed) > Self.maxWaitingBytes }
}

/// How much is read at once. What the sink does not take of a read waits in memory of this process, for as long as a
/// slow reader likes; what is not read waits in the kernel, within the bounds of the socket and the peer's window.
extension Worker {
    /// The most bytes to read of a source whose reads have been large, or whose sink is slow: no more than the sink has
    /// room for; 0 if it has none, and then it is waited for.
    ///
    /// The kernel's own number is what is asked for, which is an estimate: it counts more than the bytes, a socket may
    /// be bound otherwise (`tcp_notsent_lowat`), and memory may be short. A write that falls short nevertheless makes
    /// the next reads small.
    func fittingReadBytes(_ pair: Pair, _ direction: Direction) -> Int {
        let isUp = direction == .toUpstream
        let room = Linux.writeRoom(
            isUp ? pair.upstream.descriptor : pair.downstream.descriptor,
            least: Pipe.leastReadBytes
        )
        if room < 0 {
            if isUp { pair.up.isSinkFull = true } else { pair.down.isSinkFull = true }
            return 0
        }
        let limit = isUp ? pair.up.readLimit : pair.down.readLimit
        return shared.isCrowded ? Pipe.leastReadBytes : min(limit, max(Pipe.leastReadBytes, room))
    }

    /// Twice as much is read after each read that was full and whose bytes the sink has taken; the usual after a small
    /// one.
    func adaptReads(_ pair: Pair, direction: Direction, count: Int, limit: Int) {
        if direction == .toUpstream {
            pair.up.adaptReads(count, limit, most: buffer.byteCount)
        } else {
            pair.down.adaptReads(count, limit, most: buffer.byteCount)
        }
    }

    /// Keeps the count of bytes that wait in the process.
    func countWaiting(_ pair: Pair) {
        let waiting = pair.phase == .closed ? 0 : pair.up.waitingBytes + pair.down.waitingBytes
        guard waiting != pair.countedBytes else { return }
        shared.waitingBytes.add(waiting - pair.countedBytes, ordering: .relaxed)
        pair.countedBytes = waiting
    }
}

extension Pipe {
    fileprivate mutating func adaptReads(_ count: Int, _ limit: Int, most: Int) {
        // Falling short has already made the next one small.
        guard queue.isEmpty else { return }
        if count >= limit {
            readLimit = min(readLimit * 2, max(most, Self.usualReadBytes))
        } else if count < Self.leastReadBytes {
            readLimit = Self.usualReadBytes
        }
    }
}
