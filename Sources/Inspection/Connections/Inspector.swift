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
        /// True if tools of MCP servers are told apart.
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

    let limits: Limits
    /// Where the numbers go.
    public let recorder: Recorder
    let connections = ConnectionTable()
    /// Decides about requests, by the stages that are in force.
    let pipeline: RequestPipeline
    let operations: OperationNames
    let tracker: CallTracker
    let pool = ReaderPool()
    /// Protocols from outside this module; to be set before the first connection.
    package var extensions: [any ProtocolExtension] = []
    /// The attachments and headers whose values are wanted.
    private(set) var selector = FieldSelector.none
    /// True if any is: asking the selector itself would retain it.
    private(set) var isSelecting = false
    /// The knowledge of HTTP requests' paths.
    var rpcPaths = RPCPaths()
    /// How many sessions hold requests back that more bytes may never follow, and when the first is to be released.
    var heldSessions = 0
    var nextRelease = UInt64.max
    /// How many sessions' consumers are waited for to come back; see ``DrainRecall``.
    var recalls = 0
    /// Is told every message; `nil` costs nothing.
    public var messageObserver: (any MessageObserver)?

    /// An inspector without sessions.
    ///
    /// - Parameters:
    ///   - registry: The operations of the process.
    ///   - recorder: Where the numbers go.
    ///   - limits: The bounds.
    public init(registry: OperationRegistry, recorder: Recorder, limits: Limits = Limits()) {
        self.recorder = recorder
        recorder.operations = registry
        self.limits = limits
        pipeline = RequestPipeline(registry: registry, recorder: recorder)
        operations = OperationNames(
            registry: registry,
            pipeline: pipeline,
            tellsToolsApart: limits.tellsToolsApart
        )
        tracker = CallTracker(
            limits: limits,
            recorder: recorder,
            connections: connections,
            pipeline: pipeline,
            operations: operations
        )
    }

    // MARK: What is in force

    /// The rules, one of the stages that decide about requests; `nil` costs nothing.
    public var rules: (any RequestStage)? {
        get { pipeline.rules }
        set { pipeline.rules = newValue }
    }

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

    /// Says what is drained; `nil` costs nothing.
    ///
    /// When drains are started or undone the owner says so with ``drainsChanged()``.
    public var drainGate: DrainGate? {
        get { pipeline.drains.gate }
        set { pipeline.drains.gate = newValue }
    }

    /// True if anything is drained.
    public var isDraining: Bool { pipeline.drains.isActive }

    /// Makes spans of calls; `nil` costs nothing.
    public var tracer: Tracer? {
        get { tracker.tracer }
        set {
            tracker.tracer = newValue
            pipeline.injection.tracer = newValue
            updateSelector()
        }
    }

    /// Is told every finished call; `nil` costs nothing.
    public var callObserver: (any CallObserver)? {
        get { tracker.observer }
        set {
            tracker.observer = newValue
            updateSelector()
        }
    }

    /// Compiles what is wanted of requests anew: traces, the settings' own list, limits.
    func updateSelector() {
        let limited = pipeline.limits.attachmentNames
        let listed = tracer?.options.attachments ?? []
        let traces = tracker.wantsTraces
        selector =
            traces || !limited.isEmpty
            ? FieldSelector(traces: traces, listed: listed, limited: limited) : .none
        isSelecting = !selector.isEmpty
    }

    /// Where callers get their numbers, to be counted by; `nil` costs nothing.
    public var callerRegistry: CallerRegistry? {
        get { tracker.callers.registry }
        set { tracker.callers = CallerNumbers(registry: newValue) }
    }

    /// Where calls wait whose replies come on other connections.
    ///
    /// Inspectors that see connections of the same clients share one; each begins with one of its own.
    public var correlation: CorrelationTable {
        get { tracker.correlated.waiting }
        set { tracker.correlated.waiting = newValue }
    }

    // MARK: Sessions

    /// A session for a new connection.
    ///
    /// - Parameters:
    ///   - side: On which side of the service Weir stands.
    ///   - connection: The connection's ends, if they are known; without them observers are told of nothing.
    ///   - isMidstream: True if the connection's first bytes were not seen.
    ///   - isClientUnknown: True if it is not known who opened the connection.
    /// - Returns: The session, until ``close(_:now:)``.
    public func open(
        side: Side,
        connection: ObservedConnection? = nil,
        isMidstream: Bool = false,
        isClientUnknown: Bool = false
    ) -> Session {
        let session = connections.add { number in
            Session(
                number: number,
                side: side,
                connection: connection,
                isMidstream: isMidstream,
                isClientUnknown: isClientUnknown
            )
        }
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

    /// A session of a protocol that needs no detection.
    ///
    /// - Parameters:
    ///   - side: On which side of the service Weir stands.
    ///   - session: The decoder of the connection's bytes.
    /// - Returns: The session, until ``close(_:now:)``.
    package func open(side: Side, as session: some ProtocolSession) -> Session {
        let opened = open(side: side)
        opened.decoder = .other(session)
        return opened
    }

    /// The connection has ended: its calls go unanswered.
    ///
    /// - Parameters:
    ///   - session: The connection's session; it must not be used again.
    ///   - now: The time, in nanoseconds.
    public func close(_ session: Session, now: UInt64) {
        if case .detecting = session.decoder { endDetection(session) }
        session.decoder.session?.close(ConnectionContext(self, session, now: now))
        endHold(session)
        endRecall(session)
        tracker.endAll(on: session, as: .unanswered, now: now)
        recorder.connectionClosed(side: session.side, connectionProtocol: session.connectionProtocol)
        connections.remove(session.number)
    }

    /// The session stops decoding: its calls are lost, its bytes go on.
    ///
    /// - Parameters:
    ///   - session: A connection's session that cannot follow its bytes any more.
    ///   - now: The time, in nanoseconds.
    package func goBlind(_ session: Session, now: UInt64) {
        session.decoder.session?.goBlind(ConnectionContext(self, session, now: now))
        session.decoder = .blind
        tracker.endAll(on: session, as: .lost, now: now)
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
        bytes: RawSpan,
        going direction: Direction,
        now: UInt64,
        plan: inout Plan
    ) {
        let context = ConnectionContext(self, session, now: now)
        dispatch(bytes, going: direction, in: context, plan: &plan)
        if context.isGoverned || session.heldUntil != nil { noteHeld(session, going: direction, now: now) }
    }

    /// Gives bytes to what decodes them.
    @inline(__always)
    func dispatch(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        switch context.session.decoder {
        case .dubbo(let dubbo): dubbo.receive(bytes, going: direction, in: context, plan: &plan)
        case .other(let decoder): decoder.receive(bytes, going: direction, in: context, plan: &plan)
        case .detecting: detect(bytes, going: direction, in: context, plan: &plan)
        case .opaque, .blind:
            countUninspected(context.session, bytes.byteCount)
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
        let context = ConnectionContext(self, session, now: now)
        switch session.decoder {
        case .dubbo(let dubbo): dubbo.ended(direction, in: context, plan: &plan)
        case .other(let decoder): decoder.ended(direction, in: context, plan: &plan)
        case .detecting, .opaque, .blind: plan.forwardAll(endsAtBoundary: true)
        }
    }

    /// Bytes of one direction were not seen (a capture with holes).
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - count: How many are missing.
    ///   - direction: Which way they went.
    ///   - now: The time, in nanoseconds.
    public func missed(_ session: Session, count: UInt64, going direction: Direction, now: UInt64) {
        recorder.uninspectedBytes(count, reason: .gap)
        if case .detecting = session.decoder {
            // What comes next may be the middle of anything.
            session.detection.searchedBytes += session.detection.take(direction).count
            session.detection.isMidstream = true
            session.detection.textBytes = nil
        }
        session.decoder.session?.missed(
            count,
            going: direction,
            in: ConnectionContext(self, session, now: now)
        )
    }

    /// The session held back more than the relay keeps: everything was passed on, and it decides nothing any more.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - now: The time, in nanoseconds.
    public func overran(_ session: Session, now: UInt64) { goBlind(session, now: now) }

    // MARK: Time

    /// Gives up the calls whose deadline has passed.
    ///
    /// - Parameter now: The time, in nanoseconds; never less than before.
    public func tick(now: UInt64) {
        tracker.tick(now: now) { call, session in
            guard case .other(let decoder) = session.decoder else { return false }
            decoder.trailersFailed(call.id, ConnectionContext(self, session, now: now))
            return true
        }
    }

    /// Hands over the spans that still wait for something.
    public func flushSpans() { tracer?.flush(now: .max) }

    /// Ends the calls that have left their connections: nothing further will be read.
    ///
    /// - Parameter now: The time, in nanoseconds.
    public func endCorrelated(now: UInt64) { tracker.endCorrelated(now: now) }

    /// True if ``tick(now:)`` has anything to wait for, or a changed number of entries to report.
    public var needsTicks: Bool { tracker.needsTicks }

    /// The calls in flight of all sessions.
    public var callsInFlight: Int { tracker.table.inFlight }
}
