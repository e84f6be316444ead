internal import Calls
internal import HTTP2
internal import Wire

/// The wiring of replies that wait for room; see ``ReplyThrottle``.
extension HTTP2Session {
    /// A frame that has to wait has begun: it and what follows is taken out.
    func stall(_ state: HTTP2Direction, _ bytes: RawSpan, from end: Int, walk: inout PlanWalk, plan: inout Plan) {
        state.reader.resume()
        plan.markBoundary()
        walk.drop(to: bytes.byteCount, &plan)
        state.heldBytes = 0
        state.reachBytes = 0
        throttle.stall(state.frame, rest: bytes.extracting(end..<bytes.byteCount))
        refreshEdits()
    }

    /// More replies come while others wait.
    func receiveStalled(_ state: HTTP2Direction, _ bytes: RawSpan, context: ConnectionContext, plan: inout Plan) {
        plan.drop(bytes.byteCount)
        throttle.append(bytes)
        let frames = release(context, &plan)
        if !frames.isEmpty { plan.replace(0, with: frames) }
        if state.isAtBoundary { plan.markBoundary() }
        let credit = watches.takeCredit()
        if !credit.isEmpty { plan.reply(with: credit) }
    }

    /// No more replies come: what waits passes as it is.
    func endStalled(_ context: ConnectionContext, _ plan: inout Plan) {
        throttle.lift()
        let frames = release(context, &plan)
        plan.replace(0, with: frames + throttle.takeAll())
    }

    /// Reads as many frames of those that wait as the client accepts.
    ///
    /// - Parameters:
    ///   - context: The bytes being read.
    ///   - plan: Is told to close, should the connection have to be given up.
    /// - Returns: The bytes for the client.
    func release(_ context: ConnectionContext, _ plan: inout Plan) -> [UInt8] {
        let taken = throttle.wholeFrames
        guard !taken.isEmpty, !connectionEnd.isAbandoned else {
            throttle.advance(by: 0)
            return []
        }
        let bytes = taken.byteSpan
        var edits = Plan()
        var walk = PlanWalk(at: 0, isEdited: true)
        let end = follow(down, bytes, context: context, walk: &walk, plan: &edits)
        var rest: [UInt8] = []
        if connectionEnd.isAbandoned {
            abandonForwarded(down, bytes, from: end, walk: &walk, plan: &edits)
            _ = throttle.takeAll()
            plan.close()
        } else if down.reader.phase == .stalled {
            down.reader.resume()
            throttle.advance(by: end - HTTP2FrameHeader.byteCount)
        } else {
            throttle.advance(by: taken.count)
            if case .other = context.session.decoder {
            } else {
                // Nothing is decided about the rest.
                walk.forward(to: taken.count, &edits)
                rest = throttle.takeAll()
            }
        }
        refreshEdits()
        return edits.result(on: bytes) + rest
    }
}

extension Plan {
    /// The bytes that the edits make of `bytes`, which are all here.
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
