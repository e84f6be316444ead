internal import Calls
internal import Inspection
internal import Wire

/// A connection from downstream and the one to upstream that it is joined with.
final class Pair {
    /// One of the two sockets.
    struct Socket {
        var descriptor: Int32
        /// The events asked of the kernel; `nil` while it is not in the event queue.
        var interest: UInt32?
        /// True if it is out of the event queue, until an event of it is wanted.
        var isUnregistered = false
        var isOpen: Bool { descriptor >= 0 }
    }

    enum Phase: UInt8 {
        /// Upstream has not accepted yet.
        case connecting
        case established
        /// One peer was reset: what it had said is still delivered, then the other is reset too.
        case aborting
        /// Weir ends it: what it says last is delivered, and what the peers still say is dropped.
        case ending
        case closed
    }

    let slot: Int
    let generation: UInt32
    let peer: Endpoint
    /// Its destination, and the alternatives.
    var candidates: Candidates
    let session: Session
    let start: UInt64
    var phase = Phase.connecting
    /// The time of the last bytes from downstream, or of the last drain signal.
    var lastHeard: UInt64
    /// In ``Phase/connecting``, ``Phase/aborting`` and ``Phase/ending``: when to give up.
    var deadline: UInt64
    var downstream: Socket
    var upstream: Socket
    /// True if the owner was told that its bytes cannot be decoded.
    var isDecodeFailureReported = false
    /// True if downstream sent bytes while Weir ended the connection.
    var wasUnheard = false
    /// The notes of its calls.
    var marks = CallMarks()
    var up = Pipe()
    var down = Pipe()
    /// The pair's part of ``SharedState/waitingBytes``.
    var countedBytes = 0

    init(
        slot: Int,
        generation: UInt32,
        peer: Endpoint,
        candidates: Candidates,
        session: Session,
        start: UInt64,
        deadline: UInt64,
        downstream: Int32,
        upstream: Int32
    ) {
        self.slot = slot
        self.generation = generation
        self.peer = peer
        self.candidates = candidates
        self.session = session
        self.start = start
        lastHeard = start
        self.deadline = deadline
        self.downstream = Socket(descriptor: downstream)
        self.upstream = Socket(descriptor: upstream)
    }

    var destination: Endpoint { candidates.current }

    /// True if nothing is on its way in either direction.
    var isIdle: Bool {
        phase == .established && session.isIdle && up.queue.isEmpty && down.queue.isEmpty && up.held.isEmpty
            && down.held.isEmpty && !up.isSinkFull && !down.isSinkFull
    }
}
