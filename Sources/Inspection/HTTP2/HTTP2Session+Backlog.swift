internal import Calls
internal import HTTP2
internal import Wire

/// Replies that wait for room.
///
/// What Weir puts into a stream takes room of the connection's that upstream still believes to have. Should upstream
/// use all of it before the client has given more, its last DATA would be more than the client takes: it waits here,
/// unread, and everything behind it. It is at most as much as Weir has put in, so it seldom happens and is short.
extension HTTP2Session {
    /// Whether DATA has to wait until the client has given more room.
    func isStalled(_ frame: HTTP2FrameHeader) -> Bool {
        guard !isBacklogForced, frame.frameBytes <= HoldLimits.backlogBytes else { return false }
        if connectionWindow.debtBytes > 0, !connectionWindow.fits(frame.payloadBytes) { return true }
        guard let window = watches[frame.streamID]?.window else { return false }
        return window.debtBytes > 0 && !window.fits(frame.payloadBytes)
    }

    /// A frame that has to wait has begun: it and what follows is taken out.
    func stall(_ half: HTTP2Half, _ bytes: RawSpan, from end: Int, _ walk: inout PlanWalk, _ plan: inout Plan) {
        half.phase = .header
        plan.markBoundary()
        walk.drop(to: bytes.byteCount, &plan)
        half.heldBytes = 0
        half.reachBytes = 0
        HTTP2FrameWriter.header(half.frame, into: &backlog)
        backlog.append(bytes.extracting(end..<bytes.byteCount))
        updateNews()
    }

    /// More replies come while others wait.
    func receiveStalled(_ half: HTTP2Half, _ bytes: RawSpan, _ context: ConnectionContext, _ plan: inout Plan) {
        plan.drop(bytes.byteCount)
        backlog.append(bytes)
        isBacklogForced = backlog.count > HoldLimits.backlogBytes
        let frames = release(context, &plan)
        isBacklogForced = false
        if !frames.isEmpty { plan.replace(0, with: frames) }
        if half.isAtBoundary { plan.markBoundary() }
        let credit = takeReplyCredit()
        if !credit.isEmpty { plan.reply(with: credit) }
    }

    /// No more replies come: what waits passes as it is.
    func endStalled(_ context: ConnectionContext, _ plan: inout Plan) {
        isBacklogForced = true
        let frames = release(context, &plan) + backlog
        backlog = []
        plan.replace(0, with: frames)
    }

    /// Reads as many frames of those that wait as the client takes.
    ///
    /// - Parameters:
    ///   - context: Whom they belong to.
    ///   - plan: Is told to close, should the connection have to be given up.
    /// - Returns: What the client gets.
    func release(_ context: ConnectionContext, _ plan: inout Plan) -> [UInt8] {
        let count = wholeFrames(of: backlog)
        guard count > 0, !connectionEnd.isAbandoned else { return [] }
        let taken = Array(backlog[..<count])
        let bytes = taken.byteSpan
        var edits = Plan()
        var walk = PlanWalk(at: 0, isEdited: true)
        let end = follow(down, bytes, context, &walk, &edits)
        if connectionEnd.isAbandoned {
            abandonForwarded(down, bytes, from: end, &walk, &edits)
            backlog = []
            plan.close()
        } else if down.phase == .stalled {
            down.phase = .header
            backlog.removeFirst(end - HTTP2FrameHeader.byteCount)
        } else if case .other = context.session.decoder {
            backlog.removeFirst(count)
        } else {
            // Nothing is decided about the rest.
            walk.forward(to: count, &edits)
            backlog.removeFirst(count)
            let rest = backlog
            backlog = []
            return edits.result(on: bytes) + rest
        }
        if backlog.isEmpty { backlog = [] }
        updateNews()
        return edits.result(on: bytes)
    }

    /// How many bytes whole frames have at the beginning of `bytes`.
    private func wholeFrames(of bytes: [UInt8]) -> Int {
        let bytes = bytes.byteSpan
        var at = 0
        while at + HTTP2FrameHeader.byteCount <= bytes.byteCount {
            let end = at + HTTP2FrameHeader(bytes, at: at).frameBytes
            guard end <= bytes.byteCount else { break }
            at = end
        }
        return at
    }
}

extension Plan {
    /// What the edits make of `bytes`, which are all here.
    fileprivate func result(on bytes: RawSpan) -> [UInt8] {
        var out: [UInt8] = []
        var at = 0
        for edit in edits {
            switch edit {
            case .forward(let count):
                out.append(bytes.extracting(at..<at + count))
                at += count
            case .drop(let count): at += count
            case .replace(let count, with: let range):
                out += content[range.indices]
                at += count
            case .boundary: break
            }
        }
        return out
    }
}
