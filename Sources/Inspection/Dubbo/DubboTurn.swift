internal import Dubbo

/// What the frames of one read come to: where they end, and what is to become of them.
struct DubboTurn {
    /// The end of the first frame that ends in the read.
    var firstBoundary: Int?
    /// Whether a frame ends with the read.
    var endsAtBoundary = true
    /// What is to become of frames that do not pass as they are; `nil` if all pass.
    private(set) var changes: FrameChanges?

    /// A frame ends.
    @inline(__always)
    mutating func noteBoundary(_ at: Int) {
        if firstBoundary == nil { firstBoundary = at }
    }

    /// A frame does not pass as it is.
    mutating func edit(_ edit: FrameEdit) {
        let changes = changes ?? FrameChanges()
        self.changes = changes
        changes.edits.append(edit)
    }

    /// A request is not passed on.
    ///
    /// - Parameters:
    ///   - header: Its header.
    ///   - start: Where it begins.
    ///   - reply: Weir's answer; empty if it waits for none.
    mutating func drop(_ header: FrameHeader, start: Int, reply: [UInt8] = []) {
        edit(FrameEdit(header, start: start, .drop))
        changes?.replies += reply
    }
}

/// What is to become of the frames of one read, on the heap: most reads have none.
final class FrameChanges {
    /// The edits, in the order of the frames.
    fileprivate(set) var edits: [FrameEdit] = []
    /// Replies of Weir's own.
    fileprivate(set) var replies: [UInt8] = []
}

/// What is to become of one frame among the bytes of a read.
struct FrameEdit {
    enum Kind {
        /// The frame is left out, and what of it still has to come.
        case drop
        /// Attachments are inserted before its last byte, the map's end.
        case insert([UInt8])
        /// Another frame takes its place; all of it is here.
        case replace([UInt8])
    }

    /// Where the frame begins: an offset into the read, below 0 when its first bytes are held back.
    var start: Int
    /// The whole frame's length.
    var count: Int
    /// The length of its body.
    var bodyBytes: Int
    var kind: Kind

    /// An edit of a frame.
    ///
    /// - Parameters:
    ///   - header: The frame's header.
    ///   - start: Where it begins.
    ///   - kind: What becomes of it.
    init(_ header: FrameHeader, start: Int, _ kind: Kind) {
        self.start = start
        count = Int(header.frameBytes)
        bodyBytes = Int(header.bodyBytes)
        self.kind = kind
    }
}
