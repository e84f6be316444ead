internal import HTTP2
internal import Wire

/// The header blocks of one direction, which may be split over CONTINUATION frames (RFC 9113 §4.3).
///
///     closed → open(stream) → closed
///
/// Bound: ``maxBytes`` a block, counted with the headers of its frames: a block of a thousand tiny frames is as bad as
/// a large one.
struct HeaderBlockAssembler {
    private enum State: Equatable {
        /// No block is being read, or its first frame is.
        case closed
        /// The block goes on in CONTINUATION frames of this stream.
        case open(UInt32)
    }

    /// The part of a block that a frame is.
    enum Part: Equatable {
        /// More follows.
        case open
        /// The whole block, which lies there in the frame's payload.
        case whole(ByteRange)
        /// The last part; see ``HeaderBlockAssembler/takeBlock()``.
        case last
    }

    /// The most bytes of a block.
    static let maxBytes = 262_144

    private var state = State.closed
    private var bytes: [UInt8] = []
    /// The frame that began the block.
    private(set) var frame = HTTP2FrameHeader(payloadBytes: 0, type: 0, streamID: 0)
    /// The time of its first byte.
    private(set) var start: UInt64 = 0
    /// The bytes of the block's frames, with their headers.
    private(set) var frameBytes: UInt64 = 0

    /// The block as calls need it.
    var block: StreamCalls.Block {
        let endsStream = frame.has(HTTP2Flag.endStream)
        return StreamCalls.Block(id: frame.streamID, start: start, bytes: frameBytes, endsStream: endsStream)
    }

    /// True if a block goes on in another frame.
    var isOpen: Bool { state != .closed }

    /// A frame begins.
    ///
    /// - Parameter next: Its header.
    /// - Returns: The failure, if it may not stand there or the block is too large; `nil` otherwise.
    func failure(of next: HTTP2FrameHeader) -> HTTP2Failure? {
        let isContinuation = next.type == HTTP2FrameType.continuation
        switch state {
        case .open(let id): guard isContinuation, next.streamID == id else { return .continuation }
        case .closed: guard !isContinuation else { return .continuation }
        }
        guard next.isBlockPart else { return nil }
        return Int(next.payloadBytes) + bytes.count <= Self.maxBytes ? nil : .headerBlockSize
    }

    /// A frame of a block is complete.
    ///
    /// - Parameters:
    ///   - payload: Its payload.
    ///   - part: Its header.
    ///   - time: The time of its first byte, in nanoseconds.
    /// - Returns: The part of the block that it is.
    /// - Throws: ``HTTP2Failure`` when it contradicts its header, or the block is too large.
    mutating func take(
        _ payload: RawSpan,
        of part: HTTP2FrameHeader,
        at time: UInt64
    ) throws(HTTP2Failure) -> Part {
        note(part)
        let content: ByteRange
        do throws(HTTP2FrameError) {
            content = try part.content(firstByte: payload.byteCount > 0 ? payload.byte(at: 0) : 0)
        } catch {
            throw .frame(error)
        }
        if part.type != HTTP2FrameType.continuation {
            frame = part
            start = time
            frameBytes = 0
        }
        frameBytes += UInt64(part.frameBytes)
        guard part.has(HTTP2Flag.endHeaders) else {
            guard frameBytes <= UInt64(Self.maxBytes) else { throw .headerBlockSize }
            bytes.append(payload.slice(content))
            return .open
        }
        guard !bytes.isEmpty else { return .whole(content) }
        bytes.append(payload.slice(content))
        return .last
    }

    /// Takes the bytes of a block that came in several frames.
    mutating func takeBlock() -> [UInt8] {
        var block: [UInt8] = []
        swap(&block, &bytes)
        return block
    }

    /// A frame of a block is complete that is stepped over.
    mutating func note(_ part: HTTP2FrameHeader) {
        // No block belongs to stream 0, so what follows one there is not followed.
        state = part.has(HTTP2Flag.endHeaders) || part.streamID == 0 ? .closed : .open(part.streamID)
    }

    /// Forgets a block that has begun.
    mutating func forget() {
        state = .closed
        bytes = []
    }
}

extension HTTP2FrameHeader {
    /// True if the frame is part of a header block.
    var isBlockPart: Bool {
        type == HTTP2FrameType.headers || type == HTTP2FrameType.continuation || type == HTTP2FrameType.pushPromise
    }
}
