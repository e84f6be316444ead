internal import Calls
internal import HTTP2
internal import Policy
internal import Wire

/// The end of a connection that cannot be followed any more after something in it was withheld or changed: neither peer
/// gets a byte that would mean something else to it, both are told by GOAWAY, and then nothing passes.
extension HTTP2Session {
    /// The requests' direction: what is not decided is left out, what is half passed on is completed.
    func abandonRequests(_ state: HTTP2Direction, count: Int, walk: inout PlanBuilder, plan: inout Plan) {
        walk.drop(to: count, &plan)
        state.finish(walk, count: count)
        defer { closeIfOver(&plan) }
        guard !state.isCut else { return }
        state.isCut = true
        // In the middle of a block nothing may be put in.
        if state.passed.contains(.block) { return }
        plan.markBoundary()
        sendGoAway(from: state, &plan)
    }

    /// The replies' direction, whose bytes go on as they are: up to the end of the frame or block being read.
    ///
    /// - Parameters:
    ///   - state: The direction.
    ///   - bytes: What arrived.
    ///   - start: How far it was read.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func abandonReplies(
        _ state: HTTP2Direction,
        _ bytes: RawSpan,
        from start: Int,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        if !state.isCut {
            walk.forward(to: state.finishUnit(bytes, from: start), &plan)
            if state.isAtBoundary {
                state.isCut = true
                plan.markBoundary()
                sendGoAway(from: state, &plan)
            }
        }
        walk.drop(to: bytes.byteCount, &plan)
        state.finish(walk, count: bytes.byteCount)
        closeIfOver(&plan)
    }

    /// Nothing passes any more: once neither receiver waits for the rest of something, the connection is closed.
    private func closeIfOver(_ plan: inout Plan) {
        for state in [up, down] {
            let isWhole = state.direction == requests ? !state.passed.contains(.block) : state.isAtBoundary
            guard state.reachBytes == 0, state.isCut || isWhole else { return }
        }
        plan.close()
    }

    /// Tells both peers, once: the receiver of the direction here, its sender at the other direction's next boundary.
    private func sendGoAway(from state: HTTP2Direction, _ plan: inout Plan) {
        guard connectionEnd.tell() else { return }
        var toClient: [UInt8] = []
        HTTP2FrameWriter.goAway(
            lastStreamID: min(calls.streams.highestID, own.goAway.lastStreamID),
            errorCode: HTTP2ErrorCode.compressionError,
            into: &toClient
        )
        var toServer: [UInt8] = []
        HTTP2FrameWriter.goAway(lastStreamID: 0, errorCode: HTTP2ErrorCode.noError, into: &toServer)
        let isFromClient = state.direction == requests
        plan.replace(0, with: isFromClient ? toServer : toClient)
        // A server's first frame must be its SETTINGS.
        if !isFromClient || self.state(requests.opposite).hasSettings {
            plan.reply(with: isFromClient ? toClient : toServer)
        }
    }

    // MARK: Too late

    /// Drops the bytes of a connection that began when its service refused requests: the server gets nothing, and the
    /// client learns that none of its requests was looked at.
    func reject(_ state: HTTP2Direction, byteCount: Int, _ context: ConnectionContext, plan: inout Plan) {
        plan.drop(state.heldBytes + byteCount)
        state.heldBytes = 0
        plan.close()
        guard connectionEnd.tell(), down.isAtBoundary else { return }
        var frames: [UInt8] = []
        if !down.hasSettings { HTTP2FrameWriter.settings([], into: &frames) }
        HTTP2FrameWriter.goAway(lastStreamID: 0, errorCode: HTTP2ErrorCode.noError, into: &frames)
        plan.reply(with: frames)
        context.pipeline.drains.note(.goAway, on: context.session)
    }
}
