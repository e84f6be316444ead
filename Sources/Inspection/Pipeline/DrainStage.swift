internal import Calls
internal import Policy

/// The first stage of the pipeline: what becomes of calls to what is drained.
struct DrainStage {
    /// Says what is drained; `nil` costs nothing.
    var gate: DrainGate? { didSet { refresh() } }
    /// True if anything is drained: asking the gate itself would retain it.
    private(set) var isActive = false

    /// Drains have been started or undone: looks which there are.
    mutating func refresh() {
        gate?.refresh()
        isActive = gate?.orders.isEmpty == false
    }

    /// The drain that calls of an operation are a part of; `nil` for none, and for calls of the consumer side.
    func order(of operation: OperationID, side: Side) -> DrainOrder? {
        guard isActive, side == .provider else { return nil }
        return gate?.order(of: operation)
    }

    /// True if any call of an interface could be refused, whatever its method.
    func mayRefuse(_ operation: Operation, side: Side) -> Bool {
        guard isActive, side == .provider, let gate else { return false }
        return gate.orders.contains { $0.target.isService || $0.target.interface == operation.interface }
    }

    /// True if a call of any operation could be refused.
    func mayRefuse(side: Side) -> Bool { isActive && side == .provider }

    /// Counts calls to something that is drained, and says what they are answered.
    ///
    /// - Parameters:
    ///   - request: What is called.
    ///   - order: The drain that it is a part of.
    ///   - isProbe: True if it only asks whether the service is there.
    ///   - session: Its connection's session.
    ///   - now: The time, in nanoseconds.
    /// - Returns: The answer; `nil` if the calls pass.
    func decide(
        _ request: CallRequest,
        order: DrainOrder,
        isProbe: Bool,
        on session: Session,
        now: UInt64
    ) -> LocalReply? {
        guard isRefusing(request, order: order, isProbe: isProbe, now: now) else {
            notePassed(order, calls: request.calls, on: session)
            return nil
        }
        session.drain.lateCalls += UInt64(request.calls)
        order.countRejected(request.calls)
        return LocalReply(drained: order)
    }

    /// True if a call would be refused now; nothing is counted.
    func isRefusing(_ request: CallRequest, order: DrainOrder, isProbe: Bool, now: UInt64) -> Bool {
        // A consumer that cannot be told is served: its call would be lost.
        request.drainHandling == .refuse && request.unanswerable == nil && order.stage(at: now) >= .reject && !isProbe
    }

    /// Calls to something that is drained pass.
    func notePassed(_ order: DrainOrder, calls: Int = 1, on session: Session) {
        session.drain.lateCalls += UInt64(calls)
        order.countPassed(calls)
    }

    // MARK: Signals

    /// True if a reply may say that its interface leaves.
    func isLeaving(_ operation: OperationID, side: Side) -> Bool {
        isActive && side == .provider && gate?.leavingOrder(of: operation) != nil
    }

    /// True if a connection that begins now comes too late, in a protocol whose connections are told to end.
    ///
    /// Until the refusing stage new ones are let in, as requests are: their consumer may have no other provider.
    func turnsAway(_ session: Session, now: UInt64) -> Bool {
        guard isActive, session.side == .provider, let order = gate?.service else { return false }
        return order.stage(at: now) >= .reject
    }

    /// A signal was given on a connection.
    func note(_ signal: DrainSignal, on session: Session) {
        session.drain.signals.insert(DrainSignals(signal))
        switch signal {
        case .readonly: session.drain.signals.remove(DrainSignals(.writeable))
        case .writeable: session.drain.signals.remove(DrainSignals(.readonly))
        case .notServing: session.drain.signals.remove(DrainSignals(.serving))
        case .serving: session.drain.signals.remove(DrainSignals(.notServing))
        case .closing, .goAway, .connectionClose: break
        }
        gate?.registry.count(signal)
    }
}
