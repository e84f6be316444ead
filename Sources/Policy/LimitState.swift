/// What a limit has counted; it outlives the set it was made for while later sets have the same limit.
final class LimitState: Sendable {
    /// The windows of an algorithm; one of the tables is there.
    ///
    /// Not an enumeration, whose payload could not be changed in place, and not a generic class, whose methods would
    /// not be specialised: that was three quarters of a decision's time.
    private struct Tables: Sendable {
        var sliding: WindowTable<SlidingWindow>?
        var parts: WindowTable<SubWindows>?
        var fixed: WindowTable<FixedWindow>?
        var bucket: WindowTable<TokenBucket>?
        var inFlight: WindowTable<CallsInFlight>?
    }

    private let clock: LimitClock
    private let counters: LimitCounters
    private let lock = ShortLock()
    // SAFETY: touched only while the lock is held, and by the initialiser.
    nonisolated(unsafe) private var tables: Tables

    /// A state that has counted nothing.
    init(_ algorithm: LimitAlgorithm, maxKeys: Int, counters: LimitCounters, clock: @escaping LimitClock) {
        self.clock = clock
        self.counters = counters
        var tables = Tables()
        switch algorithm.rule {
        case .sliding(let rule): tables.sliding = WindowTable(rule, maxKeys: maxKeys)
        case .parts(let rule): tables.parts = WindowTable(rule, maxKeys: maxKeys)
        case .fixed(let rule): tables.fixed = WindowTable(rule, maxKeys: maxKeys)
        case .bucket(let rule): tables.bucket = WindowTable(rule, maxKeys: maxKeys)
        case .inFlight(let rule): tables.inFlight = WindowTable(rule, maxKeys: maxKeys)
        }
        unsafe self.tables = tables
    }

    /// Decides about one question of a call, and about those after it.
    ///
    /// The window is locked, asked, and stays locked while the questions after it are put; then it is charged if all
    /// have admitted the call. So nothing is charged before everything is locked and has been asked, and nobody sees a
    /// call counted in one limit and not in another. Questions come in one order for the whole process, hence two calls
    /// never wait for one another.
    func decide(_ position: Int, of gate: LimitGate) {
        lock.take()
        defer { lock.giveBack() }
        // One time for the whole call, read under the first lock: of ten limits' time the clock was nearly half. Where
        // another call has overtaken this one on the way, the window's own time is the later one.
        if position == 0 { gate.time = clock() }
        let time = gate.time
        if unsafe tables.sliding?.decide(position, of: gate, at: time, self, counters) != nil { return }
        if unsafe tables.bucket?.decide(position, of: gate, at: time, self, counters) != nil { return }
        if unsafe tables.inFlight?.decide(position, of: gate, at: time, self, counters) != nil { return }
        if unsafe tables.fixed?.decide(position, of: gate, at: time, self, counters) != nil { return }
        unsafe tables.parts?.decide(position, of: gate, at: time, self, counters)
    }

    /// Gives back what calls took.
    func release(_ window: Int, calls: UInt64) {
        lock.take()
        defer { lock.giveBack() }
        unsafe tables.inFlight?.release(window, calls: calls)
    }

    /// How many values of its key have a window.
    var keysInUse: Int {
        lock.take()
        defer { lock.giveBack() }
        let small = unsafe tables.fixed?.keysInUse ?? tables.bucket?.keysInUse ?? tables.inFlight?.keysInUse
        return unsafe tables.sliding?.keysInUse ?? tables.parts?.keysInUse ?? small ?? 0
    }

    /// The memory in use, in bytes.
    var heapBytes: Int {
        lock.take()
        defer { lock.giveBack() }
        let small = unsafe tables.fixed?.heapBytes ?? tables.bucket?.heapBytes ?? tables.inFlight?.heapBytes
        return unsafe tables.sliding?.heapBytes ?? tables.parts?.heapBytes ?? small ?? 0
    }
}

extension WindowTable {
    /// See ``LimitState/decide(_:of:)``.
    @inline(__always)
    fileprivate mutating func decide(
        _ position: Int,
        of gate: LimitGate,
        at time: UInt64,
        _ state: LimitState,
        _ counters: LimitCounters
    ) {
        let question = gate.question(position)
        let calls = gate.calls
        let now = advance(to: time)
        let place = place(of: question.digest, at: now)
        var wait = wait(in: place, at: now, calls: calls)
        if Window.isHeld, gate.tokens.isFull { wait = LimitWait.unknown }
        if wait != 0, !question.isObserved { gate.refuse(by: question.limit, wait: wait) }
        gate.put(position &+ 1)
        if gate.isTrial { return }
        if gate.isRefused {
            if gate.refusedBy == question.limit { counters.countRejected(calls) }
        } else if wait == 0 {
            let window = charge(in: place, of: question.digest, at: now, calls: calls)
            if Window.isHeld { gate.hold(state, window: window) }
            counters.countAllowed(calls)
        } else {
            counters.countWouldReject(calls)
        }
    }
}

/// What the windows of an algorithm have to know of it.
enum AlgorithmRule {
    case sliding(SlidingWindow.Rule)
    case parts(SubWindows.Rule)
    case fixed(FixedWindow.Rule)
    case bucket(TokenBucket.Rule)
    case inFlight(CallsInFlight.Rule)

    /// The most memory that windows of it take.
    func worstCaseBytes(maxKeys: Int) -> Int {
        switch self {
        case .sliding(let rule): WindowTable<SlidingWindow>.worstCaseBytes(rule, maxKeys: maxKeys)
        case .parts(let rule): WindowTable<SubWindows>.worstCaseBytes(rule, maxKeys: maxKeys)
        case .fixed(let rule): WindowTable<FixedWindow>.worstCaseBytes(rule, maxKeys: maxKeys)
        case .bucket(let rule): WindowTable<TokenBucket>.worstCaseBytes(rule, maxKeys: maxKeys)
        case .inFlight(let rule): WindowTable<CallsInFlight>.worstCaseBytes(rule, maxKeys: maxKeys)
        }
    }
}

extension LimitAlgorithm {
    /// What the windows have to know; the values must be in their ranges.
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

    /// Whether what a call takes has to be given back.
    var isHeld: Bool {
        if case .concurrency = self { true } else { false }
    }
}
