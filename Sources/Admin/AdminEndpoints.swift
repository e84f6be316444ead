internal import Calls
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// The routes of the admin API: its own and those of the rest of Weir.
struct AdminEndpoints: Sendable {
    let backend: any AdminBackend
    let health: HealthAnswers
    let source: MetricsSource
    let live: LivePages

    /// All of them.
    var routes: RouteTable { RouteTable(own + backend.routes.map(route)) }

    private var own: [RouteTable.Route] {
        [
            .open("/metrics") { request, connection in
                let format = AcceptHeader.format(request.headers[.accept])
                return try await page(.metrics(format), for: request, on: connection)
            },
            .open(HealthAnswers.Probe.health.rawValue) { try await probe(.health, for: $0, on: $1) },
            .open(HealthAnswers.Probe.readiness.rawValue) { try await probe(.readiness, for: $0, on: $1) },
            .read("/v1/operations") { try await page(.operations, for: $0, on: $1) },
            .read("/v1/connections") { try await page(.connections, for: $0, on: $1) },
            .read("/v1/calls") { await calls($0, $1) },
        ]
    }

    private func page(
        _ kind: MetricsSource.Kind,
        for request: Request,
        on connection: AdminConnection
    ) async throws -> Response {
        let isPacked = AcceptEncoding.allowsGzip(request.headers[.acceptEncoding])
        return try await source.page(kind).response(isPacked: isPacked, connection)
    }

    private func probe(
        _ probe: HealthAnswers.Probe,
        for request: Request,
        on connection: AdminConnection
    ) async throws -> Response {
        let loop = connection.channel.eventLoop
        let answer = try await health.answer(probe, query: request.uri.query ?? "", loop).get()
        return AdminResponder.response(
            .init(code: answer.status),
            type: AdminResponder.plain,
            bytes: Array(answer.text.utf8)
        )
    }

    // MARK: Routes of the rest of Weir

    private func route(_ route: AdminRoute) -> RouteTable.Route {
        let answer: RouteTable.Answer = { request, connection in
            try await response(to: request, on: connection, by: route.answer)
        }
        guard let change = route.change else { return .read(route.path, answer) }
        let method: HTTPRequest.Method =
            switch change {
            case .put: .put
            case .post: .post
            case .delete: .delete
            }
        return .change(method, route.path, answer: answer)
    }

    private func response(
        to request: Request,
        on connection: AdminConnection,
        by answer: AdminRoute.Answer
    ) async throws -> Response {
        let said: AdminAnswer
        do throws(CallStreamError) {
            said = try await ask(answer, about: request, on: connection)
        } catch {
            guard case .badParameters(let reason) = error else {
                return AdminResponder.problem(.badRequest, "\(error)")
            }
            return AdminResponder.problem(.badRequest, reason)
        }
        guard said.status == 200, said.body.count > RenderedPage.pieceBytes else {
            return AdminResponder.response(.init(code: said.status), type: said.contentType, bytes: said.body)
        }
        let isPacked = AcceptEncoding.allowsGzip(request.headers[.acceptEncoding])
        return try packed(said).response(isPacked: isPacked, connection)
    }

    /// Passes the wanted part of the request to a route.
    private func ask(
        _ answer: AdminRoute.Answer,
        about request: Request,
        on connection: AdminConnection
    ) async throws(CallStreamError) -> AdminAnswer {
        switch answer {
        case .plain(let answer): return await answer()
        case .query(let answer): return await answer(try Self.parameters(request.uri.query ?? ""))
        case .form(let answer):
            let form = try Self.parameters(try await text(of: request, connection))
            return await answer(try Self.parameters(request.uri.query ?? "") + form)
        case .text(let answer): return await answer(try await text(of: request, connection))
        }
    }

    /// A long answer, kept as pages are.
    private func packed(_ answer: AdminAnswer) throws(OutOfMemory) -> RenderedPage {
        let writer = try GzipWriter()
        writer.append(answer.body)
        let page = RenderedPage(contentType: answer.contentType, writer, begun: 0, work: 0)
        live.add(page)
        return page
    }

    private static func parameters(_ text: String) throws(CallStreamError) -> [AdminParameter] {
        try QueryParameters.read(text).map { AdminParameter(name: $0.name, value: $0.value) }
    }

    /// The body as text.
    private func text(of request: Request, _ connection: AdminConnection) async throws(CallStreamError) -> String {
        let bytes: ByteBuffer
        connection.awaitsBody(true)
        defer { connection.awaitsBody(false) }
        do {
            bytes = try await request.body.collect(upTo: AdminResponder.maxBodyBytes)
        } catch {
            throw .badParameters("the body is longer than \(AdminResponder.maxBodyBytes) bytes, or broke off")
        }
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw .badParameters("the body is not UTF-8")
        }
        return text
    }
}
