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

/// Answers the requests of one listener; DESIGN.md 12 lists them.
struct AdminResponder: HTTPResponder {
    /// What is served.
    private enum Endpoint: String {
        case metrics = "/metrics"
        case healthz = "/healthz"
        case readyz = "/readyz"
        case operations = "/v1/operations"
        case connections = "/v1/connections"
        case calls = "/v1/calls"

        /// Whether the listener for scraping serves it too.
        var isForScraping: Bool {
            switch self {
            case .metrics, .healthz, .readyz: true
            case .operations, .connections, .calls: false
            }
        }
    }

    let listener: AdminServer.Listener
    let backend: any AdminBackend
    let source: MetricsSource

    func respond(to request: Request, context: AdminContext) async throws -> Response {
        let response = await answer(request, context)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func answer(_ request: Request, _ context: AdminContext) async -> Response {
        guard let endpoint = Endpoint(rawValue: request.uri.path), listener == .main || endpoint.isForScraping else {
            return Self.problem(.notFound, "no such path")
        }
        guard request.method == .get || request.method == .head else {
            var response = Self.problem(.methodNotAllowed, "method not allowed")
            response.headers[.allow] = "GET, HEAD"
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
        }
    }

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

    private static func response(_ status: HTTPResponse.Status, _ type: String, _ bytes: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        // What is served changes all the time.
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
