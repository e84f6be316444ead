public import Wire

/// The places of the attachments that counting and limiting need; empty for missing ones.
public struct CallAttachments: BitwiseCopyable, Equatable, Sendable {
    /// `group`: part of what is called.
    public var group = ByteRange.empty
    /// `interface`: what is called, where the body's second text is only the path that it was exported under.
    public var interface = ByteRange.empty
    /// `remote.application`, or else `application`: who calls.
    public var caller = ByteRange.empty
    /// `timeout`: how long the caller waits, in milliseconds.
    public var timeout = ByteRange.empty
    /// `_TO`: what is left of the caller's own deadline, in milliseconds.
    public var budget = ByteRange.empty

    /// No attachments.
    @inlinable @inline(__always)
    public init() {}

    /// The wanted ones of a list.
    ///
    /// - Parameters:
    ///   - attachments: All that were read.
    ///   - texts: The bytes that the ranges point into.
    public init(_ attachments: [Attachment], in texts: RawSpan) {
        for attachment in attachments { take(attachment.key, attachment.value, in: texts) }
    }

    /// Keeps the pair if it is one of the wanted.
    @inline(__always)
    mutating func take(_ key: ByteRange, _ value: ByteRange, in texts: RawSpan) {
        // The keys are compared as big-endian words; each constant spells its letters.
        let at = Int(key.offset)
        switch key.count {
        case 3:
            let letters = UInt32(texts.uint16(at: at)) << 8 | UInt32(texts.byte(at: at &+ 2))
            if letters == 0x5f544f || letters == 0x5f746f { budget = value }  // _TO _to
        case 5:
            if texts.uint32(at: at) == 0x6772_6f75, texts.byte(at: at &+ 4) == 0x70 { group = value }  // group
        case 7:
            // timeout
            if texts.uint32(at: at) == 0x7469_6d65, texts.uint32(at: at &+ 3) == 0x656f_7574 { timeout = value }
        case 9:
            // interface
            if texts.uint64(at: at) == 0x696e_7465_7266_6163, texts.byte(at: at &+ 8) == 0x65 { interface = value }
        case 11:
            // application
            if texts.uint64(at: at) == 0x6170_706c_6963_6174, texts.uint32(at: at &+ 7) == 0x7469_6f6e, caller.isEmpty {
                caller = value
            }
        case 18:
            // remote.application
            if texts.uint64(at: at) == 0x7265_6d6f_7465_2e61, texts.uint64(at: at &+ 10) == 0x6c69_6361_7469_6f6e,
                texts.uint16(at: at &+ 8) == 0x7070
            {
                caller = value
            }
        default: break
        }
    }
}
