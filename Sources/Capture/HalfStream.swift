internal import Wire

/// A piece of a stream that came before the bytes in front of it.
struct HeldSegment {
    /// The sequence number of its first byte.
    var sequence: UInt32
    /// How many bytes of the stream it stands for.
    var lengthBytes: UInt32
    /// The captured ones of them, from the first on.
    var bytes: [UInt8]
    /// When its packet was captured.
    var time: UInt64
    /// The number of its packet.
    var packet: UInt64
    /// Up to where its sender had received the other stream, if it says so.
    var acknowledgment: UInt32?

    /// What it counts against the limits.
    var chargeBytes: Int { bytes.count + ReassemblyLimits.heldSegmentChargeBytes }
}

/// What one end of a connection sends: where its stream stands, and what came too early.
///
/// Sequence numbers wrap at 2³² and are compared by their signed difference, which is right while a segment lies
/// within `ReassemblyLimits.windowBytes` of the stream.
struct HalfStream {
    enum State: UInt8, BitwiseCopyable {
        /// Nothing with a sequence number that can be trusted came from this end.
        case unseen
        /// A segment without data came: `next` is where the stream stood, or one less (keep-alive).
        case hinted
        /// `next` is the sequence number of the next byte.
        case open
        /// Everything before the FIN was delivered.
        case ended
    }

    var state = State.unseen
    /// Whether the SYN, or the answer to it, told where the stream begins.
    var beganWithSYN = false
    var finSeen = false
    /// Whether `acknowledged` says something.
    var hasAcknowledged = false
    /// Whether a segment of this end's carried data.
    var hasData = false
    /// Whether what is kept waits for the other stream to come up to `gate`; see Reassembler+Gates.
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
    /// The sequence number behind the last byte, with `finSeen`.
    var fin: UInt32 = 0
    /// Up to where this end has received the other's stream.
    var acknowledged: UInt32 = 0
    /// What came too early, in stream order, without overlaps and all of it past `next`.
    var held: [HeldSegment] = []
    /// What `held` counts against the limits.
    var heldCharge = 0

    /// How far `sequence` lies past the next byte; negative when it was delivered already.
    ///
    /// - Parameter sequence: A sequence number of this stream.
    /// - Returns: Bytes.
    @inline(__always)
    func distance(to sequence: UInt32) -> Int { Int(Int32(bitPattern: sequence &- next)) }

    /// Whether a segment comes later than one that lies behind it in the stream.
    ///
    /// - Parameter distance: How far its first byte lies past the next one to be delivered.
    /// - Returns: Whether any kept byte lies further on.
    @inline(__always)
    func isBehindHeld(_ distance: Int) -> Bool {
        guard let last = held.last else { return false }
        return distance < Int(last.sequence &- next)
    }

    /// Begins the stream at `sequence`.
    ///
    /// - Parameters:
    ///   - sequence: The sequence number of the first byte.
    ///   - withSYN: Whether that is known from the handshake.
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
    ///   - byteCount: How many bytes it carries, all of them captured.
    /// - Returns: Whether it is one; if not, nothing has changed.
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

    /// Keeps those bytes of a segment that are not kept yet: the first copy of a byte is the one that counts.
    ///
    /// - Parameters:
    ///   - sequence: Past `next` or at it.
    ///   - lengthBytes: How much of the stream the segment stands for; the captured bytes may be fewer.
    ///   - payload: The captured bytes.
    ///   - time: When they were captured.
    ///   - packet: The number of their packet.
    ///   - acknowledgment: Up to where their sender had received the other stream, if it says so.
    /// - Returns: How many of the bytes were kept already.
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

    /// Whether data that acknowledges `number` of this stream acknowledges bytes that have not come.
    ///
    /// A single one may be a FIN that was not captured, and without any data before the capture has one direction only.
    ///
    /// - Parameter number: A sequence number of this stream.
    /// - Returns: Whether that data has to wait.
    @inline(__always)
    func lacks(_ number: UInt32) -> Bool {
        let gap = distance(to: number)
        return gap > 1 && gap <= ReassemblyLimits.nearBytes && state == .open && hasData
    }

    /// Gives away the kept segments that follow on the stream without a gap, in order.
    ///
    /// - Parameter other: The other end's stream; `nil` to take all. What acknowledges bytes that it lacks stays, and
    ///   this stream is gated.
    /// - Returns: The segments.
    mutating func takeReady(_ other: HalfStream?) -> [HeldSegment] {
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

    /// The first kept segment whose end lies past `offset`, counted from `next`.
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
