internal import Calls
internal import Dubbo
internal import Policy
internal import Telemetry
internal import Wire

/// A Dubbo connection: its frames are calls, and may be held back, answered or changed one by one.
final class DubboSession: ProtocolSession {
    var up = DubboDirection()
    var down = DubboDirection()
    /// True if a whole header was good: two bytes of magic may be another protocol's.
    var isConfirmed = false
    /// Events that Weir has sent downstream; their answers go no further.
    var ownEvents = OwnEvents()
    /// True if the consumer reads attachments of replies; known from its requests once something is drained.
    var readsReplyAttachments = false
    /// True if requests of the server are decided about: not where its first frame was found behind text, for of that
    /// frame nothing could be held back.
    var judgesCallbacks = true

    var isIdle: Bool { isIdle(.toUpstream) && isIdle(.toDownstream) }

    /// True if a direction is between two messages.
    ///
    /// Its fields one by one: a property of the direction would be asked of a copy of all of it.
    @inline(__always)
    func isIdle(_ direction: Direction) -> Bool {
        if direction == .toUpstream { return up.phase == .header && up.split.byteCount == 0 && !up.split.isGuess }
        return down.phase == .header && down.split.byteCount == 0 && !down.split.isGuess
    }

    /// True if requests of a direction are decided about.
    @inline(__always)
    func isJudged(_ direction: Direction) -> Bool { direction == .toUpstream || judgesCallbacks }

    @inline(__always)
    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        let earlier = direction == .toUpstream ? up.earlier : down.earlier
        var turn = DubboTurn()
        follow(bytes, going: direction, in: context, turn: &turn)
        guard context.isGoverned || earlier.isAny || !ownEvents.isEmpty || turn.changes != nil else {
            return forward(bytes.byteCount, turn: turn, plan: &plan)
        }
        apply(turn, count: bytes.byteCount, earlier: earlier, going: direction, plan: &plan)
        if !context.pipeline.drains.isActive {
            ownEvents.removeOld(context.now)
        } else if context.isGoverned, direction == .toUpstream {
            signalNewcomer(context, &plan)
        }
    }

    /// Passes everything on, with the boundaries that the relay wants to know.
    @inline(__always)
    private func forward(_ count: Int, turn: borrowing DubboTurn, plan: inout Plan) {
        guard plan.isBoundaryWanted, let first = turn.firstBoundary else {
            return plan.forwardAll(endsAtBoundary: turn.endsAtBoundary)
        }
        plan.forward(first)
        plan.markBoundary()
        guard first < count else { return }
        plan.forward(count - first)
        if turn.endsAtBoundary { plan.markBoundary() }
    }

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        if direction == .toUpstream { stop(&up, context) } else { stop(&down, context) }
        plan.forwardAll(endsAtBoundary: true)
    }

    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) {
        if direction == .toUpstream {
            miss(&up, count: count, going: direction, in: context)
        } else {
            miss(&down, count: count, going: direction, in: context)
        }
    }

    func goBlind(_ context: ConnectionContext) {
        stop(&up, context)
        stop(&down, context)
    }

    func close(_ context: ConnectionContext) { goBlind(context) }

    // MARK: Time

    func isWaiting(_ direction: Direction) -> Bool { direction == .toUpstream ? up.isWaiting : down.isWaiting }

    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        guard isWaiting(direction) else { return false }
        var state = direction == .toUpstream ? up.take() : down.take()
        let earlier = state.earlier
        var turn = DubboTurn()
        turn.endsAtBoundary = false
        if state.phase == .body, state.holdState == .held {
            decideEarly(&state, going: direction, in: context, turn: &turn, end: 0, reason: .late)
        } else {
            context.recorder.verdictPartial(.late)
        }
        // A reply that was to tell of a drain goes on as it is.
        state.reply = nil
        state.heldBytes = 0
        if direction == .toUpstream { up = state } else { down = state }
        apply(turn, count: 0, earlier: earlier, going: direction, plan: &plan)
        return true
    }
}

/// The result of one read's frames: where they end, and the edits of them.
struct DubboTurn {
    /// The end of the first frame that ends in the read.
    var firstBoundary: Int?
    /// True if a frame ends with the read.
    var endsAtBoundary = true
    /// The edits of frames that do not pass as they are; `nil` if all pass.
    private(set) var changes: FrameChanges?

    /// A frame ends.
    @inline(__always)
    mutating func noteBoundary(_ at: Int) {
        if firstBoundary == nil { firstBoundary = at }
    }

    /// A frame does not pass as it is.
    mutating func edit(_ edit: FrameEdit) {
        let changes = changes ?? FrameChanges()
        self.changes = changes
        changes.edits.append(edit)
    }

    /// A request is not passed on.
    ///
    /// - Parameters:
    ///   - header: Its header.
    ///   - start: Where it begins.
    ///   - reply: Weir's answer; empty if it waits for none.
    mutating func drop(_ header: FrameHeader, start: Int, reply: [UInt8] = []) {
        edit(FrameEdit(header, start: start, .drop))
        changes?.replies += reply
    }
}

/// The edits of one read's frames, on the heap: most reads have none.
final class FrameChanges {
    /// The edits, in the order of the frames.
    fileprivate(set) var edits: [FrameEdit] = []
    /// Replies of Weir's own.
    fileprivate(set) var replies: [UInt8] = []
}

/// An edit of one frame among the bytes of a read.
struct FrameEdit {
    enum Kind {
        /// The frame is left out, and what of it still has to come.
        case drop
        /// Attachments are inserted before its last byte, the map's end.
        case insert([UInt8])
        /// Another frame takes its place; all of it is here.
        case replace([UInt8])
    }

    /// Where the frame begins: an offset into the read, below 0 when its first bytes are held back.
    var start: Int
    /// The whole frame's length.
    var count: Int
    /// The length of its body.
    var bodyBytes: Int
    var kind: Kind

    /// An edit of a frame.
    ///
    /// - Parameters:
    ///   - header: The frame's header.
    ///   - start: Where it begins.
    ///   - kind: What becomes of it.
    init(_ header: FrameHeader, start: Int, _ kind: Kind) {
        self.start = start
        count = Int(header.frameBytes)
        bodyBytes = Int(header.bodyBytes)
        self.kind = kind
    }
}
