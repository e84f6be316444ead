internal import Calls
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Telemetry

/// What a request brings along besides itself.
struct AdminContext: InitializableFromSource {
    /// The connection it came on.
    let channel: any Channel

    init(source: ApplicationRequestContextSource) { channel = source.channel }
}

/// Answers the requests of one listener; README lists them.
struct AdminResponder: HTTPResponder {
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
        case expect = "/v1/expect"

        /// Whether the listener for scraping serves it too.
        var isForScraping: Bool {
            switch self {
            case .metrics, .healthz, .readyz: true
            case .operations, .connections, .calls, .limits, .drain, .config, .reload, .expect: false
            }
        }

        /// The methods it takes.
        var methods: [HTTPRequest.Method] {
            switch self {
            case .metrics, .healthz, .readyz, .operations, .connections, .calls, .config: [.get, .head]
            case .limits: [.get, .head, .put]
            case .drain: [.get, .head, .post, .delete]
            case .reload, .expect: [.post]
            }
        }
    }

    let listener: AdminServer.Listener
    let backend: any AdminBackend
    let source: MetricsSource
    let guardian: ChangeGuard

    func respond(to request: Request, context: AdminContext) async throws -> Response {
        let response = await answer(request, context)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func answer(_ request: Request, _ context: AdminContext) async -> Response {
        guard let endpoint = Endpoint(rawValue: request.uri.path), listener == .main || endpoint.isForScraping else {
            return Self.problem(.notFound, "no such path")
        }
        guard endpoint.methods.contains(request.method) else {
            var response = Self.problem(.methodNotAllowed, "method not allowed")
            response.headers[.allow] = endpoint.methods.map(\.rawValue).joined(separator: ", ")
            return response
        }
        switch endpoint {
        case .metrics:
            let format = AcceptHeader.format(request.headers[.accept])
            return Self.response(.ok, format.contentType, await source.metrics(format))
        case .healthz:
            return Self.response(.ok, Self.plain, Array("ok\n".utf8))
        case .readyz:
            let isReady = backend.isReady
            let text = isReady ? "ready\n" : "not ready\n"
            return Self.response(isReady ? .ok : .serviceUnavailable, Self.plain, Array(text.utf8))
        case .operations:
            return Self.response(.ok, Self.json, await source.operations())
        case .connections:
            return Self.response(.ok, Self.json, await source.connections())
        case .calls:
            return await calls(request, context.channel)
        case .limits, .drain, .config, .reload, .expect:
            return await perform(endpoint, request)
        }
    }

    // MARK: Actions

    private func perform(_ endpoint: Endpoint, _ request: Request) async -> Response {
        let isReading = request.method == .get || request.method == .head
        if !isReading, let refusal = guardian.refusal(of: request) { return refusal }
        do throws(CallStreamRefusal) {
            let answer = await backend.perform(try await action(endpoint, request))
            let status = HTTPResponse.Status(code: answer.status)
            return Self.response(status, answer.contentType, answer.body)
        } catch {
            guard case .badParameters(let reason) = error else { return Self.problem(.badRequest, "\(error)") }
            return Self.problem(.badRequest, reason)
        }
    }

    private func action(_ endpoint: Endpoint, _ request: Request) async throws(CallStreamRefusal) -> AdminAction {
        let isReading = request.method == .get || request.method == .head
        switch endpoint {
        case .limits: return isReading ? .limits : .replaceLimits(try await text(of: request))
        case .drain:
            guard !isReading else { return .drains(try parameters(inQueryOf: request)) }
            let parameters = try await parameters(of: request)
            return request.method == .delete ? .undrain(parameters) : .drain(parameters)
        case .reload: return .reload
        case .expect: return .expect(try await parameters(of: request))
        default: return .settings
        }
    }

    private func parameters(inQueryOf request: Request) throws(CallStreamRefusal) -> [AdminAction.Parameter] {
        try QueryParameters.read(request.uri.query ?? "").map { AdminAction.Parameter(name: $0.name, value: $0.value) }
    }

    /// The names and values of the query and of a form in the body.
    private func parameters(of request: Request) async throws(CallStreamRefusal) -> [AdminAction.Parameter] {
        let form = try QueryParameters.read(try await text(of: request))
        return try parameters(inQueryOf: request) + form.map { .init(name: $0.name, value: $0.value) }
    }

    /// The body as text.
    private func text(of request: Request) async throws(CallStreamRefusal) -> String {
        let bytes: ByteBuffer
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
    private static let maxBodyBytes = 1 << 20

    private static let plain = "text/plain; charset=utf-8"
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
