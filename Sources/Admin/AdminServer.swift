public import Logging
internal import NIOCore
internal import NIOPosix
public import ServiceLifecycle
public import Telemetry

/// The admin API: metrics, health, operations and connections, over HTTP/1.1.
///
/// It runs on a thread of its own, and the listener for probes on another. Stopped gracefully it accepts no new
/// connections and finishes the open answers.
///
/// Clients cannot hurt it: a listener's connections have a budget, idle ones are shed when others come, slow requests
/// and readers are cut off, and pages are packed and shared; see ``ConnectionTable`` and ``RenderedPage``.
public struct AdminServer: Service {
    /// An address to listen on.
    public struct Address: Hashable, Sendable {
        /// The behaviour on a machine without addresses of its family.
        public enum WithoutFamily: Hashable, Sendable {
            /// It is an error.
            case fail
            /// Another address is enough.
            case skip
            /// Listen on this host.
            case use(String)
        }

        /// A host name or an IP address.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int
        /// The behaviour on a machine without addresses of its family.
        public var withoutFamily: WithoutFamily

        /// An address of these parts.
        ///
        /// - Parameters:
        ///   - host: A host name or an IP address.
        ///   - port: The port; 0 lets the system choose.
        ///   - withoutFamily: The behaviour on a machine without addresses of its family.
        public init(host: String, port: Int, withoutFamily: WithoutFamily = .fail) {
            self.host = host
            self.port = port
            self.withoutFamily = withoutFamily
        }
    }

    /// The address of the application beside Weir.
    public struct Upstream: Equatable, Sendable {
        /// The ports that `/readyz?upstream=PORT` may ask about.
        public var ports: Set<Int>
        /// The hosts that are tried for each, in order.
        public var hosts: [String]

        /// An application's place.
        ///
        /// - Parameters:
        ///   - ports: The ports that may be asked about.
        ///   - hosts: The hosts that are tried for each, in order.
        public init(ports: Set<Int> = [], hosts: [String] = ["127.0.0.1", "::1"]) {
            self.ports = ports
            self.hosts = hosts
        }
    }

    /// The listeners, each on some addresses.
    public struct Configuration: Equatable, Sendable {
        /// The addresses that serve everything.
        public var main: [Address]
        /// The addresses that serve `/metrics`, `/healthz` and `/readyz` only.
        public var metrics: [Address]
        /// The addresses that serve `/healthz` and `/readyz` only, on a thread of their own.
        public var probes: [Address]
        /// The bearer token that requests beyond loopback, and those that change something, must carry; `nil` for none,
        /// which forbids such requests beyond loopback.
        public var token: String?
        /// Names that requests may call this machine besides IP addresses and `localhost`.
        public var hosts: [String]
        /// The address of the application beside Weir.
        public var upstream = Upstream()
        /// True if `/healthz` fails while a worker is stuck.
        public var stuckFailsHealth = false

        /// A configuration of these listeners.
        ///
        /// - Parameters:
        ///   - main: The addresses that serve everything.
        ///   - metrics: The addresses that serve `/metrics`, `/healthz` and `/readyz` only.
        ///   - probes: The addresses that serve `/healthz` and `/readyz` only.
        ///   - token: The bearer token that requests beyond loopback, and those that change something, must carry.
        ///   - hosts: Names that requests may call this machine besides IP addresses and `localhost`.
        public init(
            main: [Address],
            metrics: [Address] = [],
            probes: [Address] = [],
            token: String? = nil,
            hosts: [String] = []
        ) {
            self.main = main
            self.metrics = metrics
            self.probes = probes
            self.token = token
            self.hosts = hosts
        }

        /// Each address with the listener that it is of.
        public var places: [Place] {
            main.map { Place(.main, $0) } + metrics.map { Place(.metrics, $0) } + probes.map { Place(.probes, $0) }
        }
    }

    /// One of the listeners.
    public enum Listener: Hashable, CaseIterable, Sendable {
        /// It serves everything.
        case main
        /// It serves what a scraper and a kubelet ask for.
        case metrics
        /// It serves what a kubelet asks for.
        case probes

        /// The most connections of it, on all of its addresses; for a further one another is shed.
        public var maxConnections: Int {
            switch self {
            case .main, .metrics: 64
            case .probes: 32
            }
        }
    }

    /// An address of a listener.
    public struct Place: Hashable, Sendable {
        /// The listener.
        public var listener: Listener
        /// The address.
        public var address: Address

        /// A place of these parts.
        ///
        /// - Parameters:
        ///   - listener: The listener.
        ///   - address: The address.
        public init(_ listener: Listener, _ address: Address) {
            self.listener = listener
            self.address = address
        }
    }

    private let configuration: Configuration
    private let backend: any AdminBackend
    private let logger: Logger
    private let inherited: [Place: Int32]
    private let startsPaused: Bool
    private let onListening: @Sendable (Listener, Int) -> Void
    private let sockets = AdminSockets()
    private let live = LivePages()
    private let source: MetricsSource
    private let tables: [Listener: ConnectionTable]

    /// A server that listens once it is run.
    ///
    /// - Parameters:
    ///   - configuration: The listeners.
    ///   - backend: The source of the numbers.
    ///   - logger: The logger for the start of each listener.
    ///   - inherited: Descriptors of listening sockets of these places, used instead of opening new ones; they become
    ///     the server's own.
    ///   - startsPaused: True if nothing is accepted before ``resume()``.
    ///   - onListening: Called with a listener and its port for each of its addresses, once all are there.
    public init(
        configuration: Configuration,
        backend: any AdminBackend,
        logger: Logger,
        inherited: [Place: Int32] = [:],
        startsPaused: Bool = false,
        onListening: @escaping @Sendable (Listener, Int) -> Void = { _, _ in }
    ) {
        self.configuration = configuration
        self.backend = backend
        self.logger = logger
        self.inherited = inherited
        self.startsPaused = startsPaused
        self.onListening = onListening
        let counters = AdminCounters()
        source = MetricsSource(backend: backend, live: live, counters: counters)
        tables = Dictionary(
            uniqueKeysWithValues: Listener.allCases.map {
                ($0, ConnectionTable(limit: $0.maxConnections, counters: counters))
            }
        )
    }

    /// Serves until it is stopped gracefully or cancelled.
    ///
    /// - Throws: ``AdminError/cannotListen(host:port:reason:)`` when an address cannot be used.
    public func run() async throws {
        let services = try await listen()
        // The event loops are not shut down: the last connections may still have tasks for them when run() returns, and
        // the process ends soon after.
        try await ServiceGroup(configuration: .init(services: services, logger: quiet)).run()
    }

    /// Duplicates of the sockets that accept, for another process; the caller must close them.
    ///
    /// Do not call it on the server's own event loop, for which it waits.
    public func listeningSockets() -> [(listener: Listener, descriptor: Int32)] { sockets.duplicates() }

    /// Leaves connections waiting in the kernel: another process is about to accept them.
    ///
    /// Do not call it on the server's own event loop, for which it waits.
    public func pause() { sockets.accept(false) }

    /// Accepts connections, after a ``pause()`` too.
    ///
    /// Do not call it on the server's own event loop, for which it waits.
    public func resume() { sockets.accept(true) }

    /// Lets another process answer in place of this one.
    ///
    /// No more connections are accepted; open ones are closed after their open requests are answered, and ``run()``
    /// continues. A connection without a request yet has a second for one; answers without an end are cut off.
    public func leave() async {
        sockets.close()
        await withTaskGroup(of: Void.self) { group in
            for table in tables.values { group.addTask { await table.leave() } }
        }
    }

    /// The counts of this process, without those of ``AdminBackend/others()``.
    public func report() async -> MetricsReport { await source.report() }

    /// Opens all sockets, or none.
    private func listen() async throws -> [any Service] {
        let health = HealthAnswers(
            backend: backend,
            upstream: UpstreamCheck(configuration.upstream),
            stuckFailsHealth: configuration.stuckFailsHealth
        )
        let guardian = AdminGuard(token: configuration.token, hosts: configuration.hosts)
        let routes = AdminEndpoints(backend: backend, health: health, source: source, live: live).routes
        let pages = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let probes = configuration.probes.isEmpty ? pages : MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var services: [any Service] = []
        var open: [(place: Place, socket: any Channel)] = []
        do {
            for place in configuration.places {
                guard let table = tables[place.listener] else { continue }
                if place.listener == .probes {
                    let socket = try await listen(place, group: probes) {
                        ProbeListener.add($0, table: table, health: health)
                    }
                    guard let socket else { continue }
                    services.append(ProbeListener(socket: socket, table: table))
                    open.append((place, socket))
                } else {
                    let responder = AdminResponder(listener: place.listener, routes: routes, guardian: guardian)
                    let connections = AdminConnections(responder, table: table, logger: quiet)
                    let socket = try await listen(place, group: pages) { connections.add($0) }
                    guard let socket else { continue }
                    services.append(AdminListener(socket: socket, connections: connections))
                    open.append((place, socket))
                }
            }
        } catch {
            for (_, socket) in open { try? await socket.close() }
            throw error
        }
        announce(open)
        return services
    }

    private func listen(
        _ place: Place,
        group: MultiThreadedEventLoopGroup,
        addConnection: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> (any Channel)? {
        let socket = try await AdminSocket.listen(
            place.address,
            inherited: inherited[place],
            isPaused: startsPaused,
            group: group,
            addConnection
        )
        if socket == nil {
            logger.notice("no such address here, going without", metadata: ["host": "\(place.address.host)"])
        }
        return socket
    }

    private func announce(_ open: [(place: Place, socket: any Channel)]) {
        for (place, socket) in open {
            sockets.add(socket, place.listener)
            let host = socket.localAddress?.ipAddress ?? place.address.host
            let port = socket.localAddress?.port ?? place.address.port
            let metadata: Logger.Metadata = ["host": "\(host)", "port": "\(port)"]
            switch place.listener {
            case .main: logger.notice("admin API listens", metadata: metadata)
            case .metrics: logger.notice("metrics listen", metadata: metadata)
            case .probes: logger.notice("probes listen", metadata: metadata)
            }
            onListening(place.listener, port)
        }
    }

    /// The same logger for the libraries, whose notices are not for Weir's users.
    private var quiet: Logger {
        var quiet = logger
        quiet.logLevel = max(quiet.logLevel, .error)
        return quiet
    }
}
