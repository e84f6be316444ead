internal import HTTP2
internal import Wire

/// The replies of a connection that wait until the client has given more room.
///
///     open → stalled → open
///
/// What Weir puts into a stream takes room of the connection's that the server still believes to have. Should the
/// server use all of it before the client has given more, its last DATA would be more than the client accepts: it waits
/// here, unread, and everything behind it. That is at most as much as Weir has put in, so it seldom happens and is
/// short. Bound: ``HoldLimits/backlogBytes``; with more the client has to take what comes.
struct ReplyThrottle {
    private enum Limit {
        /// Frames wait as long as there is no room for them.
        case enforced
        /// Frames pass though there is no room for them.
        case lifted
    }

    /// The frames that wait, from the beginning of a frame on; empty while replies pass.
    private(set) var backlog: [UInt8] = []
    private var limit = Limit.enforced

    /// True if replies wait.
    var isStalled: Bool { !backlog.isEmpty }

    /// True if a DATA frame that the client has no room for must wait; a larger one than the bound never does.
    func stalls(_ frame: HTTP2FrameHeader) -> Bool {
        limit == .enforced && frame.frameBytes <= HoldLimits.backlogBytes
    }

    /// A frame begins to wait.
    ///
    /// - Parameters:
    ///   - frame: Its header.
    ///   - rest: The bytes behind the header.
    mutating func stall(_ frame: HTTP2FrameHeader, rest: RawSpan) {
        HTTP2FrameWriter.header(frame, into: &backlog)
        backlog.append(rest)
    }

    /// More replies come while others wait; with too many, the next release passes them all.
    mutating func append(_ bytes: RawSpan) {
        backlog.append(bytes)
        if backlog.count > HoldLimits.backlogBytes { limit = .lifted }
    }

    /// No more replies come: what waits passes.
    mutating func lift() { limit = .lifted }

    /// The whole frames among those that wait, to be followed; ``advance(by:)`` takes them out.
    var wholeFrames: [UInt8] {
        let bytes = backlog.byteSpan
        var at = 0
        while at + HTTP2FrameHeader.byteCount <= bytes.byteCount {
            let end = at + HTTP2FrameHeader(bytes, at: at).frameBytes
            guard end <= bytes.byteCount else { break }
            at = end
        }
        return Array(backlog[..<at])
    }

    /// The first bytes of what waits have passed, and frames wait again for want of room.
    mutating func advance(by count: Int) {
        backlog.removeFirst(count)
        if backlog.isEmpty { backlog = [] }
        limit = .enforced
    }

    /// Takes everything that waits.
    mutating func takeAll() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &backlog)
        return taken
    }
}
