internal import Calls
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// The responder to the requests of one listener.
struct AdminResponder: Sendable {
    let listener: AdminServer.Listener
    let routes: RouteTable
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
        switch routes.match(request.method, request.uri.path, on: listener) {
        case .nothing: return Self.problem(.notFound, "no such path")
        case .otherMethods(let methods):
            var response = Self.problem(.methodNotAllowed, "method not allowed")
            response.headers[.allow] = methods.map(\.rawValue).joined(separator: ", ")
            return response
        case .route(let route):
            if let denial = guardian.denial(route.demand, of: request, on: connection.channel) { return denial }
            return try await route.answer(request, connection)
        }
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
        return response(status, type: json, bytes: body.bytes)
    }

    static func response(_ status: HTTPResponse.Status, type: String, bytes: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        // What is served changes all the time.
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
