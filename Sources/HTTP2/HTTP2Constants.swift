/// The bytes that a client sends before its first frame (RFC 9113 §3.4).
public enum HTTP2Preface {
    /// The preface's length.
    public static let byteCount = 24
    /// The preface.
    public static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
}

/// The types of frames (RFC 9113 §6); other types are skipped.
public enum HTTP2FrameType {
    /// A piece of a message's body.
    public static let data: UInt8 = 0
    /// The beginning of a header block.
    public static let headers: UInt8 = 1
    /// A deprecated priority.
    public static let priority: UInt8 = 2
    /// The end of a stream before its time.
    public static let resetStream: UInt8 = 3
    /// Settings, or their acknowledgement.
    public static let settings: UInt8 = 4
    /// The header block of a promised request.
    public static let pushPromise: UInt8 = 5
    /// A ping, or its answer.
    public static let ping: UInt8 = 6
    /// The announced end of the connection.
    public static let goAway: UInt8 = 7
    /// More room for DATA.
    public static let windowUpdate: UInt8 = 8
    /// The rest of a header block.
    public static let continuation: UInt8 = 9
}

/// The bits of a frame's flag byte (RFC 9113 §6).
public enum HTTP2Flag {
    /// DATA, HEADERS: the sender's half of the stream ends here.
    public static let endStream: UInt8 = 0x1
    /// SETTINGS, PING: an acknowledgement.
    public static let ack: UInt8 = 0x1
    /// HEADERS, PUSH_PROMISE, CONTINUATION: the header block ends here.
    public static let endHeaders: UInt8 = 0x4
    /// DATA, HEADERS, PUSH_PROMISE: a pad length comes first, padding last.
    public static let padded: UInt8 = 0x8
    /// HEADERS: five bytes of priority come before the header block.
    public static let priority: UInt8 = 0x20
}

/// The reasons for the end of a stream or a connection (RFC 9113 §7).
public enum HTTP2ErrorCode {
    /// No error.
    public static let noError: UInt32 = 0x0
    /// The peer broke a rule that has no code of its own.
    public static let protocolError: UInt32 = 0x1
    /// A fault of the sender of the code.
    public static let internalError: UInt32 = 0x2
    /// More DATA than there was room for.
    public static let flowControlError: UInt32 = 0x3
    /// SETTINGS were not acknowledged in time.
    public static let settingsTimeout: UInt32 = 0x4
    /// A frame for a stream that had ended.
    public static let streamClosed: UInt32 = 0x5
    /// A frame of a wrong size.
    public static let frameSizeError: UInt32 = 0x6
    /// The stream was not processed at all; it may be tried again.
    public static let refusedStream: UInt32 = 0x7
    /// The stream is not wanted any more.
    public static let cancel: UInt32 = 0x8
    /// The header compression's state is lost.
    public static let compressionError: UInt32 = 0x9
    /// The connection behind a CONNECT failed.
    public static let connectError: UInt32 = 0xa
    /// The peer asks too much.
    public static let enhanceYourCalm: UInt32 = 0xb
    /// The transport is not safe enough.
    public static let inadequateSecurity: UInt32 = 0xc
    /// The peer has to use HTTP/1.1.
    public static let http11Required: UInt32 = 0xd
}

/// The settings of RFC 9113 §6.5.2; a setting binds the peer of its sender.
public enum HTTP2SettingID {
    /// The largest HPACK table, in bytes; 4096 unless said.
    public static let headerTableSize: UInt16 = 0x1
    /// True if the server may push; 1 by default.
    public static let enablePush: UInt16 = 0x2
    /// The most open streams; unbounded unless said.
    public static let maxConcurrentStreams: UInt16 = 0x3
    /// The room for DATA of a new stream, in bytes; 65,535 unless said.
    public static let initialWindowSize: UInt16 = 0x4
    /// The largest payload of a frame, in bytes; 16,384 unless said.
    public static let maxFrameSize: UInt16 = 0x5
    /// The largest header list, in bytes; unbounded unless said.
    public static let maxHeaderListSize: UInt16 = 0x6
}

/// The values before any SETTINGS (RFC 9113 §6.5.2, §6.9.2).
public enum HTTP2Default {
    /// HEADER_TABLE_SIZE, in bytes.
    public static let headerTableBytes: UInt32 = 4096
    /// INITIAL_WINDOW_SIZE, and the connection's first window, in bytes.
    public static let windowBytes: UInt32 = 65_535
    /// MAX_FRAME_SIZE, in bytes; also the smallest one that may be set.
    public static let maxFrameBytes: UInt32 = 16_384
}
