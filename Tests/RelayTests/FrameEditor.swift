import Calls
import Foundation
import Inspection
import PlanModel
import TestSupport
import Wire

/// What is done with a frame.
enum FrameAction: CaseIterable, Sendable {
    /// Passed on as it comes.
    case pass
    /// Held until it is whole.
    case hold
    /// Left out from its header on.
    case drop
    /// Held until it is whole, then left out.
    case dropWhole
    /// A part of the body replaced, once it is whole.
    case patch
    /// Bytes put in before the last one, decided when only the header is here.
    case insert
    /// Left out and answered.
    case answer
    /// Held until it is whole, then left out and answered.
    case answerWhole

    fileprivate var needsWholeFrame: Bool {
        switch self {
        case .hold, .dropWhole, .patch, .answerWhole: true
        case .pass, .drop, .insert, .answer: false
        }
    }

    /// What is put into a frame.
    fileprivate static let inserted: [UInt8] = [0x05, 0x77, 0x65, 0x69, 0x72, 0x21]

    /// The frame as the other side gets it.
    func transform(_ frame: [UInt8]) -> [UInt8] {
        switch self {
        case .pass, .hold: return frame
        case .drop, .dropWhole, .answer, .answerWhole: return []
        case .patch:
            var frame = frame
            let (place, count) = Self.patched(frame.count)
            frame.replaceSubrange(place..<place + count, with: Self.inserted)
            DubboFrames.setBodyBytes(frame.count - 16, of: &frame)
            return frame
        case .insert:
            var frame = frame
            frame.insert(contentsOf: Self.inserted, at: frame.count - 1)
            DubboFrames.setBodyBytes(frame.count - 16, of: &frame)
            return frame
        }
    }

    /// What a patch replaces.
    fileprivate static func patched(_ frameBytes: Int) -> (place: Int, count: Int) {
        let place = 16 + (frameBytes - 16) / 2
        return (place, min(3, frameBytes - place))
    }

    /// The reply to a frame that is answered.
    static func reply(to number: Int, _ direction: Direction) -> [UInt8] {
        let body = (0..<number % 50).map { UInt8($0) }
        return DubboFrames.reply(replyMark | UInt64(number) << 1 | UInt64(direction.rawValue), status: 100, body)
    }

    private static let replyMark: UInt64 = 0xeeee_eeee_0000_0000

    static func isReply(_ frame: [UInt8]) -> Bool { DubboFrames.id(frame) & 0xffff_ffff_0000_0000 == replyMark }

    /// Actions for so many frames.
    static func random(_ count: Int, seed: UInt64, from choices: [FrameAction] = allCases) -> [FrameAction] {
        var random = SeededRandom(seed: seed)
        return (0..<count).map { _ in choices.randomElement(using: &random) ?? .pass }
    }
}

/// A session that edits the frames of both directions as it was told, frame by frame.
final class FrameEditor: ProtocolSession, @unchecked Sendable {
    private struct Half {
        let actions: [FrameAction]
        /// Which frame is next.
        var number = 0
        /// Bytes that no plan covers.
        var pending: [UInt8] = []
        /// Bytes still to come that an earlier plan covers.
        var reached = 0
        /// Bytes still to come of a frame that is passed on without the relay knowing where it ends.
        var passing = 0
        var received = 0
        var model = PlanModel()
    }

    private let condition = NSCondition()
    private var up: Half
    private var down: Half
    private var random: SeededRandom
    private let isModelled: Bool

    /// - Parameter isModelled: Whether the reference model follows; it costs a microsecond a byte.
    init(up: [FrameAction], down: [FrameAction], seed: UInt64, isModelled: Bool) {
        self.up = Half(actions: up)
        self.down = Half(actions: down)
        self.isModelled = isModelled
        random = SeededRandom(seed: seed)
    }

    /// What the reference model says the sink of a direction gets.
    func modelled(_ direction: Direction) -> PlanModel {
        condition.withLock { direction == .toUpstream ? up.model : down.model }
    }

    /// Waits until so many bytes of a direction have been seen.
    func waitUntilReceived(_ count: Int, _ direction: Direction) -> Bool {
        let deadline = Date(timeIntervalSinceNow: 30)
        condition.lock()
        defer { condition.unlock() }
        while (direction == .toUpstream ? up.received : down.received) < count {
            guard condition.wait(until: deadline) else { return false }
        }
        return true
    }

    // MARK: ProtocolSession

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        condition.lock()
        defer { condition.unlock() }
        let new = bytes.array
        if direction == .toUpstream {
            decide(new, &up, direction, &plan)
            if isModelled, !plan.reply.isEmpty { down.model.addReplies(plan.reply) }
        } else {
            decide(new, &down, direction, &plan)
            if isModelled, !plan.reply.isEmpty { up.model.addReplies(plan.reply) }
        }
        condition.broadcast()
    }

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {}

    private func decide(_ new: [UInt8], _ half: inout Half, _ direction: Direction, _ plan: inout Plan) {
        half.received += new.count
        defer { if isModelled { _ = half.model.take(new, plan) } }
        if passAll(new, &half, &plan) { return }
        var rest = new[...]
        if half.passing > 0 {
            let here = min(half.passing, rest.count)
            plan.forward(here)
            rest = rest.dropFirst(here)
            half.passing -= here
            if half.passing == 0 { plan.markBoundary() }
        }
        let reached = min(half.reached, rest.count)
        half.reached -= reached
        half.pending += rest.dropFirst(reached)
        while half.pending.count >= 16 {
            let total = 16 + DubboFrames.bodyBytes(half.pending[...])
            let action = half.actions[half.number]
            guard half.pending.count >= total || !action.needsWholeFrame else { return }
            edit(action, total, half.pending, half.number, direction, &plan)
            half.number += 1
            let taken = min(total, half.pending.count)
            half.pending.removeFirst(taken)
            half.reached = total - taken
        }
    }

    /// Where nothing is to be edited the plan may as well be "forward all": sometimes it is.
    private func passAll(_ new: [UInt8], _ half: inout Half, _ plan: inout Plan) -> Bool {
        guard half.reached == 0, half.pending.isEmpty, !plan.isBoundaryWanted else { return false }
        guard Bool.random(using: &random) else { return false }
        var (at, number) = (half.passing, half.number)
        while at < new.count {
            guard at + 16 <= new.count, half.actions[number] == .pass else { return false }
            at += 16 + DubboFrames.bodyBytes(new[at...])
            number += 1
        }
        half.number = number
        half.passing = at - new.count
        plan.forwardAll(endsAtBoundary: half.passing == 0)
        return true
    }

    private func edit(
        _ action: FrameAction,
        _ total: Int,
        _ bytes: [UInt8],
        _ number: Int,
        _ direction: Direction,
        _ plan: inout Plan
    ) {
        switch action {
        case .pass, .hold: plan.forward(total)
        case .drop, .dropWhole: return plan.drop(total)
        case .answer, .answerWhole:
            plan.reply(with: FrameAction.reply(to: number, direction))
            return plan.drop(total)
        case .patch:
            let (place, count) = FrameAction.patched(total)
            plan.forward(12)
            plan.replace(4, with: Self.length(total - 16 - count + FrameAction.inserted.count))
            plan.forward(place - 16)
            plan.replace(count, with: FrameAction.inserted)
            plan.forward(total - place - count)
        case .insert:
            plan.replace(16, with: Array(bytes[..<12]) + Self.length(total - 16 + FrameAction.inserted.count))
            plan.forward(total - 17)
            plan.replace(0, with: FrameAction.inserted)
            plan.forward(1)
        }
        plan.markBoundary()
    }

    private static func length(_ count: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
    }
}

extension FrameEditor {
    /// What the peer at the end of a direction gets: the edited frames, and the replies to what it sent itself.
    static func expected(
        _ frames: [[UInt8]],
        _ actions: [FrameAction],
        answered: [FrameAction],
        _ direction: Direction
    ) -> (frames: [[UInt8]], replies: [[UInt8]]) {
        let edited = zip(frames, actions).map { $1.transform($0) }.filter { !$0.isEmpty }
        let replies = answered.enumerated().compactMap { number, action in
            action == .answer || action == .answerWhole ? FrameAction.reply(to: number, direction.opposite) : nil
        }
        return (edited, replies)
    }
}
