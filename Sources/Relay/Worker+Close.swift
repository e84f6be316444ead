internal import Calls
internal import Clocks
internal import Glibc
internal import Inspection
internal import Wire

extension Worker {
    /// The longest time to deliver bytes that came before a reset.
    private static let abortNanoseconds: UInt64 = 5_000_000_000

    /// Closes both sockets; calls in flight end unanswered.
    func close(_ pair: Pair) {
        guard pair.phase != .closed else { return }
        pair.phase = .closed
        inspector.close(pair.session, now: SystemClock.now())
        if pair.downstream.isOpen { Linux.close(pair.downstream.descriptor) }
        if pair.upstream.isOpen { Linux.close(pair.upstream.descriptor) }
        pair.downstream.descriptor = -1
        pair.upstream.descriptor = -1
        waitingPairs.remove(pair.slot)
        pairs[pair.slot] = nil
        freeSlots.append(pair.slot)
        openPairs -= 1
        countWaiting(pair)
        shared.releaseConnection()
        if isAcceptPaused { resumeAccepting() }
        stopIfOver()
    }

    /// Resets both sockets.
    func reset(_ pair: Pair) {
        if pair.downstream.isOpen { Linux.resetOnClose(pair.downstream.descriptor) }
        if pair.upstream.isOpen { Linux.resetOnClose(pair.upstream.descriptor) }
        close(pair)
    }

    // MARK: Ending

    /// The longest time to deliver the last bytes of a connection that Weir ends.
    private static let endNanoseconds: UInt64 = 2_000_000_000

    /// The longest time for a slow reader to take bytes that are queued here.
    private static let slowestEndNanoseconds: UInt64 = 30_000_000_000

    /// The last bytes were to have been delivered by now: nobody waits for a peer's end any longer, but a slow reader
    /// gets what is queued.
    ///
    /// Who has its last bytes and still asked something is reset: it would wait for the answer.
    func giveUpEnding(_ pair: Pair, _ now: UInt64) {
        guard pair.down.queue.isEmpty || now >= pair.deadline &+ Self.slowestEndNanoseconds else { return }
        if pair.wasUnheard, pair.downstream.isOpen, Linux.unacknowledged(pair.downstream.descriptor) == 0 {
            Linux.resetOnClose(pair.downstream.descriptor)
        }
        close(pair)
    }

    /// Weir ends the connection: what is queued is written, both peers are told that nothing more comes, and what
    /// downstream still says is taken and dropped, so that no reset overtakes what it was told.
    func beginEnding(_ pair: Pair) {
        guard pair.phase == .established else { return }
        pair.phase = .ending
        pair.deadline = SystemClock.now() + Self.endNanoseconds
        pair.up.held = []
        waitingPairs.insert(pair.slot)
        hastenTick()
        continueEnding(pair, isUpstream: true, 0)
    }

    func continueEnding(_ pair: Pair, isUpstream: Bool, _ mask: UInt32) {
        if !isUpstream, mask & (EventQueue.readable | EventQueue.failed) != 0 {
            let count = buffer.read(pair.downstream.descriptor, buffer.byteCount)
            let isFailed = count < 0 && count != -Int(EAGAIN) && count != -Int(EINTR)
            if count == 0 || isFailed { pair.up.isSourceEnded = true }
            if count > 0 { pair.wasUnheard = true }
        }
        // What is gone would be reported without end.
        if mask & EventQueue.failed != 0 { removeFromPoll(pair, isUpstream: isUpstream) }
        end(&pair.down, pair.downstream.descriptor)
        end(&pair.up, pair.upstream.descriptor)
        if pair.down.isFinished, pair.up.isFinished, pair.up.isSourceEnded { return close(pair) }
        updateInterest(pair)
    }

    /// Writes what is queued, and then that nothing more comes.
    private func end(_ pipe: inout Pipe, _ sink: Int32) {
        guard !pipe.isFinished else { return }
        let isEnded = pipe.isSourceEnded
        pipe.isSourceEnded = true
        flushPipe(&pipe, sink)
        pipe.isSourceEnded = isEnded
    }

    // MARK: Aborting

    /// The source of `direction` was reset: what it had said is delivered, then the sink is reset too.
    func abort(_ pair: Pair, from direction: Direction) {
        guard pair.phase == .established else { return }
        if direction == .toUpstream ? !pair.up.isSourceEnded : !pair.down.isSourceEnded { conclude(pair, direction) }
        pair.phase = .aborting
        pair.deadline = SystemClock.now() + Self.abortNanoseconds
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
        continueAbort(pair, SystemClock.now())
    }

    /// Resets the surviving socket once everything written to it has arrived.
    func continueAbort(_ pair: Pair, _ now: UInt64) {
        guard pair.phase == .aborting else { return }
        let direction: Direction = pair.downstream.isOpen ? .toDownstream : .toUpstream
        flushPipe(pair, direction)
        let pipe = direction == .toUpstream ? pair.up : pair.down
        let socket = direction == .toUpstream ? pair.upstream : pair.downstream
        let isDelivered = pipe.queue.isEmpty && Linux.unacknowledged(socket.descriptor) <= 0
        if isDelivered || pipe.isSinkBroken || now >= pair.deadline { reset(pair) } else { updateInterest(pair) }
    }

    /// The kernel reports a failure, or the end of both directions, on a socket that is not being read.
    func failWhilePaused(_ pair: Pair, _ direction: Direction) {
        let source = direction == .toUpstream ? pair.downstream : pair.upstream
        let pipe = direction == .toUpstream ? pair.up : pair.down
        // What it says would go nowhere; or it had ended in order before it was reset, and only the error tells.
        if pipe.isSinkBroken || (pipe.isSourceEnded && Linux.socketError(source.descriptor) != 0) {
            return abort(pair, from: direction)
        }
        // Paused by backpressure: its last bytes are still in the kernel, and behind them the reason, which reading
        // will find; asking for the error now would take it away. Or it is done, and only the other is not yet.
        removeFromPoll(pair, isUpstream: direction == .toDownstream)
    }

    /// Takes a socket out of the event queue, which would go on reporting its end; asking for any event puts it back.
    func removeFromPoll(_ pair: Pair, isUpstream: Bool) {
        let socket = isUpstream ? pair.upstream : pair.downstream
        guard socket.isOpen, socket.interest != nil else { return }
        queue.remove(socket.descriptor)
        if isUpstream { pair.upstream.interest = nil } else { pair.downstream.interest = nil }
        if isUpstream { pair.upstream.isUnregistered = true } else { pair.downstream.isUnregistered = true }
    }
}
