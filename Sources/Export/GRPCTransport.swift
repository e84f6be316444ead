internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// OTLP over gRPC.
struct GRPCTransport: SpanTransport {
    /// The time after which a connection with unacknowledged data counts as lost, in milliseconds: a collector's
    /// machine that has gone sends nothing.
    private static let unacknowledgedMilliseconds = 20_000

    private static let method = MethodDescriptor(
        service: ServiceDescriptor(package: "opentelemetry.proto.collector.trace.v1", service: "TraceService"),
        method: "Export"
    )

    private let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let metadata: Metadata
    private let options: CallOptions

    /// A transport on the threads of a given group.
    init(_ configuration: ExportConfiguration, group: MultiThreadedEventLoopGroup) throws(ExportProblem) {
        var metadata = Metadata()
        for header in configuration.headers { metadata.addString(header.value, forKey: header.name.lowercased()) }
        self.metadata = metadata
        var options = CallOptions.defaults
        options.timeout = configuration.timeout
        options.waitForReady = false
        options.maxResponseMessageBytes = TraceResponse.maxBytes
        options.compression = configuration.compression == .gzip ? .gzip : CompressionAlgorithm.none
        self.options = options
        do {
            let transport = try HTTP2ClientTransport.Posix(
                target: Self.target(configuration.endpoint),
                transportSecurity: Self.security(configuration),
                config: Self.config(configuration),
                eventLoopGroup: group
            )
            client = GRPCClient(transport: transport)
        } catch {
            throw ExportProblem("cannot use gRPC: \(TraceResponse.excerpt("\(error)"))")
        }
    }

    private static func target(_ endpoint: ExportEndpoint) -> any ResolvableTarget {
        if endpoint.isIPv4 { return .ipv4(address: endpoint.host, port: endpoint.port) }
        if endpoint.isIPv6 { return .ipv6(address: endpoint.host, port: endpoint.port) }
        return .dns(host: endpoint.host, port: endpoint.port)
    }

    private static func security(
        _ configuration: ExportConfiguration
    ) -> HTTP2ClientTransport.Posix.TransportSecurity {
        guard configuration.endpoint.isSecure else { return .plaintext }
        return .tls(
            .defaults { tls in
                if let file = configuration.caFile { tls.trustRoots = .certificates([.file(path: file, format: .pem)]) }
            }
        )
    }

    private static func config(_ configuration: ExportConfiguration) -> HTTP2ClientTransport.Posix.Config {
        .defaults { config in
            config.compression.algorithm = configuration.compression == .gzip ? .gzip : CompressionAlgorithm.none
            config.compression.enabledAlgorithms = [.gzip, .none]
            // Tries again soon, so that the connection is there when the batch's own wait is over.
            config.backoff.initial = configuration.initialBackoff
            config.backoff.max = .seconds(2)
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                channel.setOption(
                    ChannelOptions.socket(SocketOptionLevel(IPPROTO_TCP), SocketOptionName(TCP_USER_TIMEOUT)),
                    value: unacknowledgedMilliseconds
                )
            }
        }
    }

    func run() async {
        // It throws when it is stopped before it has begun, and when it is cancelled.
        try? await client.runConnections()
    }

    func stop() async { client.beginGracefulShutdown() }

    func send(_ bytes: [UInt8]) async -> DeliveryAnswer {
        do {
            let answer = try await client.unary(
                request: ClientRequest(message: bytes, metadata: metadata),
                descriptor: Self.method,
                serializer: PlainBytes(),
                deserializer: PlainBytes(),
                options: options,
                onResponse: { try $0.message }
            )
            return TraceResponse.answer(answer)
        } catch let error as RPCError {
            return Self.answer(error)
        } catch {
            return .unreachable(reason: TraceResponse.excerpt("\(error)"))
        }
    }

    /// The connection's own troubles are UNAVAILABLE and DEADLINE_EXCEEDED too, so that these two count as no answer.
    ///
    /// Source: OpenTelemetry, OTLP specification, "OTLP/gRPC Response".
    private static func answer(_ error: RPCError) -> DeliveryAnswer {
        let reason = TraceResponse.excerpt("\(error.code) \(error.message)")
        switch error.code {
        case .unavailable, .deadlineExceeded: return .unreachable(reason: reason)
        case .cancelled, .resourceExhausted, .aborted, .outOfRange, .dataLoss:
            return .later(after: nil, reason: reason)
        default: return .refused(reason: reason)
        }
    }
}

/// Messages that are already bytes.
private struct PlainBytes: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) -> [UInt8] {
        // SAFETY: the buffer is copied before the closure returns.
        unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
}
