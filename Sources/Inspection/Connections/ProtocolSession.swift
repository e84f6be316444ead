package import Calls
package import Telemetry
internal import Wire

/// The state of one connection in one protocol, both directions.
///
/// It gets every byte of each direction once and in order, in pieces of any size, and makes calls of them; see
/// ``CallTracker`` for the order in which it tells of those. It says in the plan what is to become of the bytes; see
/// ``Plan``. Where ``ConnectionContext/isGoverned`` is false it forwards all; otherwise it holds a request back until
/// its names are known, asks the ``RequestPipeline`` once and carries the decision out.
package protocol ProtocolSession: AnyObject {
    /// True if neither direction is inside a message, and none is known to be on its way.
    var isIdle: Bool { get }

    /// Bytes arrived.
    ///
    /// - Parameters:
    ///   - bytes: What arrived, at least one byte.
    ///   - direction: Which way it goes.
    ///   - context: The connection and the time.
    ///   - plan: An empty plan; says afterwards what becomes of the bytes.
    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan)

    /// A direction has ended: what it had half said will not be finished. What the plan does not cover is dropped.
    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan)

    /// Bytes of a direction were not seen (a capture with holes).
    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext)

    /// Drains were started or undone: says in the plan's reply what downstream is to be told; see
    /// ``Inspector/signalDrains(_:now:plan:)``.
    func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan)

    /// A call that its caller had given up got no trailers in time; see ``CallTracker/giveUp(_:on:as:now:)``.
    func trailersFailed(_ id: UInt64, _ context: ConnectionContext)

    /// The messages of a call that ends without its reply; `nil` of protocols without streams, and of a single one each
    /// way.
    func messages(of call: CallTable.Entry) -> StreamMessages?

    /// True if a wait of the protocol's own is going on, with a time of its own.
    var isTimed: Bool { get }

    /// True if bytes of a direction are held back for want of those that follow.
    func isWaiting(_ direction: Direction) -> Bool

    /// The held bytes of a direction have waited long enough: they pass, or are refused by what is known of them; see
    /// ``Inspector/release(_:_:now:plan:)``.
    ///
    /// - Returns: True if there was anything.
    func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool

    /// Nothing more of the connection is decoded: what the session keeps for calls is given back.
    func goBlind(_ context: ConnectionContext)

    /// Writes what another process needs to go on with the connection, which is between two messages.
    ///
    /// Calls in flight need not be written; see ``Inspector/state(of:)``.
    ///
    /// - Parameters:
    ///   - writer: Gets the state.
    ///   - session: The connection.
    /// - Returns: The name by which ``Inspector/restore(_:side:connection:now:)`` knows what the state is of; `nil` if
    ///   the connection cannot be moved now.
    func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString?

    /// The connection has ended; its calls still open are ended as unanswered afterwards.
    func close(_ context: ConnectionContext)
}

extension ProtocolSession {
    /// The protocol does not tell where messages end.
    package var isIdle: Bool { false }

    /// Nothing waits for a time.
    package var isTimed: Bool { false }

    /// The bytes that are held back pass.
    package func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        plan.forwardAll(endsAtBoundary: true)
    }

    /// Nothing is known of missing bytes: the connection is not followed any more.
    package func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) {
        context.inspector.goBlind(context.session, now: context.now)
    }

    /// There are no streams in the protocol.
    package func messages(of call: CallTable.Entry) -> StreamMessages? { nil }

    /// There are no trailers in the protocol.
    package func trailersFailed(_ id: UInt64, _ context: ConnectionContext) {}

    /// Nothing can be told in the protocol.
    package func drainsChanged(_ context: ConnectionContext, _ plan: inout Plan) {}

    /// Nothing is held back.
    package func isWaiting(_ direction: Direction) -> Bool { false }

    /// Nothing is held back.
    package func releaseHeld(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) -> Bool {
        false
    }

    /// The connection cannot be moved.
    package func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString? { nil }

    /// Nothing is kept.
    package func goBlind(_ context: ConnectionContext) {}

    /// Nothing is kept.
    package func close(_ context: ConnectionContext) {}
}
