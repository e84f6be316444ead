internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// The headers of a request that wait for what names its method: a generic call's first message, or a JSON-RPC body.
///
/// Nothing behind the headers is read meanwhile: what is kept here is a copy of what the relay holds.
final class RequestHold {
    /// The request's headers.
    let headers: HeaderTextsBox
    /// The bytes behind the header block; at most ``HoldLimits/requestBytes`` with it.
    var bytes: [UInt8] = []
    /// The stream's content in them.
    private(set) var content: StreamContent
    /// Looks for the method of a generic call.
    private(set) var message = FirstMessage()
    /// The body of what may be JSON-RPC; `nil` of a generic call.
    private(set) var body: RPCBody?

    /// A request that waits.
    ///
    /// - Parameters:
    ///   - headers: Its headers.
    ///   - streamID: Its stream.
    ///   - body: Its body, if that is wanted.
    init(_ headers: HeaderTextsBox, streamID: UInt32, body: RPCBody? = nil) {
        self.headers = headers
        content = StreamContent(streamID: streamID)
        self.body = body
    }

    /// True if no more bytes will tell more.
    var isOver: Bool {
        if content.isEnded { return true }
        return body.map(\.isNoCallSoFar) ?? message.isOver
    }

    /// Takes more of what follows the header block.
    func take(_ bytes: RawSpan) {
        var at = 0
        while !isOver, let piece = content.next(bytes, &at) {
            if body == nil { message.take(bytes.extracting(piece)) } else { body?.take(bytes.extracting(piece)) }
        }
    }
}

/// The content of one stream's DATA in frames that are not read yet.
///
/// Bytes may come in pieces of any size; each is looked at once.
struct StreamContent {
    private let streamID: UInt32
    /// The bytes of a frame's header that has begun.
    private var header: [UInt8] = []
    private var frame: HTTP2FrameHeader?
    /// How many bytes of the frame's payload are to come, and how many of its content.
    private var payloadLeft = 0
    private var contentLeft = 0
    /// True if the padding's length is to come.
    private var isPaddingDue = false
    /// True once the stream's half has ended, or was reset.
    private(set) var isEnded = false
    /// True if it was reset.
    private(set) var isReset = false
    /// The bytes of the stream's frames of DATA and headers that have begun.
    private(set) var frameBytes: UInt64 = 0

    init(streamID: UInt32) { self.streamID = streamID }

    /// The next piece of content.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that are here.
    ///   - at: The place up to which they are looked at; moved.
    /// - Returns: The piece; `nil` when all bytes are looked at, or the half has ended.
    mutating func next(_ bytes: RawSpan, _ at: inout Int) -> Range<Int>? {
        while at < bytes.byteCount, !isEnded {
            guard let frame else {
                let count = min(HTTP2FrameHeader.byteCount - header.count, bytes.byteCount - at)
                header.append(bytes.extracting(at..<at + count))
                at += count
                if header.count == HTTP2FrameHeader.byteCount { begin() }
                continue
            }
            let start = at
            let count = min(payloadLeft, bytes.byteCount - at)
            at += count
            let piece = isOurs(frame, HTTP2FrameType.data) ? content(bytes, start..<at) : start..<start
            payloadLeft -= count
            if payloadLeft == 0 { end(frame) }
            if !piece.isEmpty { return piece }
        }
        return nil
    }

    private func isOurs(_ frame: HTTP2FrameHeader, _ type: UInt8) -> Bool {
        frame.type == type && frame.streamID == streamID
    }

    private mutating func begin() {
        let frame = HTTP2FrameHeader(header.byteSpan, at: 0)
        header = []
        self.frame = frame
        payloadLeft = Int(frame.payloadBytes)
        contentLeft = payloadLeft
        isPaddingDue = frame.has(HTTP2Flag.padded)
        if isOurs(frame, HTTP2FrameType.data) || isOurs(frame, HTTP2FrameType.headers) {
            frameBytes += UInt64(frame.frameBytes)
        }
        if payloadLeft == 0 { end(frame) }
    }

    private mutating func end(_ frame: HTTP2FrameHeader) {
        self.frame = nil
        guard frame.streamID == streamID else { return }
        switch frame.type {
        case HTTP2FrameType.data, HTTP2FrameType.headers: if frame.has(HTTP2Flag.endStream) { isEnded = true }
        case HTTP2FrameType.resetStream:
            isEnded = true
            isReset = true
        default: break
        }
    }

    /// The content in bytes of a DATA frame's payload.
    private mutating func content(_ bytes: RawSpan, _ part: Range<Int>) -> Range<Int> {
        var start = part.lowerBound
        if isPaddingDue, !part.isEmpty {
            isPaddingDue = false
            contentLeft = max(0, payloadLeft - 1 - Int(bytes.byte(at: start)))
            start += 1
        }
        let end = min(part.upperBound, start + contentLeft)
        contentLeft -= end - start
        return start..<end
    }
}

/// Looks for the method that a stream's first message names.
struct FirstMessage {
    private var reader = GRPCMessageReader()
    private var search = TripleMethodReader()
    /// True if no more bytes will tell more.
    private(set) var isOver = false
    /// The method; `nil` while it is not found.
    var method: [UInt8]? { search.method }
    /// True if the message is compressed.
    private(set) var isCompressed = false

    /// Takes a piece of content.
    mutating func take(_ piece: RawSpan) {
        var at = 0
        while !isOver, let part = reader.next(piece, &at) {
            isCompressed = part.isCompressed
            guard !part.isCompressed else {
                isOver = true
                return
            }
            search.take(piece.slice(part.payload))
            isOver = part.isEnd || search.isOver
        }
        if reader.isDamaged { isOver = true }
    }
}
