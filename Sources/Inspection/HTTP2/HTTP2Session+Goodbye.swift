internal import Calls
internal import HTTP2
internal import Wire

/// The end of a connection that cannot be followed any more after something in it was withheld or changed: neither peer
/// gets a byte that would mean something else to it, both are told by GOAWAY, and then nothing passes.
extension HTTP2Session {
    /// The requests' direction: what is not decided is left out, what is half passed on is completed.
    func abandonDecided(_ half: HTTP2Direction, count: Int, walk: inout PlanWalk, plan: inout Plan) {
        walk.drop(to: count, &plan)
        half.heldBytes = 0
        half.reachBytes = max(0, walk.at - count)
        defer { closeIfOver(&plan) }
        guard !half.isCut else { return }
        half.isCut = true
        // In the middle of a block nothing may be put in.
        if half.passed.contains(.block) { return }
        plan.markBoundary()
        sayGoodbye(from: half, &plan)
    }

    /// The replies' direction, whose bytes go on as they are: up to the end of the frame or block being read.
    ///
    /// - Parameters:
    ///   - half: The direction.
    ///   - bytes: What arrived.
    ///   - start: How far it was read.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func abandonForwarded(
        _ half: HTTP2Direction,
        _ bytes: RawSpan,
        from start: Int,
        walk: inout PlanWalk,
        plan: inout Plan
    ) {
        if !half.isCut {
            walk.forward(to: finishUnit(half, bytes, from: start), &plan)
            if half.isAtBoundary {
                half.isCut = true
                plan.markBoundary()
                sayGoodbye(from: half, &plan)
            }
        }
        walk.drop(to: bytes.byteCount, &plan)
        half.heldBytes = 0
        half.reachBytes = max(0, walk.at - bytes.byteCount)
        closeIfOver(&plan)
    }

    /// Nothing passes any more: once neither receiver waits for the rest of something, the connection is closed.
    private func closeIfOver(_ plan: inout Plan) {
        for half in [up, down] {
            let isWhole = half.direction == requests ? !half.passed.contains(.block) : half.isAtBoundary
            guard half.reachBytes == 0, half.isCut || isWhole else { return }
        }
        plan.close()
    }

    /// Steps over what belongs to a frame or block that has begun.
    private func finishUnit(_ half: HTTP2Direction, _ bytes: RawSpan, from start: Int) -> Int {
        var at = start
        while !half.isAtBoundary {
            switch half.reader.skip(bytes, at: &at) {
            case .began: break
            case .ended: if half.frame.isBlockPart { half.assembler.note(half.frame) }
            default: return at
            }
        }
        return at
    }

    /// Tells both peers, once: the receiver of the direction here, its sender at the other direction's next boundary.
    private func sayGoodbye(from half: HTTP2Direction, _ plan: inout Plan) {
        guard connectionEnd.tell() else { return }
        var toClient: [UInt8] = []
        HTTP2FrameWriter.goAway(
            lastStreamID: min(streams.highestID, goAway.lastStreamID),
            errorCode: HTTP2ErrorCode.compressionError,
            into: &toClient
        )
        var toServer: [UInt8] = []
        HTTP2FrameWriter.goAway(lastStreamID: 0, errorCode: HTTP2ErrorCode.noError, into: &toServer)
        let isFromClient = half.direction == requests
        plan.replace(0, with: isFromClient ? toServer : toClient)
        // A server's first frame must be its SETTINGS.
        if !isFromClient || self.half(requests.opposite).hasSettings {
            plan.reply(with: isFromClient ? toClient : toServer)
        }
    }
}
