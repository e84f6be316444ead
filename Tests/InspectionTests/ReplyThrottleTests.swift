import HTTP2
import Testing
import Wire

@testable import Inspection

@Suite struct ReplyThrottleTests {
    /// A throttle in which two frames wait, and the beginning of a third.
    private static func stalled() -> (throttle: ReplyThrottle, frames: [[UInt8]]) {
        let frames = [H2.data(1, [1, 2, 3], end: false), H2.data(3, [4], end: false), H2.data(1, [5, 6], end: false)]
        var throttle = ReplyThrottle()
        let bytes = frames[0] + frames[1] + frames[2].prefix(10)
        let rest = Array(bytes.dropFirst(9))
        throttle.stall(Self.header(bytes), rest: rest.byteSpan)
        return (throttle, frames)
    }

    private static func header(_ frame: [UInt8]) -> HTTP2FrameHeader { HTTP2FrameHeader(frame.byteSpan, at: 0) }

    @Test("whole frames can be released one after the other, the rest waits on")
    func release() {
        var (throttle, frames) = Self.stalled()
        #expect(throttle.isStalled && throttle.wholeFrames == frames[0] + frames[1])
        throttle.advance(by: frames[0].count)
        #expect(throttle.wholeFrames == frames[1])
        let rest = Array(frames[2].dropFirst(10))
        throttle.append(rest.byteSpan)
        #expect(throttle.wholeFrames == frames[1] + frames[2])
        throttle.advance(by: frames[1].count + frames[2].count)
        #expect(!throttle.isStalled && throttle.wholeFrames.isEmpty)
    }

    @Test("everything can be taken, whole or not")
    func takeAll() {
        var (throttle, frames) = Self.stalled()
        #expect(throttle.takeAll() == frames[0] + frames[1] + frames[2].prefix(10))
        #expect(!throttle.isStalled)
        #expect(throttle.takeAll().isEmpty)
    }

    @Test("no frame waits that is larger than what may wait")
    func largeFrame() {
        let throttle = ReplyThrottle()
        func frame(_ count: Int) -> HTTP2FrameHeader {
            HTTP2FrameHeader(payloadBytes: UInt32(count), type: HTTP2FrameType.data, streamID: 1)
        }
        #expect(throttle.stalls(frame(HoldLimits.backlogBytes - 9)))
        #expect(!throttle.stalls(frame(HoldLimits.backlogBytes - 8)))
    }

    @Test("more than what may wait passes with the next release, and frames wait again behind it")
    func overflow() {
        var (throttle, frames) = Self.stalled()
        let frame = Self.header(frames[0])
        let filling = [UInt8](repeating: 0, count: HoldLimits.backlogBytes - throttle.backlog.count)
        throttle.append(filling.byteSpan)
        #expect(throttle.stalls(frame))
        let more: [UInt8] = [0]
        throttle.append(more.byteSpan)
        #expect(!throttle.stalls(frame))
        throttle.advance(by: frames[0].count)
        #expect(throttle.stalls(frame))
    }

    @Test("what waits passes when no more replies come")
    func lifted() {
        var (throttle, frames) = Self.stalled()
        throttle.lift()
        #expect(!throttle.stalls(Self.header(frames[0])))
    }
}
