import HTTP2
import TestSupport
import Testing
import Wire

@Suite struct FrameTests {
    @Test("a header's fields stand where RFC 9113 has them, and the reserved bit is passed over")
    func header() {
        let bytes = hex("00 123456 07 25 ffffffff")
        let header = HTTP2FrameHeader(bytes.span.bytes, at: 1)
        #expect(header == HTTP2FrameHeader(payloadBytes: 0x123456, type: 7, flags: 0x25, streamID: 0x7fff_ffff))
        #expect(header.frameBytes == 0x123456 + 9)
        #expect(header.has(HTTP2Flag.endHeaders) && header.has(HTTP2Flag.endStream) && !header.has(HTTP2Flag.padded))
        #expect(HTTP2FrameHeader(first: 0x12_3456_0725_ff_ffff, last: 0xff).streamID == 0x7fff_ffff)
        #expect(HTTP2Preface.text.utf8CodeUnitCount == HTTP2Preface.byteCount)
    }

    @Test("written headers read back", arguments: 1...200)
    func roundTrip(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let header = HTTP2FrameHeader(
            payloadBytes: UInt32.random(in: 0...HTTP2FrameHeader.maxPayloadBytes, using: &random),
            type: UInt8.random(in: 0...255, using: &random),
            flags: UInt8.random(in: 0...255, using: &random),
            streamID: UInt32.random(in: 0...0x7fff_ffff, using: &random)
        )
        var bytes: [UInt8] = []
        HTTP2FrameWriter.header(header, into: &bytes)
        #expect(HTTP2FrameHeader(bytes.span.bytes, at: 0) == header)
    }

    @Test(
        "the content of a payload lies between priority and padding",
        arguments: [
            // type, flags, payload bytes, first byte, offset, count
            (0, 0x0, 10, 3, 0, 10), (0, 0x8, 10, 3, 1, 6), (0, 0x8, 10, 9, 1, 0), (0, 0x8, 1, 0, 1, 0),
            (0, 0x20, 10, 3, 0, 10), (1, 0x20, 10, 3, 5, 5), (1, 0x28, 10, 3, 6, 1), (1, 0x28, 10, 4, 6, 0),
            (1, 0x24, 5, 0, 5, 0), (5, 0x4, 10, 0, 4, 6), (5, 0xc, 10, 2, 5, 3), (9, 0x2c, 10, 3, 0, 10),
        ] as [(UInt8, UInt8, UInt32, UInt8, Int, Int)]
    )
    func content(_ type: UInt8, _ flags: UInt8, _ bytes: UInt32, _ first: UInt8, _ offset: Int, _ count: Int) throws {
        let header = HTTP2FrameHeader(payloadBytes: bytes, type: type, flags: flags, streamID: 1)
        #expect(try header.content(firstByte: first) == ByteRange(offset: offset, count: count))
    }

    @Test("payloads without room for their fields are refused")
    func badContent() {
        func error(_ type: UInt8, _ flags: UInt8, _ bytes: UInt32, _ first: UInt8) -> HTTP2FrameError? {
            do throws(HTTP2FrameError) {
                _ = try HTTP2FrameHeader(payloadBytes: bytes, type: type, flags: flags, streamID: 1)
                    .content(firstByte: first)
                return nil
            } catch { return error }
        }
        #expect(error(0, 0x8, 10, 10) == .badPadding(padBytes: 10, payloadBytes: 10))
        #expect(error(0, 0x8, 0, 0) == .badLength(type: 0, payloadBytes: 0))
        #expect(error(1, 0x20, 4, 0) == .badLength(type: 1, payloadBytes: 4))
        #expect(error(1, 0x28, 10, 5) == .badPadding(padBytes: 5, payloadBytes: 10))
        #expect(error(5, 0, 3, 0) == .badLength(type: 5, payloadBytes: 3))
        #expect(HTTP2FrameError.badLength(type: 0, payloadBytes: 0).label.description == "frame_length")
        #expect(HTTP2FrameError.badPadding(padBytes: 0, payloadBytes: 0).label.description == "frame_padding")
    }

    @Test("every frame that Weir writes has the bytes of RFC 9113")
    func written() throws {
        var out: [UInt8] = []
        HTTP2FrameWriter.resetStream(5, errorCode: HTTP2ErrorCode.cancel, into: &out)
        #expect(out == hex("000004 03 00 00000005 00000008"))
        let reset = HTTP2FrameHeader(out.span.bytes, at: 0)
        #expect(try reset.number(in: out.span.bytes.extracting(9..<13)) == 8)
        out = []
        HTTP2FrameWriter.windowUpdate(0, streamID: 0, into: &out)
        #expect(out == [])
        HTTP2FrameWriter.windowUpdate(65_536, streamID: 0, into: &out)
        #expect(out == hex("000004 08 00 00000000 00010000"))
        out[9] |= 0x80
        let update = HTTP2FrameHeader(out.span.bytes, at: 0)
        #expect(try update.number(in: out.span.bytes.extracting(9..<13)) == 65_536)
        out = []
        HTTP2FrameWriter.ping(0x97ACEF001, isAck: false, into: &out)
        HTTP2FrameWriter.ping(1, isAck: true, into: &out)
        #expect(out == hex("000008 06 00 00000000 000000097acef001 000008 06 01 00000000 0000000000000001"))
        out = []
        HTTP2FrameWriter.settings([HTTP2Setting(id: HTTP2SettingID.maxFrameSize, value: 8 << 20)], into: &out)
        HTTP2FrameWriter.settingsAck(into: &out)
        #expect(out == hex("000006 04 00 00000000 0005 00800000 000000 04 01 00000000"))
        #expect(HTTP2Setting(out.span.bytes, at: 9) == HTTP2Setting(id: 5, value: 8 << 20))
        #expect(try HTTP2FrameHeader(out.span.bytes, at: 0).settingCount() == 1)
        #expect(throws: HTTP2FrameError.badLength(type: 4, payloadBytes: 7)) {
            try HTTP2FrameHeader(payloadBytes: 7, type: 4, streamID: 0).settingCount()
        }
        #expect(throws: HTTP2FrameError.badLength(type: 4, payloadBytes: 6)) {
            try HTTP2FrameHeader(payloadBytes: 6, type: 4, flags: 1, streamID: 0).settingCount()
        }
    }

    @Test("GOAWAY carries a text that every receiver takes")
    func goAway() throws {
        var out: [UInt8] = []
        let text = [UInt8](repeating: 0x61, count: 20_000)
        HTTP2FrameWriter.goAway(lastStreamID: .max, errorCode: HTTP2ErrorCode.noError, into: &out)
        #expect(out == hex("000008 07 00 00000000 7fffffff 00000000"))
        HTTP2FrameWriter.goAway(lastStreamID: 7, errorCode: 11, debug: text.span.bytes, into: &out)
        let header = HTTP2FrameHeader(out.span.bytes, at: 17)
        #expect(header.payloadBytes == 16_384)
        #expect(out.count == 17 + header.frameBytes)
        let (last, code) = try header.goAway(in: out.span.bytes.extracting(26..<34))
        #expect(last == 7 && code == 11)
        #expect(throws: HTTP2FrameError.self) { try header.goAway(in: RawSpan()) }
    }

    @Test(
        "header blocks and bodies are split by the receiver's frame size",
        arguments: [(0, 10), (1, 10), (9, 10), (10, 10), (11, 10), (20, 10), (21, 10), (5, 0), (3, 1)]
            as [(Int, UInt32)]
    )
    func split(_ count: Int, _ most: UInt32) {
        let block = (0..<count).map { UInt8($0) }
        for (isData, ends) in [(false, false), (false, true), (true, false), (true, true)] {
            var out: [UInt8] = []
            if isData {
                HTTP2FrameWriter.data(block.span.bytes, streamID: 3, endsStream: ends, maxFrameBytes: most, into: &out)
            } else {
                HTTP2FrameWriter.headers(
                    block.span.bytes,
                    streamID: 3,
                    endsStream: ends,
                    maxFrameBytes: most,
                    into: &out
                )
            }
            var at = 0
            var joined: [UInt8] = []
            while at < out.count {
                let header = HTTP2FrameHeader(out.span.bytes, at: at)
                let isFirst = at == 0
                let content = out[(at + 9)..<(at + header.frameBytes)]
                joined += content
                at += header.frameBytes
                let isLast = at == out.count
                #expect(header.streamID == 3)
                #expect(content.count <= max(most, 1))
                if isData {
                    #expect(header.type == 0 && header.flags == (isLast && ends ? 1 : 0))
                } else {
                    #expect(header.type == (isFirst ? 1 : 9))
                    #expect(header.flags == (isFirst && ends ? 1 : 0) | (isLast ? 4 : 0))
                }
            }
            #expect(joined == block)
        }
    }
}
