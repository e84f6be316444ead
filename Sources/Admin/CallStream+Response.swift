internal import Glibc
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import ServiceLifecycle

/// `GET /v1/calls`.
extension AdminEndpoints {
    /// The time for which lines are gathered after each piece: with many calls a piece then holds many, and the workers
    /// rarely wake a thread.
    private static let gathering = Duration.milliseconds(10)
    /// The longest time that a subscriber who takes nothing may keep a stopping server.
    private static let patience = TimeAmount.seconds(1)

    func calls(_ request: Request, _ connection: AdminConnection) async -> Response {
        // Behind a body that nobody reads the end of the connection would not be seen.
        guard request.headers[.contentLength] ?? "0" == "0", request.headers[.transferEncoding] == nil else {
            return AdminResponder.problem(.badRequest, "takes no body")
        }
        do throws(CallStreamError) {
            let parameters = try QueryParameters.read(request.uri.query ?? "")
            let stream = try await backend.calls(matching: parameters)
            var headers = HTTPFields()
            headers[.contentType] = "application/x-ndjson"
            headers[.cacheControl] = "no-store"
            // Noticing that the viewer leaves uses the connection up.
            headers[.connection] = "close"
            connection.becameEndless()
            Self.keepAlive(connection.channel)
            return Response(
                status: .ok,
                headers: headers,
                body: Self.body(stream, request: request, channel: connection.channel)
            )
        } catch {
            switch error {
            case .badParameters(let reason): return AdminResponder.problem(.badRequest, reason)
            case .unavailable(let reason): return AdminResponder.problem(.serviceUnavailable, reason)
            }
        }
    }

    /// Lets the kernel find out if a subscriber without new lines is still there; one that does not read for a while,
    /// as a pager, is no reason to end.
    private static func keepAlive(_ channel: any Channel) {
        let options: [(ChannelOptions.Types.SocketOption, Int)] = [
            (.init(level: .socket, name: .so_keepalive), 1),
            (.init(level: .tcp, name: .init(rawValue: TCP_KEEPIDLE)), 30),
            (.init(level: .tcp, name: .init(rawValue: TCP_KEEPINTVL)), 10),
            (.init(level: .tcp, name: .init(rawValue: TCP_KEEPCNT)), 3),
            (.init(level: .tcp, name: .init(rawValue: TCP_USER_TIMEOUT)), 0),
        ]
        for (option, value) in options { _ = channel.setOption(option, value: value) }
    }

    /// The lines until there are no more, the viewer is gone, or the server stops.
    private static func body(_ stream: CallStream, request: Request, channel: any Channel) -> ResponseBody {
        ResponseBody { writer in
            defer { stream.cancel() }
            try await request.body.consumeWithInboundCloseHandler { _ in
                try await withGracefulShutdownHandler {
                    while let lines = await stream.next() {
                        try await writer.write(ByteBuffer(bytes: lines))
                        try? await Task.sleep(for: gathering)
                    }
                    try await writer.finish(nil)
                } onGracefulShutdown: {
                    stream.cancel()
                    channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
                }
            } onInboundClosed: {
                stream.cancel()
            }
        }
    }
}

/// The parameters of a URI's query.
enum QueryParameters {
    /// The longest query that is read, in bytes.
    static let maxBytes = 8192

    /// Reads `name=value&name=value`, percent-encoded, `+` for a space.
    static func read(_ query: String) throws(CallStreamError) -> [(name: String, value: String)] {
        guard query.utf8.count <= maxBytes else { throw .badParameters("the query is longer than \(maxBytes) bytes") }
        var parameters: [(name: String, value: String)] = []
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first.flatMap({ decoded($0) }), let value = decoded(parts.dropFirst().first ?? "")
            else { throw .badParameters("\(parts.first ?? ""): not percent-encoded UTF-8") }
            parameters.append((name, value))
        }
        return parameters
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ digit: UInt8) -> UInt8? {
        Character(Unicode.Scalar(digit)).hexDigitValue.map { UInt8($0) }
    }
}
