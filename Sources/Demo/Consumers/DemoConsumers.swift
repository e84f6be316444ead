public import Calls
internal import Synchronization

/// Consumers of the demo's services: some connections of five applications, calling at a steady total rate.
///
/// Three of the applications speak Dubbo 2, one Triple, one JSON-RPC over HTTP/1.1.
///
/// The rate does not wait for replies (an open loop), so each connection has several calls in flight. The calls and
/// their order on each connection follow from the seed. A connection that ends is made again.
///
/// It calls until ``stop()`` is called; without that its threads keep it alive.
public final class DemoConsumers: Sendable {
    /// The highest rate, in calls a second.
    public static let maxCallsPerSecond = 20_000
    /// The most connections.
    public static let maxConnections = 64
    /// The applications that the connections belong to, in rotation.
    private static let callers: [Caller] = [
        .dubbo(0), .triple, .jsonrpc, .dubbo(1), .triple, .dubbo(2), .jsonrpc, .dubbo(0),
    ]

    /// An application, by its place among those of its protocol.
    private enum Caller {
        case dubbo(Int)
        case triple, jsonrpc

        var callProtocol: CallProtocol {
            switch self {
            case .dubbo: .dubbo
            case .triple: .triple
            case .jsonrpc: .jsonrpc
            }
        }
    }

    private let connections: [any Consumer]
    private let tally = DemoTally()
    private let threads = DemoThreads()
    private let hasStarted = Mutex(false)

    /// Consumers that have not begun.
    ///
    /// - Parameters:
    ///   - address: An IP address: the provider's, or a proxy's in front of it.
    ///   - port: Its port.
    ///   - callsPerSecond: The total rate, from 1 to ``maxCallsPerSecond``; other rates are brought into this range.
    ///   - connections: The number, from 1 to ``maxConnections``. Of eight, four speak Dubbo 2, two Triple, two
    ///     JSON-RPC.
    ///   - seed: The seed of the choice of calls.
    ///   - protocols: The protocols that are spoken; with none of them there are no connections.
    public init(
        address: String,
        port: UInt16,
        callsPerSecond: Int = 400,
        connections: Int = 8,
        seed: UInt64 = 1,
        protocols: Set<CallProtocol> = Set(CallProtocol.allCases)
    ) {
        var random = DemoRandom(seed: seed)
        let dubbo = DemoTraffic.applications(&random)
        let triple = TripleTraffic.application(&random)
        let jsonrpc = JSONTraffic.application(&random)
        let rate = Double(min(max(callsPerSecond, 1), Self.maxCallsPerSecond))
        let callers = Self.callers.filter { protocols.contains($0.callProtocol) }
        let count = callers.isEmpty ? 0 : min(max(connections, 1), Self.maxConnections)
        let setup = ConsumerSetup(
            address: address,
            port: port,
            callsPerSecond: rate / Double(max(count, 1)),
            tally: tally,
            threads: threads
        )
        var made: [any Consumer] = []
        for index in 0..<count {
            let random = DemoRandom(seed: random.next())
            switch callers[index % callers.count] {
            case .dubbo(let place):
                made.append(ConsumerConnection<DubboLink>(dubbo[place], setup, random: random))
            case .triple: made.append(ConsumerConnection<TripleLink>(triple, setup, random: random))
            case .jsonrpc: made.append(ConsumerConnection<JSONLink>(jsonrpc, setup, random: random))
            }
        }
        self.connections = made
    }

    /// The counts of calls and replies up to now.
    public var counts: DemoCounts { tally.counts }

    /// The names of the applications that call, as Dubbo and Triple callers tell them.
    public var applications: [String] {
        connections.reduce(into: []) { names, connection in
            if !names.contains(connection.applicationName) { names.append(connection.applicationName) }
        }
    }

    /// Begins to call; a second call does nothing.
    public func start() {
        let isFirst = hasStarted.withLock { hasStarted in
            defer { hasStarted = true }
            return !hasStarted
        }
        guard isFirst else { return }
        for connection in connections {
            // Without a thread there is one connection less, and it says so in the counts.
            let hasThread = threads.start { connection.run() }
            if !hasThread { tally.update { $0.failedConnections += 1 } }
        }
    }

    /// Ends the calling, waits up to half a second for replies, and returns when no thread is left.
    ///
    /// Calls that still wait then are counted as unanswered. Stopped consumers cannot start again.
    public func stop() {
        hasStarted.withLock { $0 = true }
        for connection in connections { connection.stop() }
        threads.waitForAll()
    }
}

/// The counts that all connections add to.
final class DemoTally: Sendable {
    private let state = Mutex(DemoCounts())

    var counts: DemoCounts { state.withLock { $0 } }

    func update(_ body: (inout DemoCounts) -> Void) { state.withLock { body(&$0) } }
}
