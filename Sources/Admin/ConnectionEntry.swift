public import Calls

/// What is known of one relayed connection; a line of `/v1/connections`.
public struct ConnectionEntry: Sendable {
    /// What is being done with a connection.
    public enum State: Sendable {
        /// Upstream is being connected.
        case connecting
        /// Bytes pass.
        case open
        /// One of the peers has finished sending.
        case halfClosed
        /// It was told to send no further requests.
        case draining

        /// The word in the JSON form.
        public var label: StaticString {
            switch self {
            case .connecting: "connecting"
            case .open: "open"
            case .halfClosed: "half_closed"
            case .draining: "draining"
            }
        }
    }

    /// The connection's number in this process.
    public var id: UInt64
    /// The peer that connected to Weir, `ip:port`.
    public var peer: String
    /// The peer that Weir connected to, `ip:port`.
    public var upstream: String
    /// Where Weir stands.
    public var side: Side
    /// What it speaks.
    public var connectionProtocol: ConnectionProtocol
    /// How long it has been there, in seconds.
    public var ageSeconds: Double
    /// Calls begun and not ended.
    public var inFlight: Int
    /// Bytes passed to the upstream peer.
    public var bytesToUpstream: UInt64
    /// Bytes passed to the downstream peer.
    public var bytesToDownstream: UInt64
    /// What is being done with it.
    public var state: State

    /// An entry of those facts.
    public init(
        id: UInt64,
        peer: String,
        upstream: String,
        side: Side,
        connectionProtocol: ConnectionProtocol,
        ageSeconds: Double,
        inFlight: Int,
        bytesToUpstream: UInt64,
        bytesToDownstream: UInt64,
        state: State
    ) {
        self.id = id
        self.peer = peer
        self.upstream = upstream
        self.side = side
        self.connectionProtocol = connectionProtocol
        self.ageSeconds = ageSeconds
        self.inFlight = inFlight
        self.bytesToUpstream = bytesToUpstream
        self.bytesToDownstream = bytesToDownstream
        self.state = state
    }

    /// Appends the entry as an object.
    ///
    /// - Parameter json: Where the object goes.
    public func write(to json: inout JSONText) {
        json.beginObject()
        json.key("id")
        json.number(id)
        json.key("peer")
        json.string(peer)
        json.key("upstream")
        json.string(upstream)
        json.key("side")
        json.string(literal: side.label)
        json.key("protocol")
        json.string(literal: connectionProtocol.label)
        json.key("state")
        json.string(literal: state.label)
        json.key("age_seconds")
        json.number(ageSeconds)
        json.key("in_flight")
        json.number(inFlight)
        json.key("bytes_to_upstream")
        json.number(bytesToUpstream)
        json.key("bytes_to_downstream")
        json.number(bytesToDownstream)
        json.endObject()
    }
}
