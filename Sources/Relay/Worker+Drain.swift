internal import Calls
internal import Inspection
internal import Policy

/// Drains: what consumers are told, and when their connections end.
extension Worker {
    /// A connection of a drained service is idle when nothing was in flight and nothing came for so long.
    private static let idleNanoseconds: UInt64 = 250_000_000

    /// Tells the consumers of every connection what has changed.
    func signalDrains() {
        inspector.drainsChanged()
        let now = Linux.now()
        for pair in pairs {
            guard let pair, pair.phase == .established else { continue }
            plan.removeAll()
            inspector.signalDrains(pair.session, now: now, plan: &plan)
            if !plan.reply.isEmpty || plan.closes { finishPassing(pair, .toUpstream) }
        }
        nextTick = 0
    }

    /// Takes no more connections, lets calls in flight finish, and stops.
    func beginDrain(_ deadline: UInt64) {
        drainDeadline = min(deadline, drainDeadline ?? .max)
        for index in listeners.indices where listeners[index].descriptor >= 0 {
            Linux.close(listeners[index].descriptor)
            listeners[index].descriptor = -1
        }
        nextTick = 0
    }

    /// Closes the connections whose time has come.
    func continueDrain(_ now: UInt64) {
        let order = inspector.drainGate?.service
        if drainDeadline != nil || order.map({ now >= $0.rejectTime }) == true {
            for pair in pairs {
                guard let pair, isOver(pair, now, order) else { continue }
                close(pair)
                order?.countClosed()
            }
        }
        if drainDeadline != nil, openPairs == 0 { isStopped = true }
    }

    /// Whether a connection is to be closed now.
    ///
    /// One that was opened after the service had begun to refuse requests stays: its consumer knows, and would only
    /// open the next.
    private func isOver(_ pair: Pair, _ now: UInt64, _ order: DrainOrder?) -> Bool {
        if let drainDeadline, now >= drainDeadline { return true }
        guard let order else { return pair.isQuiet }
        guard pair.session.side == .provider else { return drainDeadline != nil && pair.isQuiet }
        guard now >= order.rejectTime, pair.start < order.rejectTime || drainDeadline != nil else { return false }
        if now >= order.deadline { return true }
        return pair.isQuiet && now &- pair.lastBytes >= Self.idleNanoseconds
            && !Linux.hasBytes(pair.downstream.descriptor)
    }
}
