internal import Calls
internal import Glibc
internal import Inspection
internal import Wire

extension Worker {
    /// How long bytes said before a reset may take to be delivered.
    private static let abortNanoseconds: UInt64 = 5_000_000_000

    /// Closes both sockets; calls in flight end unanswered.
    func close(_ pair: Pair) {
        guard pair.phase != .closed else { return }
        pair.phase = .closed
        inspector.close(pair.session, now: Linux.now())
        if pair.downstream.isOpen { Linux.close(pair.downstream.descriptor) }
        if pair.upstream.isOpen { Linux.close(pair.upstream.descriptor) }
        pair.downstream.descriptor = -1
        pair.upstream.descriptor = -1
        waitingPairs.remove(pair.slot)
        pairs[pair.slot] = nil
        freeSlots.append(pair.slot)
        openPairs -= 1
        shared.releaseConnection()
        if isAcceptPaused { resumeAccepting() }
        if drainDeadline != nil, openPairs == 0 { isStopped = true }
    }

    /// Resets both sockets.
    func reset(_ pair: Pair) {
        if pair.downstream.isOpen { Linux.resetOnClose(pair.downstream.descriptor) }
        if pair.upstream.isOpen { Linux.resetOnClose(pair.upstream.descriptor) }
        close(pair)
    }

    // MARK: Aborting

    /// The source of `direction` was reset: what it had said is delivered, then the sink is reset too.
    func abort(_ pair: Pair, from direction: Direction) {
        guard pair.phase == .established else { return }
        pair.phase = .aborting
        pair.deadline = Linux.now() + Self.abortNanoseconds
        let gone = direction == .toUpstream ? pair.downstream : pair.upstream
        if gone.isOpen {
            Linux.resetOnClose(gone.descriptor)
            Linux.close(gone.descriptor)
        }
        if direction == .toUpstream {
            pair.downstream.descriptor = -1
            pair.down.isSinkBroken = true
            pair.down.queue.removeAll()
        } else {
            pair.upstream.descriptor = -1
            pair.up.isSinkBroken = true
            pair.up.queue.removeAll()
        }
        waitingPairs.insert(pair.slot)
        updateInterest(pair)
        hastenTick()
        continueAbort(pair, Linux.now())
    }

    /// Resets the surviving socket once everything written to it has arrived.
    func continueAbort(_ pair: Pair, _ now: UInt64) {
        let direction: Direction = pair.downstream.isOpen ? .toDownstream : .toUpstream
        flush(pair, direction)
        let pipe = direction == .toUpstream ? pair.up : pair.down
        let socket = direction == .toUpstream ? pair.upstream : pair.downstream
        let isDelivered = pipe.queue.isEmpty && Linux.unacknowledged(socket.descriptor) <= 0
        if isDelivered || pipe.isSinkBroken || now >= pair.deadline { finishAbort(pair) } else { updateInterest(pair) }
    }

    func finishAbort(_ pair: Pair) { reset(pair) }

    /// The kernel reports a failure on a socket that is not being read.
    ///
    /// Both a reset and an ordinary end of both directions look like this; only the first has an error to show.
    func failWhilePaused(_ pair: Pair, _ direction: Direction) {
        let source = direction == .toUpstream ? pair.downstream : pair.upstream
        let pipe = direction == .toUpstream ? pair.up : pair.down
        if Linux.socketError(source.descriptor) != 0 { return abort(pair, from: direction) }
        // The end was read already and the other direction has been shut: nothing more will come of this socket.
        if pipe.isSourceEnded { return abort(pair, from: direction) }
        // Paused by backpressure: its last bytes are still in the kernel. Stop hearing of it until they are wanted.
        muffle(pair, isUpstream: direction == .toDownstream)
    }

    /// Takes a socket out of the event queue; asking for any event puts it back.
    private func muffle(_ pair: Pair, isUpstream: Bool) {
        let socket = isUpstream ? pair.upstream : pair.downstream
        guard socket.isRegistered else { return }
        queue.remove(socket.descriptor)
        if isUpstream { pair.upstream.isRegistered = false } else { pair.downstream.isRegistered = false }
        if isUpstream { pair.upstream.interest = 0 } else { pair.downstream.interest = 0 }
    }
}
