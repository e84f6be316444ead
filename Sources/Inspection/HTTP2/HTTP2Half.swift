internal import Calls
internal import HTTP2
internal import Triple
internal import Wire

/// Where one direction of an HTTP/2 connection stands.
final class HTTP2Half {
    enum Phase: UInt8 {
        /// In the client's preface, or in front of it.
        case preface
        case header
        case payload
        /// The beginning of a frame is being looked for.
        case searching
        /// A frame has begun that must wait.
        case stalled
        /// A generic request's headers wait for its first message; see HTTP2Session+Generic.
        case waiting
    }

    let direction: Direction
    var phase: Phase
    /// How many bytes of the preface are still to come.
    var prefaceLeft = HTTP2Preface.byteCount
    /// The bytes of a header that arrives in pieces.
    private var first: UInt64 = 0
    private(set) var headerHas = 0
    var frame = HTTP2FrameHeader(payloadBytes: 0, type: 0, streamID: 0)
    /// How much of the frame's payload was read.
    var payloadRead = 0
    /// Of DATA: where the content lies in the payload.
    var content = ByteRange.empty
    /// When the frame's first byte was seen.
    var frameStart: UInt64 = 0
    /// The beginning of a payload that arrives in pieces and is wanted whole.
    var gathered: [UInt8] = []

    /// The stream whose header block goes on in CONTINUATION frames, 0 for none.
    var blockStream: UInt32 = 0
    /// The frame that began the block.
    var blockFrame = HTTP2FrameHeader(payloadBytes: 0, type: 0, streamID: 0)
    var block: [UInt8] = []
    var blockStart: UInt64 = 0
    /// The bytes of the frames of the block.
    var blockBytes: UInt64 = 0
    var decoder: HPACKDecoder
    /// What this direction's receiver has set and its sender has not acknowledged.
    var pendingSettings = PendingSettings()
    /// The table size that the decoder was told last.
    var tableBytes = HTTP2Default.headerTableBytes
    /// What this direction's receiver takes at most.
    var maxFrameBytes = HTTP2Default.maxFrameBytes
    /// Whether the sender's first SETTINGS have passed.
    var hasSettings = false
    /// How many bytes were searched for a frame, in all.
    var searchedBytes = 0

    // Plans; see HTTP2Session+Verdicts.
    /// How many bytes at the end of what was received are held back.
    var heldBytes = 0
    /// How many bytes that have not arrived are decided about.
    var reachBytes = 0
    /// The header blocks as the receiver gets them.
    var rewriter = HeaderRewriter()
    /// Whether the block being read has been passed on already, at least its beginning.
    var isBlockPassed = false
    /// Whether bytes were passed on without a decision about them.
    var wasForwarded = false
    /// Whether the beginning of the frame whose header is being read was passed on so.
    var isUnitPassed = false
    /// The disposition of the frame being read.
    var disposition = FrameDisposition.forward
    /// Whether nothing more is passed on, because the connection was given up.
    var isCut = false

    init(_ direction: Direction, phase: Phase, isMidstream: Bool) {
        self.direction = direction
        self.phase = phase
        decoder = HPACKDecoder(names: HTTP2Half.names, isMidstream: isMidstream)
    }

    static let names = HPACKNames(TripleHeaderName.table)

    /// Whether a frame has just ended, so that others may be put in.
    var isAtBoundary: Bool { (phase == .header || phase == .waiting) && headerHas == 0 && blockStream == 0 }

    /// Takes bytes of a header that arrives in pieces.
    ///
    /// - Returns: Whether the header is complete; it is in ``frame`` then.
    @inline(__always)
    func gatherHeader(_ bytes: RawSpan, _ at: inout Int) -> Bool {
        if headerHas == 0, bytes.byteCount &- at >= HTTP2FrameHeader.byteCount {
            frame = HTTP2FrameHeader(bytes, at: at)
            at &+= HTTP2FrameHeader.byteCount
            return true
        }
        while at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            at += 1
            guard headerHas == 8 else {
                first = first << 8 | UInt64(byte)
                headerHas += 1
                continue
            }
            frame = HTTP2FrameHeader(first: first, last: byte)
            headerHas = 0
            first = 0
            return true
        }
        return false
    }

    /// Whether a header has begun and is not complete.
    var isInHeader: Bool { phase == .header && headerHas > 0 }

    /// The receiver allows another table size, from the sender's acknowledgement on.
    func setTableSize(_ bytes: UInt32) {
        tableBytes = bytes
        decoder.setLimit(bytes)
    }

    /// From here on it is decided about bytes; what has begun cannot be taken back.
    ///
    /// - Returns: How many bytes are still to come of a frame whose beginning was passed on.
    func beginDeciding() -> Int {
        guard wasForwarded else { return 0 }
        wasForwarded = false
        guard !isAtBoundary else { return 0 }
        isUnitPassed = isInHeader && blockStream == 0
        isBlockPassed = true
        return phase == .payload ? Int(frame.payloadBytes) - payloadRead : 0
    }

    /// Forgets a header that has begun.
    func forgetHeader() {
        headerHas = 0
        first = 0
    }
}

/// SETTINGS of one peer that the other has not acknowledged, as far as they change a header table's size.
///
/// Only those that change it take memory, at most ``maxCount`` of them; any number of others may wait.
struct PendingSettings {
    /// The most that change the table's size.
    static let maxCount = 1000

    /// For each that changes it: how many others came before, behind the one in front of it.
    private var sizes: [(others: UInt64, bytes: UInt32)] = []
    /// How many others came behind the last of them.
    private var others: UInt64 = 0

    /// One more came.
    ///
    /// - Parameter bytes: The table's size that it names, if it does.
    /// - Returns: Whether there was room.
    mutating func append(_ bytes: UInt32?) -> Bool {
        guard let bytes else {
            others &+= 1
            return true
        }
        guard sizes.count < Self.maxCount else { return false }
        sizes.append((others, bytes))
        others = 0
        return true
    }

    /// The first of them is acknowledged.
    ///
    /// - Returns: The table's size from here on, if it named one.
    mutating func acknowledge() -> UInt32? {
        guard let first = sizes.first else {
            if others > 0 { others -= 1 }
            return nil
        }
        guard first.others == 0 else {
            sizes[0].others -= 1
            return nil
        }
        sizes.removeFirst()
        return first.bytes
    }
}
