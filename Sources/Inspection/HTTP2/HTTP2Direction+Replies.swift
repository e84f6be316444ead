internal import HTTP2
internal import Wire

/// The way of each frame of the replies' direction past Weir.
extension HTTP2Direction {
    /// A frame of replies begins: what becomes of it.
    ///
    /// - Parameters:
    ///   - at: The end of its header.
    ///   - own: The frames of Weir's own.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func beginReplyFrame(at: Int, own: inout OwnFrames, walk: inout PlanBuilder, plan: inout Plan) {
        let frame = frame
        let end = at + Int(frame.payloadBytes)
        let isPassed = passed.contains(.unit)
        passed.remove(.unit)
        if frame.type == HTTP2FrameType.goAway, own.goAway.isActive, frame.payloadBytes >= 8 {
            disposition = .hold
            return walk.forward(to: at, &plan)
        }
        guard frame.type == HTTP2FrameType.data else { return walk.forward(to: end, &plan) }
        switch own.way(of: frame, isPassed: isPassed) {
        case .forward: walk.forward(to: end, &plan)
        case .stall: reader.stall()
        case .drop:
            disposition = .drop
            if frame.has(HTTP2Flag.endStream) {
                var last: [UInt8] = []
                HTTP2FrameWriter.data(
                    RawSpan(),
                    streamID: frame.streamID,
                    endsStream: true,
                    maxFrameBytes: maxFrameBytes,
                    into: &last
                )
                walk.replace(to: at, with: last, &plan)
            }
            walk.drop(to: end, &plan)
        }
    }

    /// More of a held GOAWAY was read: the server's must not name a later stream than Weir's own did.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that are here.
    ///   - at: The place up to which they are read.
    ///   - goAway: The frames that the client was told.
    ///   - walk: Up to where it is decided.
    ///   - plan: Where the edits go.
    func limitGoAway(
        _ bytes: RawSpan,
        at: Int,
        to goAway: GoAwayCoordinator,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        guard disposition == .hold, frame.type == HTTP2FrameType.goAway, reader.payloadRead >= 4 else { return }
        disposition = .forward
        let start = at - reader.payloadRead
        let first = reader.firstNumber(in: bytes, endingAt: at)
        if let last = goAway.replacement(for: first & 0x7fff_ffff) {
            let last = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: last >> $0) }
            walk.replace(to: start + 4, with: last, &plan)
        }
        walk.forward(to: start + Int(frame.payloadBytes), &plan)
    }

    /// Nothing of the direction is decided about any more, for now: what has begun cannot be taken back.
    func stopDeciding(at count: Int, walk: inout PlanBuilder, plan: inout Plan) {
        if disposition == .hold { disposition = .forward }
        passed.insert(.bytes)
        walk.forward(to: count, &plan)
    }

    /// The plan for the bytes that are here is made: notes what is held of them, or decided beyond them.
    func finish(_ walk: PlanBuilder, count: Int) {
        heldBytes = max(0, count - walk.at)
        reachBytes = max(0, walk.at - count)
    }

    /// Steps over what belongs to a frame or block that has begun.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that are here.
    ///   - start: The place up to which they are read.
    /// - Returns: The place up to which they are stepped over.
    func finishUnit(_ bytes: RawSpan, from start: Int) -> Int {
        var at = start
        while !isAtBoundary {
            switch reader.skip(bytes, at: &at) {
            case .began: break
            case .ended: if frame.isBlockPart { assembler.note(frame) }
            default: return at
            }
        }
        return at
    }
}
