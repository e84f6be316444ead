public import Calls
internal import Dubbo
internal import HTTP1
internal import HTTP2
public import Policy
public import Telemetry
internal import Wire

/// Everything one worker needs to make calls of bytes: the readers, the call table, the operations it has met.
///
/// It does no I/O and reads no clock; time comes in as nanoseconds of whatever clock its owner uses. It belongs to one
/// thread. All sessions of a worker share it, so that a connection costs little more than where it stands.
public final class Inspector {
    /// The bounds of an inspector.
    public struct Limits: Sendable {
        /// A call without a deadline of its own is given up after this long.
        public var callTimeoutNanoseconds: UInt64
        /// The most calls in flight; further ones are counted as `lost` when they begin.
        public var maxCalls: Int
        /// The most given-up calls remembered for the sake of late replies.
        public var maxTombstones: Int
        /// The paths of HTTP requests whose bodies are JSON-RPC though they do not say so.
        public var jsonrpcPaths = PathPatterns()
        /// Whether tools of MCP servers are told apart.
        public var tellsToolsApart = true

        /// Limits of those values.
        public init(
            callTimeoutNanoseconds: UInt64 = UInt64(Defaults.callTimeoutSeconds) * 1_000_000_000,
            maxCalls: Int = Defaults.maxCalls,
            maxTombstones: Int = Defaults.maxTombstones
        ) {
            self.callTimeoutNanoseconds = callTimeoutNanoseconds
            self.maxCalls = maxCalls
            self.maxTombstones = maxTombstones
        }
    }

    /// The texts of a call in flight, kept only while someone observes calls.
    struct CallTexts {
        var caller = ""
        var trace: TraceContext?
        /// The protocol's own id, where it is no number.
        var id: String?
    }

    let limits: Limits
    /// Where the numbers go.
    public let recorder: Recorder
    let unknownOperation: OperationID
    var operations: OperationCache
    let calls: CallTable
    var sessions: [Session?] = []
    private var freeNumbers: [UInt32] = []
    var scratch = BodyReaderBox()
    var spareBoxes: [BodyReaderBox] = []
    private var due: [Int32] = []
    private var reportedEntries = 0
    /// How many sessions hold requests back that more bytes may never follow, and when the first is to be released.
    var heldSessions = 0
    var nextRelease = UInt64.max
    var callTexts: [Int32: CallTexts] = [:]

    /// Decides about requests, by the stages that are in force.
    let pipeline: RequestPipeline
    /// The rules, one of the stages that decide about requests; `nil` costs nothing.
    public var rules: (any RequestStage)? {
        get { pipeline.rules }
        set {
            pipeline.rules = newValue
            updateGoverned()
        }
    }
    /// Whether requests are held back until they are understood, because they may be refused or changed.
    var isGoverned = false
    /// What was decided about the frame being finished, apart from letting it pass.
    var frameVerdict: Decision?
    /// What stands of the verdict on the frame being finished.
    var judgement = DubboSession.Judgement.none
    /// Replies to frames that were refused.
    var frameReplies: [UInt8] = []
    /// What is to become of frames among the bytes being received.
    var frameEdits: [FrameEdit] = []

    var spareHeaderTexts: [HeaderTextsBox] = []
    var spareRPCReaders: [RPCReader] = []
    var spareEventStreams: [EventStream] = []

    /// Where calls wait whose replies come on other connections.
    ///
    /// Inspectors that see connections of the same clients share one; each begins with one of its own.
    public var correlation = CorrelationTable() {
        didSet { joinedCorrelation = nil }
    }
    private var joinedCorrelation: Int?
    /// The calls that have left their connections, by their places in the call table.
    var correlated: [Int32: Correlated] = [:]
    /// The tool that the call being read names, if it is not told apart.
    var unknownTool: Operation?
    var hasUnknownTool = false
    /// Calls in flight of tools that are not told apart, by their places in the call table.
    var calledTools: [Int32: Operation] = [:]
    /// The session under which those that have left are; there once there was one.
    var correlationHome: Session?
    var spareInflaters: [Inflater] = []
    /// What is known of the paths of HTTP requests.
    var rpcPaths = RPCPaths()
    /// Where header blocks are read to.
    var headers = HeaderTexts()
    var headerScratch = HPACKScratch()

    /// Is told every message; `nil` costs nothing.
    public var messageObserver: (any MessageObserver)?
    /// Is told every finished call; `nil` costs nothing.
    public var callObserver: (any CallObserver)? {
        didSet { wantsTraces = isTraced || callObserver != nil }
    }

    /// Where callers get their numbers, to be counted by; `nil` costs nothing.
    public var callerRegistry: CallerRegistry? {
        didSet {
            callers = callerRegistry.map { CallerBox(registry: $0) }
            wantsCallers = callers != nil
        }
    }
    private(set) var callers: CallerBox?
    /// Whether there are ``callers``: asking that itself would retain them.
    private(set) var wantsCallers = false

    /// Makes spans of calls; `nil` costs nothing.
    public var tracer: Tracer? {
        didSet {
            isTraced = tracer != nil
            traceNames = tracer?.names ?? TraceNames.usual
            wantsTraces = isTraced || callObserver != nil
            pipeline.injection.tracer = tracer
            updateGoverned()
        }
    }
    /// Whether there is a ``tracer``: asking that itself would retain it.
    private(set) var isTraced = false
    /// Whether what requests say of traces is wanted, by the tracer or an observer of calls.
    private(set) var wantsTraces = false
    /// The names of attachments and headers that are wanted for traces.
    private(set) var traceNames = TraceNames.usual
    /// What the request being read says of traces.
    var traceScan = TraceScan()

    /// Decides about requests by the limits in force; `nil` costs nothing.
    ///
    /// When other limits are put in force the owner says so with ``limitsChanged()``.
    public var gate: LimitGate? {
        get { pipeline.limits.gate }
        set {
            pipeline.limits.gate = newValue
            limitsChanged()
        }
    }
    /// What a Dubbo request took of limits before its end, while that is being finished.
    var pendingPermit = LimitToken.none
    /// Says what is drained; `nil` costs nothing.
    ///
    /// When drains are started or undone the owner says so with ``drainsChanged()``.
    public var drainGate: DrainGate? {
        get { pipeline.drains.gate }
        set {
            pipeline.drains.gate = newValue
            drainsChanged()
        }
    }
    /// Whether anything is drained.
    public var isDraining: Bool { pipeline.drains.isActive }
    /// How many sessions' consumers are waited for to come back; see ``DrainRecall``.
    var recalls = 0
    /// What operations stand for.
    let registry: OperationRegistry

    /// An inspector without sessions.
    ///
    /// - Parameters:
    ///   - registry: The operations of the process.
    ///   - recorder: Where the numbers go.
    ///   - limits: The bounds.
    public init(registry: OperationRegistry, recorder: Recorder, limits: Limits = Limits()) {
        self.recorder = recorder
        recorder.operations = registry
        self.registry = registry
        self.limits = limits
        pipeline = RequestPipeline(registry: registry, recorder: recorder)
        operations = OperationCache(registry: registry)
        calls = CallTable(maxCalls: limits.maxCalls, maxTombstones: limits.maxTombstones)
        unknownOperation = registry.intern(
            Operation(callProtocol: .dubbo, interface: "unknown", version: "", group: "", method: "")
        )
    }

    /// Sees whether anything decides about requests.
    func updateGoverned() {
        isGoverned = pipeline.isActive
    }

    /// The number under which the ``correlation`` knows this inspector.
    var correlationNumber: Int {
        if let joinedCorrelation { return joinedCorrelation }
        let number = correlation.join()
        joinedCorrelation = number
        return number
    }

    /// A number for a session.
    func takeNumber() -> UInt32 {
        if let number = freeNumbers.popLast() { return number }
        sessions.append(nil)
        return UInt32(sessions.count - 1)
    }

    // MARK: Sessions

    /// A session for a new connection.
    ///
    /// - Parameters:
    ///   - side: On which side of the service Weir stands.
    ///   - connection: The connection's ends, if they are known; without them observers are told of nothing.
    ///   - isMidstream: Whether the connection's first bytes were not seen.
    ///   - isClientUnknown: Whether it is not known who opened the connection.
    /// - Returns: The session, until ``close(_:now:)``.
    public func open(
        side: Side,
        connection: ObservedConnection? = nil,
        isMidstream: Bool = false,
        isClientUnknown: Bool = false
    ) -> Session {
        let number = takeNumber()
        let session = Session(
            number: number,
            side: side,
            connection: connection,
            isMidstream: isMidstream,
            isClientUnknown: isClientUnknown
        )
        sessions[Int(number)] = session
        recorder.connectionOpened(side: side)
        return session
    }

    /// A session for a connection that is to be passed on without being looked at.
    ///
    /// - Parameter side: On which side of the service Weir stands.
    /// - Returns: The session, until ``close(_:now:)``.
    public func openOpaque(side: Side) -> Session {
        let session = open(side: side)
        session.decoder = .opaque
        identify(session, .opaque)
        return session
    }

    /// A session that asks `external` for its plans.
    package func open(side: Side, external: any ExternalSession) -> Session {
        let session = open(side: side)
        session.decoder = .external(external)
        return session
    }

    /// The connection has ended: its calls go unanswered.
    ///
    /// - Parameters:
    ///   - session: The connection's session; it must not be used again.
    ///   - now: The time, in nanoseconds.
    public func close(_ session: Session, now: UInt64) {
        switch session.decoder {
        case .dubbo(let dubbo):
            stop(&dubbo.up)
            stop(&dubbo.down)
        case .other(let decoder): decoder.close(InspectedBytes(self, session, now))
        case .detecting: endDetection(session)
        case .opaque, .blind, .external: break
        }
        endHold(session)
        endRecall(session)
        endCalls(of: session, as: .unanswered, now: now)
        recorder.connectionClosed(side: session.side, connectionProtocol: session.connectionProtocol)
        sessions[Int(session.number)] = nil
        freeNumbers.append(session.number)
    }

    // MARK: Bytes

    /// Takes bytes of one direction, in order, each once.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - bytes: What arrived.
    ///   - direction: Which way it goes.
    ///   - now: When it arrived, in nanoseconds.
    ///   - plan: An empty plan; says afterwards what to do with the bytes.
    public func receive(
        _ session: Session,
        _ bytes: RawSpan,
        _ direction: Direction,
        now: UInt64,
        plan: inout Plan
    ) {
        take(session, bytes, direction, now, &plan)
        if isGoverned || session.heldUntil != nil { noteHeld(session, direction, now) }
    }

    @inline(__always)
    private func take(
        _ session: Session,
        _ bytes: RawSpan,
        _ direction: Direction,
        _ now: UInt64,
        _ plan: inout Plan
    ) {
        switch session.decoder {
        case .dubbo(let dubbo):
            let earlier = direction == .toUpstream ? dubbo.up.earlier : dubbo.down.earlier
            let seen = receive(dubbo, session, bytes, direction, now)
            if isGoverned || earlier.isAny || !dubbo.ownEvents.isEmpty || !frameEdits.isEmpty {
                carryOut(dubbo, seen, bytes.byteCount, earlier, direction, &plan)
                if !isDraining {
                    dubbo.ownEvents.removeOld(now)
                } else if isGoverned, direction == .toUpstream {
                    signalNewcomer(dubbo, session, now, &plan)
                }
                return
            }
            guard plan.isBoundaryWanted, let first = seen.firstBoundary else {
                plan.forwardAll(endsAtBoundary: seen.endsAtBoundary)
                return
            }
            plan.forward(first)
            plan.markBoundary()
            guard first < bytes.byteCount else { return }
            plan.forward(bytes.byteCount - first)
            if seen.endsAtBoundary { plan.markBoundary() }
        case .other(let decoder):
            decoder.receive(bytes, direction, InspectedBytes(self, session, now), &plan)
        case .external(let external):
            external.receive(bytes, direction, now: now, plan: &plan)
        case .detecting:
            detect(session, bytes, direction, now, &plan)
        case .opaque, .blind:
            countUninspected(session, bytes.byteCount)
            plan.forwardAll(endsAtBoundary: false)
        }
    }

    /// A direction has ended: what it had half said will not be finished.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - direction: The direction.
    ///   - now: The time, in nanoseconds.
    ///   - plan: An empty plan; what it does not cover of the held bytes is dropped with the direction.
    public func ended(_ session: Session, _ direction: Direction, now: UInt64, plan: inout Plan) {
        switch session.decoder {
        case .external(let external):
            external.ended(direction, now: now, plan: &plan)
        case .dubbo(let dubbo):
            if direction == .toUpstream { stop(&dubbo.up) } else { stop(&dubbo.down) }
            plan.forwardAll(endsAtBoundary: true)
        case .other(let decoder):
            decoder.ended(direction, InspectedBytes(self, session, now), &plan)
        case .detecting, .opaque, .blind:
            plan.forwardAll(endsAtBoundary: true)
        }
    }

    /// Bytes of one direction were not seen (a capture with holes).
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - count: How many are missing.
    ///   - direction: Which way they went.
    ///   - now: The time, in nanoseconds.
    public func missed(_ session: Session, _ count: UInt64, _ direction: Direction, now: UInt64) {
        recorder.uninspectedBytes(count, reason: .gap)
        if case .detecting = session.decoder {
            // What comes next may be the middle of anything.
            session.searchedBytes += session.takePending(direction).count
            session.isMidstream = true
            session.textBytes = nil
        }
        if case .other(let decoder) = session.decoder {
            decoder.missed(count, direction, InspectedBytes(self, session, now))
        }
        guard case .dubbo(let dubbo) = session.decoder else { return }
        if direction == .toUpstream {
            miss(&dubbo.up, count, session, direction, now)
        } else {
            miss(&dubbo.down, count, session, direction, now)
        }
    }

    /// The session held back more than the relay keeps: everything was passed on, and it decides nothing any more.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - now: The time, in nanoseconds.
    public func overran(_ session: Session, now: UInt64) { goBlind(session, now) }

    // MARK: Time

    /// Gives up the calls whose deadline has passed.
    ///
    /// - Parameter now: The time, in nanoseconds; never less than before.
    public func tick(now: UInt64) {
        takeAnswers(now: now)
        due.removeAll(keepingCapacity: true)
        calls.collectDue(now, into: &due)
        for index in due {
            let entry = calls[index]
            guard let session = sessions[Int(entry.session)] else { continue }
            if entry.kind.isGivenUp, case .other(let decoder) = session.decoder {
                decoder.trailersFailed(entry.id, InspectedBytes(self, session, now))
            } else {
                expire(index, session)
            }
        }
        reportedEntries = calls.entryCount
        recorder.setCallTableEntries(reportedEntries)
        if isTraced { tracer?.flush(now: now) }
    }

    /// Hands over the spans that still wait for something.
    public func flushSpans() { tracer?.flush(now: .max) }

    /// Whether ``tick(now:)`` has anything to wait for, or a changed number of entries to report.
    public var needsTicks: Bool {
        !calls.isEmpty || reportedEntries != calls.entryCount || (isTraced && tracer?.isWaiting == true)
    }

    /// The calls in flight of all sessions.
    public var callsInFlight: Int { calls.inFlight }

    func countUninspected(_ session: Session, _ count: Int) {
        let reason: UninspectedReason
        if case .blind = session.decoder {
            reason = .blind
        } else {
            switch session.connectionProtocol {
            case .tls: reason = .tls
            case .http: reason = .http
            default: reason = .opaque
            }
        }
        recorder.uninspectedBytes(UInt64(count), reason: reason)
    }
}
