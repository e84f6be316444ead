import HTTP2
import Testing
import Wire

@testable import Inspection

@Suite struct HeaderBlockAssemblerTests {
    private static func frame(_ type: UInt8, _ flags: UInt8, _ count: Int, _ id: UInt32 = 1) -> HTTP2FrameHeader {
        HTTP2FrameHeader(payloadBytes: UInt32(count), type: type, flags: flags, streamID: id)
    }

    private static func take(
        _ assembler: inout HeaderBlockAssembler,
        _ payload: [UInt8],
        _ frame: HTTP2FrameHeader,
        at time: UInt64 = 0
    ) -> Result<HeaderBlockAssembler.Part, HTTP2Failure> {
        do throws(HTTP2Failure) {
            return .success(try assembler.take(payload.byteSpan, of: frame, at: time))
        } catch {
            return .failure(error)
        }
    }

    @Test("a block in one frame stays where it is, without padding and priority")
    func whole() {
        var assembler = HeaderBlockAssembler()
        let flags = HTTP2Flag.endHeaders | HTTP2Flag.padded | HTTP2Flag.priority
        let frame = Self.frame(HTTP2FrameType.headers, flags, 10)
        let part = Self.take(&assembler, [2, 0, 0, 0, 0, 9, 0x83, 0x84, 0, 0], frame, at: 5)
        #expect(part == .success(.whole(ByteRange(offset: 6, count: 2))))
        #expect(!assembler.isOpen && assembler.start == 5 && assembler.frameBytes == 19)
    }

    @Test("a block in several frames is joined, and keeps the time and the flags of its first")
    func joined() {
        var assembler = HeaderBlockAssembler()
        let first = Self.frame(HTTP2FrameType.headers, HTTP2Flag.endStream, 2)
        let middle = Self.frame(HTTP2FrameType.continuation, 0, 1)
        let last = Self.frame(HTTP2FrameType.continuation, HTTP2Flag.endHeaders, 1)
        #expect(Self.take(&assembler, [1, 2], first, at: 5) == .success(.open))
        #expect(assembler.isOpen && assembler.failure(of: middle) == nil)
        #expect(Self.take(&assembler, [3], middle, at: 6) == .success(.open))
        #expect(Self.take(&assembler, [4], last, at: 7) == .success(.last))
        #expect(assembler.takeBlock() == [1, 2, 3, 4])
        #expect(!assembler.isOpen && assembler.frame == first && assembler.start == 5 && assembler.frameBytes == 31)
        #expect(assembler.failure(of: last) == .continuation)
    }

    @Test("no other frame may stand inside of a block, and no CONTINUATION outside")
    func order() {
        var assembler = HeaderBlockAssembler()
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.data, 0, 1)) == nil)
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.continuation, 0, 1)) == .continuation)
        _ = Self.take(&assembler, [1], Self.frame(HTTP2FrameType.headers, 0, 1))
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.data, 0, 1)) == .continuation)
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.continuation, 0, 1, 3)) == .continuation)
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.continuation, 0, 1)) == nil)
        assembler.forget()
        #expect(!assembler.isOpen && assembler.takeBlock().isEmpty)
    }

    @Test("a block has a bound, whether its frames are large or many")
    func bounds() {
        var assembler = HeaderBlockAssembler()
        let limit = HeaderBlockAssembler.maxBytes
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.headers, 0, limit)) == nil)
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.headers, 0, limit + 1)) == .headerBlockSize)
        #expect(assembler.failure(of: Self.frame(HTTP2FrameType.data, 0, limit + 1)) == nil)
        var part = Self.take(&assembler, [], Self.frame(HTTP2FrameType.headers, 0, 0))
        var count = 1
        while part == .success(.open), count < limit {
            part = Self.take(&assembler, [], Self.frame(HTTP2FrameType.continuation, 0, 0))
            count += 1
        }
        #expect(part == .failure(.headerBlockSize) && count == limit / 9 + 1)
    }

    @Test("padding longer than its frame fails")
    func padding() {
        var assembler = HeaderBlockAssembler()
        let frame = Self.frame(HTTP2FrameType.headers, HTTP2Flag.endHeaders | HTTP2Flag.padded, 2)
        let error = HTTP2FrameError.badPadding(padBytes: 9, payloadBytes: 2)
        #expect(Self.take(&assembler, [9, 1], frame) == .failure(.frame(error)))
    }
}
