internal import Glibc
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization

/// Serves one listener, on a socket that is opened here or was inherited from another process.
///
/// Hummingbird's own server can only open its socket itself; this one has its connections handled by Hummingbird.
struct AdminListener: Service {
    /// Where its socket comes from.
    enum Origin: Sendable {
        case address(AdminServer.Address)
        /// A descriptor of a listening socket, which becomes the listener's own.
        case inherited(Int32)
    }

    private static let backlog: Int32 = 256

    let origin: Origin
    let responder: AdminResponder
    let group: MultiThreadedEventLoopGroup
    let logger: Logger
    /// Told of the socket once it accepts.
    let onListening: @Sendable (any Channel) -> Void

    func run() async throws {
        let http = HTTP1Channel(
            responder: answer,
            configuration: .init(idleTimeout: .seconds(AdminServer.idleSeconds))
        )
        let connections = AdminConnections(http, logger)
        let listener = try await bind(connections)
        onListening(listener)
        // Answers that go on for ever end with the task that they are part of.
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await connections.handle()
            } onGracefulShutdown: {
                listener.close(promise: nil)
                connections.quiesce()
            }
        } onCancel: {
            listener.close(promise: nil)
            connections.close()
        }
    }

    private func bind(_ connections: AdminConnections) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let limit = AvailableConnectionsChannelHandler(maxConnections: AdminServer.maxConnections)
                    try channel.pipeline.syncOperations.addHandler(limit)
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { connections.add($0) }
        switch origin {
        case .inherited(let descriptor): return try await bootstrap.withBoundSocket(descriptor).get()
        case .address(let address):
            do {
                return try await bootstrap.bind(host: address.host, port: address.port).get()
            } catch {
                throw AdminError.cannotListen(host: address.host, port: address.port, reason: AdminError.reason(error))
            }
        }
    }

    @concurrent
    private func answer(_ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel) async throws {
        let context = AdminContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
        var response = try await responder.respond(to: request, context: context)
        response.headers[.date] = HTTPDate.text(time(nil))
        try await writer.write(response: response.head, body: response.body)
    }
}

/// The listening sockets of an admin server while they accept.
final class AdminSockets: Sendable {
    private let channels = Mutex<[(listener: AdminServer.Listener, channel: any Channel)]>([])

    func add(_ channel: any Channel, _ listener: AdminServer.Listener) {
        channels.withLock { $0.append((listener, channel)) }
    }

    /// Duplicates of their descriptors, which the caller must close.
    func duplicates() -> [(listener: AdminServer.Listener, descriptor: Int32)] {
        channels.withLock { $0 }.compactMap { listener, channel in
            let duplicate = channel.eventLoop.submit {
                try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                    fcntl($0, F_DUPFD_CLOEXEC, 0)
                }
            }
            guard let descriptor = try? duplicate.wait(), descriptor >= 0 else { return nil }
            return (listener, descriptor)
        }
    }

    /// Closes them; what was accepted is still served.
    func close() {
        for (_, channel) in channels.withLock({ $0 }) { channel.close(promise: nil) }
    }
}

/// The connections of one listener.
private final class AdminConnections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        var isQuiescing = false
    }

    private let http: HTTP1Channel
    private let logger: Logger
    private let state = Mutex(State())
    private let arrivals: AsyncStream<HTTP1Channel.Value>
    private let arrived: AsyncStream<HTTP1Channel.Value>.Continuation

    init(_ http: HTTP1Channel, _ logger: Logger) {
        self.http = http
        self.logger = logger
        (arrivals, arrived) = AsyncStream.makeStream()
    }

    func add(_ channel: any Channel) -> EventLoopFuture<Void> {
        http.setup(channel: channel, logger: logger).map { [self] value in
            let id = ObjectIdentifier(channel)
            let isQuiescing = state.withLock { state in
                state.open[id] = channel
                return state.isQuiescing
            }
            channel.closeFuture.whenComplete { _ in self.state.withLock { $0.open[id] = nil } }
            if isQuiescing { Self.quiesce(channel) }
            // One that comes too late for the others' task is answered all the same.
            if case .terminated = arrived.yield(value) { Task { await http.handle(value: value, logger: logger) } }
        }
    }

    /// Answers what is asked on the connections, until they quiesce and the last one has closed.
    func handle() async {
        await withDiscardingTaskGroup { group in
            for await connection in arrivals {
                group.addTask { [http, logger] in await http.handle(value: connection, logger: logger) }
            }
        }
    }

    /// Closes each connection once what was asked on it is answered.
    func quiesce() {
        let open = state.withLock { state in
            state.isQuiescing = true
            return Array(state.open.values)
        }
        for channel in open { Self.quiesce(channel) }
        arrived.finish()
    }

    /// Closes each connection now.
    func close() {
        quiesce()
        for channel in state.withLock({ Array($0.open.values) }) { channel.close(promise: nil) }
    }

    private static func quiesce(_ channel: any Channel) {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
}

/// The time of a response's header `Date` (RFC 9110 §5.6.7).
enum HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func text(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = unsafe tm()
        // SAFETY: the call reads one time and writes one; its zone, a pointer, is not looked at.
        unsafe gmtime_r(&seconds, &parts)
        let (weekday, day, month, year) = unsafe (parts.tm_wday, parts.tm_mday, parts.tm_mon, parts.tm_year + 1900)
        let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits).joined(separator: ":")
        return "\(days[Int(weekday)]), \(twoDigits(day)) \(months[Int(month)]) \(year) \(clock) GMT"
    }

    private static func twoDigits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
