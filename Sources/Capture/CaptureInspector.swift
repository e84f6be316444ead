public import Calls
public import Inspection
public import Wire

/// The connection between captured streams and the sessions that the proxy uses too.
///
/// The sessions' clock is the capture's: deadlines pass with its packets.
public final class CaptureInspector: StreamConsumer {
    private struct Stream {
        let session: Session
        /// True if the end that was seen first is the client, as far as is known.
        let isFirstClient: Bool
    }

    private static let tickNanoseconds: UInt64 = 100_000_000

    private let inspector: Inspector
    private let side: Side
    private var streams: [Stream?] = []
    private var plan = Plan()
    private var lastTick: UInt64 = 0
    private var now: UInt64 = 0

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
        streams[connection] = Stream(session: session, isFirstClient: isFirstClient)
    }

    /// Passes bytes to the connection's session.
    public func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        plan.removeAll()
        inspector.receive(stream.session, bytes: bytes, going: direction(role, stream), now: time, plan: &plan)
    }

    /// Reports a hole to the connection's session.
    public func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        inspector.missed(stream.session, count: byteCount, going: direction(role, stream), now: time)
    }

    /// Reports to the connection's session that one end sends no more.
    public func ended(_ connection: Int, from role: EndpointRole, time: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        plan.removeAll()
        inspector.ended(stream.session, direction(role, stream), now: time, plan: &plan)
    }

    /// Closes the connection's session.
    public func closed(_ connection: Int, reason: CloseReason, time: UInt64) {
        advance(to: time)
        guard let stream = streams[connection] else { return }
        inspector.close(stream.session, now: now)
        streams[connection] = nil
    }

    private func direction(_ role: EndpointRole, _ stream: Stream) -> Direction {
        (role == .first) == stream.isFirstClient ? .toUpstream : .toDownstream
    }

    private func advance(to time: UInt64) {
        now = max(now, time)
        guard now >= lastTick + Self.tickNanoseconds else { return }
        lastTick = now
        inspector.tick(now: now)
    }
}
