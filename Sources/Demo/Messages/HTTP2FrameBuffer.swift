internal import HTTP2
internal import Wire

/// The reasons for which an HTTP peer's bytes cannot be read.
enum PeerFault: Error, Equatable {
    /// The first bytes belong to no protocol, or to no HTTP/2 preface.
    case unknownProtocol
    /// A frame, a message or a body is longer than the demo takes.
    case tooLong
    /// A frame that is none, or one in the wrong place.
    case badFrame
    /// A header block that cannot be decoded.
    case badHeaders
    /// The peer takes less DATA than the smallest reply needs, or gives more room than there may be.
    case badWindow
    /// HTTP/1 that is none.
    case badHTTP1
    /// A body that is no JSON-RPC.
    case badJSON
}

/// One HTTP/2 frame as it was read: its header and all of its payload.
struct DemoHTTP2Frame: Equatable, Sendable {
    let header: HTTP2FrameHeader
    let payload: [UInt8]
}

/// Cuts a stream of bytes into HTTP/2 frames.
struct HTTP2FrameBuffer: Sendable {
    private var bytes: [UInt8] = []
    private var offset = 0
    private var awaitsPreface: Bool

    /// A buffer; the server's waits for the client's preface first.
    init(awaitsPreface: Bool) { self.awaitsPreface = awaitsPreface }

    mutating func append(_ piece: ArraySlice<UInt8>) {
        bytes.removeSubrange(..<offset)
        offset = 0
        bytes += piece
    }

    /// Takes the next frame; `nil` until it is complete.
    mutating func next() throws(PeerFault) -> DemoHTTP2Frame? {
        if awaitsPreface {
            guard bytes.count >= HTTP2Preface.byteCount else { return nil }
            guard bytes.starts(with: HTTP2Preface.text.description.utf8) else { throw .unknownProtocol }
            offset = HTTP2Preface.byteCount
            awaitsPreface = false
        }
        guard bytes.count - offset >= HTTP2FrameHeader.byteCount else { return nil }
        let header = HTTP2FrameHeader(bytes.byteSpan, at: offset)
        guard header.payloadBytes <= HTTP2Default.maxFrameBytes else { throw .tooLong }
        let end = offset + header.frameBytes
        guard bytes.count >= end else { return nil }
        defer { offset = end }
        return DemoHTTP2Frame(header: header, payload: Array(bytes[offset + HTTP2FrameHeader.byteCount..<end]))
    }
}
