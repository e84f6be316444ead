/// The counts of a limit; it outlives its set while later sets have the same limit.
///
/// Its windows are in memory that other processes can map (``LimitLayout``), and in which they decide too.
final class LimitState: Sendable {
    /// The interval of checks for processes that have ended, in nanoseconds, while calls in flight are refused.
    private static let lookInterval: UInt64 = 100_000_000

    let memory: SharedMemory
    /// The identity of this memory, which also defines the order in which all processes take locks.
    let identity: UInt64
    /// The initial value of key hashes.
    let keyStart: KeyHash
    let sharing: LimitSharing
    private let clock: LimitClock
    private let counters: LimitCounters
    private let lock: RobustLock
    private let holder: Int
    private let index: KeyIndex
    /// The algorithm.
    ///
    /// It is not a generic class, whose methods would not be specialised: that was three quarters of a decision's time.
    /// It is also no table of windows in its place, which each decision would copy.
    private let rule: AlgorithmRule
    /// The time of the last check for processes that have ended.
    // SAFETY: touched only while the lock is held.
    nonisolated(unsafe) private var lastLook: UInt64

    /// A state that has counted nothing.
    ///
    /// It is `nil` if there is no memory.
    convenience init?(
        _ definition: LimitDefinition,
        sharing: LimitSharing,
        counters: LimitCounters,
        clock: @escaping LimitClock
    ) {
        guard
            let memory = SharedMemory(
                "weir-limit",
                byteCount: definition.stateBytes,
                isShareable: sharing.isShareable
            )
        else { return nil }
        let fingerprint = LimitFingerprint(definition)
        memory.words[LimitLayout.fingerprintHigh] = fingerprint.high
        memory.words[LimitLayout.fingerprintLow] = fingerprint.low
        LimitLayout.write(definition.name, to: memory.words, at: LimitLayout.name)
        LimitLayout.begin(memory, magic: LimitLayout.limitMagic)
        self.init(memory, definition, sharing: sharing, counters: counters, clock: clock)
    }

    /// A state that goes on in the memory of another process.
    ///
    /// It is `nil` if it is not the memory of such a limit, or has another layout.
    convenience init?(
        adopting memory: SharedMemory,
        _ definition: LimitDefinition,
        sharing: LimitSharing,
        counters: LimitCounters,
        clock: @escaping LimitClock
    ) {
        guard LimitLayout.fits(memory, magic: LimitLayout.limitMagic),
            memory.byteCount == SharedMemory.roundedUp(definition.stateBytes),
            LimitFingerprint(in: memory.words) == LimitFingerprint(definition)
        else { return nil }
        self.init(memory, definition, sharing: sharing, counters: counters, clock: clock)
    }

    private init(
        _ memory: SharedMemory,
        _ definition: LimitDefinition,
        sharing: LimitSharing,
        counters: LimitCounters,
        clock: @escaping LimitClock
    ) {
        let words = memory.words
        let maxKeys = definition.keys.isEmpty ? 0 : definition.maxKeys
        self.memory = memory
        self.sharing = sharing
        self.clock = clock
        self.counters = counters
        identity = words[LimitLayout.identity]
        keyStart = KeyHash(words[LimitLayout.seedHigh], words[LimitLayout.seedLow])
        lock = RobustLock(words, me: sharing.processes.id)
        holder = sharing.processes.place
        unsafe lastLook = 0 &- Self.lookInterval
        index = KeyIndex(words, maxKeys: maxKeys)
        rule = definition.algorithm.rule
        if definition.algorithm.isHeld { join() }
    }

    /// Decides about one question of a call, and about those after it.
    ///
    /// The window is locked, asked, and stays locked while the questions after it are asked; then it is charged if all
    /// have admitted the call. So nothing is charged before everything is locked and has been asked, and nobody sees a
    /// call counted in one limit and not in another. Questions come in one order for all processes that share limits,
    /// hence two calls never wait for one another.
    func decide(_ position: Int, of gate: LimitGate) {
        take()
        defer { giveBack() }
        // One time for the whole call, read under the first lock: of ten limits' time the clock was nearly half. Where
        // another call has overtaken this one on the way, the window's own time is the later one.
        if position == 0 { gate.time = clock() }
        let time = gate.time
        switch rule {
        case .sliding(let rule):
            WindowTable<SlidingWindow>(index, rule).decide(
                position,
                of: gate,
                at: time,
                state: self,
                counters: counters
            )
        case .parts(let rule):
            WindowTable<SubWindows>(index, rule).decide(position, of: gate, at: time, state: self, counters: counters)
        case .fixed(let rule):
            WindowTable<FixedWindow>(index, rule).decide(position, of: gate, at: time, state: self, counters: counters)
        case .bucket(let rule):
            WindowTable<TokenBucket>(index, rule).decide(position, of: gate, at: time, state: self, counters: counters)
        case .inFlight(let rule):
            WindowTable<CallsInFlight>(index, rule).decide(
                position,
                of: gate,
                at: time,
                state: self,
                counters: counters
            )
        }
    }

    /// Releases the holdings of this process's calls.
    func release(_ window: Int, calls: UInt64) {
        take()
        defer { giveBack() }
        guard case .inFlight(let rule) = rule else { return }
        WindowTable<CallsInFlight>(index, rule).release(window, calls: calls, holder)
    }

    /// The number of key values that have a window.
    var keysInUse: Int {
        take()
        defer { giveBack() }
        return index.count
    }

    // MARK: The lock

    @inline(__always)
    private func take() {
        if !lock.attempt() { wait() }
    }

    @inline(never)
    private func wait() {
        if lock.wait(sharing.processes) { repair() }
    }

    @inline(__always)
    private func giveBack() {
        if !lock.giveBack() { regain() }
    }

    /// This process stood still for so long that another has taken the lock from it, and may have written since.
    @inline(never)
    private func regain() {
        _ = lock.wait(sharing.processes)
        repair()
        _ = lock.giveBack()
    }

    private func repair(endedHolders: UInt64 = 0) {
        switch rule {
        case .sliding(let rule): WindowTable<SlidingWindow>(index, rule).repair(endedHolders: endedHolders)
        case .parts(let rule): WindowTable<SubWindows>(index, rule).repair(endedHolders: endedHolders)
        case .fixed(let rule): WindowTable<FixedWindow>(index, rule).repair(endedHolders: endedHolders)
        case .bucket(let rule): WindowTable<TokenBucket>(index, rule).repair(endedHolders: endedHolders)
        case .inFlight(let rule): WindowTable<CallsInFlight>(index, rule).repair(endedHolders: endedHolders)
        }
    }
}

// Calls in flight of processes that have ended.
extension LimitState {
    /// Takes over the place of a process that has ended among those who hold calls.
    private func join() {
        take()
        defer { giveBack() }
        let place = LimitLayout.generations + holder
        guard memory.words[place] != sharing.processes.generation else { return }
        repair(endedHolders: 1 << UInt64(holder))
        memory.words[place] = sharing.processes.generation
    }

    /// Releases the holdings of processes that have ended; takes the lock.
    func releaseEnded() {
        take()
        defer { giveBack() }
        _ = releaseEndedHolders()
    }

    /// The same while the lock is held and calls are refused, now and then.
    ///
    /// - Returns: True if there was such a process.
    @inline(never)
    func findEnded(at now: UInt64) -> Bool {
        guard unsafe now &- lastLook >= Self.lookInterval else { return false }
        unsafe lastLook = now
        return releaseEndedHolders()
    }

    private func releaseEndedHolders() -> Bool {
        var ended: UInt64 = 0
        for place in 0..<LimitProcesses.capacity {
            let generation = memory.words[LimitLayout.generations + place]
            guard generation != 0, !sharing.processes.lives(place, generation) else { continue }
            ended |= 1 << UInt64(place)
        }
        guard ended != 0 else { return false }
        repair(endedHolders: ended)
        for place in 0..<LimitProcesses.capacity where ended >> UInt64(place) & 1 == 1 {
            memory.words[LimitLayout.generations + place] = 0
        }
        // A number that was damaged may have been this process's own.
        memory.words[LimitLayout.generations + holder] = sharing.processes.generation
        return true
    }

    /// The place of this process among those who hold calls.
    fileprivate var ownPlace: Int { holder }
}

extension WindowTable {
    /// See ``LimitState/decide(_:of:)``.
    @inline(__always)
    fileprivate func decide(
        _ position: Int,
        of gate: LimitGate,
        at time: UInt64,
        state: LimitState,
        counters: LimitCounters
    ) {
        let question = gate.question(position)
        let calls = gate.calls
        let now = advance(to: time)
        var place = place(of: question.digest, at: now)
        var wait = wait(in: place, at: now, calls: calls)
        if Window.isHeld {
            if wait != 0 || (question.digest != nil && isShared(place)), state.findEnded(at: now) {
                place = self.place(of: question.digest, at: now)
                wait = self.wait(in: place, at: now, calls: calls)
            }
            if gate.tokens.isFull { wait = LimitWait.unknown }
        }
        if wait != 0, !question.isObserved { gate.refuse(by: question.limit, wait: wait) }
        gate.put(position &+ 1)
        if gate.isTrial { return }
        if gate.isRefused {
            if gate.refusedBy == question.limit { counters.countRejected(calls) }
        } else if wait == 0 {
            let window = charge(in: place, of: question.digest, at: now, calls: calls, state.ownPlace)
            if Window.isHeld { gate.hold(state, window: window) }
            counters.countAllowed(calls)
        } else {
            counters.countWouldReject(calls)
        }
    }

    private func isShared(_ place: Place) -> Bool {
        if case .known(Self.shared) = place { true } else { false }
    }
}

/// The parameters of an algorithm's windows.
enum AlgorithmRule: BitwiseCopyable, Sendable {
    case sliding(SlidingWindow.Rule)
    case parts(SubWindows.Rule)
    case fixed(FixedWindow.Rule)
    case bucket(TokenBucket.Rule)
    case inFlight(CallsInFlight.Rule)

    /// The number of words in the memory of its windows.
    func wordCount(maxKeys: Int) -> Int {
        switch self {
        case .sliding(let rule): WindowTable<SlidingWindow>.wordCount(rule, maxKeys: maxKeys)
        case .parts(let rule): WindowTable<SubWindows>.wordCount(rule, maxKeys: maxKeys)
        case .fixed(let rule): WindowTable<FixedWindow>.wordCount(rule, maxKeys: maxKeys)
        case .bucket(let rule): WindowTable<TokenBucket>.wordCount(rule, maxKeys: maxKeys)
        case .inFlight(let rule): WindowTable<CallsInFlight>.wordCount(rule, maxKeys: maxKeys)
        }
    }
}

extension LimitAlgorithm {
    /// The parameters of the windows; the values must be in their ranges.
    var rule: AlgorithmRule {
        switch self {
        case .slidingWindow(let limit, let window):
            limit <= LimitBounds.exactLimit
                ? .sliding(SlidingWindow.Rule(capacity: UInt64(limit), length: window.nanoseconds))
                : .parts(SubWindows.Rule(capacity: UInt64(limit), length: window.nanoseconds))
        case .fixedWindow(let limit, let window):
            .fixed(FixedWindow.Rule(capacity: UInt64(limit), length: window.nanoseconds))
        case .tokenBucket(let rate, let period, let burst):
            .bucket(TokenBucket.Rule(rate: UInt64(rate), period: period.nanoseconds, burst: UInt64(burst)))
        case .concurrency(let limit):
            .inFlight(CallsInFlight.Rule(capacity: UInt64(limit)))
        }
    }

    /// True if a call's share has to be released.
    var isHeld: Bool {
        if case .concurrency = self { true } else { false }
    }
}
