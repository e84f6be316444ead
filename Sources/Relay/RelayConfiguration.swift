public import Calls
public import Inspection
public import Wire

/// How sockets are set up.
public struct SocketOptions: Sendable {
    /// Idle time before the first keepalive probe, in seconds; 0 switches keepalive off.
    public var keepAliveIdleSeconds = Defaults.keepAliveIdleSeconds
    /// Time between probes, in seconds.
    public var keepAliveIntervalSeconds = Defaults.keepAliveIntervalSeconds
    /// Probes without an answer that end the connection.
    public var keepAliveCount = Defaults.keepAliveCount
    /// `TCP_USER_TIMEOUT`, in milliseconds; 0 leaves the system's.
    public var userTimeoutMilliseconds = 0

    /// The defaults.
    public init() {}
}

/// The listener of one side, and the destination of its connections.
public struct ListenerConfiguration: Sendable {
    /// How the destination of a connection is found.
    public enum Destination: Sendable {
        /// Always this one.
        case fixed(Endpoint)
        /// An address of this name.
        case name(UpstreamName)
        /// The one the connection had before it was redirected.
        case original
        /// The local address of the connection, which a TPROXY rule left as it was.
        case transparent
    }

    /// On which side of the service Weir stands.
    public var side: Side
    /// The address to listen on.
    public var address: Endpoint
    /// True if an IPv6 wildcard takes IPv4 connections too.
    public var isDualStack: Bool
    /// The destination of its connections.
    public var destination: Destination

    /// A listener of those settings.
    public init(side: Side, address: Endpoint, isDualStack: Bool, destination: Destination) {
        self.side = side
        self.address = address
        self.isDualStack = isDualStack
        self.destination = destination
    }
}

extension Endpoint {
    /// Every address of a machine without IPv6, if this one is every address of a machine with it; else `nil`.
    public var withoutIPv6: Endpoint? {
        isIPv6 && high == 0 && low == 0 ? Endpoint(ipv4: 0, port: port) : nil
    }
}

extension ListenerConfiguration {
    /// The address on a machine without IPv6, if there is one.
    var addressWithoutIPv6: Endpoint? { isDualStack ? address.withoutIPv6 : nil }
}

/// Everything the relay needs to know.
public struct RelayConfiguration: Sendable {
    /// The listeners.
    public var listeners: [ListenerConfiguration]
    /// The number of workers; 0 for the number of usable processors, at most four.
    public var workers = 0
    /// The most connections at a time, all workers together.
    public var maxConnections = Defaults.maxConnections
    /// The longest time for upstream to accept, in nanoseconds.
    public var connectTimeoutNanoseconds = UInt64(Defaults.connectTimeoutSeconds) * 1_000_000_000
    /// The size of the one buffer that a worker reads into.
    public var readBufferBytes = Defaults.readBufferBytes
    /// True if bytes are decoded; otherwise connections are forwarded and counted as opaque.
    public var isInspecting = true
    /// How sockets are set up.
    public var socket = SocketOptions()
    /// The bounds of inspection.
    public var inspection = Inspector.Limits()

    /// A configuration with defaults for everything but the listeners.
    public init(listeners: [ListenerConfiguration]) { self.listeners = listeners }
}
