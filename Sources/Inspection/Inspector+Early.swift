internal import Calls
internal import JSONRPC
internal import Policy

/// What was decided about a request before its end.
struct EarlyVerdict {
    /// The answer, if it is refused.
    var refusal: Refusal?
    /// What was taken of limits for its calls.
    var groups: [LimitedGroup] = []
    /// The calls that were asked about.
    var asked: [LimitedGroup] = []
    /// Whether its methods were known.
    var knowsMethods = false
}

/// Requests that are decided about before their end.
extension Inspector {
    /// Takes out what was taken of limits for a request that has not ended.
    func takeBatchGroups() -> [LimitedGroup] {
        guard !batchGroups.isEmpty else { return [] }
        let groups = batchGroups
        batchGroups.removeAll(keepingCapacity: true)
        return groups
    }

    /// The request has ended: puts it back for its calls.
    func giveBatchGroups(_ groups: [LimitedGroup]) {
        if !groups.isEmpty { batchGroups = groups }
    }

    /// Charges calls that have passed already: as many as there is room for.
    ///
    /// - Parameters:
    ///   - calls: How many.
    ///   - note: Begins to ask the gate about them and notes what it needs; whether any limit is for them.
    private func charge(calls: Int, noting note: () -> Bool) {
        guard isLimited, let gate else { return }
        var left = calls
        var step = calls
        while step > 0, note() {
            if case .admitted(let token) = gate.decide(calls: step, isOneway: true) {
                gate.release(token)
                left -= step
                step = min(step, left)
            } else {
                step /= 2
            }
        }
    }

    /// Whether anything in force could refuse a call of an interface, whatever its method.
    ///
    /// - Parameters:
    ///   - operation: One of the interface.
    ///   - side: Where Weir stands.
    /// - Returns: Whether it could.
    func mayRefuse(_ operation: OperationID, _ side: Side) -> Bool {
        if governor != nil { return true }
        let facts = registry[operation]
        if isDraining, side == .provider, let drainGate,
            drainGate.orders.contains(where: { $0.target.isService || $0.target.interface == facts.interface })
        {
            return true
        }
        guard isLimited, let gate else { return false }
        return gate.mayLimit(facts, side: side)
    }

    /// Whether anything in force could refuse a JSON-RPC call.
    ///
    /// - Parameter side: Where Weir stands.
    /// - Returns: Whether it could.
    func mayRefuseJSONRPC(_ side: Side) -> Bool {
        if governor != nil { return true }
        if isDraining, side == .provider, drainGate?.orders.isEmpty == false { return true }
        return isLimited && gate?.mayLimit(.jsonrpc, side: side) == true
    }

    /// A request that was decided about and passed has ended: charges its calls that were not known then.
    ///
    /// - Parameters:
    ///   - verdict: What was decided.
    ///   - reader: After the request's end.
    ///   - interface: What its path names.
    ///   - side: Where Weir stands.
    ///   - note: Begins to ask the gate about an operation and notes what it needs; whether any limit is for it.
    func chargeRest(
        _ verdict: EarlyVerdict,
        _ reader: RPCReader,
        _ interface: RawSpan,
        _ side: Side,
        noting note: (OperationID) -> Bool
    ) {
        guard verdict.refusal == nil, verdict.knowsMethods || reader.scanner.isBatch else { return }
        // Without its methods a request was asked about as one call.
        var unknown = verdict.knowsMethods ? 0 : 1
        for group in groups(reader, interface) {
            let asked = verdict.asked.first { $0.operation == group.operation }?.calls ?? min(unknown, group.calls)
            unknown = 0
            guard group.calls > asked else { continue }
            charge(calls: group.calls - asked) { note(group.operation) }
        }
    }
}
