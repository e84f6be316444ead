internal import Calls
internal import HTTP2
internal import Policy
internal import Wire

/// The wiring of health streams: what drains, DATA and WINDOW_UPDATE frames mean for them.
extension HTTP2Session {
    /// A client begins to wait.
    func beginWatch(_ id: UInt32, _ context: ConnectionContext) {
        guard isSignalled(context), watches.begin(id), context.pipeline.drains.isActive else { return }
        updateWatches(context)
        refreshEdits()
    }

    /// A client waits no longer, or the server has said everything.
    func endWatch(_ id: UInt32) {
        if watches.end(id) { refreshEdits() }
    }

    /// Content of DATA of a stream that is no call.
    func watchData(_ state: HTTP2Direction, _ piece: RawSpan, context: ConnectionContext) {
        let id = state.frame.streamID
        guard watches.contains(id) else { return }
        if state.direction != requests {
            watches.receiveReply(piece, on: id)
        } else if watches.receiveRequest(piece, on: id), context.pipeline.drains.isActive {
            updateWatches(context)
        }
        watches.removeDamaged(id)
        refreshEdits()
    }

    /// Sees which health streams are about something that is drained.
    func updateWatches(_ context: ConnectionContext) {
        guard !watches.isEmpty, let gate = context.pipeline.drains.gate else { return }
        watches.update { gate.isSignalled(interface: $0) }
        if !watches.isToldNotServing { context.session.drain.signals.remove(DrainSignals(.notServing)) }
    }

    /// Puts what clients are to be told into their streams, where these have begun, stand between two messages, and
    /// have room.
    func writeStatuses(_ context: ConnectionContext, into frames: inout [UInt8]) {
        guard !watches.isEmpty, !throttle.isStalled else { return }
        for id in watches.streamIDs {
            let place = streams.place(of: id)
            guard place >= 0, streams[place].marks.contains(.replyBegun), let notice = watches.tell(id) else {
                continue
            }
            HTTP2FrameWriter.data(
                notice.message.byteSpan,
                streamID: id,
                endsStream: false,
                maxFrameBytes: down.maxFrameBytes,
                into: &frames
            )
            switch notice.change {
            case .drained: context.pipeline.drains.note(.notServing, on: context.session)
            case .restored:
                context.pipeline.drains.note(.serving, on: context.session)
                if watches.isToldNotServing { context.session.drain.signals.insert(DrainSignals(.notServing)) }
            case .none: break
            }
        }
    }

    // MARK: Windows

    /// DATA of a reply has ended.
    @inline(__always)
    func countWindow(_ state: HTTP2Direction) {
        guard state.disposition == .drop else { return watches.forward(state.frame) }
        state.disposition = .forward
        watches.withhold(state.frame)
        refreshEdits()
    }

    /// A WINDOW_UPDATE of the client's.
    func updateWindow(_ state: HTTP2Direction, _ payload: RawSpan) {
        let id = state.frame.streamID
        guard id == 0 || !watches.isEmpty, let increment = try? state.frame.number(in: payload) else { return }
        let isHeld = state.disposition == .hold
        guard let disposition = try? watches.update(increment, on: id, isPassed: !isHeld) else { return refreshEdits() }
        guard isHeld else { return }
        state.disposition = disposition == .forward ? .hold : disposition
        refreshEdits()
    }

    /// Bytes are missing, or the client's windows make no sense.
    func forgetWindows() {
        watches.forgetWindows()
        refreshEdits()
    }
}
