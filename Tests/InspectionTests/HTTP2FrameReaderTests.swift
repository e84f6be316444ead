import HTTP2
import Testing
import Wire

@testable import Inspection

@Suite struct HTTP2FrameReaderTests {
    /// What a reader makes of bytes: its frames, the content of DATA and the payloads that it keeps.
    private struct Log: Equatable {
        var frames: [HTTP2FrameHeader] = []
        var content: [UInt8] = []
        var kept: [[UInt8]] = []
        var searched = 0
        var failure: HTTP2Failure?
    }

    /// Reads bytes in pieces.
    private static func read(_ bytes: [UInt8], pieces: Int, phase: HTTP2FrameReader.Phase = .header) -> Log {
        var reader = HTTP2FrameReader(phase: phase)
        var log = Log()
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            feed(&reader, Array(bytes[start..<min(start + pieces, bytes.count)]), &log)
            if log.failure != nil { break }
        }
        return log
    }

    private static func feed(_ reader: inout HTTP2FrameReader, _ bytes: [UInt8], _ log: inout Log) {
        var at = 0
        while true {
            switch reader.next(bytes.byteSpan, at: &at) {
            case .needsMore: return
            case .preface: break
            case .began: log.frames.append(reader.frame)
            case .payload(let range): log.content += bytes[range]
            case .ended:
                if reader.gathered.isEmpty {
                    log.kept.append(Array(bytes[reader.wantedRange(endingAt: at)]))
                } else {
                    var gathered = reader.takeGathered()
                    log.kept.append(gathered)
                    reader.giveBack(&gathered)
                }
            case .searched(let count): log.searched += count
            case .failed(let failure):
                log.failure = failure
                return
            }
        }
    }

    @Test("frames, content and payloads do not depend on the pieces", arguments: [1, 2, 3, 8, 9, 10, 13, 1000])
    func pieces(_ count: Int) {
        let bytes =
            Array(HTTP2Preface.text.description.utf8) + H2.frame(4, 0, 0, [0, 1, 0, 0, 16, 0])
            + H2.headers(1, [0x83, 0x86, 0x87], end: false) + H2.data(1, [1, 2, 3, 4], end: false)
            + H2.padded(1, [5, 6, 7], 4, end: false) + H2.data(1, [], end: true) + H2.update(1, 77)
            + H2.frame(0x77, 0, 3, [1, 2, 3])
        let log = Self.read(bytes, pieces: count, phase: .preface)
        #expect(log == Self.read(bytes, pieces: bytes.count, phase: .preface))
        #expect(log.frames.map(\.type) == [4, 1, 0, 0, 0, 8, 0x77] && log.failure == nil)
        #expect(log.content == [1, 2, 3, 4, 5, 6, 7])
        #expect(log.kept == [[0, 1, 0, 0, 16, 0], [0x83, 0x86, 0x87], [], [], [], [0, 0, 0, 77], []])
    }

    @Test("what is no preface, and padding longer than its frame, fail")
    func failures() {
        #expect(Self.read(Array("PRI * HTTP/1".utf8), pieces: 1, phase: .preface).failure == .preface)
        let bad = H2.frame(0, HTTP2Flag.padded, 1, [9, 1, 2])
        let error = HTTP2FrameError.badPadding(padBytes: 9, payloadBytes: 3)
        #expect(Self.read(bad, pieces: 1).failure == .frame(error))
        #expect(Self.read(bad, pieces: 100).failure == .frame(error))
    }

    @Test("a search finds the next frame, and gives up after its bound")
    func search() {
        let noise = [UInt8](repeating: 0xff, count: 50)
        let log = Self.read(noise + H2.update(1, 1) + H2.update(1, 2), pieces: 1000, phase: .searching)
        #expect(log.searched == 50 && log.frames.count == 2)
        let flood = [UInt8](repeating: 0xff, count: HTTP2FrameSearch.maxBytes + 4096)
        let lost = Self.read(flood, pieces: 4096, phase: .searching)
        #expect(lost.failure == .resync && lost.searched == HTTP2FrameSearch.maxBytes + 4096)
    }

    @Test("a reader that waits reads nothing until it is resumed")
    func control() {
        var reader = HTTP2FrameReader(phase: .header)
        let bytes = H2.update(1, 1)
        var at = 0
        reader.wait()
        let waiting = reader.next(bytes.byteSpan, at: &at)
        #expect(waiting == .needsMore && at == 0)
        reader.resume()
        let began = reader.next(bytes.byteSpan, at: &at)
        let (isBetween, left) = (reader.isBetweenFrames, reader.payloadLeft)
        #expect(began == .began && at == 9 && !isBetween && left == 4)
        reader.stall()
        let stalled = reader.next(bytes.byteSpan, at: &at)
        #expect(stalled == .needsMore && at == 9)
    }

    @Test("a frame is stepped over without a look at it, in any pieces", arguments: [1, 4, 100])
    func skip(_ count: Int) {
        let bytes = H2.frame(0, HTTP2Flag.padded, 1, [9, 1, 2]) + H2.update(1, 1)
        var reader = HTTP2FrameReader(phase: .header)
        var ended = 0
        for start in stride(from: 0, to: bytes.count, by: count) {
            let piece = Array(bytes[start..<min(start + count, bytes.count)])
            var at = 0
            while true {
                let event = reader.skip(piece.byteSpan, at: &at)
                guard event != .needsMore else { break }
                if event == .ended { ended += 1 }
            }
        }
        let isBetween = reader.isBetweenFrames
        #expect(ended == 2 && isBetween)
    }

    @Test("missing bytes inside of DATA cost their content, others the framing")
    func missing() {
        var reader = HTTP2FrameReader(phase: .header)
        var log = Log()
        Self.feed(&reader, Array(H2.data(1, [1, 2, 3, 4, 5], end: false).prefix(11)), &log)
        let content = reader.miss(2)
        #expect(content == .content)
        Self.feed(&reader, [5] + H2.update(1, 1).prefix(11), &log)
        #expect(log.content == [1, 2, 5] && log.frames.count == 2)
        let (framing, again) = (reader.miss(1), reader.miss(1))
        #expect(framing == .framing(isInPayload: true) && again == HTTP2FrameReader.Loss.none)
        let (phase, gathered) = (reader.phase, reader.gathered)
        #expect(phase == .searching && gathered.isEmpty)
        var between = HTTP2FrameReader(phase: .header)
        let other = between.miss(1)
        #expect(other == .framing(isInPayload: false))
    }
}
