internal import AsyncHTTPClient
internal import Clocks
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// OTLP over HTTP/1.1.
struct HTTPTransport: SpanTransport {
    private let client: HTTPClient
    private let url: String
    private let headers: HTTPHeaders
    private let isCompressed: Bool
    private let timeout: Duration

    /// A transport on the threads of a given group.
    init(_ configuration: ExportConfiguration, group: MultiThreadedEventLoopGroup) throws(ExportProblem) {
        client = try Self.client(caFile: configuration.caFile, timeout: configuration.timeout, group: group)
        url = configuration.url
        isCompressed = configuration.compression == .gzip
        timeout = configuration.timeout
        var headers = HTTPHeaders(configuration.headers.map { ($0.name, $0.value) })
        headers.add(name: "content-type", value: "application/x-protobuf")
        headers.add(name: "accept", value: "application/x-protobuf")
        if isCompressed { headers.add(name: "content-encoding", value: "gzip") }
        if !headers.contains(name: "user-agent") { headers.add(name: "user-agent", value: "weir") }
        self.headers = headers
    }

    /// A client that follows no redirects, retries nothing by itself, and trusts the configured certificates.
    static func client(
        caFile: String?,
        timeout: Duration,
        group: MultiThreadedEventLoopGroup
    ) throws(ExportProblem) -> HTTPClient {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(timeout)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1
        if let caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(try ExportConfiguration.certificates(in: caFile))
            configuration.tlsConfiguration = tls
        }
        return HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    func run() async {}

    func stop() async {
        // It fails only when it was stopped before.
        try? await client.shutdown()
    }

    func send(_ bytes: [UInt8]) async -> DeliveryAnswer {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers = headers
        if isCompressed {
            guard let compressed = Gzip.compress(bytes) else { return .refused(reason: "cannot be compressed") }
            request.body = .bytes(ByteBuffer(bytes: compressed))
        } else {
            request.body = .bytes(ByteBuffer(bytes: bytes))
        }
        do {
            return try await withTimeLimit(timeout) { [client, request, timeout] in
                let response = try await client.execute(request, timeout: TimeAmount(timeout))
                return await Self.answer(response)
            }
        } catch is TimeLimitExceeded {
            return .unreachable(reason: "no answer in time")
        } catch {
            return .unreachable(reason: TraceResponse.excerpt("\(error)"))
        }
    }

    /// Source: OpenTelemetry, OTLP specification, "OTLP/HTTP Response".
    private static func answer(_ response: HTTPClientResponse) async -> DeliveryAnswer {
        // Read in any case, so that the connection can be used again; what is longer than an answer may be ends it.
        let body = try? await response.body.collect(upTo: TraceResponse.maxBytes)
        switch response.status.code {
        case 200..<300:
            guard let body, response.headers.first(name: "content-type")?.hasPrefix("application/x-protobuf") == true
            else { return .taken(rejected: 0, message: "") }
            return TraceResponse.answer(Array(body.readableBytesView))
        case 429, 502, 503, 504:
            let wait = response.headers.first(name: "retry-after")
                .flatMap { RetryAfter.wait($0, now: Int64(SystemClock.sinceEpoch() / 1_000_000_000)) }
            return .later(after: wait, reason: "HTTP status \(response.status.code)")
        default: return .refused(reason: "HTTP status \(response.status.code)")
        }
    }
}
