internal import Clocks
internal import NIOCore
internal import NIOHTTP1
internal import ServiceLifecycle

/// The service of `/healthz` and `/readyz` on one listening socket, on a thread of its own: no other work of Weir, and
/// no client that asks for pages, delays them.
struct ProbeListener: Service {
    let socket: any Channel
    let table: ConnectionTable

    func run() async throws {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                try? await socket.closeFuture.get()
                await table.ended()
            } onGracefulShutdown: {
                socket.close(promise: nil)
                table.quiesce()
            }
        } onCancel: {
            socket.close(promise: nil)
            table.quiesce()
            table.close()
        }
    }

    /// Sets a connection up.
    static func add(
        _ channel: any Channel,
        table: ConnectionTable,
        health: HealthAnswers
    ) -> EventLoopFuture<Void> {
        guard let connection = table.admit(channel) else {
            channel.close(promise: nil)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        return channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(ConnectionWatch(connection))
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = 16 << 10
            limits.maxHeaderListSize = 32 << 10
            limits.maxHeaderFieldCount = 100
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: true,
                withErrorHandling: true,
                withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: limits
            )
            try pipeline.addHandler(ProbeHandler(connection, health))
            if table.isQuiescing { ConnectionTable.quiesce(channel) }
        }
    }
}

/// A handler that answers the one probe of a connection and closes it, as probes want it.
private final class ProbeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let connection: AdminConnection
    private let health: HealthAnswers
    private var head: HTTPRequestHead?
    private var isAnswered = false

    init(_ connection: AdminConnection, _ health: HealthAnswers) {
        self.connection = connection
        self.health = health
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            guard !isAnswered else { return }
            connection.requestBegan(now: SystemClock.now())
            self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            isAnswered = true
            let context = NIOLoopBound(context, eventLoop: context.eventLoop)
            answer(head, context.value.eventLoop).assumeIsolated().whenSuccess { [self] answer in
                write(answer, to: head, context.value)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ head: HTTPRequestHead, _ loop: any EventLoop) -> EventLoopFuture<HealthAnswers.Answer> {
        let path = head.uri.prefix { $0 != "?" }
        guard let probe = HealthAnswers.Probe(rawValue: String(path)) else {
            return loop.makeSucceededFuture(.init(status: 404, text: "no such path\n"))
        }
        guard head.method == .GET || head.method == .HEAD else {
            return loop.makeSucceededFuture(.init(status: 405, text: "method not allowed\n"))
        }
        return health.answer(probe, query: String(head.uri.dropFirst(path.count + 1)), loop)
    }

    private func write(_ answer: HealthAnswers.Answer, to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: AdminResponder.plain)
        headers.add(name: "Cache-Control", value: "no-store")
        headers.add(name: "Content-Length", value: "\(answer.text.utf8.count)")
        headers.add(name: "Date", value: HTTPDate.now)
        if answer.status == 405 { headers.add(name: "Allow", value: "GET, HEAD") }
        headers.add(name: "Connection", value: "close")
        let status = HTTPResponseStatus(statusCode: answer.status)
        let response = HTTPResponseHead(version: head.version, status: status, headers: headers)
        context.write(Self.wrapOutboundOut(.head(response)), promise: nil)
        if head.method != .HEAD {
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.text)))), promise: nil)
        }
        let end = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        end.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: end)
        connection.answered(now: SystemClock.now())
    }
}
