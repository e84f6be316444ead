internal import Calls

/// How spans leave.
public enum SpanProtocol: String, CaseIterable, Sendable {
    /// OTLP over HTTP, in protobuf.
    case http
    /// OTLP over gRPC.
    case grpc
}

/// How batches of spans are compressed.
public enum SpanCompression: String, CaseIterable, Sendable {
    /// Not at all.
    case none
    /// With gzip.
    case gzip
}

/// Which names span attributes have.
public enum SpanNames: String, CaseIterable, Sendable {
    /// Those of OpenTelemetry up to 1.38, `rpc.system`.
    case classic
    /// Those since 1.39, `rpc.system.name`.
    case current
    /// Both.
    case both
}

/// A way of writing trace context down.
public enum ContextFormat: String, CaseIterable, Sendable {
    /// W3C `traceparent`.
    case traceparent
    /// Jaeger's `uber-trace-id`.
    case uberTraceID = "uber-trace-id"
    /// B3 in one header.
    case b3
    /// B3 in several.
    case b3Multi = "b3-multi"
}

/// What becomes of the trace context of a protocol's requests.
public enum Propagation: String, CaseIterable, Sendable {
    /// It is read and passed on as it came.
    case read
    /// Weir's own takes its place in requests that are sampled, and is added to those without one.
    case inject
}

/// Spans: which there are, and where they go.
public struct TracingSettings: Equatable, Sendable {
    /// The collector: `http://HOST:PORT` or `https://…`; `nil` switches tracing off.
    public internal(set) var endpoint: String?
    /// How spans leave.
    public internal(set) var transport = SpanProtocol.http
    /// Headers that the collector wants, `NAME=VALUE`; never shown.
    public internal(set) var headers: [String] = []
    /// A file of certificates (PEM) to trust instead of the system's.
    public internal(set) var caFile: String?
    /// How batches are compressed.
    public internal(set) var compression = SpanCompression.gzip
    /// How long a batch may take, 100 ms…1 min.
    public internal(set) var timeout = Duration.seconds(Defaults.exportTimeoutSeconds)
    /// The most spans that wait, 64…1,000,000.
    public internal(set) var queue = Defaults.maxQueuedSpans
    /// The most spans of a batch, 1…8192.
    public internal(set) var batch = Defaults.maxBatchSpans
    /// `service.name`; `nil`: as the environment or the traffic says.
    public internal(set) var serviceName: String?
    /// Which names attributes have.
    public internal(set) var names = SpanNames.classic
    /// The forms of context that are read, the first that can be read counts.
    public internal(set) var formats = ContextFormat.allCases
    /// Attachments and headers that become attributes, at most 64.
    public internal(set) var attachments: [String] = []
    /// Whether the caller's decision is followed.
    public internal(set) var parentBased = true
    /// The share of calls without a decision that is traced, 0…1.
    public internal(set) var ratio = 1.0
    /// The most of those a second and operation, more than 0; `nil` for no bound.
    public internal(set) var rate: Double? = 10
    /// Where to ask for Jaeger's sampling strategies instead; `nil` for nowhere.
    public internal(set) var remoteSampling: String?
    /// How often to ask, 1 s…1 h.
    public internal(set) var remoteInterval = Duration.seconds(60)
    /// Whether calls that fail are kept though nobody chose them.
    public internal(set) var keepErrors = false
    /// Slower calls are kept though nobody chose them; `nil` for none.
    public internal(set) var keepSlower: Duration?
    /// The most calls kept so a second, 0…100,000.
    public internal(set) var keepRate = Defaults.keptSpansPerSecond
}

/// Whether requests are given Weir's own trace context, by protocol.
public struct PropagationSettings: Equatable, Sendable {
    /// Dubbo.
    public internal(set) var dubbo = Propagation.read
    /// Triple and gRPC.
    public internal(set) var triple = Propagation.read
    /// JSON-RPC over HTTP.
    public internal(set) var jsonrpc = Propagation.read
    /// The forms it is written in.
    public internal(set) var formats: [ContextFormat] = [.traceparent]
}
