import Dubbo
import TestSupport
import Testing
import Wire

@Suite struct FrameHeaderTests {
    private func header(_ text: String, at offset: Int = 0) -> Result<FrameHeader, FrameError> {
        let bytes = hex(text)
        let whole = Result { () throws(FrameError) in try FrameHeader(bytes.span.bytes, at: offset) }
        let (first, second) = (bytes.span.bytes.uint64(at: offset), bytes.span.bytes.uint64(at: offset + 8))
        let words = Result { () throws(FrameError) in try FrameHeader(first: first, second: second) }
        #expect(whole == words, "the two ways to read a header agree")
        return whole
    }

    @Test("the fields of a request, a reply and the events")
    func fields() throws {
        let request = try header("dabb c2 00 fffffffffffffffe 00000010").get()
        #expect(request.isRequest && request.isTwoWay && !request.isEvent && request.serialization == 2)
        #expect(request.requestID == .max - 1 && request.bodyBytes == 16 && request.frameBytes == 32)
        let oneway = try header("dabb 97 00 0000000000000001 00000000").get()
        #expect(oneway.isRequest && !oneway.isTwoWay && oneway.serialization == 23 && oneway.frameBytes == 16)
        let reply = try header("dabb 02 64 0123456789abcdef 00000005").get()
        #expect(!reply.isRequest && !reply.isTwoWay && reply.status == 100 && reply.requestID == 0x0123_4567_89ab_cdef)
        let heartbeat = try header("dabb e2 00 0000000000000001 00000001").get()
        #expect(heartbeat.isRequest && heartbeat.isTwoWay && heartbeat.isEvent)
        let answer = try header("dabb 22 14 0000000000000001 00000002").get()
        #expect(!answer.isRequest && answer.isEvent && answer.status == 20)
        let shifted = try header("0011 dabb a2 00 0000000000000007 00000002 0152", at: 2).get()
        #expect(shifted.isRequest && !shifted.isTwoWay && shifted.isEvent && shifted.requestID == 7)
    }

    @Test("every flag byte is taken apart")
    func flags() throws {
        for flags in UInt8.min...UInt8.max {
            let header = FrameHeader(flags: flags, status: 0, requestID: 0, bodyBytes: 0)
            #expect(header.isRequest == (flags >= 0x80) && header.isTwoWay == (flags & 0x40 != 0))
            #expect(header.isEvent == (flags & 0x20 != 0) && header.serialization == flags % 32)
        }
    }

    @Test("both bytes of the magic count")
    func magic() {
        #expect(header("dabc c2 00 0000000000000001 00000001") == .failure(.badMagic(found: 0xdabc)))
        #expect(header("dbbb c2 00 0000000000000001 00000001") == .failure(.badMagic(found: 0xdbbb)))
        #expect(header("bbda c2 00 0000000000000001 00000001") == .failure(.badMagic(found: 0xbbda)))
        #expect("\(FrameError.badMagic(found: 0).label)" == "magic")
    }

    @Test("the body's length is bounded: one below, at and above, and negative")
    func length() throws {
        #expect(try header("dabb c2 00 0000000000000001 3fffffff").get().bodyBytes == FrameHeader.maxBodyBytes - 1)
        #expect(try header("dabb c2 00 0000000000000001 40000000").get().bodyBytes == FrameHeader.maxBodyBytes)
        let above = FrameHeader.maxBodyBytes + 1
        #expect(header("dabb c2 00 0000000000000001 40000001") == .failure(.badLength(declared: above)))
        #expect(header("dabb c2 00 0000000000000001 ffffffff") == .failure(.badLength(declared: .max)))
        #expect("\(FrameError.badLength(declared: 0).label)" == "length")
    }

    @Test("the largest frame's length does not overflow")
    func frameBytes() {
        let header = FrameHeader(flags: 0, status: 0, requestID: 0, bodyBytes: .max)
        #expect(header.frameBytes == 16 + UInt64(UInt32.max))
    }
}
