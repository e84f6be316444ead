internal import Clocks
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import ServiceLifecycle

/// The service of one listening socket of the admin API.
///
/// Hummingbird's own server can only open its socket itself; here Hummingbird handles the connections.
struct AdminListener: Service {
    let socket: any Channel
    let connections: AdminConnections

    func run() async throws {
        // Answers that go on for ever end with the task that they are part of.
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await connections.handle()
            } onGracefulShutdown: {
                socket.close(promise: nil)
                connections.quiesce()
            }
        } onCancel: {
            socket.close(promise: nil)
            connections.close()
        }
    }
}

/// The connections of one listening socket.
final class AdminConnections: Sendable {
    private static let limits = HTTP1Channel.Configuration.DecoderConfiguration(
        maxHeaderFieldSize: 16 << 10,
        maxHeaderListSize: 32 << 10,
        maxHeaderFieldCount: 100
    )

    private let responder: AdminResponder
    private let http: HTTP1Channel
    private let table: ConnectionTable
    private let logger: Logger
    private let arrivals: AsyncStream<HTTP1Channel.Value>
    private let arrived: AsyncStream<HTTP1Channel.Value>.Continuation

    /// - Parameters:
    ///   - responder: Answers what is asked.
    ///   - table: The connections of all sockets that share a budget.
    ///   - logger: The logger of Hummingbird.
    init(_ responder: AdminResponder, table: ConnectionTable, logger: Logger) {
        self.responder = responder
        self.table = table
        self.logger = logger
        http = HTTP1Channel(
            responder: { try await Self.answer($0, writer: $1, channel: $2, responder: responder, table: table) },
            configuration: .init(httpDecoderConfiguration: Self.limits)
        )
        (arrivals, arrived) = AsyncStream.makeStream()
    }

    /// Sets a connection up.
    func add(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let connection = table.admit(channel) else {
            channel.close(promise: nil)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        return channel.eventLoop.makeCompletedFuture {
            let watch = ConnectionWatch(connection) { [self] in setUp(connection) }
            try channel.pipeline.syncOperations.addHandler(watch)
            if table.isQuiescing { ConnectionTable.quiesce(channel) }
        }
    }

    /// Passes a connection with its first bytes to Hummingbird; call it on the connection's event loop.
    private func setUp(_ connection: AdminConnection) {
        let channel = connection.channel
        guard channel.isActive else { return }
        guard table.beginHandling() else { return connection.cut(.shed) }
        http.setup(channel: channel, logger: logger).whenComplete { [self] result in
            guard case .success(let value) = result else {
                table.endHandling()
                return channel.close(promise: nil)
            }
            // Its first request is answered first.
            if table.isQuiescing { channel.eventLoop.execute { ConnectionTable.quiesce(channel) } }
            // One that comes too late for the others' task is answered all the same.
            if case .terminated = arrived.yield(value) { Task { await handle(value) } }
        }
    }

    private func handle(_ value: HTTP1Channel.Value) async {
        await http.handle(value: value, logger: logger)
        table.endHandling()
    }

    /// Answers what is asked on the connections, until they quiesce and the last one has closed.
    func handle() async {
        await withDiscardingTaskGroup { group in
            for await connection in arrivals {
                group.addTask { await self.handle(connection) }
            }
        }
    }

    /// Closes each connection once what was asked on it is answered.
    func quiesce() {
        table.quiesce()
        arrived.finish()
    }

    /// Closes each connection now.
    func close() {
        quiesce()
        table.close()
    }

    @concurrent
    private static func answer(
        _ request: Request,
        writer: consuming ResponseWriter,
        channel: any Channel,
        responder: AdminResponder,
        table: ConnectionTable
    ) async throws {
        // Without it the connection has been shed.
        guard let connection = table[channel] else { throw CancellationError() }
        connection.requestBegan(now: SystemClock.now())
        defer { connection.answered(now: SystemClock.now()) }
        var response = await responder.respond(to: request, connection)
        response.headers[.date] = HTTPDate.now
        try await writer.write(response: response.head, body: response.body)
        // A client that asks and asks and reads nothing has its next request answered when it has read this.
        await connection.allTaken()
    }
}
