internal import Calls
internal import Policy
internal import Wire

/// The third stage of the pipeline: the limits in force, and what calls in flight hold of them.
struct LimitStage: ~Copyable {
    /// Decides by the limits in force; `nil` costs nothing.
    var gate: LimitGate?
    /// True if there are limits in force: asking the gate itself would retain it.
    private(set) var isActive = false
    /// The names of attachments and headers that limits look at, in lower case.
    private(set) var attachmentNames: [String] = []
    /// The permits of calls in flight.
    private var permits = CallPermits()

    init() {}

    /// Other limits are in force: looks whether there are any, and at which headers they look.
    ///
    /// - Parameter operation: Any operation.
    mutating func refresh(asking operation: OperationID) {
        isActive = false
        attachmentNames = []
        if let gate {
            // Asking about anything makes the gate take them up.
            _ = gate.needs(of: operation, side: .provider)
            isActive = !gate.limits.limits.isEmpty
            attachmentNames = gate.limits.attachmentNames
        }
    }

    // MARK: Asking

    /// Begins to ask about a request, and notes what limits look at.
    ///
    /// - Parameters:
    ///   - operation: What is called.
    ///   - side: Where Weir stands.
    ///   - fields: The request's own.
    ///   - session: Its connection's session, which knows who called last and from where.
    /// - Returns: True if any limit is for it; then ``decide(calls:isOneway:)`` or ``wouldAdmit(calls:isOneway:)`` is
    ///   to follow.
    func begin(
        _ operation: OperationID,
        side: Side,
        fields: borrowing RequestFields,
        on session: Session
    ) -> Bool {
        guard isActive, let gate else { return false }
        let needs = gate.begin(operation, side: side)
        guard needs.isLimited else { return false }
        if needs.peer {
            let peer = session.peerAddress
            gate.note(peer: peer.byteSpan)
        }
        if needs.caller {
            let caller = session.caller.name
            if !caller.isEmpty { gate.note(caller: caller.byteSpan) }
        }
        guard needs.attachments != 0, let values = fields.values else { return true }
        for slot in values.selector.limited {
            guard let value = values[slot] else { continue }
            // By name: the gate may have taken up other limits since the values were selected.
            let name = values.selector.names[Int(slot)]
            gate.note(attachment: name.byteSpan, value: fields.texts.slice(value))
        }
        return true
    }

    /// Decides about the request that was begun, and charges it if it passes.
    ///
    /// - Parameters:
    ///   - calls: How many calls it makes.
    ///   - isOneway: True if no reply is waited for.
    /// - Returns: Weir's answer, or what the request has taken.
    func decide(calls: Int, isOneway: Bool) -> (reply: LocalReply?, permit: LimitToken) {
        guard let gate else { return (nil, .none) }
        switch gate.decide(calls: calls, isOneway: isOneway) {
        case .admitted(let token): return (nil, token)
        case .refused(let refusal):
            let limit = gate.limits.limits[refusal.limit]
            return (LocalReply(limit, retryAfterNanoseconds: refusal.retryAfter), .none)
        }
    }

    /// True if the request that was begun would pass now; nothing is charged.
    func wouldAdmit(calls: Int = 1, isOneway: Bool = false) -> Bool {
        gate?.wouldAdmit(calls: calls, isOneway: isOneway) ?? true
    }

    /// True if the same limits apply to two operations and hold their calls in the same windows.
    func areAlike(_ one: OperationID, _ other: OperationID, side: Side) -> Bool {
        gate?.areAlike(one, other, side: side) ?? true
    }

    /// Charges calls that have passed already: as many as there is room for.
    ///
    /// - Parameters:
    ///   - calls: How many.
    ///   - operation: What is called.
    ///   - side: Where Weir stands.
    ///   - fields: The request's own.
    ///   - session: Its connection's session.
    func charge(
        calls: Int,
        of operation: OperationID,
        side: Side,
        fields: borrowing RequestFields,
        on session: Session
    ) {
        guard isActive, let gate else { return }
        var left = calls
        var step = calls
        while step > 0, begin(operation, side: side, fields: fields, on: session) {
            if case .admitted(let token) = gate.decide(calls: step, isOneway: true) {
                gate.release(token)
                left -= step
                step = min(step, left)
            } else {
                step /= 2
            }
        }
    }

    // MARK: Permits

    /// A call that has begun holds a permit until it ends.
    mutating func hold(_ permit: LimitToken, by call: Int32) { permits.hold(permit, by: call) }

    /// A call has ended: gives back what it held.
    @inline(__always)
    mutating func release(of call: Int32) {
        if permits.count > 0 { releaseHeld(by: call) }
    }

    private mutating func releaseHeld(by call: Int32) {
        let permit = permits.take(from: call)
        if !permit.isNone { release(permit) }
    }

    /// Gives a permit back; one that several calls share is given back with the last.
    mutating func release(_ permit: LimitToken) {
        if !permit.isNone, permits.drop(permit) { gate?.release(permit) }
    }

    /// One more holder of a permit: each gives it back by itself.
    mutating func share(_ permit: LimitToken) { permits.share(permit) }

    /// A call has got another place in the table.
    mutating func move(_ call: Int32, to other: Int32) {
        let permit = permits.take(from: call)
        if !permit.isNone { permits.hold(permit, by: other) }
    }
}
