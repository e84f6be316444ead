internal import Calls
internal import Clocks
internal import Glibc
internal import Inspection
internal import Telemetry
internal import Wire

extension Worker {
    /// At most this many connections are accepted a turn, so that those that are open are not kept waiting.
    private static let acceptsPerTurn = 64
    /// Descriptors that another thread gives back are noticed after so long.
    private static let acceptPauseNanoseconds: UInt64 = 100_000_000

    func accept(_ index: Int) {
        // The event may be an older one of this turn than the command that closed it.
        guard listeners[index].descriptor >= 0 else { return }
        for _ in 0..<Self.acceptsPerTurn {
            guard mayFitPair || Linux.fitsPair(mailbox.event, below: shared.reservedDescriptors) else {
                return pauseAccepting(Linux.message(EMFILE))
            }
            let (descriptor, peer) = Linux.accept(listeners[index].descriptor)
            if descriptor < 0 {
                switch -descriptor {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: pauseAccepting(Linux.message(descriptor))
                default: break
                }
                return
            }
            admit(descriptor, peer: peer, listener: listeners[index])
            // The next connection would find no descriptor for its upstream.
            if isAcceptPaused { return }
        }
    }

    /// True if so few descriptors are in use that two more need not be asked for.
    ///
    /// The kernel gives the lowest number that is free, so that a high one says how many are in use; after connections
    /// have ended a low one says little, and their count helps. Both may mislead when something else took very many
    /// meanwhile: then one connection reaches into the reserve, and the next is asked for.
    private var mayFitPair: Bool {
        lastDescriptor < shared.reservedDescriptors / 2 && shared.connectionCount * 4 < Int(shared.reservedDescriptors)
    }

    /// Leaves connections waiting in the kernel while there is nothing to take them with.
    func pauseAccepting(_ why: String) {
        guard !isAcceptPaused else { return }
        isAcceptPaused = true
        acceptPausedUntil = SystemClock.now() + Self.acceptPauseNanoseconds
        nextTick = min(nextTick, acceptPausedUntil)
        for (index, listener) in listeners.enumerated() where listener.descriptor >= 0 {
            queue.change(listener.descriptor, 0, token: Token.firstListener - UInt64(index))
        }
        hooks.acceptPaused(why)
    }

    /// Takes connections again, unless it is known that there is still nothing to take them with.
    func resumeAccepting() {
        guard Linux.fitsPair(mailbox.event, below: shared.reservedDescriptors) else {
            acceptPausedUntil = SystemClock.now() + Self.acceptPauseNanoseconds
            return
        }
        isAcceptPaused = false
        for (index, listener) in listeners.enumerated() where listener.descriptor >= 0 {
            queue.change(listener.descriptor, EventQueue.readable, token: Token.firstListener - UInt64(index))
        }
    }

    /// True if connections may still come.
    var isListening: Bool { listeners.contains { $0.descriptor >= 0 } }

    /// Takes no more connections.
    ///
    /// A socket of which another process has a descriptor lives on, and with it its place in the event queue, unless
    /// it is taken out of that first.
    func closeListeners() {
        for index in listeners.indices where listeners[index].descriptor >= 0 {
            queue.remove(listeners[index].descriptor)
            shared.listeners.close(listeners[index].descriptor)
            listeners[index].descriptor = -1
        }
    }

    /// Takes a connection in and begins to connect to where it was going.
    private func admit(_ descriptor: Int32, peer: Endpoint, listener: Listener) {
        if !shared.expected.isEmpty, answerExpected(descriptor, peer: peer, listener: listener) { return }
        guard shared.takeConnection(limit: configuration.maxConnections) else {
            return refuse(descriptor, peer: peer, reason: .limit)
        }
        var candidates: Candidates
        switch self.candidates(of: descriptor, peer, listener) {
        case .success(let found): candidates = found
        case .failure(let refusal):
            shared.releaseConnection()
            return refuse(descriptor, peer: peer, reason: refusal.reason)
        }
        let upstream = connect(&candidates)
        guard upstream >= 0 else {
            shared.releaseConnection()
            let reason = refusal(upstream, candidates, now: SystemClock.now())
            return refuse(descriptor, peer: peer, reason: reason, to: candidates.current, error: -upstream)
        }
        Linux.configure(descriptor, configuration.socket)
        join(descriptor, upstream: upstream, peer: peer, candidates: candidates, side: listener.configuration.side)
        lastDescriptor = max(descriptor, upstream)
        // What took the last of those below the reserve did it since they were asked for.
        if lastDescriptor >= shared.reservedDescriptors { pauseAccepting(Linux.message(EMFILE)) }
    }

    /// Answers a connection that was announced; whether it was.
    private func answerExpected(_ descriptor: Int32, peer: Endpoint, listener: Listener) -> Bool {
        guard let word = shared.expected.take(peer, now: SystemClock.now()) else { return false }
        let original = Linux.originalDestination(descriptor, peerIsIPv6: peer.isIPv6)
        let destination = original == Linux.localEndpoint(descriptor) ? nil : original
        let side = listener.configuration.side == .provider ? "provider" : "consumer"
        let line = Array("weir \(word) \(side) \(destination.map { "\($0)" } ?? "-")\n".utf8)
        _ = Linux.write(descriptor, line.byteSpan)
        Linux.close(descriptor)
        return true
    }

    private func join(
        _ descriptor: Int32,
        upstream: Int32,
        peer: Endpoint,
        candidates: Candidates,
        side: Side
    ) {
        let now = SystemClock.now()
        let slot = freeSlots.popLast() ?? pairs.count
        generation &+= 1
        let session = configuration.isInspecting ? hooks.makeSession(inspector, side) : inspector.openOpaque(side: side)
        session.connection = ObservedConnection(client: peer, server: candidates.current)
        let pair = Pair(
            slot: slot,
            generation: generation,
            peer: peer,
            candidates: candidates,
            session: session,
            start: now,
            deadline: connectDeadline(now, candidates, now: now),
            downstream: descriptor,
            upstream: upstream
        )
        if slot == pairs.count { pairs.append(pair) } else { pairs[slot] = pair }
        openPairs += 1
        waitingPairs.insert(slot)
        nextTick = min(nextTick, now + 100_000_000)
        // Downstream is watched for a reset only: its bytes stay in the kernel until there is someone to take them.
        setInterest(pair, isUpstream: false, 0)
        setInterest(pair, isUpstream: true, EventQueue.writable)
    }

    private struct Refusal: Error {
        let reason: ConnectionRejectReason
    }

    private func candidates(
        of descriptor: Int32,
        _ peer: Endpoint,
        _ listener: Listener
    ) -> Result<Candidates, Refusal> {
        let destination: Endpoint
        switch listener.configuration.destination {
        case .fixed(let endpoint): return .success(Candidates(endpoint))
        case .name(let upstream): return .success(Candidates(upstream))
        case .original:
            guard let original = Linux.originalDestination(descriptor, peerIsIPv6: peer.isIPv6) else {
                return .failure(Refusal(reason: .noDestination))
            }
            destination = original
            // A connection made to the proxy itself has itself as its destination.
            if original == Linux.localEndpoint(descriptor) { return .failure(Refusal(reason: .noDestination)) }
            recorder.connectionIntercepted(side: listener.configuration.side)
        case .transparent:
            guard let local = Linux.localEndpoint(descriptor) else {
                return .failure(Refusal(reason: .noDestination))
            }
            destination = local
        }
        let isOwnPort = listeners.contains { $0.port == destination.port }
        if isOwnPort, Linux.isLocalAddress(destination) { return .failure(Refusal(reason: .loop)) }
        return .success(Candidates(destination))
    }

    private func refuse(
        _ descriptor: Int32,
        peer: Endpoint,
        reason: ConnectionRejectReason,
        to destination: Endpoint? = nil,
        error: Int32 = 0
    ) {
        recorder.connectionRefused(reason: reason)
        hooks.refused(RefusedConnection(peer: peer, destination: destination, reason: reason, error: error))
        Linux.resetOnClose(descriptor)
        Linux.close(descriptor)
    }

    // MARK: Ends

    /// Downstream was reset before upstream had accepted; its half-close would not be reported.
    func downstreamFailed(_ pair: Pair) {
        // What it had said is still delivered, if upstream accepts; reading will then find the reset.
        if Linux.hasBytes(pair.downstream.descriptor) { return removeFromPoll(pair, isUpstream: false) }
        Linux.resetOnClose(pair.upstream.descriptor)
        close(pair)
    }
}
