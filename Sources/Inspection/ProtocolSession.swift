internal import Calls
internal import Wire

/// What a protocol's session is given with the bytes: whom they belong to and when they came.
struct InspectedBytes {
    /// The worker's inspector.
    let inspector: Inspector
    /// The connection's session.
    let session: Session
    /// When they came, in nanoseconds.
    let now: UInt64
    /// Whether they can still be held back or changed, and verdicts are wanted; see ``RequestPipeline``.
    let isGoverned: Bool

    init(_ inspector: Inspector, _ session: Session, _ now: UInt64, isForwarded: Bool = false) {
        self.inspector = inspector
        self.session = session
        self.now = now
        isGoverned = !isForwarded && inspector.isGoverned
    }
}

/// The state of one connection in one protocol, both directions.
///
/// Of each direction it gets every byte once and in order, in pieces of any size, and makes calls of them. It says in
/// the plan what is to become of the bytes; see ``Plan``. Where ``InspectedBytes/isGoverned`` is false it forwards all.
protocol ProtocolSession: AnyObject {
    /// Whether neither direction is inside a message, and none is known to be on its way.
    var isQuiet: Bool { get }

    /// Bytes arrived.
    func receive(_ bytes: RawSpan, _ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan)

    /// A direction has ended: what it had half said will not be finished. What the plan does not cover is dropped.
    func ended(_ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan)

    /// Bytes of a direction were not seen (a capture with holes).
    func missed(_ count: UInt64, _ direction: Direction, _ context: InspectedBytes)

    /// Drains were started or undone: says in the plan's reply what downstream is to be told; see
    /// ``Inspector/signalDrains(_:now:plan:)``.
    func drainsChanged(_ context: InspectedBytes, _ plan: inout Plan)

    /// A call that its caller had given up got no trailers in time; see ``Inspector/giveUp(_:_:as:now:)``.
    func trailersFailed(_ id: UInt64, _ context: InspectedBytes)

    /// The messages of a call that ends without its reply; `nil` of protocols without streams, and of a single one each
    /// way.
    func messages(of call: CallTable.Entry) -> StreamMessages?

    /// Whether a wait of the protocol's own is going on, with a time of its own.
    var isTimed: Bool { get }

    /// Whether bytes of a direction are held back for want of those that follow.
    func isWaiting(_ direction: Direction) -> Bool

    /// What is held back of a direction has waited long enough: it passes, or is refused by what is known of it; see
    /// ``Inspector/release(_:_:now:plan:)``.
    ///
    /// - Returns: Whether there was anything.
    func releaseHeld(_ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan) -> Bool

    /// The connection has ended; its calls still open are ended as unanswered afterwards.
    func close(_ context: InspectedBytes)
}

extension ProtocolSession {
    /// Nothing waits for a time.
    var isTimed: Bool { false }

    /// There are no streams in the protocol.
    func messages(of call: CallTable.Entry) -> StreamMessages? { nil }

    /// There are no trailers in the protocol.
    func trailersFailed(_ id: UInt64, _ context: InspectedBytes) {}

    /// Nothing can be told in the protocol.
    func drainsChanged(_ context: InspectedBytes, _ plan: inout Plan) {}
}
