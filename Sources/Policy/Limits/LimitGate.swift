public import Calls
internal import Wire

/// The decision about calls by the limits in force: one a worker, not for use by two threads at a time.
///
/// The calls for each request: ``begin(_:side:)``, then ``note(caller:)``, ``note(peer:)`` and
/// ``note(attachment:value:)`` with the facts that ``needs(of:side:)`` asked for, then ``decide(calls:isOneway:)``,
/// without any other call between. ``release(_:)`` follows at the end of a call that was admitted with a token.
///
/// A decision allocates nothing once the windows it needs exist.
public final class LimitGate {
    /// A limit that a call has to pass, and the window in it.
    struct Question: BitwiseCopyable {
        /// The place of its state.
        var candidate = 0
        var limit = 0
        var isObserved = false
        var digest: KeyDigest?
    }

    /// The limits that decided about the last call.
    public private(set) var limits: LimitSet
    /// The holdings of calls that have not ended.
    private(set) var tokens = LimitTokens()
    /// The number of calls that are asked about.
    private(set) var calls: UInt64 = 1
    /// True if nothing is charged or counted: the question is only if calls would pass.
    private(set) var isTrial = false
    /// The arrival time of the current call.
    var time: UInt64 = 0
    /// The first limit in the order of the file that refused; meaningful when ``isRefused``.
    private(set) var refusedBy = 0
    private(set) var isRefused = false

    private let registry: LimitRegistry
    private let operations: OperationRegistry
    private var version: UInt64
    private var table = LimitCandidateTable()
    private let scratch = PCREScratch()
    private var facts: RequestFacts
    private var candidates = LimitCandidates()
    private var questions = FlatTable(repeating: Question(), count: LimitBounds.maxLimits)
    private var questionCount = 0
    private var wait: UInt64 = 0
    private var token = LimitToken.none

    /// A gate of one worker.
    ///
    /// - Parameters:
    ///   - registry: The registry of the limits in force.
    ///   - operations: The operations behind the ids.
    public init(registry: LimitRegistry, operations: OperationRegistry) {
        self.registry = registry
        self.operations = operations
        (limits, version) = registry.versioned
        facts = RequestFacts(attachments: limits.attachmentNames.count)
    }

    /// The facts about a call that a decision needs.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - side: The side that Weir is on.
    /// - Returns: The facts that the limits in force look at.
    public func needs(of operation: OperationID, side: Side) -> LimitNeeds {
        refresh()
        return candidates(of: operation, side).needs
    }

    /// True if any limit in force could apply to a call of an operation with any method.
    ///
    /// - Parameters:
    ///   - operation: The operation; its method is ignored.
    ///   - side: The side that Weir is on.
    /// - Returns: True if there is one.
    public func mayLimit(_ operation: Operation, side: Side) -> Bool {
        refresh()
        return limits.limits.contains {
            $0.match.matches(operation, side: side, scratch: scratch, givenUp: $0.counters, ignoringMethod: true)
        }
    }

    /// True if any limit in force could apply to a call of a protocol.
    ///
    /// - Parameters:
    ///   - callProtocol: The protocol.
    ///   - side: The side that Weir is on.
    /// - Returns: True if there is one.
    public func mayLimit(_ callProtocol: CallProtocol, side: Side) -> Bool {
        refresh()
        return limits.limits.contains { $0.match.mayMatch(callProtocol, side) }
    }

    /// True if any limit names exactly an operation's method, and may apply to its interface.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: True if a limit in force names it.
    public func names(_ operation: Operation) -> Bool {
        refresh()
        return limits.limits.contains { limit in
            guard limit.definition.match.method == .exact(operation.method) else { return false }
            return Side.allCases.contains {
                limit.match.matches(operation, side: $0, scratch: scratch, givenUp: limit.counters)
            }
        }
    }

    /// True if any limit applies to one operation and not to the other.
    ///
    /// - Parameters:
    ///   - operation: The one.
    ///   - other: The other.
    /// - Returns: True if a limit in force tells them apart, on either side.
    public func tells(_ operation: Operation, from other: Operation) -> Bool {
        refresh()
        return limits.limits.contains { limit in
            Side.allCases.contains { side in
                limit.match.matches(operation, side: side, scratch: scratch, givenUp: limit.counters)
                    && !limit.match.matches(other, side: side, scratch: scratch, givenUp: limit.counters)
            }
        }
    }

    /// Begins the question about a call without further facts.
    ///
    /// - Parameters:
    ///   - operation: The operation; for a batch that of its first member.
    ///   - side: The side that Weir is on.
    /// - Returns: The facts that the limits in force look at.
    @discardableResult
    public func begin(_ operation: OperationID, side: Side) -> LimitNeeds {
        refresh()
        candidates = candidates(of: operation, side)
        facts.clear()
        return candidates.needs
    }

    /// Notes the name of the calling application; only its first 1,024 bytes are compared with patterns.
    ///
    /// - Parameter caller: Any bytes.
    public func note(caller: RawSpan) { facts.note(caller: caller) }

    /// Notes the address of the downstream peer, without its port.
    ///
    /// - Parameter peer: The same text for the same address, however that is written on the wire.
    public func note(peer: RawSpan) { facts.note(peer: peer) }

    /// Notes an attachment or header; one that no limit looks at is passed over.
    ///
    /// - Parameters:
    ///   - name: The name in any case.
    ///   - value: Any bytes; only the first 1,024 are compared with patterns.
    public func note(attachment name: RawSpan, value: RawSpan) {
        for index in limits.attachmentBytes.indices {
            let known = limits.attachmentBytes[index]
            if known.count == name.byteCount, name.equals(lowerCased: known.byteSpan) {
                facts.note(value, ofAttachment: index)
                return
            }
        }
    }

    /// Decides about the call that was begun.
    ///
    /// - Parameters:
    ///   - calls: The number of calls: a batch passes or is refused as a whole.
    ///   - isOneway: True if no reply will come; limits on calls in flight then do not apply.
    /// - Returns: The decision.
    public func decide(calls: Int = 1, isOneway: Bool = false) -> LimitDecision {
        guard candidates.count > 0 else { return .admitted(.none) }
        ask(isOneway: isOneway)
        guard questionCount > 0 else { return .admitted(.none) }
        self.calls = UInt64(max(calls, 1))
        isRefused = false
        wait = 0
        token = .none
        put(0)
        guard isRefused else { return .admitted(token) }
        return .refused(LimitDenied(limit: refusedBy, retryAfter: wait == LimitWait.unknown ? nil : wait))
    }

    /// True if the current call would pass now; nothing is charged or counted.
    ///
    /// - Parameters:
    ///   - calls: The number of calls.
    ///   - isOneway: True if no reply will come.
    /// - Returns: True if every limit would admit it.
    public func wouldAdmit(calls: Int = 1, isOneway: Bool = false) -> Bool {
        isTrial = true
        defer { isTrial = false }
        if case .refused = decide(calls: calls, isOneway: isOneway) { return false }
        return true
    }

    /// True if the same limits apply to two operations and hold their calls in the same windows, whatever other facts
    /// the calls have.
    ///
    /// - Parameters:
    ///   - one: An operation.
    ///   - other: The other operation.
    ///   - side: The side that Weir is on.
    /// - Returns: True if calls of both can be decided as calls of one.
    public func areAlike(_ one: OperationID, _ other: OperationID, side: Side) -> Bool {
        refresh()
        let (first, second) = (candidates(of: one, side), candidates(of: other, side))
        guard first.count == second.count else { return false }
        for offset in 0..<Int(first.count) {
            let left = table.candidates[Int(first.first) + offset]
            let right = table.candidates[Int(second.first) + offset]
            guard left.limit == right.limit, left.hash == right.hash else { return false }
        }
        return true
    }

    /// Decides about a call by its operation alone.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - side: The side that Weir is on.
    ///   - calls: The number of calls.
    ///   - isOneway: True if no reply will come.
    /// - Returns: The decision.
    public func decide(
        _ operation: OperationID,
        side: Side,
        calls: Int = 1,
        isOneway: Bool = false
    ) -> LimitDecision {
        begin(operation, side: side)
        return decide(calls: calls, isOneway: isOneway)
    }

    /// Releases a call's holdings at its end.
    ///
    /// - Parameter token: A token of this gate; one that was already released is ignored.
    public func release(_ token: LimitToken) {
        guard !token.isNone else { return }
        tokens.release(token)
    }

    /// The number of limits on calls in flight that are held by calls that have not ended.
    public var heldTokens: Int { tokens.count }
}

// What the states of limits use.
extension LimitGate {
    func question(_ position: Int) -> Question { questions[position] }

    /// Asks the next question; after the last one everything is locked and has been asked.
    func put(_ position: Int) {
        guard position < questionCount else { return }
        table.decide(questions[position].candidate, position, of: self)
    }

    /// Records that a limit is reached.
    func refuse(by limit: Int, wait: UInt64) {
        refusedBy = isRefused ? min(refusedBy, limit) : limit
        self.wait = max(self.wait, wait)
        isRefused = true
    }

    /// Keeps what the call has taken.
    func hold(_ state: LimitState, window: Int) {
        token = tokens.add(state, window: window, calls: calls, to: token)
    }
}

extension LimitGate {
    /// Reads the limits in force if they have changed.
    private func refresh() {
        guard registry.version != version else { return }
        table = LimitCandidateTable()
        (limits, version) = registry.versioned
        facts = RequestFacts(attachments: limits.attachmentNames.count)
    }

    private func candidates(of operation: OperationID, _ side: Side) -> LimitCandidates {
        let place = operation.index &* 2 &+ Int(side.rawValue)
        var number = table.entry(at: place)
        if number == LimitCandidateTable.unknown {
            number = table.make(limits, operation: operations[operation], side: side, at: place, scratch: scratch)
        }
        return table.entries[number]
    }

    /// Finds the questions to ask about the call.
    private func ask(isOneway: Bool) {
        questionCount = 0
        for index in Int(candidates.first)..<Int(candidates.first &+ candidates.count) {
            let candidate = table.candidates[index]
            if candidate.isHeld, isOneway { continue }
            var question = Question(candidate: index, limit: candidate.limit, isObserved: candidate.isObserved)
            if !candidate.isStatic || candidate.isKeyed {
                let limit = limits.limits[candidate.limit]
                if !candidate.isStatic, !limit.match.matches(facts, scratch: scratch, givenUp: limit.counters) {
                    continue
                }
                if candidate.isKeyed { question.digest = limit.digest(candidate.hash, facts) }
            }
            questions[questionCount] = question
            questionCount &+= 1
        }
    }
}
