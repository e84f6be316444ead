internal import HTTP2
internal import Wire

/// The peers' frames, as far as frames of Weir's own change what becomes of them.
extension OwnFrames {
    // MARK: Requests

    /// True if it depends on a client's frame's payload what becomes of it: it may be the answer to a PING of Weir's
    /// own, or give the server room that Weir has taken.
    func isUndecided(_ frame: HTTP2FrameHeader) -> Bool {
        guard edits.contains(.requests) else { return false }
        switch frame.type {
        case HTTP2FrameType.ping:
            return goAway.isAwaited && frame.has(HTTP2Flag.ack) && frame.payloadBytes == 8
        case HTTP2FrameType.windowUpdate: return frame.payloadBytes == 4 && watches.hasDebt(on: frame.streamID)
        default: return false
        }
    }

    /// The payload of a PING that may be the client's answer.
    ///
    /// - Returns: True if it is, so that the server must not see it.
    mutating func acknowledges(_ payload: RawSpan) -> Bool {
        guard payload.byteCount == 8, goAway.acknowledge(ping: payload.uint64(at: 0)) else { return false }
        refresh()
        return true
    }

    /// A WINDOW_UPDATE of the client's.
    ///
    /// - Parameters:
    ///   - payload: Its payload.
    ///   - frame: Its header.
    ///   - isHeld: True if it was held back for this.
    /// - Returns: The disposition of a frame that was held back.
    mutating func updateWindow(_ payload: RawSpan, of frame: HTTP2FrameHeader, isHeld: Bool) -> FrameDisposition {
        let id = frame.streamID
        guard id == 0 || !watches.isEmpty, let increment = try? frame.number(in: payload) else { return .forward }
        let disposition = try? watches.update(increment, on: id, isPassed: !isHeld)
        if isHeld || disposition == nil { refresh() }
        return disposition ?? .forward
    }

    /// The client's INITIAL_WINDOW_SIZE has changed.
    mutating func changeInitialWindow(to bytes: UInt32) {
        do throws(FlowError) {
            try watches.changeInitialWindow(to: bytes)
        } catch {
            refresh()
        }
    }

    /// Bytes are missing, or the client's windows make no sense.
    mutating func forgetWindows() {
        watches.forgetWindows()
        refresh()
    }

    // MARK: Replies

    /// The way of a server's DATA frame that begins.
    enum DataWay {
        case forward
        /// The frame is kept from the client.
        case drop
        /// The frame waits for room, and everything behind it.
        case stall
    }

    /// A DATA frame of the server's begins.
    ///
    /// - Parameters:
    ///   - frame: Its header.
    ///   - isPassed: True if its first bytes were passed on already.
    /// - Returns: Its way.
    mutating func way(of frame: HTTP2FrameHeader, isPassed: Bool) -> DataWay {
        if !watches.isEmpty, watches.withholds(frame, isPassed: isPassed) { return .drop }
        return !isPassed && throttle.stalls(frame) && watches.overruns(frame) ? .stall : .forward
    }

    /// A DATA frame of the server's has ended.
    @inline(__always)
    mutating func countWindow(_ frame: HTTP2FrameHeader, isWithheld: Bool) {
        guard isWithheld else { return watches.forward(frame) }
        watches.withhold(frame)
        refresh()
    }

    /// Takes the frames that give the server the room back that withheld DATA took.
    mutating func takeCredit() -> [UInt8] { watches.takeCredit() }
}
