internal import Calls
internal import Clocks
internal import Glibc
internal import Inspection
internal import Policy
internal import Telemetry
internal import Wire

extension Worker {
    // MARK: Reading

    /// Reads one socket and passes on what its session's plan says.
    @inline(__always)
    func read(_ pair: Pair, _ direction: Direction, isFailed: Bool) {
        let isUp = direction == .toUpstream
        guard isUp ? pair.up.wantsBytes : pair.down.wantsBytes else {
            // Not wanted now, but a reset is no matter of wanting.
            if isFailed { failWhilePaused(pair, direction) }
            return
        }
        var limit = isUp ? pair.up.readLimit : pair.down.readLimit
        if limit != Pipe.usualReadBytes || shared.isCrowded {
            limit = fittingReadBytes(pair, direction)
            guard limit > 0 else { return updateInterest(pair) }
        }
        let count = buffer.read(isUp ? pair.downstream.descriptor : pair.upstream.descriptor, limit)
        if count > 0 {
            received(pair, direction: direction, count: count)
            if count >= Pipe.leastReadBytes || limit != Pipe.usualReadBytes {
                adaptReads(pair, direction: direction, count: count, limit: limit)
            }
        } else if count == 0 {
            sourceEnded(pair, direction)
        } else if count != -Int(EAGAIN), count != -Int(EINTR) {
            abort(pair, from: direction)
        }
    }

    @inline(__always)
    private func received(_ pair: Pair, direction: Direction, count: Int) {
        plan.removeAll()
        var isSettled = true
        let now = SystemClock.now()
        if batchStart == 0 { batchStart = now }
        buffer.withBytes(count) { bytes in
            if direction == .toUpstream {
                pair.lastHeard = now
                plan.isBoundaryWanted = !pair.up.replies.isEmpty
                inspector.receive(pair.session, bytes: bytes, going: direction, now: now, plan: &plan)
                isSettled = pass(&pair.up, sink: pair.upstream.descriptor, bytes: bytes)
            } else {
                plan.isBoundaryWanted = !pair.down.replies.isEmpty
                inspector.receive(pair.session, bytes: bytes, going: direction, now: now, plan: &plan)
                isSettled = pass(&pair.down, sink: pair.downstream.descriptor, bytes: bytes)
            }
        }
        if recorder.hasDecodeFailure { reportDecodeFailure(pair) }
        if !isSettled || !plan.reply.isEmpty || plan.closes { finishPassing(pair, direction) }
    }

    /// Tells the owner that a connection's bytes cannot be followed, unless it knows.
    private func reportDecodeFailure(_ pair: Pair) {
        guard let failure = recorder.takeDecodeFailure(), !pair.isDecodeFailureReported else { return }
        pair.isDecodeFailureReported = true
        hooks.decodeFailed(UndecodedConnection(peer: pair.peer, destination: pair.destination, failure: failure))
    }

    /// Writes straight from the read buffer when nothing stands before the bytes; else through the queue.
    ///
    /// - Returns: True if nothing remains to be done for the direction.
    @inline(__always)
    private func pass(_ pipe: inout Pipe, sink: Int32, bytes: RawSpan) -> Bool {
        pipe.receivedBytes &+= UInt64(bytes.byteCount)
        guard plan.forwardsAll, pipe.held.isEmpty, pipe.reach.isEmpty, pipe.queue.isEmpty, pipe.replies.isEmpty else {
            if !pipe.carryOut(plan, bytes) { isOverrun = true }
            return false
        }
        pipe.isAtBoundary = plan.endsAtBoundary
        let written = Linux.write(sink, bytes)
        if written == bytes.byteCount { return true }
        if written >= 0 || written == -Int(EAGAIN) {
            pipe.queue.append(bytes.extracting(max(0, written)..<bytes.byteCount))
        } else {
            pipe.isSinkBroken = true
        }
        return false
    }

    /// Queues the session's replies for the other direction and writes what can be written.
    func finishPassing(_ pair: Pair, _ direction: Direction) {
        if isOverrun {
            isOverrun = false
            inspector.overran(pair.session, now: SystemClock.now())
            pair.up.goBlind()
            pair.down.goBlind()
        }
        if !plan.reply.isEmpty {
            if direction == .toUpstream { pair.down.addReplies(plan.reply) } else { pair.up.addReplies(plan.reply) }
        }
        if plan.closes {
            inspector.drainGate?.service?.countClosed()
            return beginEnding(pair)
        }
        settle(pair, direction)
    }

    /// Lets sessions decide about bytes that they have held back for long enough.
    func releaseHeld(_ now: UInt64) {
        inspector.beginReleases()
        for pair in pairs {
            guard let pair, pair.phase == .established, inspector.isReleaseDue(pair.session, now: now) else { continue }
            releaseHeld(pair, direction: .toUpstream, now: now)
            if pair.phase == .established { releaseHeld(pair, direction: .toDownstream, now: now) }
        }
    }

    private func releaseHeld(_ pair: Pair, direction: Direction, now: UInt64) {
        let isUp = direction == .toUpstream
        plan.removeAll()
        // What had begun when its source ended was decided about then.
        guard isUp ? !pair.up.isSourceEnded : !pair.down.isSourceEnded,
            inspector.release(pair.session, direction, now: now, plan: &plan)
        else { return }
        if recorder.hasDecodeFailure { reportDecodeFailure(pair) }
        let nothing: [UInt8] = []
        let empty = nothing.byteSpan
        if !(isUp ? pair.up.carryOut(plan, empty) : pair.down.carryOut(plan, empty)) { isOverrun = true }
        finishPassing(pair, direction)
    }

    // MARK: Ends

    /// The source of a direction has said its last: what is held is decided, and then the sink is told.
    func sourceEnded(_ pair: Pair, _ direction: Direction) {
        // A write that found the connection reset took the error away: what reading meets then looks like an end.
        let isReset = direction == .toUpstream ? pair.down.isSinkBroken : pair.up.isSinkBroken
        if isReset { return abort(pair, from: direction) }
        conclude(pair, direction)
        if direction == .toUpstream { pair.up.isSourceEnded = true } else { pair.down.isSourceEnded = true }
        settle(pair, direction)
    }

    /// Lets the session decide about what is held of a direction that will bring no more.
    func conclude(_ pair: Pair, _ direction: Direction) {
        plan.removeAll()
        inspector.ended(pair.session, direction, now: SystemClock.now(), plan: &plan)
        if recorder.hasDecodeFailure { reportDecodeFailure(pair) }
        if direction == .toUpstream { conclude(&pair.up, &pair.down) } else { conclude(&pair.down, &pair.up) }
    }

    private func conclude(_ pipe: inout Pipe, _ opposite: inout Pipe) {
        let nothing: [UInt8] = []
        _ = pipe.carryOut(plan, nothing.byteSpan)
        pipe.held = []
        pipe.reach = []
        // Nothing of the source's will follow, so a reply can only come after what there was, if that was whole.
        if pipe.isAtBoundary { pipe.emitReplies() }
        pipe.replies = []
        if !plan.reply.isEmpty { opposite.addReplies(plan.reply) }
    }

    /// Writes what is queued both ways, passes ends on, closes what is finished, and asks the kernel for what is next.
    func settle(_ pair: Pair, _ direction: Direction) {
        flushPipe(pair, direction)
        flushPipe(pair, direction.opposite)
        finishSettling(pair)
    }

    /// A socket takes bytes again.
    func flush(_ pair: Pair, _ direction: Direction) {
        if direction == .toUpstream { pair.up.isSinkFull = false } else { pair.down.isSinkFull = false }
        flushPipe(pair, direction)
        finishSettling(pair)
    }

    private func finishSettling(_ pair: Pair) {
        guard pair.phase == .established else { return }
        if pair.up.isFinished, pair.down.isFinished { return close(pair) }
        // A peer that takes nothing more and will say nothing more is gone: the other must learn it.
        if pair.up.isSinkBroken, pair.down.isSourceEnded { return abort(pair, from: .toDownstream) }
        if pair.down.isSinkBroken, pair.up.isSourceEnded { return abort(pair, from: .toUpstream) }
        updateInterest(pair)
    }

    func flushPipe(_ pair: Pair, _ direction: Direction) {
        if direction == .toUpstream {
            flushPipe(&pair.up, pair.upstream.descriptor)
        } else {
            flushPipe(&pair.down, pair.downstream.descriptor)
        }
    }

    func flushPipe(_ pipe: inout Pipe, _ sink: Int32) {
        if pipe.isSinkBroken || pipe.isSinkShut {
            pipe.queue.removeAll()
            return
        }
        while !pipe.queue.isEmpty {
            let written = pipe.queue.write(to: sink)
            if written == -Int(EAGAIN) || written == -Int(EINTR) {
                pipe.readLimit = Pipe.leastReadBytes
                return
            }
            if written < 0 {
                pipe.isSinkBroken = true
                pipe.queue.removeAll()
                return
            }
        }
        if pipe.isSourceEnded {
            Linux.shutdownWrite(sink)
            pipe.isSinkShut = true
        }
    }

    // MARK: Interest

    /// Asks the kernel for what the pair waits for, if that has changed.
    func updateInterest(_ pair: Pair) {
        var downstream: UInt32 = 0
        var upstream: UInt32 = 0
        if pair.phase == .ending {
            if !pair.up.isSourceEnded { downstream |= EventQueue.readable }
        } else if pair.phase == .established {
            if pair.up.wantsBytes, !isReplyFull(pair.down) { downstream |= EventQueue.readable }
            if pair.down.wantsBytes, !isReplyFull(pair.up) { upstream |= EventQueue.readable }
            if pair.down.wantsRoom { downstream |= EventQueue.writable }
            if pair.up.wantsRoom { upstream |= EventQueue.writable }
        }
        if !pair.down.queue.isEmpty { downstream |= EventQueue.writable }
        if !pair.up.queue.isEmpty { upstream |= EventQueue.writable }
        countWaiting(pair)
        setInterest(pair, isUpstream: false, downstream)
        setInterest(pair, isUpstream: true, upstream)
    }

    /// True if so many replies wait that the peer they answer must not ask for more.
    private func isReplyFull(_ pipe: borrowing Pipe) -> Bool {
        pipe.waitingReplyBytes >= (shared.isCrowded ? Pipe.leastReadBytes : Pipe.maxReplyBytes)
    }

    func setInterest(_ pair: Pair, isUpstream: Bool, _ mask: UInt32) {
        let socket = isUpstream ? pair.upstream : pair.downstream
        guard socket.isOpen, socket.interest != mask else { return }
        let token = Token.pair(pair.slot, pair.generation, isUpstream: isUpstream)
        if socket.interest != nil {
            queue.change(socket.descriptor, mask, token: token)
        } else if mask == 0, socket.isUnregistered {
            return
        } else if queue.add(socket.descriptor, mask, token: token) != 0 {
            // Nothing would ever be heard of it.
            return reset(pair)
        }
        if isUpstream { pair.upstream.interest = mask } else { pair.downstream.interest = mask }
    }
}
