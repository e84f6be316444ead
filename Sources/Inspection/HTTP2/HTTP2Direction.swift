internal import Calls
internal import HTTP2
internal import Triple
internal import Wire

/// The state of one direction of an HTTP/2 connection.
final class HTTP2Direction {
    /// The bytes that were passed on without a decision.
    struct PassedParts: OptionSet {
        let rawValue: UInt8
        /// Bytes since the last decision.
        static let bytes = PassedParts(rawValue: 1)
        /// The beginning of the frame whose header is being read.
        static let unit = PassedParts(rawValue: 2)
        /// The block being read, at least its beginning.
        static let block = PassedParts(rawValue: 4)
    }

    let direction: Direction
    /// The frames.
    var reader: HTTP2FrameReader
    /// The time of the first byte of the frame being read.
    var frameStart: UInt64 = 0
    /// The header block being read.
    var assembler = HeaderBlockAssembler()
    /// The sender's header table.
    var decoder: HPACKDecoder
    /// The settings of this direction's receiver that its sender has not acknowledged.
    var pendingSettings = PendingSettings()
    /// The table size that the decoder was told last.
    var tableBytes = HTTP2Default.headerTableBytes
    /// The receiver's MAX_FRAME_SIZE.
    var maxFrameBytes = HTTP2Default.maxFrameBytes
    /// True once the sender's first SETTINGS have passed.
    var hasSettings = false

    /// The bytes at the end of what was received that are held back.
    var heldBytes = 0
    /// The bytes that are decided about and have not arrived.
    var reachBytes = 0
    /// The header blocks as the receiver gets them.
    var rewriter = HeaderRewriter()
    var passed: PassedParts = []
    /// The disposition of the frame being read.
    var disposition = FrameDisposition.forward
    /// True if nothing more is passed on, because the connection was given up.
    var isCut = false

    init(_ direction: Direction, phase: HTTP2FrameReader.Phase, isMidstream: Bool) {
        self.direction = direction
        reader = HTTP2FrameReader(phase: phase)
        decoder = HPACKDecoder(names: Self.names, isMidstream: isMidstream)
    }

    static let names = HPACKNames(TripleHeaderName.table)

    /// The frame being read.
    var frame: HTTP2FrameHeader { reader.frame }

    /// True if a frame has just ended, so that others may be put in.
    var isAtBoundary: Bool { reader.isBetweenFrames && !assembler.isOpen }

    /// The receiver allows another table size, from the sender's acknowledgement on.
    func setTableSize(_ bytes: UInt32) {
        tableBytes = bytes
        decoder.setLimit(bytes)
    }

    /// From here on it is decided about bytes; what has begun cannot be taken back.
    ///
    /// - Returns: The bytes that are still to come of a frame whose beginning was passed on.
    func beginDeciding() -> Int {
        guard passed.contains(.bytes) else { return 0 }
        passed.remove(.bytes)
        guard !isAtBoundary else { return 0 }
        passed.remove(.unit)
        if reader.isInHeader, !assembler.isOpen { passed.insert(.unit) }
        passed.insert(.block)
        return reader.phase == .payload ? reader.payloadLeft : 0
    }
}
