package import Calls
internal import Hessian
package import Policy
internal import Telemetry
internal import Wire

/// The calls in flight of one worker: the contract between sessions and whatever counts, traces and observes calls.
///
/// A session tells of each call in this order, whatever its protocol:
///
/// 1. ``begin(_:on:permit:now:texts:)`` once its request is known and passes, which gives its place in the table; or
///    ``count(_:as:code:on:now:texts:)`` if no reply is waited for here: one way, refused, or without room.
/// 2. ``requestEnded(_:on:now:)`` when the request's last byte was seen, for spans alone.
/// 3. ``find(_:direction:on:now:countsUnknown:)`` when a reply comes, which tells a late one from others, then
///    ``replyBegan(_:on:at:)`` with the time of its first byte.
/// 4. ``end(_:on:with:)`` when it is complete. Or ``giveUp(_:on:as:now:)``, if its caller waits no longer.
///
/// The tracker itself ends calls whose deadline passes, whose id is used again, or whose connection ends
/// (``endAll(on:as:now:)``). Whatever ends a call gives its permit back, ends its span and tells its observer. A place
/// in the table is valid until the call ends.
package final class CallTracker {
    /// The calls in flight, and those that were given up.
    let table: CallTable
    /// Where the numbers go.
    let recorder: Recorder
    let connections: ConnectionTable
    let pipeline: RequestPipeline
    let operations: OperationNames
    /// Calls whose replies come on other connections.
    let correlated: CorrelatedCalls
    /// A call without a deadline of its own is given up after this long.
    let timeoutNanoseconds: UInt64
    private var due: [Int32] = []
    private var reportedEntries = 0
    var texts: [Int32: CallTexts] = [:]

    /// Is told every finished call; `nil` costs nothing.
    var observer: (any CallObserver)? { didSet { wantsTraces = isTraced || observer != nil } }
    /// Makes spans of calls; `nil` costs nothing.
    var tracer: Tracer? {
        didSet {
            isTraced = tracer != nil
            wantsTraces = isTraced || observer != nil
        }
    }
    /// True if there is a ``tracer``: asking that itself would retain it.
    package private(set) var isTraced = false
    /// True if what requests say of traces is wanted, by the tracer or the observer.
    private(set) var wantsTraces = false
    /// Numbers callers, if calls are counted by caller.
    var callers = CallerNumbers()

    /// A tracker without calls.
    ///
    /// - Parameters:
    ///   - limits: The bounds.
    ///   - recorder: Where the numbers go.
    ///   - connections: The worker's connections.
    ///   - pipeline: What decides about requests, and keeps what calls hold of limits.
    ///   - operations: The names of operations.
    init(
        limits: Inspector.Limits,
        recorder: Recorder,
        connections: ConnectionTable,
        pipeline: RequestPipeline,
        operations: OperationNames
    ) {
        table = CallTable(maxCalls: limits.maxCalls, maxTombstones: limits.maxTombstones)
        timeoutNanoseconds = limits.callTimeoutNanoseconds
        self.recorder = recorder
        self.connections = connections
        self.pipeline = pipeline
        self.operations = operations
        correlated = CorrelatedCalls(connections: connections)
    }

    /// Until when a call has without an own deadline, or one whose deadline no longer matters.
    package func defaultDeadline(_ start: UInt64) -> UInt64 { start &+ timeoutNanoseconds }

    // MARK: Requests

    /// Opens a call that waits for a reply; one that already stood under its id goes unanswered.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - session: Its connection's session.
    ///   - permit: What it has taken of limits; it goes back when the call ends.
    ///   - now: The time, in nanoseconds.
    ///   - texts: What an observer of calls wants; asked for only if there is one.
    /// - Returns: Its place in the table, or ``CallTable/none`` when the table is full: it is counted as lost then.
    @discardableResult
    @inline(__always)
    package func begin(
        _ call: CallTable.Entry,
        on session: Session,
        permit: LimitToken = .none,
        now: UInt64,
        texts: () -> CallTexts
    ) -> Int32 {
        guard !table.isFull else {
            pipeline.limits.release(permit)
            count(call, as: .lost, on: session, now: now, texts: texts)
            return CallTable.none
        }
        retire(call.id, direction: call.direction, on: session, now: now)
        let index = table.add(call, first: &session.calls.first)
        session.calls.inFlight &+= 1
        recorder.callStarted(call.operation, side: call.side)
        if isTraced { tracer?.attach(index) }
        if !permit.isNone { pipeline.limits.hold(permit, by: index) }
        if observer != nil { self.texts[index] = texts() }
        return index
    }

    /// Counts a request whose reply nobody waits for here: one way, answered by Weir, or one too many for the table.
    ///
    /// - Parameters:
    ///   - entry: The call.
    ///   - outcome: What became of it.
    ///   - code: Its code.
    ///   - session: Its connection's session.
    ///   - now: The time, in nanoseconds.
    ///   - texts: What an observer of calls wants; asked for only if there is one.
    @inline(__always)
    package func count(
        _ entry: CallTable.Entry,
        as outcome: Outcome,
        code: Int32 = ResultCode.none,
        on session: Session,
        now: UInt64,
        texts: () -> CallTexts
    ) {
        // A closure that is passed on would keep what it captures.
        count(entry, as: outcome, code: code, on: session, now: now, texts: observer == nil ? nil : texts())
    }

    private func count(
        _ entry: CallTable.Entry,
        as outcome: Outcome,
        code: Int32,
        on session: Session,
        now: UInt64,
        texts: CallTexts?
    ) {
        let call = FinishedCall(
            operation: entry.operation,
            side: entry.side,
            outcome: outcome,
            code: code,
            startNanoseconds: entry.start,
            durationNanoseconds: now > entry.start ? now - entry.start : 0,
            requestBytes: entry.requestBytes,
            responseBytes: 0,
            caller: entry.caller,
            clock: recorder.clock
        )
        recorder.callFinished(call, wasInFlight: false)
        session.calls.finished &+= 1
        if isTraced { _ = tracer?.end(CallTable.none, call: call, id: entry.id, on: session) }
        if let observer { report(call, id: entry.id, on: session, texts: texts, to: observer) }
    }

    /// Makes room for an id that is used again: what stood under it will never be answered.
    func retire(_ id: UInt64, direction: Direction, on session: Session, now: UInt64) {
        let old = table.find(session: session.number, direction: direction, id: id)
        guard old >= 0 else { return }
        abandon(old, on: session, as: .unanswered, now: now)
        table.remove(old, first: &session.calls.first)
    }

    /// The request's last byte was seen.
    @inline(__always)
    package func requestEnded(_ index: Int32, on session: Session, now: UInt64) {
        if isTraced, index >= 0 { tracer?.requestEnded(index, replies: session.calls.replyBytes, now: now) }
    }

    // MARK: Replies

    /// The call in flight under that id; one that is past its deadline is given up, and a reply to it counted as late.
    ///
    /// - Parameters:
    ///   - id: The call's id.
    ///   - direction: The way of requests.
    ///   - session: The connection's session.
    ///   - now: The time, in nanoseconds.
    ///   - countsUnknown: True if a reply to no call at all is counted, under the unknown operation.
    /// - Returns: Its place in the table, or ``CallTable/none``: then nothing more is to be done.
    @inline(__always)
    package func find(
        _ id: UInt64,
        direction: Direction,
        on session: Session,
        now: UInt64,
        countsUnknown: Bool = false
    ) -> Int32 {
        let index = table.find(session: session.number, direction: direction, id: id)
        guard index >= 0 else {
            if countsUnknown { recorder.lateReply(operations.unknown, side: session.side(of: direction)) }
            return CallTable.none
        }
        let kind = table.kind(index)
        if kind == .call || kind.isGivenUp, now > table.deadline(index) { expire(index, on: session) }
        switch table.kind(index) {
        case .call, .timedOut, .cancelled: return index
        case .tombstone:
            recorder.lateReply(table[index].operation, side: table[index].side)
            if isTraced { tracer?.lateReply(index, now: now) }
            table.remove(index, first: &session.calls.first)
            return CallTable.none
        case .heartbeat, .free: return CallTable.none
        }
    }

    /// The reply's first byte was seen.
    ///
    /// - Parameters:
    ///   - index: The call's place in the table, or ``CallTable/none`` of a reply to no call.
    ///   - session: Its connection's session.
    ///   - start: When, in nanoseconds.
    ///   - byteCount: How long the reply is, if all of it is here.
    @inline(__always)
    package func replyBegan(_ index: Int32, on session: Session, at start: UInt64, byteCount: UInt64) {
        guard isTraced else { return }
        if index >= 0 { tracer?.replyBegan(index, replies: session.calls.replyBytes, now: start) }
        session.calls.replyBytes &+= byteCount
    }

    /// Counts the exception that answers a call, and keeps its class for whoever is told of the call.
    ///
    /// - Parameters:
    ///   - index: The call's place in the table.
    ///   - className: The exception's class.
    func noteException(_ index: Int32, className: RawSpan) {
        recorder.exception(table[index].operation, side: table[index].side, className: className)
        if isTraced { tracer?.noteException(className, index) }
        guard observer != nil else { return }
        texts[index, default: CallTexts()].exception = HessianText.string(
            className,
            maxBytes: OperationCache.maxNameBytes
        )
    }

    // MARK: Time

    /// Gives up the calls whose deadline has passed.
    ///
    /// - Parameters:
    ///   - now: The time, in nanoseconds; never less than before.
    ///   - trailersFailed: Is told of calls that their callers had given up and whose trailers have not come.
    func tick(now: UInt64, trailersFailed: (_ call: CallTable.Entry, Session) -> Bool) {
        takeAnswers(now: now)
        due.removeAll(keepingCapacity: true)
        table.collectDue(now, into: &due)
        for index in due {
            let entry = table[index]
            guard let session = connections[entry.session] else { continue }
            if entry.kind.isGivenUp, trailersFailed(entry, session) { continue }
            expire(index, on: session)
        }
        reportedEntries = table.entryCount
        recorder.setCallTableEntries(reportedEntries)
        if isTraced { tracer?.flush(now: now) }
    }

    /// True if ``tick(now:trailersFailed:)`` has anything to wait for, or a changed number of entries to report.
    var needsTicks: Bool {
        !table.isEmpty || reportedEntries != table.entryCount || (isTraced && tracer?.isWaiting == true)
    }
}

/// Numbers the callers of one worker's calls; without a registry all are unknown.
struct CallerNumbers {
    private let box: CallerBox?
    /// True if calls are counted by caller: asking the box itself would retain it.
    let isWanted: Bool
    /// Where callers get their numbers.
    let registry: CallerRegistry?

    init(registry: CallerRegistry? = nil) {
        self.registry = registry
        box = registry.map { CallerBox(registry: $0) }
        isWanted = registry != nil
    }

    /// The caller.
    ///
    /// - Parameters:
    ///   - name: The caller's name; empty if it does not say.
    ///   - session: Its connection's session, which keeps what it said last.
    /// - Returns: Its place in the process's registry.
    func number(of name: RawSpan, on session: Session) -> UInt8 {
        guard name.byteCount > 0, let box else { return session.caller.number }
        let place = box.cache.place(of: name)
        session.caller.number = place
        return place
    }
}

/// A worker's callers, where a class can hold them.
private final class CallerBox {
    var cache: CallerCache

    init(registry: CallerRegistry) { cache = CallerCache(registry: registry) }
}
