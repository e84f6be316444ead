internal import Calls
internal import JSONRPC
internal import Policy

/// A decision about a request before its end.
struct EarlyDecision {
    /// The calls that were asked about.
    var asked: [CallGroup] = []
    /// True if its methods were known.
    var knowsMethods = false
    /// Weir's answer, and what was taken of limits for its calls.
    var decided = DecidedBatch()

    var reply: LocalReply? { decided.reply }
}

extension RequestPipeline {
    /// A request that was decided about and passed has ended: charges its calls that were not known then.
    ///
    /// - Parameters:
    ///   - early: What was decided.
    ///   - groups: All of its calls.
    ///   - side: Where Weir stands.
    ///   - fields: Its attachments or headers.
    ///   - session: Its connection's session.
    func chargeRest(
        _ early: EarlyDecision,
        groups: [CallGroup],
        side: Side,
        fields: borrowing RequestFields,
        on session: Session
    ) {
        guard early.reply == nil, limits.isActive else { return }
        // Without its methods a request was asked about as one call.
        var unknown = early.knowsMethods ? 0 : 1
        for group in groups {
            let asked = early.asked.first { $0.operation == group.operation }?.calls ?? min(unknown, group.calls)
            unknown = 0
            guard group.calls > asked, !isProbe(group.operation) else { continue }
            limits.charge(calls: group.calls - asked, of: group.operation, side: side, fields: fields, on: session)
        }
    }
}
