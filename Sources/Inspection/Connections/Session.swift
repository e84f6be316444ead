public import Calls
internal import Dubbo
public import Policy
internal import Wire

/// A session made elsewhere, for testing the relay's execution of plans.
package protocol ExternalSession: AnyObject {
    /// Bytes arrived; see ``Inspector/receive(_:_:_:now:plan:)``.
    func receive(_ bytes: RawSpan, _ direction: Direction, now: UInt64, plan: inout Plan)
    /// A direction has ended.
    func ended(_ direction: Direction, now: UInt64, plan: inout Plan)
}

/// The protocol state of one connection, both directions; an ``Inspector`` works on it.
public final class Session {
    /// What decodes the connection's bytes.
    enum Decoder {
        case detecting
        case dubbo(DubboSession)
        case other(any ProtocolSession)
        case opaque
        case blind
        case external(any ExternalSession)

        /// The session of a protocol, if one is spoken that is known.
        var session: (any ProtocolSession)? {
            switch self {
            case .dubbo(let session): session
            case .other(let session): session
            case .detecting, .opaque, .blind, .external: nil
            }
        }
    }

    /// Distinguishes the open connections of one worker.
    let number: UInt32
    /// On which side of the service Weir stands.
    public let side: Side
    /// The ends, if they are known.
    package var connection: ObservedConnection?
    var decoder = Decoder.detecting
    /// What the connection was seen to speak.
    public internal(set) var connectionProtocol = ConnectionProtocol.silent
    /// Until when requests are held back that more bytes may never follow; `nil` while none are.
    var heldUntil: UInt64?
    /// The head of the connection's list in the call table.
    var firstCall: Int32 = -1
    /// The calls waiting for a reply.
    public internal(set) var inFlight = 0
    /// The calls that were answered or given up, or of which no reply was asked.
    public internal(set) var finishedCalls: UInt64 = 0
    /// The calls that have begun.
    public var begunCalls: UInt64 { finishedCalls &+ UInt64(inFlight) }
    /// Who called last: a place in the process's ``CallerRegistry``, if callers are wanted.
    public internal(set) var caller = CallerRegistry.unknown
    /// Who called last, as limits know callers: its name, cut; empty while there are none or nobody said.
    var lastCaller: [UInt8] = []
    /// The same as text.
    public var lastCallerName: String { String(decoding: lastCaller, as: UTF8.self) }
    /// The address of who opened the connection, without its port, as limits know peers; empty when it is not known.
    ///
    /// Of one address always the same text: an IPv4 address is written as one even where it came mapped into IPv6. Made
    /// once, when a limit first asks; at most 39 bytes.
    private(set) lazy var peerAddress = Array((seenConnection?.clientEnd.unmapped.addressText ?? "").utf8)
    /// As much of a caller's name is kept: a byte more than limits compare, so that they know a longer one.
    static let maxCallerBytes = 1025
    /// How its consumer was told that something is drained.
    public internal(set) var drainSignals: DrainSignals = []
    /// Calls to what is drained that came nevertheless.
    public internal(set) var lateCalls: UInt64 = 0
    /// Whether its consumer may keep away from it because of READONLY; see ``DrainRecall``.
    var mayKeepAway = false
    /// What is expected of its consumer; `nil` while nothing is.
    var recall: DrainRecall?
    /// Whether its consumer answers events that ask for no answer, as dubbo-go does and Java does not.
    public internal(set) var answersEvents = false
    /// Bytes of replies that have passed; counted only while calls are traced.
    var replyBytes: UInt64 = 0
    /// The bytes of each direction while they are too few to tell, at most 8 KiB each.
    private var pendingUp: [UInt8] = []
    private var pendingDown: [UInt8] = []
    /// Whether the relay holds the bytes of `pendingUp` back.
    var isPendingHeld = false
    /// Whether the connection's beginning was not seen, so that the first bytes may be the middle of anything.
    var isMidstream: Bool
    /// How many bytes have passed of a connection that began with text, while frames may follow; `nil` for all others.
    var textBytes: Int?
    /// How many bytes were searched in vain for a beginning; they are not counted yet.
    var searchedBytes = 0
    /// Whether `toUpstream` turned out to be the way from the server.
    public internal(set) var isFlipped = false
    /// Whether ``isFlipped`` may still be decided.
    var isClientUnknown: Bool

    init(number: UInt32, side: Side, connection: ObservedConnection?, isMidstream: Bool, isClientUnknown: Bool) {
        self.number = number
        self.side = side
        self.connection = connection
        self.isMidstream = isMidstream
        self.isClientUnknown = isClientUnknown
    }

    /// Whether its bytes were taken for another protocol's than Dubbo's, though nothing may have been told by them yet.
    package var isDecodedAsAnother: Bool { if case .other = decoder { true } else { false } }

    /// What a call's stream carried until it ended without its reply.
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
    func side(of direction: Direction) -> Side {
        seen(direction) == .toUpstream ? side : (side == .provider ? .consumer : .provider)
    }

    /// Whether no message is half way through in either direction, as far as the protocol can tell.
    public var isQuiet: Bool {
        switch decoder {
        case .detecting: pendingUp.isEmpty && pendingDown.isEmpty && textBytes == nil
        case .dubbo(let session): session.isQuiet && inFlight == 0
        case .other(let session): session.isQuiet && inFlight == 0
        case .opaque, .blind, .external: false
        }
    }

    /// Keeps who calls on the connection: the last that said so.
    func learn(caller: RawSpan) {
        guard caller.byteCount > 0 else { return }
        let kept = caller.extracting(first: Self.maxCallerBytes)
        let last = lastCaller
        if !last.byteSpan.elementsEqual(kept) { lastCaller = kept.array }
    }

    /// The bytes of that direction that were too few to tell; they are forgotten.
    func takePending(_ direction: Direction) -> [UInt8] {
        var taken: [UInt8] = []
        if direction == .toUpstream { swap(&taken, &pendingUp) } else { swap(&taken, &pendingDown) }
        return taken
    }

    func setPending(_ bytes: [UInt8], _ direction: Direction) {
        if direction == .toUpstream { pendingUp = bytes } else { pendingDown = bytes }
    }
}
