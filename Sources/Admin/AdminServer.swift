public import Logging
internal import NIOCore
internal import NIOPosix
public import ServiceLifecycle

/// The admin API: metrics, health, and what is known of operations and connections, over HTTP/1.1.
///
/// It runs on one thread of its own. Stopped gracefully it takes no new connections and answers what it has.
public struct AdminServer: Service {
    /// Where to listen.
    public struct Address: Equatable, Sendable {
        /// A host name or an IP address.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int

        /// An address of those parts.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// Which listeners there are.
    public struct Configuration: Equatable, Sendable {
        /// The listener that serves everything.
        public var main: Address
        /// A second listener that serves `/metrics`, `/healthz` and `/readyz` only.
        public var metrics: Address?

        /// What requests that change something must carry as their bearer token; `nil` when they need none.
        public var token: String?

        /// A configuration of those listeners.
        ///
        /// - Parameters:
        ///   - main: The listener that serves everything.
        ///   - metrics: A second listener that serves `/metrics`, `/healthz` and `/readyz` only.
        ///   - token: What requests that change something must carry as their bearer token.
        public init(main: Address, metrics: Address? = nil, token: String? = nil) {
            self.main = main
            self.metrics = metrics
            self.token = token
        }
    }

    /// One of the listeners.
    public enum Listener: Hashable, Sendable {
        /// It serves everything.
        case main
        /// It serves what a scraper and a kubelet ask for.
        case metrics
    }

    /// The most connections of one listener; further ones wait until one ends.
    public static let maxConnections = 256
    /// How long a connection may be silent between requests, in seconds.
    public static let idleSeconds: Int64 = 75

    private let configuration: Configuration
    private let backend: any AdminBackend
    private let logger: Logger
    private let inherited: [Listener: Int32]
    private let onListening: @Sendable (Listener, Int) -> Void
    private let sockets = AdminSockets()

    /// A server that listens once it is run.
    ///
    /// - Parameters:
    ///   - configuration: The listeners.
    ///   - backend: Where the numbers come from.
    ///   - logger: Told when a listener is there.
    ///   - inherited: Descriptors of listening sockets of these addresses, used instead of opening new ones; they
    ///     become the server's own.
    ///   - onListening: Called with a listener and its port once it accepts connections.
    public init(
        configuration: Configuration,
        backend: any AdminBackend,
        logger: Logger,
        inherited: [Listener: Int32] = [:],
        onListening: @escaping @Sendable (Listener, Int) -> Void = { _, _ in }
    ) {
        self.configuration = configuration
        self.backend = backend
        self.logger = logger
        self.inherited = inherited
        self.onListening = onListening
    }

    /// Serves until it is stopped gracefully or cancelled.
    ///
    /// - Throws: ``AdminError/cannotListen(host:port:reason:)`` when an address cannot be used.
    public func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let source = MetricsSource(backend: backend)
        var services = [listening(.main, configuration.main, group, source)]
        if let metrics = configuration.metrics { services.append(listening(.metrics, metrics, group, source)) }
        // The event loop is not shut down: the last connections may still have tasks for it when run() returns, and the
        // process ends soon after.
        try await ServiceGroup(configuration: .init(services: services, logger: Self.quiet(logger))).run()
    }

    /// Duplicates of the sockets that accept, for another process; the caller must close them.
    ///
    /// Not to be called on the server's own event loop, for which it waits.
    public func listeningSockets() -> [(listener: Listener, descriptor: Int32)] { sockets.duplicates() }

    /// Accepts no more connections; those that are open are served on, and ``run()`` goes on.
    public func stopAccepting() { sockets.close() }

    private func listening(
        _ listener: Listener,
        _ address: Address,
        _ group: MultiThreadedEventLoopGroup,
        _ source: MetricsSource
    ) -> AdminListener {
        AdminListener(
            origin: inherited[listener].map { .inherited($0) } ?? .address(address),
            responder: AdminResponder(
                listener: listener,
                backend: backend,
                source: source,
                guardian: ChangeGuard(token: configuration.token)
            ),
            group: group,
            logger: Self.quiet(logger)
        ) { [logger, onListening, sockets] channel in
            sockets.add(channel, listener)
            let port = channel.localAddress?.port ?? address.port
            logger.notice("admin API listens", metadata: ["host": "\(address.host)", "port": "\(port)"])
            onListening(listener, port)
        }
    }

    /// The same logger for the libraries, whose notices are not for our users.
    private static func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .error)
        return logger
    }
}
