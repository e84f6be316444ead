internal import Synchronization

/// The running process's part: it hands its listening sockets to the process that is to replace it.
///
/// It waits on a local socket of the abstract kind, which the processes of one network namespace share, on a thread of
/// its own, and answers one process at a time, of its own user or root only. It ends once its sockets were taken over.
public final class TakeoverServer: Sendable {
    /// The longest silence of the other process.
    public struct Timeouts: Sendable {
        /// Until it has said what it wants, in milliseconds.
        public var requestMilliseconds: Int32 = 5000
        /// Until it accepts on the sockets it was given, in milliseconds.
        public var readyMilliseconds: Int32 = 30_000
        /// Until it has the name after that, in milliseconds; then it is taken to have.
        public var doneMilliseconds: Int32 = 10_000

        /// The defaults.
        public init() {}
    }

    /// What happened so far.
    public struct Counts: Equatable, Sendable {
        /// Peers of other users.
        public var foreign = 0
        /// Peers that did not come to an end for other reasons: they were silent, talked nonsense, died.
        public var dropped = 0
        /// Peers that were sent the sockets.
        public var handedOver = 0
    }

    /// The owner's handlers, called on the server's thread.
    public enum Event: Sendable {
        /// A peer did not take over, and all goes on as before.
        case failed(TakeoverError)
        /// Another process is about to serve; there follows ``takenOver(withState:)``, or ``failed(_:)``.
        case leaving
        /// Another process accepts on the sockets: this one is to stop accepting. Whether it has the state, too.
        case takenOver(withState: Bool)
    }

    private let loop: TakeoverLoop

    /// Starts to wait for a successor.
    ///
    /// - Parameters:
    ///   - port: The port of the first relay listener, by which the processes find each other.
    ///   - timeouts: The longest silences of a successor.
    ///   - peers: Gets the processes that were taken over from and report here. It is released once another process
    ///     has taken over.
    ///   - sockets: Makes duplicates of the sockets to hand over, at most 256; called for each successor.
    ///   - state: Makes what is handed over besides, as they are.
    ///   - onEvent: Told what happens.
    /// - Throws: ``TakeoverError/system(_:)`` when another process has the name or the system is out of something.
    public init(
        port: UInt16,
        timeouts: Timeouts = Timeouts(),
        peers: TakeoverPeers = TakeoverPeers(),
        sockets: @escaping @Sendable () throws(RelayError) -> [ListeningSocket],
        state: @escaping @Sendable () -> TakeoverState = { TakeoverState() },
        onEvent: @escaping @Sendable (Event) -> Void
    ) throws(TakeoverError) {
        guard let stop = Mailbox() else { throw .system("no event descriptor") }
        let name = TakeoverWords.name(port)
        let listener = Linux.localListen(name)
        guard listener >= 0 else { throw .system(Linux.message(listener)) }
        let loop = TakeoverLoop(
            name: name,
            listener: listener,
            stop: stop,
            timeouts: timeouts,
            peers: peers,
            sockets: sockets,
            handedState: state,
            onEvent: onEvent
        )
        let result = Linux.startThread(named: "weir-takeover") { loop.run() }
        guard result >= 0 else {
            Linux.close(listener)
            throw .system(Linux.message(result))
        }
        self.loop = loop
    }

    deinit { loop.requestStop() }

    /// What happened so far.
    public var counts: Counts { loop.counts }

    /// Hands over nothing any more; returns when the name is free.
    ///
    /// One that is not stopped explicitly stops when nobody refers to it any more.
    public func stop() async {
        loop.requestStop()
        await loop.ended()
    }
}

/// The server's thread.
private final class TakeoverLoop: Sendable {
    private struct State {
        var counts = TakeoverServer.Counts()
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let name: String
    private let listener: Int32
    private let stop: Mailbox
    private let timeouts: TakeoverServer.Timeouts
    private let peers: TakeoverPeers
    private let sockets: @Sendable () throws(RelayError) -> [ListeningSocket]
    private let handedState: @Sendable () -> TakeoverState
    private let onEvent: @Sendable (TakeoverServer.Event) -> Void
    private let state = Mutex(State())

    init(
        name: String,
        listener: Int32,
        stop: Mailbox,
        timeouts: TakeoverServer.Timeouts,
        peers: TakeoverPeers,
        sockets: @escaping @Sendable () throws(RelayError) -> [ListeningSocket],
        handedState: @escaping @Sendable () -> TakeoverState,
        onEvent: @escaping @Sendable (TakeoverServer.Event) -> Void
    ) {
        self.name = name
        self.listener = listener
        self.stop = stop
        self.timeouts = timeouts
        self.peers = peers
        self.sockets = sockets
        self.handedState = handedState
        self.onEvent = onEvent
    }

    var counts: TakeoverServer.Counts { state.withLock { $0.counts } }

    func requestStop() { Linux.signal(stop.event) }

    func run() {
        var listener = listener
        while listener >= 0 {
            var withState = false
            let successor = nextSuccessor(listener, &withState)
            // The name must be free when the successor hears of it.
            Linux.close(listener)
            guard let successor else { break }
            listener = leave(successor, withState: withState)
        }
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// Leaves the name to a process that accepts on the sockets.
    ///
    /// - Returns: The listener under the name again, if that process died before it had it; else −1.
    private func leave(_ successor: consuming TakeoverChannel, withState: Bool) -> Int32 {
        do throws(TakeoverError) {
            onEvent(.leaving)
            try successor.send(TakeoverWords.bye, milliseconds: timeouts.requestMilliseconds)
            // One of version 1 says nothing more.
            if withState { try successor.receive(TakeoverWords.done, milliseconds: timeouts.doneMilliseconds) }
        } catch .timedOut {
            // It lives, and accepts.
        } catch {
            let listener = Linux.localListen(name)
            if listener >= 0 {
                failed(error)
                return listener
            }
            // Somebody has the name.
        }
        // They look for whoever has it now.
        peers.release()
        onEvent(.takenOver(withState: withState))
        return -1
    }

    /// Waits until a process has taken over, and says whether it has the state; `nil` when there is to be none.
    private func nextSuccessor(_ listener: Int32, _ hasState: inout Bool) -> TakeoverChannel? {
        while true {
            guard case .ready = Linux.wait(listener, stop: stop.event, milliseconds: -1) else { return nil }
            let descriptor = Linux.localAccept(listener)
            guard descriptor >= 0 else {
                // Out of descriptors, most likely: the peer waits, and asking again at once would not help.
                if case .stopped = Linux.wait(-1, stop: stop.event, milliseconds: 100) { return nil }
                continue
            }
            let channel = TakeoverChannel(owning: descriptor, stop: stop.event)
            do throws(TakeoverError) {
                switch try serve(channel) {
                case .tookOver(let withState):
                    hasState = withState
                    return channel
                case .reports(let process, let isPredecessor):
                    guard peers.add(process, isPredecessor: isPredecessor, owning: channel.release()) else {
                        throw .refused("too many")
                    }
                case .wasToldState: break
                }
            } catch .stopped {
                return nil
            } catch {
                failed(error)
            }
        }
    }

    private enum Outcome {
        case tookOver(withState: Bool)
        case reports(UInt64, isPredecessor: Bool)
        case wasToldState
    }

    /// Gives a peer the sockets, and returns once it accepts on them.
    ///
    /// - Returns: That it has taken over, that it wants to report instead, or that it only asked for the state.
    private func serve(_ channel: borrowing TakeoverChannel) throws(TakeoverError) -> Outcome {
        try channel.checkPeer()
        let request = timeouts.requestMilliseconds
        let message = try channel.receive(milliseconds: request)
        message.closeDescriptors()
        if message.descriptors.isEmpty, let reporter = TakeoverPacket.reporter(message.text) {
            return .reports(reporter.process, isPredecessor: reporter.isPredecessor)
        }
        if message.descriptors.isEmpty, message.text == TakeoverWords.stateHello {
            try channel.send(handedState(), milliseconds: request)
            return .wasToldState
        }
        let withState = message.text == TakeoverWords.hello
        guard withState || message.text == TakeoverWords.helloOfVersion1, message.descriptors.isEmpty else {
            try? channel.send("\(TakeoverWords.refused) \(TakeoverWords.wrongVersion)", milliseconds: request)
            throw .protocolViolation
        }
        do throws(TakeoverError) {
            try handOver(channel, request)
            if withState { try channel.send(handedState(), milliseconds: request) }
        } catch {
            try? channel.send("\(TakeoverWords.refused) sockets", milliseconds: request)
            throw error
        }
        state.withLock { $0.counts.handedOver += 1 }
        try channel.receive(TakeoverWords.ready, milliseconds: timeouts.readyMilliseconds)
        return .tookOver(withState: withState)
    }

    private func handOver(_ channel: borrowing TakeoverChannel, _ milliseconds: Int32) throws(TakeoverError) {
        let sockets: [ListeningSocket]
        do throws(RelayError) { sockets = try self.sockets() } catch { throw .system("\(error)") }
        guard 1...TakeoverWords.maxSockets ~= sockets.count else { throw .tooManySockets(sockets.count) }
        var rest = sockets[...]
        while !rest.isEmpty {
            let some = rest.prefix(Linux.maxDescriptorsPerMessage)
            rest = rest.dropFirst(some.count)
            let text = TakeoverWords.text(some, toCome: rest.count)
            try channel.send(text, some.map(\.descriptor), milliseconds: milliseconds)
        }
        withExtendedLifetime(sockets) {}
    }

    private func failed(_ error: TakeoverError) {
        state.withLock { state in
            if case .foreignPeer = error { state.counts.foreign += 1 } else { state.counts.dropped += 1 }
        }
        onEvent(.failed(error))
    }
}
