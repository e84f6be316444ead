internal import Calls
internal import Telemetry
internal import Wire

/// What a protocol's session is given with each input: whose connection it is, the time, and what the worker has.
struct ConnectionContext {
    /// The worker's inspector.
    let inspector: Inspector
    /// The connection.
    let session: Session
    /// When the input came, in nanoseconds.
    let now: UInt64
    /// Whether the bytes can still be held back or changed, and a stage of the pipeline may want that.
    let isGoverned: Bool

    /// The context of an input.
    ///
    /// - Parameters:
    ///   - inspector: The worker's inspector.
    ///   - session: The connection.
    ///   - now: The time, in nanoseconds.
    ///   - isForwarded: Whether the bytes have been passed on already: nothing of them can be held back or changed.
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

    /// Where calls begin and end.
    var tracker: CallTracker { inspector.tracker }
    /// What decides about requests.
    var pipeline: RequestPipeline { inspector.pipeline }
    /// The names of operations.
    var operations: OperationNames { inspector.operations }
    /// The worker's readers.
    var pool: ReaderPool { inspector.pool }
    /// Where the numbers go.
    var recorder: Recorder { inspector.recorder }
}

/// The state of one connection in one protocol, both directions.
///
/// Of each direction it gets every byte once and in order, in pieces of any size, and makes calls of them; see
/// ``CallTracker`` for the order in which it tells of those. It says in the plan what is to become of the bytes; see
/// ``Plan``. Where ``ConnectionContext/isGoverned`` is false it forwards all; otherwise it holds a request back until
/// its names are known, asks the ``RequestPipeline`` once and carries the decision out.
protocol ProtocolSession: AnyObject {
    /// Whether neither direction is inside a message, and none is known to be on its way.
    var isQuiet: Bool { get }

    /// Bytes arrived.
    func receive(_ bytes: RawSpan, _ direction: Direction, _ context: ConnectionContext, _ plan: inout Plan)

    /// A direction has ended: what it had half said will not be finished. What the plan does not cover is dropped.
    func ended(_ direction: Direction, _ context: ConnectionContext, _ plan: inout Plan)

    /// Bytes of a direction were not seen (a capture with holes).
    func missed(_ count: UInt64, _ direction: Direction, _ context: ConnectionContext)

    /// Drains were started or undone: says in the plan's reply what downstream is to be told; see
    /// ``Inspector/signalDrains(_:now:plan:)``.
    func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan)

    /// A call that its caller had given up got no trailers in time; see ``CallTracker/giveUp(_:on:as:now:)``.
    func trailersFailed(_ id: UInt64, _ context: ConnectionContext)

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
    func releaseHeld(_ direction: Direction, _ context: ConnectionContext, _ plan: inout Plan) -> Bool

    /// Nothing more of the connection is decoded: what the session keeps for calls is given back.
    func goBlind(_ context: ConnectionContext)

    /// The connection has ended; its calls still open are ended as unanswered afterwards.
    func close(_ context: ConnectionContext)
}

extension ProtocolSession {
    /// Nothing waits for a time.
    var isTimed: Bool { false }

    /// There are no streams in the protocol.
    func messages(of call: CallTable.Entry) -> StreamMessages? { nil }

    /// There are no trailers in the protocol.
    func trailersFailed(_ id: UInt64, _ context: ConnectionContext) {}

    /// Nothing can be told in the protocol.
    func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan) {}

    /// Nothing is kept.
    func goBlind(_ context: ConnectionContext) {}
}
