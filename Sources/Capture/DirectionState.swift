internal import Wire

/// A piece of a stream that came before the bytes in front of it.
struct HeldSegment {
    /// The sequence number of its first byte.
    var sequence: UInt32
    /// The number of the stream's bytes that it stands for.
    var lengthBytes: UInt32
    /// The captured ones of them, from the first on.
    var bytes: [UInt8]
    /// The time of its packet.
    var time: UInt64
    /// The number of its packet.
    var packet: UInt64
    /// The position up to which its sender had received the other stream, if present.
    var acknowledgment: UInt32?

    /// The size that counts against the limits.
    var chargeBytes: Int { bytes.count + ReassemblyLimits.heldSegmentChargeBytes }
}

/// The stream that one end of a connection sends: its position, and the segments that came too early.
///
/// Sequence numbers wrap at 2³² and are compared by their signed difference, which is right while a segment is within
/// `ReassemblyLimits.windowBytes` of the stream.
struct DirectionState {
    enum State: UInt8, BitwiseCopyable {
        /// No reliable sequence number came from this end.
        case unseen
        /// A segment without data came: `next` is where the stream stood, or one less (keep-alive).
        case hinted
        /// `next` is the sequence number of the next byte.
        case open
        /// Everything before the FIN was delivered.
        case ended
    }

    var state = State.unseen
    /// True if the SYN, or the answer to it, gave the start of the stream.
    var beganWithSYN = false
    var finSeen = false
    /// True if `acknowledged` is valid.
    var hasAcknowledged = false
    /// True if a segment of this end carried data.
    var hasData = false
    /// True if the kept segments wait for the other stream to reach `gate`; see Reassembler+Gates.
    var isGated = false
    /// A sequence number of the other stream, with `isGated`.
    var gate: UInt32 = 0
    /// The number of the packet that began the wait, with `isGated`.
    var gatePacket: UInt64 = 0
    /// Segments in a row that were too far from the stream.
    var strays: UInt8 = 0
    /// The sequence number of the next byte to be delivered.
    var next: UInt32 = 0
    /// The sequence number of the first byte, with `beganWithSYN`.
    var start: UInt32 = 0
    /// The sequence number after the last byte, with `finSeen`.
    var fin: UInt32 = 0
    /// The position up to which this end has received the other's stream.
    var acknowledged: UInt32 = 0
    /// The early segments, in stream order, without overlaps and all of them past `next`.
    var held: [HeldSegment] = []
    /// The size of `held` that counts against the limits.
    var heldCharge = 0

    /// The distance of `sequence` from the next byte; negative if it was already delivered.
    ///
    /// - Parameter sequence: A sequence number of this stream.
    /// - Returns: Bytes.
    @inline(__always)
    func distance(to sequence: UInt32) -> Int { Int(Int32(bitPattern: sequence &- next)) }

    /// True if a segment comes later than one that follows it in the stream.
    ///
    /// - Parameter distance: The distance of its first byte from the next one to be delivered.
    /// - Returns: True if any kept byte is further on.
    @inline(__always)
    func isBehindHeld(_ distance: Int) -> Bool {
        guard let last = held.last else { return false }
        return distance < Int(last.sequence &- next)
    }

    /// Begins the stream at `sequence`.
    ///
    /// - Parameters:
    ///   - sequence: The sequence number of the first byte.
    ///   - withSYN: True if the start is known from the handshake.
    mutating func open(at sequence: UInt32, withSYN: Bool) {
        state = .open
        next = sequence
        start = sequence
        beganWithSYN = withSYN
    }

    /// Moves the stream on by a segment that follows it at once and has nothing to wait for, as nearly all do.
    ///
    /// - Parameters:
    ///   - sequence: The sequence number of the segment's first byte.
    ///   - byteCount: The number of bytes it carries, all of them captured.
    /// - Returns: True if it is one; if not, nothing has changed.
    @inline(__always)
    mutating func takesNext(at sequence: UInt32, byteCount: Int) -> Bool {
        guard sequence == next, state == .open, !finSeen, !isGated, held.isEmpty else { return false }
        next &+= UInt32(truncatingIfNeeded: byteCount)
        noteData()
        return true
    }

    /// Notes that a segment near the stream carried data.
    @inline(__always)
    mutating func noteData() {
        strays = 0
        hasData = true
    }

    /// Notes how far this end has received the other's stream.
    ///
    /// - Parameter number: The acknowledgment number of a segment of this end's.
    @inline(__always)
    mutating func acknowledge(_ number: UInt32) {
        if !hasAcknowledged || Int32(bitPattern: number &- acknowledged) > 0 {
            acknowledged = number
            hasAcknowledged = true
        }
    }

    /// Keeps those bytes of a segment that are not kept yet: the first copy of a byte counts.
    ///
    /// - Parameters:
    ///   - sequence: Past `next` or at it.
    ///   - lengthBytes: The number of the stream's bytes that the segment stands for; the captured bytes may be fewer.
    ///   - payload: The captured bytes.
    ///   - time: The time of their packet.
    ///   - packet: The number of their packet.
    ///   - acknowledgment: The position up to which their sender had received the other stream, if present.
    /// - Returns: The number of bytes that were already kept.
    mutating func hold(
        sequence: UInt32,
        lengthBytes: Int,
        payload: RawSpan,
        time: UInt64,
        packet: UInt64,
        acknowledgment: UInt32?
    ) -> Int {
        // Everything is counted from `next`, so that nothing wraps: what is held lies ahead of it.
        let base = Int(sequence &- next)
        let end = base + lengthBytes
        var cursor = base
        var known = 0
        var index = firstIndex(endingAfter: base)
        while cursor < end {
            var pieceEnd = end
            if index < held.count {
                let start = Int(held[index].sequence &- next)
                if start <= cursor {
                    let overlapEnd = min(start + Int(held[index].lengthBytes), end)
                    known += overlapEnd - cursor
                    cursor = overlapEnd
                    index += 1
                    continue
                }
                pieceEnd = min(end, start)
            }
            let from = min(cursor - base, payload.byteCount)
            let upTo = min(pieceEnd - base, payload.byteCount)
            let piece = HeldSegment(
                sequence: next &+ UInt32(truncatingIfNeeded: cursor),
                lengthBytes: UInt32(pieceEnd - cursor),
                bytes: payload.extracting(from..<upTo).array,
                time: time,
                packet: packet,
                acknowledgment: acknowledgment
            )
            heldCharge += piece.chargeBytes
            held.insert(piece, at: index)
            index += 1
            cursor = pieceEnd
        }
        return known
    }

    /// True if data that acknowledges `number` of this stream acknowledges bytes that have not come.
    ///
    /// A single one may be a FIN that was not captured, and without any data before the capture has one direction only.
    ///
    /// - Parameter number: A sequence number of this stream.
    /// - Returns: True if that data has to wait.
    @inline(__always)
    func lacks(_ number: UInt32) -> Bool {
        let gap = distance(to: number)
        return gap > 1 && gap <= ReassemblyLimits.nearBytes && state == .open && hasData
    }

    /// Removes and returns the kept segments that continue the stream without a gap, in order.
    ///
    /// - Parameter other: The other end's stream; `nil` to take all. What acknowledges bytes that it lacks stays, and
    ///   this stream is gated.
    /// - Returns: The segments.
    mutating func takeReady(_ other: DirectionState?) -> [HeldSegment] {
        var ready = 0
        var at = next
        while ready < held.count, held[ready].sequence == at {
            if let number = held[ready].acknowledgment, let other, other.lacks(number) {
                isGated = true
                gate = number
                gatePacket = held[ready].packet
                break
            }
            at &+= held[ready].lengthBytes
            heldCharge -= held[ready].chargeBytes
            ready += 1
        }
        guard ready < held.count else {
            defer { held = [] }
            return held
        }
        let taken = Array(held[..<ready])
        held.removeFirst(ready)
        return taken
    }

    /// Forgets what is kept.
    mutating func dropHeld() {
        held = []
        heldCharge = 0
    }

    /// The first kept segment that ends past `offset`, counted from `next`.
    private func firstIndex(endingAfter offset: Int) -> Int {
        var (low, high) = (0, held.count)
        while low < high {
            let middle = (low + high) / 2
            let end = Int(held[middle].sequence &- next) + Int(held[middle].lengthBytes)
            if end > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
