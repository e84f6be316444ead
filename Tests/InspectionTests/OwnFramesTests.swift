import Calls
import HTTP2
import Testing
import Triple
import Wire

@testable import Inspection

@Suite struct OwnFramesTests {
    private static func frame(_ type: UInt8, _ count: UInt32, _ id: UInt32 = 0, flags: UInt8 = 0) -> HTTP2FrameHeader {
        HTTP2FrameHeader(payloadBytes: count, type: type, flags: flags, streamID: id)
    }

    private static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    @Test("nothing is edited at first, and requests are from the first block on that is written anew")
    func rewriting() {
        var own = OwnFrames(areWindowsKnown: true)
        #expect(own.edits.isEmpty)
        own.rewrites()
        own.refresh()
        #expect(own.edits == .requests)
    }

    @Test("frames of Weir's own wait for the server's SETTINGS")
    func settings() {
        var own = OwnFrames(areWindowsKnown: true)
        let replies = HTTP2Direction(.toDownstream, phase: .header, isMidstream: false)
        own.localReplies.append(.init(fields: [0x88]), on: 1, isEarly: false)
        #expect(!own.isDue(in: replies))
        replies.hasSettings = true
        #expect(own.isDue(in: replies))
        _ = own.localReplies.take(tableBytes: nil, maxFrameBytes: 16_384)
        #expect(!own.isDue(in: replies))
    }

    @Test("the acknowledgement of a PING of Weir's own is kept from the server, any other passes")
    func acknowledgement() {
        var own = OwnFrames(areWindowsKnown: true)
        own.goAway.update(isEnding: true)
        own.refresh()
        #expect(own.edits == [.signals, .requests, .replies])
        _ = own.goAway.next(highestStreamID: 5, ping: 7)
        own.refresh()
        let frame = Self.frame(HTTP2FrameType.ping, 8, flags: HTTP2Flag.ack)
        #expect(own.isUndecided(frame))
        #expect(!own.isUndecided(Self.frame(HTTP2FrameType.ping, 8)))
        let other = Self.number(0) + Self.number(6)
        #expect(own.acknowledges(other.byteSpan) == false)
        let answer = Self.number(0) + Self.number(7)
        #expect(own.acknowledges(answer.byteSpan) == true)
        #expect(own.edits == [.signals, .requests, .replies], "the second GOAWAY is due")
    }

    @Test("room that Weir has taken is taken off the client's updates, and replies beyond it wait")
    func room() {
        var own = OwnFrames(areWindowsKnown: true)
        #expect(own.watches.begin(1) == true)
        let request = H2.message(H2.field(1, "com.x.Shop"))
        #expect(own.watches.receiveRequest(request.byteSpan, on: 1) == true)
        own.watches.update { _ in true }
        let told = own.watches.tell(1)?.message.count ?? 0
        own.refresh()
        #expect(told > 0 && own.edits.isSuperset(of: [.requests, .replies]))
        let update = Self.frame(HTTP2FrameType.windowUpdate, 4)
        #expect(own.isUndecided(update))
        let increment = Self.number(UInt32(told) + 10)
        #expect(own.updateWindow(increment.byteSpan, of: update, isHeld: true) == .rewrite(increment: 10))
        #expect(!own.isUndecided(update), "the debt is paid")
        own.forgetWindows()
        #expect(own.watches.isEmpty && !own.watches.areWindowsKnown)
    }

    @Test("DATA passes, is withheld from a client that was told something else, or waits for room")
    func ways() {
        var own = OwnFrames(areWindowsKnown: true)
        let other = Self.frame(HTTP2FrameType.data, 100, 3)
        #expect(own.way(of: other, isPassed: false) == .forward)
        #expect(own.watches.begin(1) == true)
        own.watches.update { _ in true }
        #expect(own.way(of: Self.frame(HTTP2FrameType.data, 7, 1), isPassed: false) == .drop)
        #expect(own.way(of: Self.frame(HTTP2FrameType.data, 7, 1), isPassed: true) == .forward)
        _ = own.watches.tell(1)
        #expect(own.way(of: Self.frame(HTTP2FrameType.data, 60_000, 3), isPassed: false) == .forward)
        own.countWindow(Self.frame(HTTP2FrameType.data, 60_000, 3), isWithheld: false)
        #expect(own.way(of: Self.frame(HTTP2FrameType.data, 5_535, 3), isPassed: false) == .stall)
        #expect(own.way(of: Self.frame(HTTP2FrameType.data, 5_535, 3), isPassed: true) == .forward)
    }

    @Test("streams above a server's GOAWAY are watched no longer")
    func goneAway() {
        var own = OwnFrames(areWindowsKnown: true)
        #expect(own.watches.begin(1) == true)
        #expect(own.watches.begin(3) == true)
        #expect(own.receiveGoAway(1, highestStreamID: 3) == true)
        #expect(own.watches.contains(1) && !own.watches.contains(3))
        #expect(own.receiveGoAway(1, highestStreamID: 3) == false, "the second one costs no search")
    }
}

extension LocalReplyQueue {
    /// The frames that wait.
    fileprivate mutating func take(tableBytes: UInt32?, maxFrameBytes: UInt32) -> [UInt8] {
        var frames: [UInt8] = []
        take(tableBytes: tableBytes, maxFrameBytes: maxFrameBytes, into: &frames)
        return frames
    }
}
