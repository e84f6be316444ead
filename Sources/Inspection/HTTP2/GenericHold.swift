internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// The headers of a generic call that wait for the message which names the call's method.
///
/// Nothing behind the headers is read meanwhile: what is kept here is a copy of what the relay holds.
final class GenericHold {
    /// The request's headers.
    let headers: HeaderTextsBox
    /// What came behind the header block; at most ``HoldLimits/requestBytes`` with it.
    var bytes: [UInt8] = []
    /// Looks for the message in them.
    var message: FirstMessage

    init(_ headers: HeaderTextsBox, streamID: UInt32) {
        self.headers = headers
        message = FirstMessage(streamID: streamID)
    }
}

/// Looks ahead, in frames that are not read yet, for the method that a stream's first message names.
///
/// Bytes may come in pieces of any size; each is looked at once.
struct FirstMessage {
    private let streamID: UInt32
    /// The bytes of a frame's header that has begun.
    private var header: [UInt8] = []
    private var frame: HTTP2FrameHeader?
    /// How many bytes of the frame's payload are to come, and how many of its content.
    private var payloadLeft = 0
    private var contentLeft = 0
    /// True if the padding's length is to come.
    private var isPaddingDue = false
    private var reader = GRPCMessageReader()
    private var search = TripleMethodReader()
    /// True if no more bytes will tell more.
    private(set) var isOver = false
    /// The method; `nil` while it is not found.
    var method: [UInt8]? { search.method }
    /// True if the message is compressed.
    private(set) var isCompressed = false

    init(streamID: UInt32) { self.streamID = streamID }

    /// Takes more of what follows the header block.
    mutating func take(_ bytes: RawSpan) {
        var at = 0
        while at < bytes.byteCount, !isOver {
            guard let frame else {
                let count = min(HTTP2FrameHeader.byteCount - header.count, bytes.byteCount - at)
                header.append(bytes.extracting(at..<at + count))
                at += count
                if header.count == HTTP2FrameHeader.byteCount { begin() }
                continue
            }
            let count = min(payloadLeft, bytes.byteCount - at)
            if isOurData(frame) { take(content: bytes.extracting(at..<at + count)) }
            at += count
            payloadLeft -= count
            if payloadLeft == 0 { end(frame) }
        }
    }

    private func isOurData(_ frame: HTTP2FrameHeader) -> Bool {
        frame.type == HTTP2FrameType.data && frame.streamID == streamID
    }

    private mutating func begin() {
        let frame = HTTP2FrameHeader(header.byteSpan, at: 0)
        header = []
        self.frame = frame
        payloadLeft = Int(frame.payloadBytes)
        contentLeft = payloadLeft
        isPaddingDue = frame.has(HTTP2Flag.padded)
        if payloadLeft == 0 { end(frame) }
    }

    private mutating func end(_ frame: HTTP2FrameHeader) {
        self.frame = nil
        guard frame.streamID == streamID else { return }
        switch frame.type {
        case HTTP2FrameType.data, HTTP2FrameType.headers: if frame.has(HTTP2Flag.endStream) { isOver = true }
        case HTTP2FrameType.resetStream: isOver = true
        default: break
        }
    }

    /// Bytes of a DATA frame's payload.
    private mutating func take(content piece: RawSpan) {
        var piece = piece
        if isPaddingDue, piece.byteCount > 0 {
            isPaddingDue = false
            contentLeft = max(0, payloadLeft - 1 - Int(piece.byte(at: 0)))
            piece = piece.extracting(1..<piece.byteCount)
        }
        piece = piece.extracting(first: contentLeft)
        contentLeft -= piece.byteCount
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
