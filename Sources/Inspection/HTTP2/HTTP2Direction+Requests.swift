internal import HTTP2
internal import Wire

/// The way of each frame of the requests' direction past Weir.
extension HTTP2Direction {
    /// The consequence of a frame that begins, beside its own way.
    enum Consequence: Equatable {
        case none
        /// Header blocks are written anew from this one on.
        case rewriting
        /// The number of bytes of DATA that are dropped, for which the client gets its room back.
        case credit(UInt32)
    }

    /// A frame of requests begins: what becomes of it, unless its payload decides.
    ///
    /// - Parameters:
    ///   - at: The end of its header.
    ///   - isWithheld: True if upstream knows nothing of its stream, or has no use for more of it.
    ///   - changesBlocks: True if a request's block may be changed, so that it is written anew.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    /// - Returns: The consequence.
    func beginRequestFrame(
        at: Int,
        isWithheld: Bool,
        changesBlocks: Bool,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) -> Consequence {
        let frame = frame
        let end = at + Int(frame.payloadBytes)
        switch frame.type {
        case HTTP2FrameType.headers:
            passed.remove(.block)
            if passed.contains(.unit) { passed.insert(.block) }
            passed.remove(.unit)
            rewriter.begin(isWithheld: isWithheld)
            // Only the block waits, and not what a client without SETTINGS said before it.
            walk.forward(to: at - HTTP2FrameHeader.byteCount, &plan)
            // A context that a request came with gives way to Weir's own, which takes a block written anew.
            let begins = !rewriter.isRewriting && !passed.contains(.block) && changesBlocks
            if begins { rewriter.start() }
            // What is written anew is made of the fields.
            if rewriter.isRewriting { walk.drop(to: end, &plan) }
            return begins ? .rewriting : .none
        case HTTP2FrameType.continuation:
            if rewriter.isRewriting { walk.drop(to: end, &plan) }
            return .none
        case HTTP2FrameType.data, HTTP2FrameType.resetStream, HTTP2FrameType.windowUpdate, HTTP2FrameType.priority:
            guard isWithheld else { break }
            walk.drop(to: end, &plan)
            return frame.type == HTTP2FrameType.data ? .credit(frame.payloadBytes) : .none
        default: break
        }
        passed.remove(.unit)
        walk.forward(to: end, &plan)
        return .none
    }

    /// A frame of requests begins whose payload decides what becomes of it.
    func holdFrame(at: Int, walk: inout PlanBuilder, plan: inout Plan) {
        disposition = .hold
        walk.forward(to: at - HTTP2FrameHeader.byteCount, &plan)
    }

    /// A frame of requests has ended: what becomes of it, if it was held, or of the header block that it completes.
    ///
    /// - Parameters:
    ///   - at: Its end.
    ///   - isAbandoned: True if nothing passes any more.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func endRequestFrame(at: Int, isAbandoned: Bool, walk: inout PlanBuilder, plan: inout Plan) {
        if disposition != .forward { return endHeldFrame(at: at, walk: &walk, plan: &plan) }
        let type = frame.type
        guard type == HTTP2FrameType.headers || type == HTTP2FrameType.continuation, !assembler.isOpen else { return }
        defer { passed.remove(.block) }
        guard !isAbandoned else { return rewriter.forgetBlock() }
        let edit = rewriter.finish(
            assembler.frame,
            last: frame,
            sizeUpdates: decoder.sizeUpdates,
            maxFrameBytes: maxFrameBytes
        )
        switch edit {
        case .forward: walk.forward(to: at, &plan)
        case .drop: walk.drop(to: at, &plan)
        case .replace(let frames): walk.replace(to: at, with: frames, &plan)
        case .extend(let header, let tail):
            let start = at - frame.frameBytes
            walk.forward(to: start, &plan)
            walk.replace(to: start + HTTP2FrameHeader.byteCount, with: header, &plan)
            walk.forward(to: at, &plan)
            walk.replace(to: at, with: tail, &plan)
        }
    }

    private func endHeldFrame(at: Int, walk: inout PlanBuilder, plan: inout Plan) {
        switch disposition {
        case .forward, .hold: walk.forward(to: at, &plan)
        case .drop: walk.drop(to: at, &plan)
        case .rewrite(let increment):
            var update: [UInt8] = []
            HTTP2FrameWriter.windowUpdate(increment, streamID: frame.streamID, into: &update)
            walk.replace(to: at, with: update, &plan)
        }
        disposition = .forward
    }
}
