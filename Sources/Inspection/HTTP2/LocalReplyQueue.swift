internal import HTTP2
internal import Wire

/// The frames of Weir's own that wait for the replies' direction to be between two frames: answers to requests, and
/// room for the client.
///
/// Content of answers takes room that the client gave its connection; where there is none, an answer goes without, with
/// an error's status. Bound: ``maxCount`` answers; requests beyond that are not refused.
struct LocalReplyQueue {
    /// An answer to a request.
    struct Answer {
        /// The fields of its block, coded, but for the table's sizes.
        var fields: [UInt8]
        /// Its content; with none the block is all.
        var body: [UInt8] = []
        /// The fields of the block where the client has no room for the content.
        var bare: [UInt8] = []
        fileprivate var streamID: UInt32 = 0
        /// True if the request goes on.
        fileprivate var isEarly = false

        /// An answer that is a single block.
        init(fields: [UInt8]) { self.fields = fields }
    }

    /// The most answers that wait.
    static let maxCount = 4096

    private var answers: [Answer] = []
    /// The DATA of refused streams that is to be credited back.
    private var creditBytes: UInt32 = 0
    /// Frames that were taken and go in at the boundary found in the bytes being read.
    var staged: [UInt8] = []

    /// True if nothing waits.
    var isEmpty: Bool { answers.isEmpty && creditBytes == 0 }

    /// True if no further answer can wait.
    var isFull: Bool { answers.count >= Self.maxCount }

    /// True if an answer that waits has content.
    var hasContent: Bool { answers.contains { !$0.body.isEmpty } }

    /// Adds an answer.
    ///
    /// - Parameters:
    ///   - answer: The answer.
    ///   - id: The stream.
    ///   - isEarly: True if the request goes on.
    mutating func append(_ answer: Answer, on id: UInt32, isEarly: Bool) {
        var answer = answer
        answer.streamID = id
        answer.isEarly = isEarly
        answers.append(answer)
    }

    /// DATA of a refused stream is dropped: the client gets its room back.
    mutating func credit(_ bytes: UInt32) { creditBytes += bytes }

    /// Takes the frames, to be put in exactly here: where the client's table stands decides how a block begins.
    ///
    /// - Parameters:
    ///   - tableBytes: The size that the client's decoder waits to be told; `nil` for none.
    ///   - maxFrameBytes: The client's MAX_FRAME_SIZE.
    ///   - takesRoom: Takes room for that much content, if the client has it.
    ///   - frames: The buffer that they are appended to.
    mutating func take(
        tableBytes: UInt32?,
        maxFrameBytes: UInt32,
        takesRoom: (UInt32) -> Bool = { _ in false },
        into frames: inout [UInt8]
    ) {
        var encoder = HPACKEncoder()
        encoder.announce(tableBytes)
        for answer in answers {
            var block: [UInt8] = []
            encoder.beginBlock(into: &block)
            let hasContent = !answer.body.isEmpty && takesRoom(UInt32(clamping: answer.body.count))
            block += hasContent || answer.body.isEmpty ? answer.fields : answer.bare
            HTTP2FrameWriter.headers(
                block.byteSpan,
                streamID: answer.streamID,
                endsStream: !hasContent,
                maxFrameBytes: maxFrameBytes,
                into: &frames
            )
            if hasContent { Self.data(answer, maxFrameBytes: maxFrameBytes, into: &frames) }
            // The rest of the request is not needed (RFC 9113 §8.1).
            guard answer.isEarly else { continue }
            HTTP2FrameWriter.resetStream(answer.streamID, errorCode: HTTP2ErrorCode.noError, into: &frames)
        }
        answers.removeAll(keepingCapacity: answers.capacity <= 64)
        HTTP2FrameWriter.windowUpdate(creditBytes, streamID: 0, into: &frames)
        creditBytes = 0
    }

    private static func data(_ answer: Answer, maxFrameBytes: UInt32, into frames: inout [UInt8]) {
        HTTP2FrameWriter.data(
            answer.body.byteSpan,
            streamID: answer.streamID,
            endsStream: true,
            maxFrameBytes: maxFrameBytes,
            into: &frames
        )
    }

    /// Takes the frames that were staged.
    mutating func takeStaged() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &staged)
        return taken
    }
}
