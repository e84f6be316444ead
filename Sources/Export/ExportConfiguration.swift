internal import Calls
internal import NIOSSL

/// The destination of spans, and the way to it.
public struct ExportConfiguration: Sendable {
    /// A form of OTLP.
    public enum Transport: String, CaseIterable, Sendable {
        /// Protobuf in HTTP/1.1 requests.
        case http
        /// gRPC.
        case grpc
    }

    /// The compression of requests.
    public enum Compression: String, CaseIterable, Sendable {
        /// They are not.
        case none
        /// gzip.
        case gzip
    }

    /// The path of a collector whose URL has none.
    static let defaultPath = "/v1/traces"

    /// The collector.
    public let endpoint: ExportEndpoint
    /// The form of OTLP that it takes.
    public let transport: Transport
    /// Further headers of every request.
    public let headers: [(name: String, value: String)]
    /// A file with the certificates, as PEM, that a collector's certificate has to come from; the system's without one.
    public let caFile: String?
    /// The compression of requests.
    public let compression: Compression
    /// The longest time from a request to its answer.
    public var timeout: Duration = .seconds(Defaults.exportTimeoutSeconds)
    /// The interval at which the workers' spans are taken.
    public var pollInterval: Duration = .milliseconds(200)
    /// The longest time for the last spans to leave once the process stops.
    public var flushTimeout: Duration = .seconds(5)
    /// The most spans of a request.
    public var maxBatchSpans = Defaults.maxBatchSpans
    /// The most bytes of a request before compression, but for a single span that is larger.
    public var maxBatchBytes = 1_048_576
    /// The most spans that wait for a collector; beyond it the oldest are dropped.
    public var maxQueuedSpans = Defaults.maxQueuedSpans
    /// The most attempts to send a batch to a collector that answers that it cannot take it now.
    ///
    /// One that cannot be reached is tried for ``maxBatchAge``.
    public var maxAttempts = 5
    /// The longest time for which a batch is tried.
    public var maxBatchAge: Duration = .seconds(60)
    /// The first wait after a failure; it doubles with each.
    public var initialBackoff: Duration = .milliseconds(100)
    /// The longest wait after a failure, unless the collector asks for a longer one.
    public var maxBackoff: Duration = .seconds(30)

    /// A configuration with these values.
    ///
    /// - Parameters:
    ///   - endpoint: The collector's URL: `http://` or `https://`. Over HTTP a URL without a path gets `/v1/traces`;
    ///     over gRPC it must not have one.
    ///   - transport: The form of OTLP that it takes.
    ///   - headers: Further headers of every request.
    ///   - caFile: A PEM file with certificates to trust instead of the system's.
    ///   - compression: The compression of requests.
    /// - Throws: ``ExportProblem`` for a URL, header or file that cannot be used.
    public init(
        endpoint: String,
        transport: Transport = .http,
        headers: [(name: String, value: String)] = [],
        caFile: String? = nil,
        compression: Compression = .none
    ) throws(ExportProblem) {
        self.endpoint = try ExportEndpoint(endpoint)
        self.transport = transport
        self.headers = headers
        self.caFile = caFile
        self.compression = compression
        guard transport == .http || self.endpoint.path.isEmpty else {
            throw ExportProblem("a gRPC collector's URL has no path: \(endpoint.prefix(200).debugDescription)")
        }
        for header in headers { try Self.check(header.name, value: header.value, transport: transport) }
        if let caFile { _ = try Self.certificates(in: caFile) }
    }

    /// The URL that spans are sent to over HTTP.
    var url: String {
        let path = endpoint.path
        return endpoint.base + (path.isEmpty || path.hasPrefix("?") ? Self.defaultPath + path : path)
    }

    /// Reads a PEM file.
    ///
    /// - Parameter path: The file.
    /// - Returns: At least one certificate.
    /// - Throws: ``ExportProblem`` when there is none.
    static func certificates(in path: String) throws(ExportProblem) -> [NIOSSLCertificate] {
        let found: [NIOSSLCertificate]
        do {
            found = try NIOSSLCertificate.fromPEMFile(path)
        } catch {
            throw ExportProblem("cannot read certificates from \(path.debugDescription)")
        }
        guard !found.isEmpty else { throw ExportProblem("there are no certificates in \(path.debugDescription)") }
        return found
    }

    private static func check(_ name: String, value: String, transport: Transport) throws(ExportProblem) {
        let isToken = name.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
        guard isToken, !name.isEmpty else { throw ExportProblem("not a header's name: \(name.debugDescription)") }
        // The value may be a secret, so it is not shown.
        guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
            throw ExportProblem("the header \(name) has control characters in its value")
        }
        let lower = name.lowercased()
        let own: Set = [
            "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection",
        ]
        guard !own.contains(lower) else { throw ExportProblem("the header \(name) is not for the settings to give") }
        guard transport == .http || !(lower.hasPrefix("grpc-") || lower.hasSuffix("-bin") || lower == "te") else {
            throw ExportProblem("the header \(name) cannot be given over gRPC")
        }
    }
}
