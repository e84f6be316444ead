internal import Calls
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// The header blocks of one direction as their receiver gets them.
///
///     copying → rewriting
///
/// Blocks pass as they are until one is dropped or changed. From then on the receiver's header table is no longer the
/// sender's, and every block is written anew, without indexing (RFC 7541 §6.2.2).
struct HeaderRewriter {
    private enum Mode {
        /// Both peers' tables are the same.
        case copying
        /// The receiver's table is no longer the sender's.
        case rewriting
    }

    /// The decision about the block being read.
    enum Decision {
        /// The block passes, or is still to be decided about.
        case pass
        /// The block belongs to a stream that Weir has answered.
        case withhold
        /// The block began a request that was refused.
        case refuse
    }

    /// The edit that carries a decision out.
    enum Edit: Equatable {
        /// The block passes as it is.
        case forward
        /// The block is left out.
        case drop
        /// These frames take the block's place.
        case replace([UInt8])
        /// The block's last frame gets this header, and these bytes follow it.
        case extend(header: [UInt8], tail: [UInt8])
    }

    private var mode = Mode.copying
    private(set) var decision = Decision.pass
    /// The fields to be inserted into the block.
    var insertion: [InsertedField] = []
    private var encoder = HPACKEncoder()
    /// The block as it is written anew, but for what is inserted.
    private var rewritten: [UInt8] = []
    /// The trace contexts in it.
    private var traces: [RewrittenTrace] = []

    /// True if blocks are written anew.
    var isRewriting: Bool { mode == .rewriting }

    /// Blocks are written anew, from one on whose fields were not decoded yet.
    mutating func start() { mode = .rewriting }

    /// A block begins.
    ///
    /// - Parameter isWithheld: True if it belongs to a stream that Weir has answered.
    mutating func begin(isWithheld: Bool) { decision = isWithheld ? .withhold : .pass }

    /// The block begins a request that is refused.
    mutating func refuse() { decision = .refuse }

    /// Takes the fields of a block that were written anew, and leaves the memory of those before.
    mutating func take(_ texts: inout HeaderTexts) {
        swap(&rewritten, &texts.rewritten)
        swap(&traces, &texts.rewrittenTraces)
    }

    /// A block is whole and decided about.
    ///
    /// - Parameters:
    ///   - first: The frame that began it.
    ///   - last: The frame that ended it.
    ///   - sizeUpdates: The table's sizes that it announced.
    ///   - maxFrameBytes: The receiver's MAX_FRAME_SIZE.
    /// - Returns: The edit.
    mutating func finish(
        _ first: HTTP2FrameHeader,
        last: HTTP2FrameHeader,
        sizeUpdates: HPACKSizeUpdates,
        maxFrameBytes: UInt32
    ) -> Edit {
        defer { forgetBlock() }
        guard decision == .pass else {
            encoder.carry(sizeUpdates)
            mode = .rewriting
            return .drop
        }
        guard mode == .rewriting else {
            return insertion.isEmpty ? .forward : extended(first, last: last, maxFrameBytes: maxFrameBytes)
        }
        var block: [UInt8] = []
        encoder.carry(sizeUpdates)
        encoder.beginBlock(into: &block)
        appendRewritten(to: &block)
        appendInsertion(to: &block)
        var frames: [UInt8] = []
        HTTP2FrameWriter.headers(
            block.byteSpan,
            streamID: first.streamID,
            endsStream: first.has(HTTP2Flag.endStream),
            maxFrameBytes: maxFrameBytes,
            into: &frames
        )
        return .replace(frames)
    }

    /// Forgets the decision about the block.
    mutating func forgetBlock() {
        decision = .pass
        if !insertion.isEmpty { insertion = [] }
    }

    /// Appends the block's fields, but for trace contexts in whose place others are inserted.
    private func appendRewritten(to block: inout [UInt8]) {
        guard !traces.isEmpty, !insertion.isEmpty else {
            block += rewritten
            return
        }
        let formats = insertion.compactMap { TraceFormat($0) }
        var at = 0
        for trace in traces where formats.contains(trace.format) {
            block += rewritten[at..<trace.part.lowerBound]
            at = trace.part.upperBound
        }
        block += rewritten[at...]
    }

    private func appendInsertion(to out: inout [UInt8]) {
        for field in insertion {
            let name = Array(field.key.lowercased().utf8)
            let value = Array(field.value.utf8)
            encoder.field(name: name.byteSpan, value: value.byteSpan, into: &out)
        }
    }

    /// Adds the insertion to a block that otherwise stays as it is: a literal without indexing leaves all tables alone.
    private func extended(_ first: HTTP2FrameHeader, last: HTTP2FrameHeader, maxFrameBytes: UInt32) -> Edit {
        var literal: [UInt8] = []
        appendInsertion(to: &literal)
        var header: [UInt8] = []
        guard last.type == HTTP2FrameType.headers, !first.has(HTTP2Flag.padded),
            Int(first.payloadBytes) + literal.count <= Int(maxFrameBytes)
        else {
            // The fields go into a CONTINUATION of their own behind the block, whose last frame loses END_HEADERS.
            var open = last
            open.flags &= ~HTTP2Flag.endHeaders
            HTTP2FrameWriter.header(open, into: &header)
            let continuation = HTTP2FrameHeader(
                payloadBytes: UInt32(literal.count),
                type: HTTP2FrameType.continuation,
                flags: HTTP2Flag.endHeaders,
                streamID: last.streamID
            )
            var tail: [UInt8] = []
            HTTP2FrameWriter.header(continuation, into: &tail)
            return .extend(header: header, tail: tail + literal)
        }
        var longer = first
        longer.payloadBytes += UInt32(literal.count)
        HTTP2FrameWriter.header(longer, into: &header)
        return .extend(header: header, tail: literal)
    }
}
