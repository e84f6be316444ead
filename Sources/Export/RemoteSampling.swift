internal import AsyncHTTPClient
public import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
public import ServiceLifecycle
public import Telemetry

/// A service that asks a Jaeger collector for sampling strategies at an interval.
///
/// The last strategies stay in force if the collector is away or its answer cannot be read.
public struct RemoteSampling: Service {
    /// The longest answer that is read, in bytes.
    static let maxBytes = 1_048_576
    /// The longest time for a request.
    private static let timeout: Duration = .seconds(10)
    /// The first wait after a failure.
    private static let initialBackoff: Duration = .seconds(1)

    private let endpoint: ExportEndpoint
    private let caFile: String?
    private let interval: Duration
    private let serviceName: @Sendable () -> String
    private let log: ErrorLog
    private let deliver: @Sendable (SamplingStrategies) -> Void

    /// A service that begins to ask once it is run.
    ///
    /// - Parameters:
    ///   - url: The URL to ask, `http://HOST:5778/sampling` for example; the service's name is added as a query.
    ///   - caFile: A PEM file with certificates to trust instead of the system's.
    ///   - interval: The interval; at least a second.
    ///   - serviceName: The service whose strategies are wanted; read for every request.
    ///   - logger: The logger for errors, at most one line a minute.
    ///   - deliver: Called with the strategies when they are first known and whenever they have changed.
    /// - Throws: ``ExportProblem`` for a URL or file that cannot be used.
    public init(
        url: String,
        caFile: String? = nil,
        interval: Duration = .seconds(60),
        serviceName: @escaping @Sendable () -> String,
        logger: Logger,
        deliver: @escaping @Sendable (SamplingStrategies) -> Void
    ) throws(ExportProblem) {
        endpoint = try ExportEndpoint(url)
        if let caFile { _ = try ExportConfiguration.certificates(in: caFile) }
        self.caFile = caFile
        self.interval = max(interval, .seconds(1))
        self.serviceName = serviceName
        self.deliver = deliver
        log = ErrorLog(logger)
    }

    /// Asks until it is stopped gracefully or cancelled.
    ///
    /// - Throws: ``ExportProblem`` when the file with certificates can no longer be read.
    public func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let client = try HTTPTransport.client(caFile: caFile, timeout: Self.timeout, group: group)
        // The time runs out with a request under way: nothing is lost by ending it.
        await cancelWhenGracefulShutdown { await ask(client) }
        // Both fail only when they were shut down before.
        try? await client.shutdown()
        try? await group.shutdownGracefully()
    }

    private func ask(_ client: HTTPClient) async {
        var last: SamplingStrategies?
        var backoff = Backoff(initial: Self.initialBackoff, max: interval)
        while !Task.isCancelled {
            // A tenth either way, so that the sidecars of a cluster do not ask together.
            var wait = interval * Double.random(in: 0.9...1.1)
            do {
                let strategies = try await fetch(client)
                backoff.reset()
                if strategies != last { deliver(strategies) }
                last = strategies
            } catch {
                wait = backoff.next()
                if !Task.isCancelled { log.report(.sampling, reason: TraceResponse.excerpt("\(error)")) }
            }
            try? await Task.sleep(for: wait)
        }
    }

    private func fetch(_ client: HTTPClient) async throws -> SamplingStrategies {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "accept", value: "application/json")
        request.headers.add(name: "user-agent", value: "weir")
        let body = try await withTimeLimit(Self.timeout) { [request] in
            let response = try await client.execute(request, timeout: TimeAmount(Self.timeout))
            let body = try await response.body.collect(upTo: Self.maxBytes)
            guard response.status.code == 200 else { throw UnexpectedStatus(status: response.status.code) }
            return Array(body.readableBytesView)
        }
        return try SamplingStrategies(json: body)
    }

    /// The URL with the service's name.
    var url: String {
        let separator = endpoint.path.contains("?") ? "&" : "?"
        return "\(endpoint)\(separator)service=\(Self.percentEncoded(serviceName()))"
    }

    private static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return encoded
    }
}

/// A server's answer without strategies.
private struct UnexpectedStatus: Error, CustomStringConvertible {
    let status: UInt
    var description: String { "HTTP status \(status)" }
}
