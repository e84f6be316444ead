internal import Calls
internal import Clocks
internal import Inspection
internal import Policy

/// Drains: what consumers are told, and when their connections end.
extension Worker {
    /// A connection of a drained service is idle when nothing was in flight and nothing came for so long.
    private static let idleNanoseconds: UInt64 = 250_000_000
    /// The time after the deadline in which a moment without calls is waited for.
    private static let cutNanoseconds: UInt64 = 1_000_000_000

    /// Tells the consumers of every connection what has changed.
    func signalDrains() {
        let now = SystemClock.now()
        for pair in pairs {
            guard let pair, pair.phase == .established else { continue }
            plan.removeAll()
            inspector.signalDrains(pair.session, now: now, plan: &plan)
            guard !plan.reply.isEmpty || plan.closes else { continue }
            // It is given as long to answer as to say something of itself.
            pair.lastHeard = now
            finishPassing(pair, .toUpstream)
        }
        nextTick = 0
    }

    /// Takes no more connections, lets calls in flight finish, and stops.
    ///
    /// While the service's drain is in its grace and anybody has a connection, new ones come in: a consumer that was
    /// told to leave, and has no other provider, comes back with the next one.
    func beginDrain(_ deadline: UInt64) {
        drainDeadline = min(deadline, drainDeadline ?? .max)
        if openPairs == 0 || !isInGrace(SystemClock.now()) { closeListeners() }
        nextTick = 0
        stopIfOver()
    }

    private func isInGrace(_ now: UInt64) -> Bool {
        guard let order = inspector.drainGate?.service, let drainDeadline else { return false }
        return now < order.rejectTime && now < drainDeadline
    }

    /// Another process accepts in this one's place: stops once the last connection has ended by itself, or when its
    /// time has come.
    func beginLeave(_ deadline: UInt64) {
        closeListeners()
        leaveDeadline = deadline
        nextTick = 0
    }

    /// Closes the connections whose time has come.
    func continueDrain(_ now: UInt64) {
        if let leaveDeadline, now >= leaveDeadline, drainDeadline == nil {
            drainDeadline = now &+ Self.cutNanoseconds
        }
        let isInGrace = isInGrace(now)
        if drainDeadline != nil, isListening, !isInGrace { closeListeners() }
        let order = inspector.drainGate?.service
        if let order, order !== refusingOrder, now >= order.rejectTime {
            // What consumers are told then, where they cannot be refused.
            refusingOrder = order
            inspector.drainsChanged()
            signalDrains()
        }
        if let drainDeadline, now >= drainDeadline {
            for pair in pairs {
                guard let pair else { continue }
                close(pair)
                order?.countClosed()
            }
        } else if drainDeadline != nil || order.map({ now >= $0.rejectTime }) == true {
            for pair in pairs {
                guard let pair, pair.phase != .ending else { continue }
                guard let order, pair.session.side == .provider else {
                    if !isInGrace { endIfQuiet(pair, now) }
                    continue
                }
                guard isOver(pair, now: now, order: order) else { continue }
                order.countClosed()
                if pair.phase == .established { beginEnding(pair) } else { close(pair) }
            }
        }
        stopIfOver()
    }

    /// Ends a connection between two calls, without a word but its end: its consumer finds the next process, or another
    /// provider.
    private func endIfQuiet(_ pair: Pair, _ now: UInt64) {
        guard drainDeadline != nil, pair.isIdle, !isExpected(pair, now) else { return }
        if leaveDeadline != nil, pair.phase == .established { beginEnding(pair) } else { close(pair) }
    }

    /// Stops when no connection is left and none will come.
    func stopIfOver() {
        if drainDeadline != nil || leaveDeadline != nil, openPairs == 0, !isListening { isStopped = true }
    }

    /// Closes the connections whose consumers have stayed away after a drain was undone, as soon as they are idle.
    func continueRecalls(_ now: UInt64) {
        for pair in pairs {
            guard let pair, pair.phase == .established, inspector.isRecallOver(pair.session, now: now),
                isIdle(pair, now)
            else { continue }
            inspector.drainGate?.registry.countRecalled()
            beginEnding(pair)
        }
    }

    /// True if nothing is in flight, and nothing came for a while or waits to be read.
    private func isIdle(_ pair: Pair, _ now: UInt64) -> Bool {
        isSilent(pair, now) && pair.isIdle && !Linux.hasBytes(pair.downstream.descriptor)
    }

    private func isSilent(_ pair: Pair, _ now: UInt64) -> Bool {
        now &- min(now, pair.lastHeard) >= Self.idleNanoseconds
    }

    /// True if a connection of a drained service is to be closed now.
    ///
    /// One that was opened after the service had begun to refuse requests stays: its consumer knows, and would only
    /// open the next.
    private func isOver(_ pair: Pair, now: UInt64, order: DrainOrder) -> Bool {
        guard now >= order.rejectTime, pair.start < order.rejectTime || drainDeadline != nil else { return false }
        // A consumer that still sends at the deadline is cut between two calls, if there is such a moment soon.
        if now >= order.deadline &+ Self.cutNanoseconds { return true }
        guard now >= order.deadline || isSilent(pair, now) else { return false }
        return pair.isIdle && !Linux.hasBytes(pair.downstream.descriptor)
    }

    /// True if something will come on a connection just accepted, or has come and was not read: its peer knows of no
    /// drain, and what it says first would be answered by a reset.
    private func isExpected(_ pair: Pair, _ now: UInt64) -> Bool {
        pair.up.receivedBytes == 0 && now &- pair.start < Self.idleNanoseconds
            || Linux.hasBytes(pair.downstream.descriptor)
    }
}
