import Dubbo
import TestSupport
import Testing
import Wire

@testable import Demo

@Suite struct FrameBufferTests {
    static let stream = JavaFrames.tracedCall + FrameBytes.heartbeat(id: 9) + JavaFrames.exceptionReply

    @Test("however the bytes arrive, the frames are the same")
    func everySplit() throws {
        let whole = try frames(Self.stream, piece: Self.stream.count)
        #expect(whole.map(\.header.bodyBytes) == [284, 1, 849])
        for piece in 1..<Self.stream.count { #expect(try frames(Self.stream, piece: piece) == whole) }
    }

    @Test("what is no frame is an error, at the first wrong byte pair")
    func garbage() {
        var buffer = FrameBuffer()
        buffer.append(hex("dabc c200 0000000000000001 00000000")[...])
        #expect(throws: FrameError.badMagic(found: 0xdabc)) { try buffer.next() }
    }

    @Test("the longest body is taken, one byte more is refused before it is waited for")
    func limits() throws {
        let most = FrameBuffer.maxBodyBytes
        for (length, isTaken) in [(most - 1, true), (most, true), (most + 1, false)] {
            var buffer = FrameBuffer()
            let header: [UInt8] = [0xda, 0xbb, 2, 20] + UInt64(1).bigEndianBytes + length.bigEndianBytes
            buffer.append(header[...])
            if isTaken {
                #expect(try buffer.next() == nil)
                buffer.append([UInt8](repeating: 0, count: Int(length))[...])
                #expect(try buffer.next()?.body.count == Int(length))
            } else {
                #expect(throws: FrameError.badLength(declared: length)) { try buffer.next() }
            }
        }
    }

    @Test("things become due in order of time")
    func dueQueue() {
        var random = SeededRandom(seed: 7)
        var queue = DueQueue<UInt64>()
        let dues = (0..<500).map { _ in random.next() % 300 }
        for due in dues { queue.insert(due, due: due) }
        #expect(queue.nextDue == dues.min())
        #expect(queue.popDue(at: 0) == (dues.contains(0) ? 0 : nil))
        var seen: [UInt64] = dues.contains(0) ? [0] : []
        while let next = queue.popDue(at: 1000) { seen.append(next) }
        #expect(seen == dues.sorted())
        #expect(queue.count == 0)
        #expect(queue.nextDue == nil)
    }

    private func frames(_ bytes: [UInt8], piece: Int) throws -> [DemoFrame] {
        var (buffer, found) = (FrameBuffer(), [DemoFrame]())
        for start in stride(from: 0, to: bytes.count, by: piece) {
            buffer.append(bytes[start..<min(start + piece, bytes.count)])
            while let frame = try buffer.next() { found.append(frame) }
        }
        return found
    }
}
