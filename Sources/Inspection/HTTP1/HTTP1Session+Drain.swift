internal import Calls
internal import HTTP1
internal import Policy
internal import Wire

/// The orderly end of a connection whose service is drained.
///
/// HTTP/1 has one signal: a response that says `Connection: close` is the last one. Its client sends nothing more and
/// gives up what it has sent behind the request that is answered (RFC 9112 §9.6). So that no call is lost only a
/// response behind which nothing waits says so: not one of a pipeline but the last, and none while another request has
/// begun to arrive. What the client sends before it has seen the word was never taken, and it may try that elsewhere.
extension HTTP1Session {
    /// True if the answer to the oldest request that waits may be the last.
    func mayClose(_ context: ConnectionContext) -> Bool {
        guard waiting == 1, queue.exchanges[queue.first].isComplete, !closing.isAnnounced, asked.reading == .follow,
            requestReader.isAtBoundary, context.isGoverned
        else { return false }
        guard context.session.side == .provider, requestDirection == .toUpstream,
            let order = context.pipeline.drains.gate?.service
        else { return false }
        return order.isSignalled || order.stage(at: context.now) >= .reject
    }

    /// A response's first line has ended while something is drained: sees whether it is to be the last.
    ///
    /// It is asked about when its line has ended, and what is inserted comes right behind that: nothing has to wait.
    ///
    /// - Parameters:
    ///   - status: Its status.
    ///   - context: The bytes being read.
    func considerClosing(_ status: UInt16, _ context: ConnectionContext) {
        // A tunnel goes on as something that knows no such word, and so does an upgrade.
        guard status >= 200, let oldest, oldest.method != .connect || status >= 300 else { return }
        closing.isDue = mayClose(context)
    }

    /// Inserts the word that the response being read is the last.
    ///
    /// - Parameters:
    ///   - from: Where in the read the bytes begin in which its first line ended.
    ///   - context: The bytes being read.
    ///   - walk: Where the plan has come to.
    ///   - plan: Where it is inserted.
    func insertClose(_ from: Int, in context: ConnectionContext, walk: inout PlanBuilder, plan: inout Plan) {
        closing.isDue = false
        let head = from - Int(responses.bytes - closing.interimBytes)
        if !walk.isEdited, plan.isBoundaryWanted, let boundary = walk.boundary {
            walk.forward(to: boundary, &plan)
            plan.markBoundary()
        }
        walk.isEdited = true
        walk.forward(to: head + responseReader.startLineBytes, &plan)
        walk.replace(to: walk.at, with: HTTP1Lines.connectionClose, &plan)
        beginClosing(context)
    }

    /// A response says that it is the last: no request is taken from now on.
    func beginClosing(_ context: ConnectionContext) {
        closing.isAnnounced = true
        asked.reading = .drop
        context.pipeline.drains.note(.connectionClose, on: context.session)
    }

    /// The last response has ended at `end`: so does the connection, and what upstream says behind it is nobody's.
    func close(behind end: Int, _ count: Int, walk: inout PlanBuilder, plan: inout Plan) {
        walk.isEdited = true
        walk.forward(to: end, &plan)
        walk.drop(to: count, &plan)
        plan.close()
    }
}
