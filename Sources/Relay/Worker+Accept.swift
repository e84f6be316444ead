internal import Calls
internal import Glibc
internal import Inspection
internal import Telemetry
internal import Wire

extension Worker {
    /// At most this many connections are accepted a turn, so that those that are open are not kept waiting.
    private static let acceptsPerTurn = 64
    private static let acceptPauseNanoseconds: UInt64 = 1_000_000_000

    func accept(_ index: Int) {
        // The event may be an older one of this turn than the command that closed it.
        guard listeners[index].descriptor >= 0 else { return }
        for _ in 0..<Self.acceptsPerTurn {
            let (descriptor, peer) = Linux.accept(listeners[index].descriptor)
            if descriptor < 0 {
                switch -descriptor {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: pauseAccepting(Linux.message(descriptor))
                default: break
                }
                return
            }
            admit(descriptor, peer, listeners[index])
            // The next connection would find no descriptor for its upstream.
            if isAcceptPaused { return }
        }
    }

    /// Leaves connections waiting in the kernel while there is nothing to take them with.
    private func pauseAccepting(_ why: String) {
        guard !isAcceptPaused else { return }
        isAcceptPaused = true
        acceptPausedUntil = Linux.now() + Self.acceptPauseNanoseconds
        nextTick = min(nextTick, acceptPausedUntil)
        for (index, listener) in listeners.enumerated() where listener.descriptor >= 0 {
            queue.change(listener.descriptor, 0, token: Token.firstListener - UInt64(index))
        }
        hooks.acceptPaused(why)
    }

    /// Takes connections again, unless it is known that there is still nothing to take them with.
    func resumeAccepting() {
        guard Linux.lowestFree(mailbox.event) < shared.reservedDescriptors else {
            acceptPausedUntil = Linux.now() + Self.acceptPauseNanoseconds
            return
        }
        isAcceptPaused = false
        for (index, listener) in listeners.enumerated() where listener.descriptor >= 0 {
            queue.change(listener.descriptor, EventQueue.readable, token: Token.firstListener - UInt64(index))
        }
    }

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
    private func admit(_ descriptor: Int32, _ peer: Endpoint, _ listener: Listener) {
        if !shared.expected.isEmpty, answerExpected(descriptor, peer, listener) { return }
        guard shared.takeConnection(limit: configuration.maxConnections) else {
            return refuse(descriptor, peer, .limit)
        }
        let destination: Endpoint
        switch self.destination(of: descriptor, peer, listener) {
        case .success(let found): destination = found
        case .failure(let refusal):
            shared.releaseConnection()
            return refuse(descriptor, peer, refusal.reason)
        }
        let upstream = Linux.connect(destination)
        guard upstream >= 0 else {
            shared.releaseConnection()
            if upstream == -EMFILE || upstream == -ENFILE { pauseAccepting(Linux.message(upstream)) }
            return refuse(descriptor, peer, .connectFailed)
        }
        Linux.configure(descriptor, configuration.socket)
        Linux.configure(upstream, configuration.socket)
        join(descriptor, upstream, peer, destination, listener.configuration.side)
        // The kernel gives the lowest number that is free, so a high one says how many are in use.
        if max(descriptor, upstream) >= shared.reservedDescriptors { pauseAccepting(Linux.message(EMFILE)) }
    }

    /// Answers a connection that was announced; whether it was.
    private func answerExpected(_ descriptor: Int32, _ peer: Endpoint, _ listener: Listener) -> Bool {
        guard let word = shared.expected.take(peer, now: Linux.now()) else { return false }
        let original = Linux.originalDestination(descriptor, peerIsIPv6: peer.isIPv6)
        let destination = original == Linux.localEndpoint(descriptor) ? nil : original
        let side = listener.configuration.side == .provider ? "provider" : "consumer"
        let line = Array("weir \(word) \(side) \(destination.map { "\($0)" } ?? "-")\n".utf8)
        // SAFETY: the array outlives its span.
        _ = Linux.write(descriptor, unsafe line.span.bytes)
        Linux.close(descriptor)
        return true
    }

    private func join(
        _ descriptor: Int32,
        _ upstream: Int32,
        _ peer: Endpoint,
        _ destination: Endpoint,
        _ side: Side
    ) {
        let now = Linux.now()
        let slot = freeSlots.popLast() ?? pairs.count
        generation &+= 1
        let session = configuration.isInspecting ? hooks.makeSession(inspector, side) : inspector.openOpaque(side: side)
        session.connection = ObservedConnection(client: peer, server: destination)
        let pair = Pair(
            slot: slot,
            generation: generation,
            peer: peer,
            destination: destination,
            session: session,
            start: now,
            deadline: now + configuration.connectTimeoutNanoseconds,
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
        let reason: RefusalReason
    }

    private func destination(
        of descriptor: Int32,
        _ peer: Endpoint,
        _ listener: Listener
    ) -> Result<Endpoint, Refusal> {
        let destination: Endpoint
        switch listener.configuration.destination {
        case .fixed(let endpoint): return .success(endpoint)
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
        return .success(destination)
    }

    private func refuse(_ descriptor: Int32, _ peer: Endpoint, _ reason: RefusalReason) {
        recorder.connectionRefused(reason: reason)
        hooks.refused(peer, reason)
        Linux.resetOnClose(descriptor)
        Linux.close(descriptor)
    }

    // MARK: Connecting

    func finishConnect(_ pair: Pair, isFailed: Bool) {
        if isFailed {
            switch -Linux.socketError(pair.upstream.descriptor) {
            case 0: break
            case ECONNRESET, EPIPE:
                // It had accepted and is gone already: what it said first is still delivered.
                pair.up.isSinkBroken = true
            default: return refuseUpstream(pair, .connectFailed)
            }
        }
        pair.phase = .established
        waitingPairs.remove(pair.slot)
        updateInterest(pair)
    }

    /// Upstream could not be reached: downstream is told as it would have been without a proxy.
    func refuseUpstream(_ pair: Pair, _ reason: RefusalReason) {
        recorder.connectionRefused(reason: reason)
        hooks.refused(pair.peer, reason)
        Linux.resetOnClose(pair.downstream.descriptor)
        close(pair)
    }

    /// Downstream was reset before upstream had accepted; its half-close would not be reported.
    func downstreamFailed(_ pair: Pair) {
        // What it had said is still delivered, if upstream accepts; reading will then find the reset.
        if Linux.hasBytes(pair.downstream.descriptor) { return muffle(pair, isUpstream: false) }
        Linux.resetOnClose(pair.upstream.descriptor)
        close(pair)
    }
}
