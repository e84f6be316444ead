public import Calls
public import Policy
public import Wire

/// A connection as the admin API reports it.
public struct ConnectionReport: Sendable {
    /// The facts of a connection that its owner knows and its session does not.
    public struct Ends: Sendable {
        /// A number that no other connection of the worker has.
        public var id: UInt64
        /// The peer that opened the connection.
        public var peer: Endpoint
        /// The other end.
        public var upstream: Endpoint
        /// Bytes from downstream.
        public var bytesToUpstream: UInt64
        /// Bytes from upstream.
        public var bytesToDownstream: UInt64
        /// True if upstream has not accepted yet.
        public var isConnecting: Bool

        /// Ends of those values.
        public init(
            id: UInt64,
            peer: Endpoint,
            upstream: Endpoint,
            bytesToUpstream: UInt64,
            bytesToDownstream: UInt64,
            isConnecting: Bool = false
        ) {
            self.id = id
            self.peer = peer
            self.upstream = upstream
            self.bytesToUpstream = bytesToUpstream
            self.bytesToDownstream = bytesToDownstream
            self.isConnecting = isConnecting
        }
    }

    /// The owner's facts.
    public let ends: Ends
    /// The side of the service that Weir is on.
    public let side: Side
    /// The protocol.
    public let connectionProtocol: ConnectionProtocol
    /// The time since it was accepted, in nanoseconds.
    public let ageNanoseconds: UInt64
    /// The number of calls that wait for a reply.
    public let inFlight: Int
    /// The number of calls that have ended.
    public let finishedCalls: UInt64
    /// The last caller: a place in the process's ``CallerRegistry``.
    public let caller: UInt8
    /// The name of the last caller; empty if unknown or not tracked.
    public let callerName: String
    /// The signals by which its consumer was told of drains.
    public let drainSignals: DrainSignals
    /// The number of calls to what is drained.
    public let lateCalls: UInt64
    /// True if its consumer answers events that ask for no answer, as dubbo-go does and Java does not; false if it was
    /// sent none.
    public let answersEvents: Bool
    /// Calls a second over the last minute and up to 10 s more, or since it was accepted.
    public let minuteRate: Double
    /// Calls a second over the last 5 s and up to 10 s more.
    public let currentRate: Double

    /// A number that no other connection of the worker has.
    public var id: UInt64 { ends.id }
    /// The peer that opened the connection.
    public var peer: Endpoint { ends.peer }
    /// The other end.
    public var upstream: Endpoint { ends.upstream }
    /// Bytes from downstream.
    public var bytesToUpstream: UInt64 { ends.bytesToUpstream }
    /// Bytes from upstream.
    public var bytesToDownstream: UInt64 { ends.bytesToDownstream }
    /// True if upstream has not accepted yet.
    public var isConnecting: Bool { ends.isConnecting }

    /// A report of those values.
    public init(
        _ ends: Ends,
        side: Side,
        connectionProtocol: ConnectionProtocol,
        ageNanoseconds: UInt64,
        inFlight: Int,
        finishedCalls: UInt64,
        caller: UInt8,
        callerName: String,
        drainSignals: DrainSignals,
        lateCalls: UInt64,
        answersEvents: Bool,
        minuteRate: Double,
        currentRate: Double
    ) {
        self.ends = ends
        self.side = side
        self.connectionProtocol = connectionProtocol
        self.ageNanoseconds = ageNanoseconds
        self.inFlight = inFlight
        self.finishedCalls = finishedCalls
        self.caller = caller
        self.callerName = callerName
        self.drainSignals = drainSignals
        self.lateCalls = lateCalls
        self.answersEvents = answersEvents
        self.minuteRate = minuteRate
        self.currentRate = currentRate
    }
}

extension ConnectionReport {
    /// The report of a connection of this process.
    ///
    /// - Parameters:
    ///   - ends: The owner's facts.
    ///   - session: Its session.
    ///   - start: The time at which it began, in nanoseconds.
    ///   - marks: Its marks.
    ///   - times: The times of the marks.
    ///   - now: The time, in nanoseconds.
    public init(
        _ ends: Ends,
        session: Session,
        since start: UInt64,
        marks: CallMarks,
        times: CallMarkTimes,
        now: UInt64
    ) {
        func rate(_ window: UInt64) -> Double {
            times.rate(of: marks, calls: session.begunCalls, since: start, over: window, now: now)
        }
        self.init(
            ends,
            side: session.side,
            connectionProtocol: session.connectionProtocol,
            ageNanoseconds: now > start ? now - start : 0,
            inFlight: session.inFlight,
            finishedCalls: session.finishedCalls,
            caller: session.callerNumber,
            callerName: session.lastCallerName,
            drainSignals: session.drainSignals,
            lateCalls: session.lateCalls,
            answersEvents: session.answersEvents,
            minuteRate: rate(60_000_000_000),
            currentRate: rate(5_000_000_000)
        )
    }
}
