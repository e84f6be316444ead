internal import Clocks
internal import Glibc
internal import Synchronization

/// A connection of packets, whose thread sends what is given to it and hands on what comes.
///
/// Neither end waits for the other: what a stopped process does not take waits here, ``maxWaitingBytes`` at most and
/// one message more.
final class TakeoverLink: Sendable {
    /// The most bytes that wait to be sent; further messages are refused.
    static let maxWaitingBytes = TakeoverPacket.maxBytes
    /// So long a farewell may take.
    static let farewellNanoseconds: UInt64 = 2_000_000_000

    private struct State {
        var waiting: [TakeoverMessage] = []
        var waitingBytes = 0
        /// The bytes of the first message that have been sent.
        var sentBytes = 0
        /// From when on it ends though messages wait; `nil` while it goes on.
        var deadline: UInt64?
        var isOver = false
    }

    /// How it came to its end.
    enum End {
        /// This end wanted it.
        case closed
        /// The other end did, or it broke the rules.
        case lost
    }

    private let descriptor: Int32
    private let wake: Mailbox
    private let state = Mutex(State())

    /// Takes a descriptor over; `nil` when the system has no event descriptor, and the descriptor is closed then.
    init?(owning descriptor: Int32) {
        guard let wake = Mailbox() else {
            Linux.close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        self.wake = wake
    }

    deinit { Linux.close(descriptor) }

    /// Has a message sent when there is room for it.
    ///
    /// - Returns: True if it was taken.
    @discardableResult
    func send(_ message: TakeoverMessage) -> Bool {
        guard message.body.count <= TakeoverPacket.maxBytes else { return false }
        let isTaken = state.withLock { state in
            guard !state.isOver, state.deadline == nil, state.waitingBytes < Self.maxWaitingBytes else { return false }
            state.waiting.append(message)
            // A message is never nothing.
            state.waitingBytes += message.body.count + TakeoverPacket.maxHeadBytes
            return true
        }
        if isTaken { Linux.signal(wake.event) }
        return isTaken
    }

    /// The bytes that wait to be sent.
    var bytes: Int { state.withLock { $0.waitingBytes } }

    /// Ends it once what waits has been sent, after two seconds at the latest.
    func finish() {
        state.withLock { $0.deadline = $0.deadline ?? SystemClock.now() + Self.farewellNanoseconds }
        Linux.signal(wake.event)
    }

    /// Ends it now.
    func close() {
        state.withLock { $0.deadline = 0 }
        Linux.signal(wake.event)
    }

    // MARK: The thread

    /// Sends and receives until the end.
    ///
    /// - Parameter onMessage: Told of each message; false if it breaks the rules.
    /// - Returns: The side that ended it.
    func run(onMessage: (TakeoverMessage) -> Bool) -> End {
        defer {
            state.withLock { state in
                state.isOver = true
                state.waiting = []
            }
        }
        var partial: TakeoverMessage?
        var isGone = false
        var resets = 0
        while true {
            let (mustSend, milliseconds) = state.withLock { state in
                (!state.waiting.isEmpty, Self.milliseconds(to: state.deadline))
            }
            if milliseconds == 0 || (!mustSend && milliseconds > 0) {
                // What the other end has said already counts.
                while case .ready = Linux.wait(descriptor, stop: -1, milliseconds: 0) {
                    guard receive(&partial, resets: &resets, onMessage: onMessage) else { break }
                }
                return .closed
            }
            switch Linux.wait(descriptor, toRead: true, toWrite: mustSend, stop: wake.event, milliseconds: milliseconds)
            {
            case .ready: break
            case .stopped: Linux.clear(wake.event)
            case .timedOut: continue
            case .failed: return .lost
            }
            guard receive(&partial, resets: &resets, onMessage: onMessage) else { return .lost }
            // A peer that has gone takes nothing, but its last messages are still to be read.
            if mustSend, !isGone { isGone = !sendOne() }
        }
    }

    private static func milliseconds(to deadline: UInt64?) -> Int32 {
        guard let deadline else { return -1 }
        let now = SystemClock.now()
        return now >= deadline ? 0 : Int32(clamping: (deadline - now) / 1_000_000 + 1)
    }

    /// Takes what has come; false if that was the last.
    private func receive(
        _ partial: inout TakeoverMessage?,
        resets: inout Int,
        onMessage: (TakeoverMessage) -> Bool
    ) -> Bool {
        let limit = TakeoverPacket.maxHeadBytes + TakeoverPacket.maxPayloadBytes
        let received = Linux.receive(descriptor, limit: limit)
        for descriptor in received.descriptors { Linux.close(descriptor) }
        switch Int32(clamping: received.result) {
        case -EAGAIN: return true
        // One that ended without having read everything; what it had said comes behind that.
        case -ECONNRESET where resets < 2:
            resets += 1
            return true
        case ...0: return false
        default: break
        }
        guard let packet = TakeoverPacket(received.bytes) else { return false }
        var message =
            partial ?? TakeoverMessage(kind: packet.kind, number: packet.number, word: packet.word, body: [])
        guard message.add(packet) else { return false }
        guard message.body.count == packet.totalBytes else {
            partial = message
            return true
        }
        partial = nil
        return onMessage(message)
    }

    /// Sends a packet; false if nobody will ever take it.
    private func sendOne() -> Bool {
        let packet = state.withLock { $0.waiting.first?.packet(at: $0.sentBytes) }
        guard let packet else { return true }
        let result = Linux.send(descriptor, bytes: packet, descriptors: [])
        guard result >= 0 else { return result == -Int(EAGAIN) }
        state.withLock { state in
            guard let first = state.waiting.first else { return }
            state.sentBytes += TakeoverPacket.maxPayloadBytes
            guard state.sentBytes >= first.body.count else { return }
            state.sentBytes = 0
            state.waiting.removeFirst()
            state.waitingBytes -= first.body.count + TakeoverPacket.maxHeadBytes
        }
        return true
    }
}
