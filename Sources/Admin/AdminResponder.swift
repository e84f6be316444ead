internal import Calls
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Telemetry

/// Answers the requests of one listener; README lists them.
struct AdminResponder: Sendable {
    /// What is served.
    private enum Endpoint: String {
        case metrics = "/metrics"
        case healthz = "/healthz"
        case readyz = "/readyz"
        case operations = "/v1/operations"
        case connections = "/v1/connections"
        case calls = "/v1/calls"
        case limits = "/v1/limits"
        case drain = "/v1/drain"
        case config = "/v1/config"
        case reload = "/v1/reload"
        case logLevel = "/v1/log-level"
        case expect = "/v1/expect"

        /// Whether the listener for scraping serves it too.
        var isForScraping: Bool {
            switch self {
            case .metrics, .healthz, .readyz: true
            case .operations, .connections, .calls, .limits, .drain, .config, .reload, .logLevel, .expect: false
            }
        }

        /// The methods it takes.
        var methods: [HTTPRequest.Method] {
            switch self {
            case .metrics, .healthz, .readyz, .operations, .connections, .calls, .config: [.get, .head]
            case .limits: [.get, .head, .put]
            case .drain: [.get, .head, .post, .delete]
            case .logLevel: [.get, .head, .post]
            case .reload, .expect: [.post]
            }
        }
    }

    let listener: AdminServer.Listener
    let backend: any AdminBackend
    let health: HealthAnswers
    let source: MetricsSource
    let live: LivePages
    let guardian: AdminGuard

    /// Answers a request.
    func respond(to request: Request, _ connection: AdminConnection) async -> Response {
        let response: Response
        do {
            response = try await answer(request, connection)
        } catch {
            response = Self.problem(.serviceUnavailable, "no memory")
        }
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func answer(_ request: Request, _ connection: AdminConnection) async throws -> Response {
        guard let endpoint = Endpoint(rawValue: request.uri.path), listener == .main || endpoint.isForScraping else {
            return Self.problem(.notFound, "no such path")
        }
        guard endpoint.methods.contains(request.method) else {
            var response = Self.problem(.methodNotAllowed, "method not allowed")
            response.headers[.allow] = endpoint.methods.map(\.rawValue).joined(separator: ", ")
            return response
        }
        let demand: AdminGuard.Demand = endpoint.isForScraping ? .open : Self.isReading(request) ? .reading : .change
        if let refusal = guardian.refusal(demand, request, connection.channel) { return refusal }
        switch endpoint {
        case .metrics:
            let format = AcceptHeader.format(request.headers[.accept])
            return try await page(.metrics(format), request, connection)
        case .healthz: return try await probe(.health, request, connection)
        case .readyz: return try await probe(.readiness, request, connection)
        case .operations: return try await page(.operations, request, connection)
        case .connections: return try await page(.connections, request, connection)
        case .calls: return await calls(request, connection)
        case .limits, .drain, .config, .reload, .logLevel, .expect:
            return try await perform(endpoint, request, connection)
        }
    }

    private func page(
        _ kind: MetricsSource.Kind,
        _ request: Request,
        _ connection: AdminConnection
    ) async throws -> Response {
        let isPacked = AcceptEncoding.allowsGzip(request.headers[.acceptEncoding])
        return try await source.page(kind).response(isPacked: isPacked, connection)
    }

    private func probe(
        _ probe: HealthAnswers.Probe,
        _ request: Request,
        _ connection: AdminConnection
    ) async throws -> Response {
        let loop = connection.channel.eventLoop
        let answer = try await health.answer(probe, query: request.uri.query ?? "", loop).get()
        return Self.response(.init(code: answer.status), Self.plain, Array(answer.text.utf8))
    }

    // MARK: Actions

    private func perform(
        _ endpoint: Endpoint,
        _ request: Request,
        _ connection: AdminConnection
    ) async throws -> Response {
        let answer: AdminAnswer
        do throws(CallStreamRefusal) {
            answer = await backend.perform(try await action(endpoint, request, connection))
        } catch {
            guard case .badParameters(let reason) = error else { return Self.problem(.badRequest, "\(error)") }
            return Self.problem(.badRequest, reason)
        }
        guard answer.status == 200, answer.body.count > RenderedPage.pieceBytes else {
            return Self.response(.init(code: answer.status), answer.contentType, answer.body)
        }
        let isPacked = AcceptEncoding.allowsGzip(request.headers[.acceptEncoding])
        return try packed(answer).response(isPacked: isPacked, connection)
    }

    /// A long answer, kept as pages are.
    private func packed(_ answer: AdminAnswer) throws(OutOfMemory) -> RenderedPage {
        let writer = try GzipWriter()
        writer.append(answer.body)
        let page = RenderedPage(contentType: answer.contentType, writer, begun: 0, work: 0)
        live.add(page)
        return page
    }

    private static func isReading(_ request: Request) -> Bool { request.method == .get || request.method == .head }

    private func action(_ endpoint: Endpoint, _ request: Request, _ connection: AdminConnection)
        async throws(CallStreamRefusal) -> AdminAction
    {
        let isReading = Self.isReading(request)
        switch endpoint {
        case .limits: return isReading ? .limits : .replaceLimits(try await text(of: request, connection))
        case .drain:
            guard !isReading else { return .drains(try parameters(inQueryOf: request)) }
            let parameters = try await parameters(of: request, connection)
            return request.method == .delete ? .undrain(parameters) : .drain(parameters)
        case .reload: return .reload
        case .logLevel: return isReading ? .logLevel : .setLogLevel(try await parameters(of: request, connection))
        case .expect: return .expect(try await parameters(of: request, connection))
        default: return .settings
        }
    }

    private func parameters(inQueryOf request: Request) throws(CallStreamRefusal) -> [AdminAction.Parameter] {
        try QueryParameters.read(request.uri.query ?? "").map { AdminAction.Parameter(name: $0.name, value: $0.value) }
    }

    /// The names and values of the query and of a form in the body.
    private func parameters(of request: Request, _ connection: AdminConnection) async throws(CallStreamRefusal)
        -> [AdminAction.Parameter]
    {
        let form = try QueryParameters.read(try await text(of: request, connection))
        return try parameters(inQueryOf: request) + form.map { .init(name: $0.name, value: $0.value) }
    }

    /// The body as text.
    private func text(of request: Request, _ connection: AdminConnection) async throws(CallStreamRefusal) -> String {
        let bytes: ByteBuffer
        connection.awaitsBody(true)
        defer { connection.awaitsBody(false) }
        do {
            bytes = try await request.body.collect(upTo: Self.maxBodyBytes)
        } catch {
            throw .badParameters("the body is longer than \(Self.maxBodyBytes) bytes, or broke off")
        }
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw .badParameters("the body is not UTF-8")
        }
        return text
    }

    /// The longest body that is read.
    static let maxBodyBytes = 1 << 20

    static let plain = "text/plain; charset=utf-8"
    private static let json = "application/json"

    static func problem(_ status: HTTPResponse.Status, _ text: String) -> Response {
        var body = JSONText()
        body.beginObject()
        body.key("error")
        body.string(text)
        body.endObject()
        body.endLine()
        return response(status, json, body.bytes)
    }

    static func response(_ status: HTTPResponse.Status, _ type: String, _ bytes: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        // What is served changes all the time.
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
