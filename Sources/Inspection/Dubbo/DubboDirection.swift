internal import Calls
internal import Dubbo
internal import Policy
internal import Wire

/// Where one direction of a Dubbo connection stands in its frames.
struct DubboDirection {
    enum Phase: UInt8 {
        case header
        case body
        case searching
    }

    /// How far it is decided about a frame that is being read.
    enum HoldState: UInt8 {
        /// Nothing is decided, or it would come too late.
        case none
        /// The frame is held back for the decision.
        case held
        /// The frame was too large to hold: it is passed on.
        case admitted
        /// The frame was too large to hold: it is dropped, and was counted.
        case refused
    }

    var phase = Phase.header
    /// The header being read, if it arrives in pieces.
    var split = SplitHeader()
    /// True if the frame's header was found by searching: what cannot be read is perhaps no frame.
    var isFound = false
    /// True if the frame's body is read; otherwise it is only stepped over.
    var isReading = false
    /// True if bytes of the frame were not seen, or could not be read.
    var isDamaged = false
    var header = FrameHeader(flags: 0, status: 0, requestID: 0, bodyBytes: 0)
    var bodyLeft: UInt32 = 0
    var start: UInt64 = 0
    var holdState = HoldState.none
    /// The permit of the frame that was too large to hold.
    var permit = LimitToken.none
    /// How many bytes at the end of what was received are held back; see ``HoldLimits``.
    var heldBytes = 0
    /// How many bytes that are still to come belong to a frame that is left out; the relay knows of them.
    var reachBytes = 0
    /// True if the frame is the answer to an event of Weir's own.
    var isOwnAnswer = false
    /// The bytes of a reply that is given another attachment; `nil` for all others.
    var reply: ReplyBytes?
    /// Kept while a frame is split over reads.
    var box: BodyReaderBox?
}

/// A frame's header that arrives in pieces.
struct SplitHeader {
    /// How many of its bytes have come.
    private(set) var byteCount: UInt8 = 0
    /// True if the header was found by searching, so that it must be a plausible one.
    var isGuess = false
    /// The bytes that have come, as two big-endian words.
    private(set) var words: (UInt64, UInt64) = (0, 0)

    /// The header's 16 bytes.
    var bytes: [UInt8] {
        [words.0, words.1].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
        }
    }

    /// Takes further bytes.
    ///
    /// - Returns: True if the header is complete.
    mutating func gather(_ bytes: RawSpan, _ at: inout Int) -> Bool {
        while byteCount < FrameHeader.byteCount, at < bytes.byteCount {
            let byte = UInt64(bytes.byte(at: at))
            if byteCount < 8 {
                words.0 = words.0 << 8 | byte
            } else {
                words.1 = words.1 << 8 | byte
            }
            byteCount += 1
            at += 1
        }
        return byteCount == FrameHeader.byteCount
    }

    /// The header is read, or was none.
    mutating func forget() { self = SplitHeader() }
}

/// The bytes of a reply that is held back until it is whole.
final class ReplyBytes {
    /// The called operation.
    let operation: OperationID
    /// Where Weir stands for the call.
    let side: Side
    var body: [UInt8] = []

    init(operation: OperationID, side: Side) {
        self.operation = operation
        self.side = side
    }
}

/// The decided and the undecided bytes of a direction before a read.
struct EarlierBytes {
    /// How many bytes before the read are held back.
    var held: Int
    /// How many of the read's first bytes, and of those that follow it, an earlier plan has left out.
    var reach: Int

    /// True if a plan has to be made though nothing decides about frames any more.
    var isAny: Bool { held > 0 || reach > 0 }
}

extension DubboDirection {
    /// True if the direction is between two messages.
    var isIdle: Bool { phase == .header && split.byteCount == 0 && !split.isGuess }

    /// The bytes that earlier plans left open.
    var earlier: EarlierBytes { EarlierBytes(held: heldBytes, reach: reachBytes) }

    /// The direction to work on, until it is put back; what is left in its place holds nothing that could be given back
    /// or counted twice.
    mutating func take() -> DubboDirection {
        var taken = DubboDirection()
        swap(&taken, &self)
        return taken
    }

    /// How many bytes of the message that has begun were received, if they are held back.
    ///
    /// - Parameter isGoverned: True if a header that has begun may have to be held.
    /// - Returns: How many; 0 if they have been passed on.
    func bytesToHold(isGoverned: Bool) -> Int {
        switch phase {
        case .header: isGoverned ? Int(split.byteCount) : 0
        case .body: holdState == .held || isOwnAnswer || reply != nil ? Int(header.frameBytes) - Int(bodyLeft) : 0
        case .searching: 0
        }
    }

    /// True if bytes are held for want of those that follow; not an answer to Weir's own event, which goes nowhere.
    var isWaiting: Bool { heldBytes > 0 && !isOwnAnswer }
}
