public import Calls
internal import Wire

/// Decides about calls by the limits in force: one a worker, not for use by two threads at a time.
///
/// For each call: ``begin(_:side:)``, then ``note(caller:)``, ``note(peer:)`` and ``note(attachment:value:)`` with what
/// ``needs(of:side:)`` asked for, then ``decide(calls:isOneway:)``, all without anything else between. When a call that
/// was admitted with a token ends, ``release(_:)``.
///
/// A decision allocates nothing once the windows it needs are there.
public final class LimitGate {
    /// A limit that a call has to pass, and in which window.
    struct Question: BitwiseCopyable {
        /// The place of its state.
        var candidate = 0
        var limit = 0
        var isObserved = false
        var digest: KeyDigest?
    }

    /// The limits by which the last call was decided.
    public private(set) var limits: LimitSet
    /// What is held by calls that have not ended.
    private(set) var tokens = LimitTokens()
    /// How many calls are asked about.
    private(set) var calls: UInt64 = 1
    /// Whether nothing is charged or counted: it is only asked whether calls would pass.
    private(set) var isTrial = false
    /// When the call that is decided about came.
    var time: UInt64 = 0
    /// The first limit in the order of the file that refused; meaningful when ``isRefused``.
    private(set) var refusedBy = 0
    private(set) var isRefused = false

    private let registry: LimitRegistry
    private let operations: OperationRegistry
    private var version: UInt64
    private var table = LimitCandidateTable()
    private let scratch = PCREScratch()
    private var facts: LimitFacts
    private var candidates = LimitCandidates()
    private var questions = FlatTable(repeating: Question(), count: LimitBounds.maxLimits)
    private var questionCount = 0
    private var wait: UInt64 = 0
    private var token = LimitToken.none

    /// A gate of one worker.
    ///
    /// - Parameters:
    ///   - registry: Where the limits in force are found.
    ///   - operations: What the ids of operations stand for.
    public init(registry: LimitRegistry, operations: OperationRegistry) {
        self.registry = registry
        self.operations = operations
        (limits, version) = registry.versioned
        facts = LimitFacts(attachments: limits.attachmentNames.count)
    }

    /// What has to be known of a call before it can be decided about.
    ///
    /// - Parameters:
    ///   - operation: What is called.
    ///   - side: Where Weir stands.
    /// - Returns: What the limits in force look at.
    public func needs(of operation: OperationID, side: Side) -> LimitNeeds {
        refresh()
        return candidates(of: operation, side).needs
    }

    /// Whether any limit in force could apply to a call of an operation if its method were another.
    ///
    /// - Parameters:
    ///   - operation: What is called, its method aside.
    ///   - side: Where Weir stands.
    /// - Returns: Whether there is one.
    public func mayLimit(_ operation: Operation, side: Side) -> Bool {
        refresh()
        return limits.limits.contains {
            $0.match.matches(operation, side, scratch, $0.counters, ignoringMethod: true)
        }
    }

    /// Whether any limit in force could apply to a call of a protocol.
    ///
    /// - Parameters:
    ///   - callProtocol: The protocol.
    ///   - side: Where Weir stands.
    /// - Returns: Whether there is one.
    public func mayLimit(_ callProtocol: CallProtocol, side: Side) -> Bool {
        refresh()
        return limits.limits.contains { $0.match.mayMatch(callProtocol, side) }
    }

    /// Whether any limit has the very name of an operation's method, and may be for its interface.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: Whether a limit in force names it.
    public func names(_ operation: Operation) -> Bool {
        refresh()
        return limits.limits.contains { limit in
            guard limit.definition.match.method == .exact(operation.method) else { return false }
            return Side.allCases.contains { limit.match.matches(operation, $0, scratch, limit.counters) }
        }
    }

    /// Whether any limit is for one operation and not for the other.
    ///
    /// - Parameters:
    ///   - operation: The one.
    ///   - other: The other.
    /// - Returns: Whether a limit in force tells them apart, on either side.
    public func tells(_ operation: Operation, from other: Operation) -> Bool {
        refresh()
        return limits.limits.contains { limit in
            Side.allCases.contains { side in
                limit.match.matches(operation, side, scratch, limit.counters)
                    && !limit.match.matches(other, side, scratch, limit.counters)
            }
        }
    }

    /// Begins to ask about a call of which nothing further is known.
    ///
    /// - Parameters:
    ///   - operation: What is called; of a batch its first member.
    ///   - side: Where Weir stands.
    /// - Returns: What the limits in force look at.
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
    ///   - calls: How many calls it makes: a batch passes or is refused as a whole.
    ///   - isOneway: Whether no reply will come; then limits on calls in flight do not apply.
    /// - Returns: What becomes of it.
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

    /// Whether the call that was begun would pass now; nothing is charged or counted.
    ///
    /// - Parameters:
    ///   - calls: How many calls it makes.
    ///   - isOneway: Whether no reply will come.
    /// - Returns: Whether every limit would admit it.
    public func wouldAdmit(calls: Int = 1, isOneway: Bool = false) -> Bool {
        isTrial = true
        defer { isTrial = false }
        if case .refused = decide(calls: calls, isOneway: isOneway) { return false }
        return true
    }

    /// Whether the same limits apply to two operations and hold their calls in the same windows, whatever else is known
    /// of the calls.
    ///
    /// - Parameters:
    ///   - one: What is called.
    ///   - other: What else is called.
    ///   - side: Where Weir stands.
    /// - Returns: Whether calls of both can be decided about as calls of one.
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

    /// Decides about a call of which no more is known than its operation.
    ///
    /// - Parameters:
    ///   - operation: What is called.
    ///   - side: Where Weir stands.
    ///   - calls: How many calls it makes.
    ///   - isOneway: Whether no reply will come.
    /// - Returns: What becomes of it.
    public func decide(
        _ operation: OperationID,
        side: Side,
        calls: Int = 1,
        isOneway: Bool = false
    ) -> LimitDecision {
        begin(operation, side: side)
        return decide(calls: calls, isOneway: isOneway)
    }

    /// Gives back what a call holds, when it has ended.
    ///
    /// - Parameter token: From this gate; one that was given back already is passed over.
    public func release(_ token: LimitToken) {
        guard !token.isNone else { return }
        tokens.release(token)
    }

    /// How many limits on calls in flight are held by calls that have not ended.
    public var heldTokens: Int { tokens.count }
}

// What the states of limits use.
extension LimitGate {
    func question(_ position: Int) -> Question { questions[position] }

    /// Puts the next question; after the last one everything is locked and has been asked.
    func put(_ position: Int) {
        guard position < questionCount else { return }
        table.decide(questions[position].candidate, position, of: self)
    }

    /// Takes note of a limit that is reached.
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
    /// Takes up the limits in force when they have changed.
    private func refresh() {
        guard registry.version != version else { return }
        table = LimitCandidateTable()
        (limits, version) = registry.versioned
        facts = LimitFacts(attachments: limits.attachmentNames.count)
    }

    private func candidates(of operation: OperationID, _ side: Side) -> LimitCandidates {
        let place = operation.index &* 2 &+ Int(side.rawValue)
        var number = table.entry(at: place)
        if number == LimitCandidateTable.unknown {
            number = table.make(limits, operations[operation], side, at: place, scratch)
        }
        return table.entries[number]
    }

    /// Finds the questions that the call has to be asked.
    private func ask(isOneway: Bool) {
        questionCount = 0
        for index in Int(candidates.first)..<Int(candidates.first &+ candidates.count) {
            let candidate = table.candidates[index]
            if candidate.isHeld, isOneway { continue }
            var question = Question(candidate: index, limit: candidate.limit, isObserved: candidate.isObserved)
            if !candidate.isStatic || candidate.isKeyed {
                let limit = limits.limits[candidate.limit]
                if !candidate.isStatic, !limit.match.matches(facts, scratch, limit.counters) { continue }
                if candidate.isKeyed { question.digest = limit.digest(candidate.hash, facts) }
            }
            questions[questionCount] = question
            questionCount &+= 1
        }
    }
}
