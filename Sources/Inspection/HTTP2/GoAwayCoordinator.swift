/// The two GOAWAY frames by which a client learns that its connection ends, and their PING (RFC 9113 §6.8).
///
///     idle ⇄ due → asked → answered → told
///
/// The first GOAWAY names the highest possible stream, so that requests on their way are not lost. The PING behind it
/// asks how far the client's requests have come; the second GOAWAY names the last of them. A GOAWAY of the server's own
/// passes as long as it names no later stream than the client was told already.
struct GoAwayCoordinator {
    /// The progress of the announcement.
    enum State: Equatable {
        /// The connection goes on.
        case idle
        /// The first GOAWAY is to be written.
        case due
        /// The first GOAWAY was written; the client has not acknowledged the PING of these bytes.
        case asked(ping: UInt64)
        /// The client has acknowledged: its requests from before the acknowledgement have passed.
        case answered
        /// The second GOAWAY was written.
        case told
    }

    /// The frames that are to be written.
    enum Step: Equatable {
        /// A GOAWAY, and a PING of these bytes.
        case announce(lastStreamID: UInt32, ping: UInt64)
        /// The last GOAWAY.
        case conclude(lastStreamID: UInt32)
    }

    private(set) var state = State.idle
    /// The lowest last-stream id that the client was told; it never rises.
    private(set) var lastStreamID: UInt32 = .max >> 1
    /// The server's last GOAWAY, and the client's highest stream at that time.
    private var server: (lastStreamID: UInt32, highestStreamID: UInt32) = (.max, 0)

    /// True if a frame is to be written now.
    var isDue: Bool { state == .due || state == .answered }

    /// True if the announcement has begun, or is to begin.
    var isActive: Bool { state != .idle }

    /// True while the client has yet to acknowledge the PING; until then a request may be on its way.
    var isAwaited: Bool {
        if case .asked = state { true } else { false }
    }

    /// Drains have changed.
    ///
    /// - Parameter isEnding: True if the connection is to end; what the client was told is not taken back.
    mutating func update(isEnding: Bool) {
        switch state {
        case .idle where isEnding: state = .due
        case .due where !isEnding: state = .idle
        default: break
        }
    }

    /// Frames of Weir's own can be written.
    ///
    /// - Parameters:
    ///   - highestStreamID: The highest stream that the client has opened.
    ///   - ping: The bytes of a PING; evaluated if one is written.
    /// - Returns: The frames; `nil` if none are due.
    mutating func next(highestStreamID: UInt32, ping: @autoclosure () -> UInt64) -> Step? {
        switch state {
        case .due:
            let ping = ping()
            state = .asked(ping: ping)
            return .announce(lastStreamID: lastStreamID, ping: ping)
        case .answered:
            lastStreamID = min(lastStreamID, highestStreamID)
            state = .told
            return .conclude(lastStreamID: lastStreamID)
        case .idle, .asked, .told: return nil
        }
    }

    /// The client acknowledges a PING.
    ///
    /// - Parameter ping: The PING's bytes.
    /// - Returns: True if the PING was Weir's own, so that the server must not see the frame.
    mutating func acknowledge(ping: UInt64) -> Bool {
        guard state == .asked(ping: ping) else { return false }
        state = .answered
        return true
    }

    /// Limits a GOAWAY of the server's, before it passes.
    ///
    /// - Parameter last: The stream that it names.
    /// - Returns: The stream that the client may be told in its place; `nil` if the frame may pass unchanged.
    func replacement(for last: UInt32) -> UInt32? { last > lastStreamID ? lastStreamID : nil }

    /// A GOAWAY of the server's has passed.
    ///
    /// - Parameters:
    ///   - last: The stream that it names.
    ///   - highestStreamID: The highest stream that the client has opened.
    /// - Returns: True if streams above `last` may be open; false costs no search, however many frames come.
    mutating func receive(last: UInt32, highestStreamID: UInt32) -> Bool {
        lastStreamID = min(lastStreamID, last)
        guard last < highestStreamID, last < server.lastStreamID || highestStreamID > server.highestStreamID else {
            return false
        }
        server = (last, highestStreamID)
        return true
    }
}
