import HTTP2
import Testing

@testable import Inspection

@Suite struct LocalReplyQueueTests {
    private static func take(_ queue: inout LocalReplyQueue, tableBytes: UInt32? = nil) -> [UInt8] {
        var frames: [UInt8] = []
        queue.take(tableBytes: tableBytes, maxFrameBytes: 16_384, into: &frames)
        return frames
    }

    @Test("answers go out in their order, an early one resets its stream, and room is given back behind them")
    func order() {
        var queue = LocalReplyQueue()
        #expect(queue.isEmpty)
        queue.append(.init(fields: [0x88]), on: 3, isEarly: true)
        queue.append(.init(fields: [0x8d]), on: 1, isEarly: false)
        queue.credit(5)
        queue.credit(6)
        #expect(!queue.isEmpty && !queue.isFull)
        let frames =
            H2.headers(3, [0x88], end: true) + H2.reset(3, 0) + H2.headers(1, [0x8d], end: true) + H2.update(0, 11)
        #expect(Self.take(&queue) == frames)
        #expect(queue.isEmpty)
        #expect(Self.take(&queue).isEmpty)
    }

    @Test("the first block tells the table's size, if the client waits for it")
    func tableSize() {
        var queue = LocalReplyQueue()
        queue.append(.init(fields: [0x88]), on: 1, isEarly: false)
        queue.append(.init(fields: [0x88]), on: 3, isEarly: false)
        let frames = H2.headers(1, [0x20, 0x88], end: true) + H2.headers(3, [0x88], end: true)
        #expect(Self.take(&queue, tableBytes: 0) == frames)
    }

    @Test("room alone is something that waits")
    func credit() {
        var queue = LocalReplyQueue()
        queue.credit(1)
        #expect(!queue.isEmpty)
        #expect(Self.take(&queue) == H2.update(0, 1))
    }

    @Test("answers have a bound, and staged frames are taken once")
    func bounds() {
        var queue = LocalReplyQueue()
        for index in 0..<LocalReplyQueue.maxCount {
            #expect(!queue.isFull)
            queue.append(.init(fields: []), on: UInt32(index * 2 + 1), isEarly: false)
        }
        #expect(queue.isFull)
        queue.staged = [1, 2]
        #expect(queue.takeStaged() == [1, 2])
        #expect(queue.takeStaged().isEmpty)
    }
}
