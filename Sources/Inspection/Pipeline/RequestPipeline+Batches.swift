internal import Calls
internal import Policy
internal import Wire

/// Requests that make several calls, which pass or are refused together.
extension RequestPipeline {
    /// Decides about the calls of a request, by the same stages as about a single one.
    ///
    /// Operations to which the same limits apply are asked about as one. What is left is asked first without being
    /// charged, so that a batch that is refused for one has used up nothing for another; only if another worker uses
    /// up in between what they need does it.
    ///
    /// - Parameters:
    ///   - groups: Its calls by operation, in the order of their first ones.
    ///   - request: What is known of it besides; its operation and calls are those of `groups`.
    ///   - callProtocol: Whose request it is.
    ///   - fields: Its attachments or headers.
    ///   - session: Its connection's session.
    ///   - now: The time, in nanoseconds.
    /// - Returns: What becomes of it, and what its calls have taken of limits.
    func decide(
        groups: [CallGroup],
        _ request: CallRequest,
        as callProtocol: CallProtocol,
        fields: borrowing RequestFields,
        on session: Session,
        now: UInt64
    ) -> DecidedBatch {
        guard let first = groups.first else { return DecidedBatch() }
        var request = request
        request.operation = first.operation
        request.calls = groups.reduce(0) { $0 + $1.calls }
        // Nobody waits for it only if nobody does for any of its calls.
        request.isOneway = groups.allSatisfy(\.isOneway)
        guard groups.count > 1 || request.calls > 1 || first.isForAll else {
            let decided = decide(request, as: callProtocol, fields: fields, on: session, now: now)
            return DecidedBatch(
                reply: decided.decision.reply,
                inserted: decided.decision.inserted,
                permits: BatchPermits(single: decided.permit)
            )
        }
        learnCaller(fields, on: session)
        var batch = DecidedBatch(reply: refusalByDrain(groups, request, on: session, now: now))
        if batch.reply == nil { batch.reply = refusalByRules(request, &batch.inserted) }
        if batch.reply == nil, limits.isActive {
            batch.reply = refusalByLimits(
                alike(groups, side: request.side),
                request: request,
                permits: &batch.permits,
                fields: fields,
                on: session
            )
        }
        if batch.reply == nil { batch.inserted = insertion(batch.inserted, request, as: callProtocol) }
        return batch
    }

    /// A batch is refused when any of its calls is.
    private func refusalByDrain(
        _ groups: [CallGroup],
        _ request: CallRequest,
        on session: Session,
        now: UInt64
    ) -> LocalReply? {
        guard drains.isActive else { return nil }
        var request = request
        for group in groups {
            request.operation = group.operation
            guard let order = drains.order(of: group.operation, side: request.side),
                drains.isRefusing(request, order: order, isProbe: isProbe(group.operation), now: now)
            else { continue }
            return refusalByDrain(request, on: session, now: now)
        }
        for group in groups {
            request.operation = group.operation
            request.calls = group.calls
            _ = refusalByDrain(request, on: session, now: now)
        }
        return nil
    }

    private func refusalByLimits(
        _ groups: [CallGroup],
        request: CallRequest,
        permits: inout BatchPermits,
        fields: borrowing RequestFields,
        on session: Session
    ) -> LocalReply? {
        var groups = groups
        if groups.count > 1 {
            let refused = groups.firstIndex { group in
                begin(group.operation, side: request.side, fields: fields, on: session)
                    && !limits.wouldAdmit(calls: group.calls, isOneway: group.isOneway)
            }
            if let refused { groups.swapAt(0, refused) }
        }
        for group in groups where begin(group.operation, side: request.side, fields: fields, on: session) {
            let (reply, permit) = limits.decide(calls: group.calls, isOneway: group.isOneway)
            if let reply {
                end(permits)
                permits = BatchPermits()
                return reply
            }
            guard !permit.isNone else { continue }
            limits.share(permit)
            var holding = group
            holding.permit = permit
            permits.groups.append(holding)
        }
        return nil
    }

    /// The groups with those put together to which the same limits apply.
    private func alike(_ groups: [CallGroup], side: Side) -> [CallGroup] {
        guard groups.count > 1 else { return groups }
        var result: [CallGroup] = []
        for group in groups {
            let place = result.firstIndex { limits.areAlike($0.operation, group.operation, side: side) }
            guard let place else {
                result.append(group)
                continue
            }
            result[place].others.append(group.operation)
            result[place].calls += group.calls
            result[place].isOneway = result[place].isOneway && group.isOneway
        }
        return result
    }

    // MARK: Permits

    /// The permit of the next call of a request.
    ///
    /// - Parameters:
    ///   - operation: What is called.
    ///   - permits: What the request's calls have taken.
    /// - Returns: The permit; the call gives it back when it ends.
    func permit(of operation: OperationID, in permits: inout BatchPermits) -> LimitToken {
        if !permits.single.isNone {
            defer { permits.single = .none }
            return permits.single
        }
        guard !permits.groups.isEmpty, let group = permits.group(of: operation) else { return .none }
        limits.share(group.permit)
        return group.permit
    }

    /// All calls of a request have begun, or will not: what none of them holds goes back.
    func end(_ permits: BatchPermits) {
        limits.release(permits.single)
        for group in permits.groups { limits.release(group.permit) }
    }
}
