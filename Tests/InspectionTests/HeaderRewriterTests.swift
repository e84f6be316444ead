import Calls
import Testing

@testable import HTTP2
@testable import Inspection

@Suite struct HeaderRewriterTests {
    private static func frame(_ count: Int, flags: UInt8, type: UInt8 = HTTP2FrameType.headers) -> HTTP2FrameHeader {
        HTTP2FrameHeader(payloadBytes: UInt32(count), type: type, flags: flags, streamID: 5)
    }

    private static func header(_ frame: HTTP2FrameHeader) -> [UInt8] {
        var bytes: [UInt8] = []
        HTTP2FrameWriter.header(frame, into: &bytes)
        return bytes
    }

    /// Completes a block of one HEADERS frame.
    private static func finish(_ rewriter: inout HeaderRewriter, flags: UInt8 = HTTP2Flag.endHeaders)
        -> HeaderRewriter.Edit
    {
        let frame = frame(10, flags: flags)
        return rewriter.finish(frame, last: frame, sizeUpdates: HPACKSizeUpdates(), maxFrameBytes: 16_384)
    }

    /// The literals of a field without indexing, whose name is in no table.
    private static let literal: [UInt8] = [0, 3] + Array("x-a".utf8) + [1] + Array("b".utf8)
    private static let field = InsertedField(key: "X-A", value: "b")

    /// Fields as a decoder writes them, and the place of a trace context in them.
    private static func take(_ rewriter: inout HeaderRewriter, _ fields: [UInt8], trace: Range<Int>? = nil) {
        var texts = HeaderTexts()
        texts.rewritten = fields
        if let trace { texts.rewrittenTraces = [RewrittenTrace(format: .traceparent, part: trace)] }
        rewriter.take(&texts)
    }

    @Test("blocks pass as they are until one is refused; later ones are written anew")
    func refused() {
        var rewriter = HeaderRewriter()
        #expect(Self.finish(&rewriter) == .forward)
        #expect(!rewriter.isRewriting)
        rewriter.begin(isWithheld: false)
        rewriter.refuse()
        #expect(Self.finish(&rewriter) == .drop)
        #expect(rewriter.isRewriting && rewriter.decision == .pass)
        rewriter.begin(isWithheld: false)
        Self.take(&rewriter, [0x83])
        let block = Self.header(Self.frame(1, flags: HTTP2Flag.endHeaders)) + [0x83]
        #expect(Self.finish(&rewriter) == .replace(block))
    }

    @Test("a block of a stream that Weir has answered is left out, and no other")
    func withheld() {
        var rewriter = HeaderRewriter()
        rewriter.start()
        rewriter.begin(isWithheld: true)
        #expect(Self.finish(&rewriter) == .drop)
        rewriter.begin(isWithheld: false)
        let flags = HTTP2Flag.endHeaders | HTTP2Flag.endStream
        #expect(Self.finish(&rewriter, flags: flags) == .replace(Self.header(Self.frame(0, flags: flags))))
    }

    @Test("a size of the table that a dropped block announced is announced by the next one")
    func sizeUpdates() {
        var rewriter = HeaderRewriter()
        rewriter.refuse()
        var updates = HPACKSizeUpdates()
        updates.append(0)
        updates.append(30)
        let frame = Self.frame(10, flags: HTTP2Flag.endHeaders)
        #expect(rewriter.finish(frame, last: frame, sizeUpdates: updates, maxFrameBytes: 16_384) == .drop)
        let block = Self.header(Self.frame(2, flags: HTTP2Flag.endHeaders)) + [0x20, 0x3e]
        #expect(Self.finish(&rewriter) == .replace(block))
        #expect(Self.finish(&rewriter) == .replace(Self.header(Self.frame(0, flags: HTTP2Flag.endHeaders))))
    }

    @Test("a field goes behind the block in its frame, which gets longer, without writing anything anew")
    func inserted() {
        var rewriter = HeaderRewriter()
        rewriter.insertion = [Self.field]
        let longer = Self.frame(10 + Self.literal.count, flags: HTTP2Flag.endHeaders)
        #expect(Self.finish(&rewriter) == .extend(header: Self.header(longer), tail: Self.literal))
        #expect(!rewriter.isRewriting && rewriter.insertion.isEmpty)
        #expect(Self.finish(&rewriter) == .forward)
    }

    @Test("a field goes into a CONTINUATION where the frame is padded, full, or one itself")
    func continued() {
        let tail =
            Self.header(
                Self.frame(Self.literal.count, flags: HTTP2Flag.endHeaders, type: HTTP2FrameType.continuation)
            ) + Self.literal
        var rewriter = HeaderRewriter()
        rewriter.insertion = [Self.field]
        let padded = HTTP2Flag.endHeaders | HTTP2Flag.padded
        let open = Self.frame(10, flags: HTTP2Flag.padded)
        #expect(Self.finish(&rewriter, flags: padded) == .extend(header: Self.header(open), tail: tail))
        rewriter.insertion = [Self.field]
        let full = Self.frame(16_384, flags: HTTP2Flag.endHeaders)
        let edit = rewriter.finish(full, last: full, sizeUpdates: HPACKSizeUpdates(), maxFrameBytes: 16_384)
        #expect(edit == .extend(header: Self.header(Self.frame(16_384, flags: 0)), tail: tail))
        rewriter.insertion = [Self.field]
        let first = Self.frame(10, flags: HTTP2Flag.endStream)
        let last = Self.frame(4, flags: HTTP2Flag.endHeaders, type: HTTP2FrameType.continuation)
        let split = rewriter.finish(first, last: last, sizeUpdates: HPACKSizeUpdates(), maxFrameBytes: 16_384)
        let opened = Self.frame(4, flags: 0, type: HTTP2FrameType.continuation)
        #expect(split == .extend(header: Self.header(opened), tail: tail))
    }

    @Test("a context of the request's own gives way to the same kind that is inserted, and to no other")
    func traces() {
        let context = InsertedField(key: "traceparent", value: "c")
        let literal: [UInt8] = [0, 11] + Array("traceparent".utf8) + [1] + Array("c".utf8)
        for (field, kept) in [(context, [0x83, 0x87]), (Self.field, [0x83, 1, 2, 3, 0x87] as [UInt8])] {
            var rewriter = HeaderRewriter()
            rewriter.start()
            rewriter.begin(isWithheld: false)
            Self.take(&rewriter, [0x83, 1, 2, 3, 0x87], trace: 1..<4)
            rewriter.insertion = [field]
            let block = kept + (field == context ? literal : Self.literal)
            let header = Self.header(Self.frame(block.count, flags: HTTP2Flag.endHeaders))
            #expect(Self.finish(&rewriter) == .replace(header + block))
        }
    }
}
