public import Calls
public import Inspection
public import Wire

/// The connection between captured streams and the sessions that the proxy uses too.
///
/// The sessions' clock is the capture's: deadlines pass with its packets.
public final class CaptureInspector: StreamConsumer {
    /// A connection; a class, so that counting its bytes copies nothing.
    private final class Stream {
        let session: Session
        /// True if the end that was seen first is the client, as far as is known.
        let isFirstClient: Bool
        let ends: ObservedConnection
        let start: UInt64
        var bytesToUpstream: UInt64 = 0
        var bytesToDownstream: UInt64 = 0
        var marks = CallMarks()

        init(session: Session, isFirstClient: Bool, ends: ObservedConnection, start: UInt64) {
            self.session = session
            self.isFirstClient = isFirstClient
            self.ends = ends
            self.start = start
        }

        func direction(_ role: EndpointRole) -> Direction {
            (role == .first) == isFirstClient ? .toUpstream : .toDownstream
        }
    }

    private static let tickNanoseconds: UInt64 = 100_000_000

    private let inspector: Inspector
    private let side: Side
    private var streams: [Stream?] = []
    private var plan = Plan()
    private var lastTick: UInt64 = 0
    private var now: UInt64 = 0
    private var markTimes = CallMarkTimes()

    /// Feeds `inspector`.
    ///
    /// - Parameters:
    ///   - inspector: The inspector whose observers and numbers receive the capture's content.
    ///   - side: On which side of the services the capture was taken.
    public init(inspector: Inspector, side: Side) {
        self.inspector = inspector
        self.side = side
    }

    /// Opens a session for the connection.
    public func opened(
        _ connection: Int,
        first: Endpoint,
        second: Endpoint,
        client: ClientKnowledge,
        time: UInt64
    ) {
        advance(to: time)
        let isFirstClient = client != .known(.second)
        let isKnown = client != .unknown
        let client = isFirstClient ? first : second
        let server = isFirstClient ? second : first
        let ends = ObservedConnection(client: client, server: server)
        let session = inspector.open(side: side, connection: ends, isMidstream: !isKnown, isClientUnknown: !isKnown)
        while streams.count <= connection { streams.append(nil) }
        streams[connection] = Stream(session: session, isFirstClient: isFirstClient, ends: ends, start: now)
    }

    /// Passes bytes to the connection's session.
    public func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        let direction = stream.direction(role)
        if direction == .toUpstream {
            stream.bytesToUpstream &+= UInt64(bytes.byteCount)
        } else {
            stream.bytesToDownstream &+= UInt64(bytes.byteCount)
        }
        plan.removeAll()
        inspector.receive(stream.session, bytes: bytes, going: direction, now: time, plan: &plan)
    }

    /// Reports a hole to the connection's session.
    public func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        inspector.missed(stream.session, count: byteCount, going: stream.direction(role), now: time)
    }

    /// Reports to the connection's session that one end sends no more.
    public func ended(_ connection: Int, from role: EndpointRole, time: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        plan.removeAll()
        inspector.ended(stream.session, stream.direction(role), now: time, plan: &plan)
    }

    /// Closes the connection's session.
    public func closed(_ connection: Int, reason: CloseReason, time: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        inspector.close(stream.session, now: now)
        streams[connection] = nil
    }

    /// Lets time pass; calls whose deadline has passed are given up.
    func advance(to time: UInt64) {
        now = max(now, time)
        guard now >= lastTick + Self.tickNanoseconds else { return }
        lastTick = now
        inspector.tick(now: now)
        if now >= markTimes.next { takeMarks() }
    }

    /// Notes the number of calls that have begun on each connection.
    private func takeMarks() {
        let slot = markTimes.begin(now)
        for case let stream? in streams { stream.marks.note(stream.session.begunCalls, at: slot) }
    }
}

extension CaptureInspector: ConnectionOwner {
    /// The open connections.
    public var connectionReports: [ConnectionReport] {
        streams.enumerated().compactMap { connection, stream in
            guard let stream else { return nil }
            let ends = ConnectionReport.Ends(
                id: UInt64(connection),
                peer: stream.ends.clientEnd,
                upstream: stream.ends.serverEnd,
                bytesToUpstream: stream.bytesToUpstream,
                bytesToDownstream: stream.bytesToDownstream
            )
            return ConnectionReport(
                ends,
                session: stream.session,
                since: stream.start,
                marks: stream.marks,
                times: markTimes,
                now: now
            )
        }
    }

    /// Does nothing: the connections of a capture cannot be written to.
    public func signalDrains() {}
}
