internal import HTTP2

/// Why an HTTP/2 connection, or a part of it, cannot be followed.
enum HTTP2Failure: Error, Equatable, Sendable {
    /// The client's first bytes are not the preface (RFC 9113 §3.4).
    case preface
    /// A frame's payload is not what its header says.
    case frame(HTTP2FrameError)
    /// A CONTINUATION without an open header block, or another frame inside one (RFC 9113 §6.10).
    case continuation
    /// A header block, coded, of more than ``HeaderBlockAssembler/maxBytes``.
    case headerBlockSize
    /// A header block that cannot be decoded.
    case headerBlock(HPACKError)
    /// A client's PUSH_PROMISE (RFC 9113 §8.4).
    case pushPromise
    /// SETTINGS that are no whole number of settings; the connection is followed on.
    case settingsLength
    /// More SETTINGS without acknowledgement than are remembered.
    case settingsFlood
    /// More open streams than are followed.
    case tooManyStreams
    /// A connection joined in the middle where no frame was found in ``HTTP2FrameSearch/maxBytes``.
    case resync

    /// The value of the metric label `reason`.
    var label: StaticString {
        switch self {
        case .preface: "preface"
        case .frame(let error): error.label
        case .continuation: "continuation"
        case .headerBlockSize: "header_block_size"
        case .headerBlock(let error): error.label
        case .pushPromise: "push_promise"
        case .settingsLength: "settings_length"
        case .settingsFlood: "settings_flood"
        case .tooManyStreams: "too_many_streams"
        case .resync: "resync"
        }
    }
}
