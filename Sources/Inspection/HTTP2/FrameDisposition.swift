/// The way of one frame past Weir, where it is not decided with its first byte.
enum FrameDisposition: Equatable {
    /// The frame passes as it is.
    case forward
    /// The frame is kept from its receiver.
    case drop
    /// The frame is held back until its payload is known.
    case hold
    /// The frame is a WINDOW_UPDATE that passes with another increment.
    case rewrite(increment: UInt32)
}

/// The directions whose bytes are edited though no request is decided about, and whether frames wait to be put in.
struct EditedDirections: OptionSet {
    let rawValue: UInt8
    /// Plans say what becomes of requests.
    static let requests = EditedDirections(rawValue: 1)
    /// Plans say what becomes of replies.
    static let replies = EditedDirections(rawValue: 2)
    /// The client is to be told something of drains.
    static let signals = EditedDirections(rawValue: 4)
}
