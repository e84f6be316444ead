import Calls
import HTTP2
import Testing
import Wire

@testable import Inspection

/// The way of a direction's frames, without a session.
@Suite struct HTTP2DirectionTests {
    private static func requests() -> HTTP2Direction {
        HTTP2Direction(.toUpstream, phase: .header, isMidstream: false)
    }

    /// Reads one whole frame as a request's, and says what the plan makes of it.
    private static func edits(
        _ direction: HTTP2Direction,
        _ bytes: [UInt8],
        isWithheld: Bool = false,
        changesBlocks: Bool = false
    ) -> (consequence: HTTP2Direction.Consequence, edits: [Plan.Edit]) {
        var (plan, walk, at) = (Plan(), PlanBuilder(at: 0, isEdited: true), 0)
        var consequence = HTTP2Direction.Consequence.none
        while at < bytes.count || direction.reader.phase == .payload {
            switch direction.reader.next(bytes.byteSpan, at: &at) {
            case .began:
                consequence = direction.beginRequestFrame(
                    at: at,
                    isWithheld: isWithheld,
                    changesBlocks: changesBlocks,
                    walk: &walk,
                    plan: &plan
                )
            case .ended:
                if direction.frame.isBlockPart {
                    _ = try? direction.assembler.take(RawSpan(), of: direction.frame, at: 0)
                }
                direction.endRequestFrame(at: at, isAbandoned: false, walk: &walk, plan: &plan)
            default: break
            }
        }
        direction.finish(walk, count: bytes.count)
        return (consequence, plan.edits)
    }

    @Test("frames of streams that upstream knows nothing of are dropped, and their DATA is credited")
    func withheld() {
        let direction = Self.requests()
        direction.rewriter.start()
        let data = Self.edits(direction, H2.data(3, [1, 2, 3], end: false), isWithheld: true)
        #expect(data.consequence == .credit(3) && data.edits == [.drop(12)])
        let reset = Self.edits(direction, H2.reset(3, 8), isWithheld: true)
        #expect(reset.consequence == .none && reset.edits == [.drop(13)])
        let other = Self.edits(direction, H2.data(1, [1, 2, 3], end: false))
        #expect(other.consequence == .none && other.edits == [.forward(12)])
        #expect(direction.heldBytes == 0 && direction.reachBytes == 0)
    }

    @Test("a block that may be changed is written anew, and the first one says so")
    func rewriting() {
        let direction = Self.requests()
        let first = Self.edits(direction, H2.headers(1, [0x83], end: true), changesBlocks: true)
        #expect(first.consequence == .rewriting && direction.rewriter.isRewriting)
        #expect(first.edits.first == .drop(10))
        let second = Self.edits(direction, H2.headers(3, [0x83], end: true), changesBlocks: true)
        #expect(second.consequence == .none)
    }

    @Test("what was held and what is decided beyond the bytes that are here stay apart")
    func reach() {
        let direction = Self.requests()
        direction.finish(PlanBuilder(at: 7, isEdited: true), count: 10)
        #expect(direction.heldBytes == 3 && direction.reachBytes == 0)
        direction.finish(PlanBuilder(at: 12, isEdited: true), count: 10)
        #expect(direction.heldBytes == 0 && direction.reachBytes == 2)
    }

    /// Gives a SETTINGS frame to a direction, and says why it is not taken.
    private static func failure(
        _ frame: [UInt8],
        _ direction: HTTP2Direction,
        of other: HTTP2Direction
    ) -> HTTP2Failure? {
        var at = 0
        _ = direction.reader.next(frame.byteSpan, at: &at)
        direction.reader.resume()
        do {
            try direction.takeSettings(frame.byteSpan.extracting(9..<frame.count), of: other) { _ in }
            return nil
        } catch {
            return error
        }
    }

    @Test("a peer's settings hold for the other direction, and a whole number of them is wanted")
    func settings() {
        let (requests, replies) = (Self.requests(), HTTP2Direction(.toDownstream, phase: .header, isMidstream: false))
        #expect(Self.failure(H2.settings([(5, 20_000), (1, 8192)]), requests, of: replies) == nil)
        #expect(replies.maxFrameBytes == 20_000 && replies.tableBytes == 8192 && requests.hasSettings)
        #expect(Self.failure(H2.frame(4, 0, 0, [1]), requests, of: replies) == .settingsLength)
        for _ in 0..<PendingSettings.maxCount - 1 {
            #expect(Self.failure(H2.settings([(1, 0)]), requests, of: replies) == nil)
        }
        #expect(Self.failure(H2.settings([(1, 0)]), requests, of: replies) == .settingsFlood)
    }
}
