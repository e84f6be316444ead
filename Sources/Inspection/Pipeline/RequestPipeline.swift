package import Calls
internal import Policy
internal import Telemetry
internal import Wire

/// Decides about requests of every protocol, by stages in one order.
///
/// 1. **drain** (``DrainStage``): calls to what is drained are counted, and refused once its grace is over;
/// 2. **rules** (``RequestStage``): what the owner has plugged in;
/// 3. **limits** (``LimitStage``): the limits in force;
/// 4. **injection** (``InjectionStage``): what passes is given Weir's own trace context.
///
/// The first stage that has a ``LocalReply`` ends it. A session asks once a request, when its names are known and while
/// none of it has been passed on: ``decide(_:as:fields:on:now:)``, or for batches ``decide(groups:_:fields:on:now:)``.
/// It carries the ``Decision`` out, and gives the permit to the call that begins. One a worker, for one thread.
package final class RequestPipeline {
    var drains = DrainStage() { didSet { updateActive() } }
    /// The rules; `nil` costs nothing.
    var rules: (any RequestStage)? { didSet { updateActive() } }
    var limits = LimitStage()
    var injection = InjectionStage() { didSet { updateActive() } }
    /// True if requests are held back until they are understood, because a stage may refuse or change them.
    package private(set) var isActive = false
    private var probes: ProbeOperations
    let registry: OperationRegistry
    private let recorder: Recorder

    /// A pipeline whose stages have nothing to do.
    ///
    /// - Parameters:
    ///   - registry: The operations by their numbers.
    ///   - recorder: Where requests are counted of which a stage could not be asked.
    init(registry: OperationRegistry, recorder: Recorder) {
        self.registry = registry
        self.recorder = recorder
        probes = ProbeOperations(registry: registry)
    }

    /// Takes up the limits in force.
    ///
    /// - Parameter operation: Any operation.
    func limitsChanged(asking operation: OperationID) {
        limits.refresh(asking: operation)
        updateActive()
    }

    private func updateActive() {
        isActive = rules != nil || limits.isActive || drains.isActive || injection.isActive
    }

    /// True if any stage may refuse a request.
    var mayRefuse: Bool { rules != nil || limits.isActive || drains.isActive }
    /// True if a rule or a limit may: those look at more than what is called.
    var mayRefuseByFields: Bool { rules != nil || limits.isActive }

    // MARK: Deciding

    /// Decides about a request of one call.
    ///
    /// - Parameters:
    ///   - request: What is known of it.
    ///   - callProtocol: Whose request it is.
    ///   - fields: Its attachments or headers.
    ///   - session: Its connection's session.
    ///   - now: The time, in nanoseconds.
    /// - Returns: What becomes of it, and what it has taken of limits.
    package func decide(
        _ request: CallRequest,
        as callProtocol: CallProtocol,
        fields: borrowing RequestFields,
        on session: Session,
        now: UInt64
    ) -> DecidedRequest {
        learnCaller(fields, on: session)
        if let reply = refusalByDrain(request, on: session, now: now) { return DecidedRequest(decision: .reply(reply)) }
        var inserted: [InsertedField] = []
        if let reply = refusalByRules(request, &inserted) { return DecidedRequest(decision: .reply(reply)) }
        var decided = DecidedRequest()
        if limits.isActive, isLimited(request, fields: fields, on: session) {
            let (reply, permit) = limits.decide(calls: request.calls, isOneway: request.isOneway)
            if let reply { return DecidedRequest(decision: .reply(reply)) }
            decided.permit = permit
        }
        let fields = insertion(inserted, request, as: callProtocol)
        if !fields.isEmpty { decided.decision = .insert(fields) }
        return decided
    }

    /// The fields that a passing request is given: those of the rules, and Weir's own trace context.
    func insertion(
        _ inserted: [InsertedField],
        _ request: CallRequest,
        as callProtocol: CallProtocol
    ) -> [InsertedField] {
        let context = request.takesContext ? injection.fields(callProtocol) : []
        guard !inserted.isEmpty || !context.isEmpty else { return [] }
        if let failure = request.insertFailure {
            recorder.verdictPartial(.serialization)
            if !context.isEmpty { injection.note(failure) }
            return []
        }
        if !context.isEmpty { injection.note(.injected) }
        return inserted + context
    }

    /// Keeps who calls on a connection, for limits by caller and for the report of a drain.
    ///
    /// - Parameters:
    ///   - fields: A request's attachments or headers.
    ///   - session: Its connection's session.
    func learnCaller(_ fields: borrowing RequestFields, on session: Session) {
        guard drains.isActive || limits.isActive else { return }
        session.learn(caller: fields.texts.slice(fields.caller))
    }

    /// The local reply of a drain, if it refuses a request; the request is counted as refused or passed.
    func refusalByDrain(_ request: CallRequest, on session: Session, now: UInt64) -> LocalReply? {
        guard drains.isActive, request.drainHandling != .none,
            let order = drains.order(of: request.operation, side: request.side)
        else { return nil }
        let isProbe = isProbe(request.operation)
        return drains.decide(request, order: order, isProbe: isProbe, on: session, now: now)
    }

    /// The local reply of the rules, if they refuse a request; what they insert is appended.
    func refusalByRules(_ request: CallRequest, _ inserted: inout [InsertedField]) -> LocalReply? {
        guard let rules else { return nil }
        switch rules.decide(on: request) {
        case .forward: return nil
        case .insert(let fields):
            inserted += fields
            return nil
        case .reply(let reply):
            guard let reason = refusalFailure(request) else { return reply }
            recorder.verdictPartial(reason)
            return nil
        }
    }

    /// Begins to ask limits about a request; one that could not be refused is counted and not asked about.
    private func isLimited(
        _ request: CallRequest,
        fields: borrowing RequestFields,
        on session: Session
    ) -> Bool {
        guard begin(request.operation, side: request.side, fields: fields, on: session) else { return false }
        guard let reason = refusalFailure(request) else { return true }
        recorder.verdictPartial(reason)
        return false
    }

    /// Why a request cannot be refused: one that wants no answer can always be.
    private func refusalFailure(_ request: CallRequest) -> PartialVerdictReason? {
        request.isOneway ? nil : request.unanswerable
    }

    /// Begins to ask limits about an operation, unless it is a probe.
    func begin(
        _ operation: OperationID,
        side: Side,
        fields: borrowing RequestFields,
        on session: Session
    ) -> Bool {
        limits.begin(operation, side: side, fields: fields, on: session) && !isProbe(operation)
    }

    /// True if an operation is called to see whether the service is there.
    func isProbe(_ operation: OperationID) -> Bool { probes.contains(operation) }

    // MARK: Foreseeing

    /// Counts a request as passed that goes on without being decided about; its caller is learnt.
    func pass(
        _ request: CallRequest,
        fields: borrowing RequestFields,
        on session: Session
    ) {
        learnCaller(fields, on: session)
        guard request.drainHandling != .none, let order = drains.order(of: request.operation, side: request.side) else {
            return
        }
        drains.notePassed(order, calls: request.calls, on: session)
    }

    /// True if anything in force could refuse a call of an interface, whatever its method.
    ///
    /// - Parameters:
    ///   - operation: One of the interface.
    ///   - side: Where Weir stands.
    /// - Returns: True if it could.
    func mayRefuse(_ operation: OperationID, side: Side) -> Bool {
        if rules != nil { return true }
        let facts = registry[operation]
        return drains.mayRefuse(facts, side: side)
            || (limits.isActive && limits.gate?.mayLimit(facts, side: side) == true)
    }

    /// True if anything in force could refuse a call of a protocol.
    ///
    /// - Parameters:
    ///   - callProtocol: The protocol.
    ///   - side: Where Weir stands.
    /// - Returns: True if it could.
    func mayRefuse(_ callProtocol: CallProtocol, side: Side) -> Bool {
        if rules != nil || drains.mayRefuse(side: side) { return true }
        return limits.isActive && limits.gate?.mayLimit(callProtocol, side: side) == true
    }

    /// True if a drain or a limit would refuse a request now; nothing is counted or charged.
    func wouldRefuse(
        _ request: CallRequest,
        fields: borrowing RequestFields,
        on session: Session,
        now: UInt64
    ) -> Bool {
        if let order = drains.order(of: request.operation, side: request.side),
            drains.isRefusing(request, order: order, isProbe: isProbe(request.operation), now: now)
        {
            return true
        }
        learnCaller(fields, on: session)
        return begin(request.operation, side: request.side, fields: fields, on: session) && !limits.wouldAdmit()
    }
}
