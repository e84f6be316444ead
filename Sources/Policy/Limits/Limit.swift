internal import Calls

/// A clock for limits: nanoseconds that never go back, from wherever they are counted.
///
/// It is read under the lock of a limit, once for each limit that applies to a call.
public typealias LimitClock = @Sendable () -> UInt64

/// A limit in force.
public final class Limit: Sendable {
    /// The limit as it was written down.
    public let definition: LimitDefinition
    /// The text of its replies.
    public let localReplyText: String
    /// Its place in its set, from 0 in the order of the file.
    public let index: Int
    let match: CompiledMatcher
    /// The part of its key that depends on the call: the places of attachments among the set's names.
    let keyAttachments: [Int]
    let keyHasCaller: Bool
    let keyHasPeer: Bool
    let state: LimitState
    let counters: LimitCounters

    init(
        _ definition: LimitDefinition,
        index: Int,
        names: [String],
        state: LimitState,
        counters: LimitCounters
    ) throws(PatternProblem) {
        self.definition = definition
        self.index = index
        self.state = state
        self.counters = counters
        localReplyText = definition.localReplyText
        match = try CompiledMatcher(definition.match, attachmentNames: names)
        keyHasCaller = definition.keys.contains(.caller)
        keyHasPeer = definition.keys.contains(.peer)
        keyAttachments = definition.keys.compactMap { key in
            if case .attachment(let name) = key { names.firstIndex(of: name) } else { nil }
        }
    }

    /// The key of a call; `nil` for the window shared by calls whose key is too long to be told apart.
    func digest(_ start: KeyHash, _ facts: borrowing RequestFacts) -> KeyDigest? {
        var hash = start
        if keyHasCaller {
            guard !facts.isCallerCut else { return nil }
            hash.combine(facts.caller)
        }
        if keyHasPeer { hash.combine(facts.peer) }
        for index in keyAttachments {
            guard !facts.isCut(attachment: index) else { return nil }
            hash.combine(facts.attachment(index))
        }
        return hash.digest
    }

    /// Its decisions since the process began or, for inherited limits, since the first of the processes that shared
    /// them began; see ``LimitCounts``.
    public var counts: LimitCounts { counters.counts }

    /// The number of key values that have a window of their own; takes its lock.
    public var keysInUse: Int { state.keysInUse }

    /// The memory of its windows in bytes: the pages that have been touched.
    public var bytesInUse: Int { state.memory.bytesInUse }

    /// True if other processes can continue in its windows; they cannot if the kernel does not let memory be shared.
    public var isShareable: Bool { state.memory.isShareable }
}

extension LimitDefinition {
    /// The approximate memory of a limit besides its windows, in bytes.
    private static let ownBytes = 2048

    /// The most memory that the limit can take, in bytes.
    ///
    /// Addresses are reserved from the beginning; pages of memory are taken as they are used. It is meaningless for a
    /// definition with a ``problem``.
    public var worstCaseBytes: Int {
        guard problem == nil else { return Self.ownBytes }
        return Self.ownBytes + SharedMemory.roundedUp(stateBytes)
    }

    /// The bytes of its memory before they are rounded up to pages; there must be no ``problem``.
    var stateBytes: Int { algorithm.rule.wordCount(maxKeys: keys.isEmpty ? 0 : maxKeys) * 8 }
}
