internal import Calls
internal import Clocks
internal import Glibc
internal import Inspection
internal import Telemetry
internal import Wire

/// Connecting to upstream: of the addresses of a name each is tried in order, within the connect timeout of all.
extension Worker {
    /// Begins to connect to the first address that the system lets connect to: a descriptor, or the last error.
    func connect(_ candidates: inout Candidates) -> Int32 {
        while true {
            let upstream = Linux.connect(candidates.current)
            if upstream >= 0 {
                Linux.configure(upstream, configuration.socket)
                return upstream
            }
            guard upstream != -EMFILE, upstream != -ENFILE, candidates.advance() else { return upstream }
        }
    }

    /// The reason that ``connect(_:)`` failed.
    func refusal(_ error: Int32, _ candidates: Candidates, now: UInt64) -> ConnectionRejectReason {
        if error == -EMFILE || error == -ENFILE {
            pauseAccepting(Linux.message(error))
            return .descriptors
        }
        candidates.allFailed(now: now)
        return .connectFailed
    }

    /// Until when the current address is waited for: those that are left share the time that is left.
    func connectDeadline(_ start: UInt64, _ candidates: Candidates, now: UInt64) -> UInt64 {
        let end = start + configuration.connectTimeoutNanoseconds
        return now + (end > now ? end - now : 0) / UInt64(candidates.others.count + 1)
    }

    func finishConnect(_ pair: Pair, isFailed: Bool) {
        if isFailed {
            let error = -Linux.socketError(pair.upstream.descriptor)
            switch error {
            case 0: break
            case ECONNRESET, EPIPE:
                // It had accepted and is gone already: what it said first is still delivered.
                pair.up.isSinkBroken = true
            default: return upstreamFailed(pair, reason: .connectFailed, error: error)
            }
        }
        pair.phase = .established
        pair.candidates.settle()
        waitingPairs.remove(pair.slot)
        updateInterest(pair)
    }

    /// An address did not accept: the next is tried, if there is one; else downstream is told as it would have been
    /// without a proxy.
    func upstreamFailed(_ pair: Pair, reason: ConnectionRejectReason, error: Int32) {
        let now = SystemClock.now()
        guard pair.candidates.advance() else {
            pair.candidates.allFailed(now: now)
            return refuseUpstream(pair, reason: reason, error: error)
        }
        queue.remove(pair.upstream.descriptor)
        Linux.close(pair.upstream.descriptor)
        let upstream = connect(&pair.candidates)
        pair.upstream = Pair.Socket(descriptor: upstream)
        guard upstream >= 0 else {
            return refuseUpstream(pair, reason: refusal(upstream, pair.candidates, now: now), error: -upstream)
        }
        pair.session.connection = ObservedConnection(client: pair.peer, server: pair.destination)
        pair.deadline = connectDeadline(pair.start, pair.candidates, now: now)
        setInterest(pair, isUpstream: true, EventQueue.writable)
    }

    private func refuseUpstream(_ pair: Pair, reason: ConnectionRejectReason, error: Int32) {
        recorder.connectionRefused(reason: reason)
        let refused = RefusedConnection(peer: pair.peer, destination: pair.destination, reason: reason, error: error)
        hooks.refused(refused)
        Linux.resetOnClose(pair.downstream.descriptor)
        close(pair)
    }
}
