internal import Clocks
internal import Synchronization

/// A small provider on 127.0.0.1 whose services belong to an imaginary shop.
///
/// Like Dubbo 3 it tells from a connection's first bytes what is spoken there: Dubbo 2, Triple, or JSON-RPC over
/// HTTP/1.1. It is a real peer. In Dubbo 2 it takes requests in Hessian 2, oneway and generic ones too, answers with
/// values, nulls, Java exceptions and error statuses, and answers heartbeats. In Triple it answers with messages, one
/// or many, with exceptions and gRPC statuses, and gives up what its caller gave up. In JSON-RPC it takes calls,
/// notifications and batches. Requests of one connection are served side by side, so that replies come in another
/// order, unless the protocol has none but one. What cannot be read ends the connection it came on.
///
/// It serves until ``stop()`` is called; without that its threads keep it alive.
public final class DemoProvider: Sendable {
    /// The most connections at a time; further ones are closed at once.
    static let maxConnections = 256

    private struct State {
        var isStopped = false
        var counts = DemoProviderCounts()
        var accepted: UInt64 = 0
        var connections: [UInt64: ProviderConnection] = [:]
    }

    /// The port it listens on.
    public let port: UInt16
    private let listener: DemoListener
    private let seed: UInt64
    private let threads = DemoThreads()
    private let state = Mutex(State())

    /// Begins to serve.
    ///
    /// - Parameters:
    ///   - port: The port to listen on; 0 lets the kernel choose.
    ///   - seed: The seed of the service times.
    /// - Throws: ``DemoError`` when the port is taken or no thread can be had.
    public init(port: UInt16 = 0, seed: UInt64 = 1) throws(DemoError) {
        listener = try DemoListener(port: port)
        self.port = listener.port
        self.seed = seed
        guard threads.start({ self.accept() }) else { throw .noThread }
    }

    /// The counts up to now.
    public var counts: DemoProviderCounts {
        state.withLock { state in
            state.connections.values.reduce(into: state.counts) { $0.add($1.counts) }
        }
    }

    /// Ends every connection and returns when the port is free and no thread is left; a second call does nothing.
    public func stop() {
        listener.shutDown()
        let connections = state.withLock { state in
            state.isStopped = true
            return Array(state.connections.values)
        }
        for connection in connections { connection.stop() }
        threads.waitForAll()
    }

    private func accept() {
        let pause = DemoBell()
        while !state.withLock({ $0.isStopped }) {
            guard let socket = listener.accept() else {
                // Out of descriptors, or stopped: look again soon.
                pause.wait(until: SystemClock.now() + 10_000_000)
                continue
            }
            serve(socket)
        }
    }

    private func serve(_ socket: DemoSocket) {
        let admitted: (UInt64, ProviderConnection)? = state.withLock { state in
            guard !state.isStopped, state.connections.count < Self.maxConnections else { return nil }
            state.accepted += 1
            state.counts.connections += 1
            let connection = ProviderConnection(socket, random: DemoRandom(seed: seed ^ state.accepted))
            state.connections[state.accepted] = connection
            return (state.accepted, connection)
        }
        guard let (number, connection) = admitted else { return }
        let isReplying = threads.start { connection.sendReplies() }
        let isReading = threads.start {
            connection.serve()
            self.ended(number)
        }
        if !isReplying || !isReading {
            connection.stop()
            ended(number)
        }
    }

    private func ended(_ number: UInt64) {
        state.withLock { state in
            guard let connection = state.connections.removeValue(forKey: number) else { return }
            state.counts.add(connection.counts)
        }
    }
}

/// The counts of a ``DemoProvider``.
public struct DemoProviderCounts: Equatable, Sendable {
    /// Connections taken.
    public internal(set) var connections: UInt64 = 0
    /// Requests that ask for a reply, readable or not, those of a batch one by one; heartbeats are not included.
    public internal(set) var requests: UInt64 = 0
    /// Requests that ask for none.
    public internal(set) var onewayRequests: UInt64 = 0
    /// Requests that came through `$invoke`.
    public internal(set) var genericRequests: UInt64 = 0
    /// Requests that their callers gave up before the reply was complete.
    public internal(set) var cancelledRequests: UInt64 = 0
    /// Replies to requests, those of a batch one by one.
    public internal(set) var replies: UInt64 = 0
    /// Heartbeats and HTTP/2 pings answered.
    public internal(set) var heartbeats: UInt64 = 0
    /// Frames, bodies and connections that could not be read.
    public internal(set) var decodeErrors: UInt64 = 0

    /// Zero counts.
    public init() {}

    mutating func add(_ other: DemoProviderCounts) {
        connections += other.connections
        requests += other.requests
        onewayRequests += other.onewayRequests
        genericRequests += other.genericRequests
        cancelledRequests += other.cancelledRequests
        replies += other.replies
        heartbeats += other.heartbeats
        decodeErrors += other.decodeErrors
    }
}
