public import Calls
internal import Dubbo
public import Policy
internal import Telemetry
internal import Wire

/// The protocol state of one connection, both directions; an ``Inspector`` works on it.
public final class Session {
    /// The decoder of the connection's bytes.
    enum Decoder {
        case detecting
        /// The one that is called without a witness table: a Dubbo call is cheap enough for that to count.
        case dubbo(DubboSession)
        /// Any other protocol, a ``ProtocolExtension``'s too.
        case other(any ProtocolSession)
        case opaque
        case blind

        /// The session of a protocol, if one is spoken that is known.
        var session: (any ProtocolSession)? {
            switch self {
            case .dubbo(let session): session
            case .other(let session): session
            case .detecting, .opaque, .blind: nil
            }
        }
    }

    /// Distinguishes the open connections of one worker.
    package let number: UInt32
    /// On which side of the service Weir stands.
    public let side: Side
    /// The ends, if they are known.
    package var connection: ObservedConnection?
    /// Which of the ends is the client.
    var client: ClientEnd
    var decoder = Decoder.detecting
    /// The protocol that the connection was seen to speak.
    public internal(set) var connectionProtocol = ConnectionProtocol.silent
    /// Until when requests are held back that more bytes may never follow; `nil` while none are.
    var heldUntil: UInt64?
    /// The state of ``Decoder/detecting``.
    var detection: DetectionState
    /// The calls, in numbers.
    var calls = ConnectionCalls()
    /// The caller.
    var caller = ConnectionCaller()
    /// The signals of drains to the consumer, and its calls since.
    var drain = ConnectionDrain()

    /// A session of a new connection.
    ///
    /// - Parameters:
    ///   - number: Distinguishes the open connections of one worker.
    ///   - side: On which side of the service Weir stands.
    ///   - connection: The ends, if they are known.
    ///   - isMidstream: True if the connection's first bytes were not seen.
    ///   - isClientUnknown: True if it is not known who opened the connection.
    init(number: UInt32, side: Side, connection: ObservedConnection?, isMidstream: Bool, isClientUnknown: Bool) {
        self.number = number
        self.side = side
        self.connection = connection
        detection = DetectionState(isMidstream: isMidstream)
        client = isClientUnknown ? .unknown : .downstream
    }

    /// The calls waiting for a reply.
    public var inFlight: Int { calls.inFlight }
    /// The calls that were answered or given up, or of which no reply was asked.
    public var finishedCalls: UInt64 { calls.finished }
    /// The calls that have begun.
    public var begunCalls: UInt64 { calls.finished &+ UInt64(calls.inFlight) }
    /// The last caller's place in the process's ``CallerRegistry``, if calls are counted by caller.
    public var callerNumber: UInt8 { caller.number }
    /// The last caller's name as limits compare it, truncated; empty if unknown or not tracked.
    public var lastCallerName: String { String(decoding: caller.name, as: UTF8.self) }
    /// How its consumer was told that something is drained.
    public var drainSignals: DrainSignals { drain.signals }
    /// Calls to what is drained that came nevertheless.
    public var lateCalls: UInt64 { drain.lateCalls }
    /// True if its consumer answers events that ask for no answer, as dubbo-go does and Java does not.
    public var answersEvents: Bool { drain.answersEvents }
    /// True if `toUpstream` turned out to be the way from the server.
    public var isFlipped: Bool { client == .upstream }
    /// True if ``isFlipped`` may still be decided.
    var isClientUnknown: Bool { client == .unknown }

    /// The address of who opened the connection, without its port, as limits know peers; empty when it is not known.
    ///
    /// One address has one text: an IPv4 address is written as one even where it came mapped into IPv6. Made
    /// once, when a limit first asks; at most 39 bytes.
    var peerAddress: [UInt8] {
        if let address = caller.address { return address }
        let address = Array((seenConnection?.clientEnd.unmapped.addressText ?? "").utf8)
        caller.address = address
        return address
    }

    /// A message showed which end is the client, if that was not known.
    ///
    /// - Parameter isFlipped: True if the end that is called upstream sent a request.
    func settleClient(isFlipped: Bool) {
        if client == .unknown { client = isFlipped ? .upstream : .downstream }
    }

    /// True if its bytes were taken for another protocol's than Dubbo's, though nothing may have been told by them yet.
    package var isDecodedAsAnother: Bool { if case .other = decoder { true } else { false } }

    /// The messages of a call's stream until it ended without its reply.
    func messages(of call: CallTable.Entry) -> StreamMessages? {
        guard case .other(let session) = decoder else { return nil }
        return session.messages(of: call)
    }

    /// The direction as the client sees it.
    func seen(_ direction: Direction) -> Direction { isFlipped ? direction.opposite : direction }

    /// The ends as an observer is told them.
    var seenConnection: ObservedConnection? {
        guard let connection, isFlipped else { return connection }
        return ObservedConnection(client: connection.serverEnd, server: connection.clientEnd)
    }

    /// On which side Weir stands for calls whose requests travel that way: a callback turns it round.
    package func side(of direction: Direction) -> Side {
        seen(direction) == .toUpstream ? side : (side == .provider ? .consumer : .provider)
    }

    /// True if no message is half way through in either direction, as far as the protocol can tell.
    public var isIdle: Bool {
        switch decoder {
        case .detecting: detection.isIdle
        case .dubbo(let session): session.isIdle && calls.inFlight == 0
        case .other(let session): session.isIdle && calls.inFlight == 0
        case .opaque, .blind: false
        }
    }

    /// Keeps who calls on the connection: the last that said so.
    func learn(caller: RawSpan) {
        guard caller.byteCount > 0 else { return }
        let kept = caller.extracting(first: ConnectionCaller.maxBytes)
        let last = self.caller.name
        if !last.byteSpan.elementsEqual(kept) { self.caller.name = kept.array }
    }
}

/// The context of an input to a protocol's session: the connection, the time, and the worker's parts.
package struct ConnectionContext {
    /// The worker's inspector.
    package let inspector: Inspector
    /// The connection.
    package let session: Session
    /// When the input came, in nanoseconds.
    package let now: UInt64
    /// True if the bytes can still be held back or changed, and a stage of the pipeline may want that.
    package let isGoverned: Bool

    /// The context of an input.
    ///
    /// - Parameters:
    ///   - inspector: The worker's inspector.
    ///   - session: The connection.
    ///   - now: The time, in nanoseconds.
    ///   - isForwarded: True if the bytes have been passed on already: nothing of them can be held back or changed.
    @inline(__always)
    init(_ inspector: Inspector, _ session: Session, now: UInt64, isForwarded: Bool = false) {
        self.inspector = inspector
        self.session = session
        self.now = now
        isGoverned = !isForwarded && inspector.pipeline.isActive
    }

    /// The same for bytes that have been passed on already.
    var forwarded: ConnectionContext { again(isForwarded: true) }

    /// The same for other bytes.
    func again(isForwarded: Bool) -> ConnectionContext {
        ConnectionContext(inspector, session, now: now, isForwarded: isForwarded)
    }

    /// A request's fields, empty, to be filled in one pass: only wanted ones are kept.
    ///
    /// - Returns: The worker's own, valid until the next request is read.
    package func beginFields() -> FieldValues {
        pool.fields.begin(inspector.selector)
        return pool.fields
    }

    /// Where calls begin and end.
    package var tracker: CallTracker { inspector.tracker }
    /// The pipeline that decides about requests.
    package var pipeline: RequestPipeline { inspector.pipeline }
    /// The names of operations.
    package var operations: OperationNames { inspector.operations }
    /// The worker's readers.
    var pool: ReaderPool { inspector.pool }
    /// Where the numbers go.
    var recorder: Recorder { inspector.recorder }
}
