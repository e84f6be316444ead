internal import Calls
internal import Wire

/// The facts about a call that the limits of its operation need before they can decide.
public struct LimitNeeds: BitwiseCopyable, Equatable, Sendable {
    /// True if any limit may apply; if not, every such call passes.
    public var isLimited: Bool
    /// True if the calling application is needed.
    public var caller: Bool
    /// True if the downstream peer's address is needed.
    public var peer: Bool
    /// The needed attachments: bit n for the n-th of ``LimitSet/attachmentNames``.
    public var attachments: UInt64

    /// No needs.
    public init() {
        isLimited = false
        caller = false
        peer = false
        attachments = 0
    }
}

/// The limits that may apply to the calls of an operation on a side: a range in ``LimitCandidateTable/candidates``.
struct LimitCandidates: BitwiseCopyable {
    /// A limit that may apply, and the operation's part of its key.
    struct Candidate: BitwiseCopyable {
        /// The limit's place in its set.
        var limit = 0
        var hash = KeyHash(0, 0)
        var isKeyed = false
        var isStatic = false
        var isObserved = false
        var isHeld = false

        init() {}

        init(_ limit: Limit, _ operation: Operation) {
            self.limit = limit.index
            hash = limit.state.keyStart
            for key in limit.definition.keys {
                switch key {
                case .method: hash.combine(operation.method)
                case .interface: hash.combine(operation.interface)
                case .caller, .peer, .attachment: break
                }
            }
            isKeyed = !limit.definition.keys.isEmpty
            isStatic = limit.match.isStatic
            isObserved = limit.definition.mode == .observe
            isHeld = limit.definition.algorithm.isHeld
        }
    }

    var first: UInt32 = 0
    var count: UInt32 = 0
    var needs = LimitNeeds()
}

/// The candidates of every operation and side that a gate has seen, for one set of limits.
///
/// It consists of rows of plain values: an array of structures with references in them would be retained and released
/// with every call, which cost more than the decision.
@safe struct LimitCandidateTable: ~Copyable {
    /// The entries of an operation that was not seen yet, and of one without limits.
    static let unknown = 0
    static let unlimited = 1

    private(set) var entries = FlatTable(repeating: LimitCandidates(), count: 2)
    private(set) var candidates = FlatTable(repeating: LimitCandidates.Candidate(), count: 0)
    /// The state of each candidate.
    ///
    /// Not retained for each call: counting references to what all workers share would cost as much as its lock.
    // SAFETY: the gate holds the set the states belong to, and lets go of its table before it lets go of the set.
    private var states: [Unmanaged<LimitState>]
    /// The entry of an operation and side.
    private var index = FlatTable(repeating: UInt32(0), count: 0)

    /// An empty table.
    init() { unsafe states = [] }

    /// The entry of an operation on a side, or ``unknown``.
    @inline(__always)
    func entry(at place: Int) -> Int { place < index.count ? Int(index[place]) : Self.unknown }

    /// Passes a question to the state of a candidate.
    @inline(__always)
    func decide(_ candidate: Int, _ position: Int, of gate: LimitGate) {
        // SAFETY: see `states`.
        unsafe states[candidate]._withUnsafeGuaranteedRef { $0.decide(position, of: gate) }
    }

    /// Finds the candidates of an operation on a side, and adds their entry.
    mutating func make(
        _ set: LimitSet,
        operation: Operation,
        side: Side,
        at place: Int,
        scratch: borrowing PCREScratch
    ) -> Int {
        var entry = LimitCandidates(first: UInt32(candidates.count))
        // Sets that are in use at the same time share states, and so do processes: an order of the states' memories
        // holds in all sets of all processes.
        let applying = set.limits.filter {
            $0.match.matches(operation, side: side, scratch: scratch, givenUp: $0.counters)
        }
        .sorted { $0.state.identity < $1.state.identity }
        for limit in applying {
            candidates.append(LimitCandidates.Candidate(limit, operation))
            unsafe states.append(Unmanaged.passUnretained(limit.state))
            entry.count += 1
            entry.needs.isLimited = true
            if limit.match.caller != nil || limit.keyHasCaller { entry.needs.caller = true }
            if limit.match.peer != nil || limit.keyHasPeer { entry.needs.peer = true }
            for index in limit.keyAttachments + limit.match.attachments.map(\.index) {
                entry.needs.attachments |= 1 << UInt64(index)
            }
        }
        var number = Self.unlimited
        if entry.count > 0 {
            number = entries.count
            entries.append(entry)
        }
        while index.count <= place { index.append(0) }
        index[place] = UInt32(number)
        return number
    }
}
