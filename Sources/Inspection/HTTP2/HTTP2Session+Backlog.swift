internal import Calls
internal import HTTP2
internal import Wire

/// The wiring of replies that wait for room; see ``ReplyThrottle``.
extension HTTP2Session {
    /// A frame that has to wait has begun: it and what follows is taken out.
    func stall(_ state: HTTP2Direction, _ bytes: RawSpan, from end: Int, walk: inout PlanBuilder, plan: inout Plan) {
        state.reader.resume()
        plan.markBoundary()
        walk.drop(to: bytes.byteCount, &plan)
        state.heldBytes = 0
        state.reachBytes = 0
        own.throttle.stall(state.frame, rest: bytes.extracting(end..<bytes.byteCount))
        own.refresh()
    }

    /// More replies come while others wait.
    func receiveStalled(_ state: HTTP2Direction, _ bytes: RawSpan, context: ConnectionContext, plan: inout Plan) {
        plan.drop(bytes.byteCount)
        own.throttle.append(bytes)
        let frames = release(context, &plan)
        if !frames.isEmpty { plan.replace(0, with: frames) }
        if state.isAtBoundary { plan.markBoundary() }
        let credit = own.takeCredit()
        if !credit.isEmpty { plan.reply(with: credit) }
    }

    /// No more replies come: what waits passes as it is.
    func endStalled(_ context: ConnectionContext, _ plan: inout Plan) {
        own.throttle.lift()
        let frames = release(context, &plan)
        plan.replace(0, with: frames + own.throttle.takeAll())
    }

    /// Reads as many frames of those that wait as the client accepts.
    ///
    /// - Parameters:
    ///   - context: The bytes being read.
    ///   - plan: Is told to close, should the connection have to be given up.
    /// - Returns: The bytes for the client.
    func release(_ context: ConnectionContext, _ plan: inout Plan) -> [UInt8] {
        let taken = own.throttle.wholeFrames
        guard !taken.isEmpty, !connectionEnd.isAbandoned else {
            own.throttle.advance(by: 0)
            return []
        }
        let bytes = taken.byteSpan
        var edits = Plan()
        var walk = PlanBuilder(at: 0, isEdited: true)
        let end = follow(down, bytes, context: context, walk: &walk, plan: &edits)
        var rest: [UInt8] = []
        if connectionEnd.isAbandoned {
            abandonReplies(down, bytes, from: end, walk: &walk, plan: &edits)
            _ = own.throttle.takeAll()
            plan.close()
        } else if down.reader.phase == .stalled {
            down.reader.resume()
            own.throttle.advance(by: end - HTTP2FrameHeader.byteCount)
        } else {
            own.throttle.advance(by: taken.count)
            if case .other = context.session.decoder {
            } else {
                // Nothing is decided about the rest.
                walk.forward(to: taken.count, &edits)
                rest = own.throttle.takeAll()
            }
        }
        own.refresh()
        return edits.result(on: bytes) + rest
    }
}
