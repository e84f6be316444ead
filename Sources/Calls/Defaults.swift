/// What holds where nobody says otherwise: the defaults that both the settings and the module they configure need.
///
/// They are stated here only; `Settings` documents them as the defaults of the configuration file, and who makes a
/// relay or an inspector without settings gets the same.
public enum Defaults {
    /// Workers at most, however many processors there are.
    public static let maxWorkers = 4
    /// Attachments and headers whose values are not printed.
    public static let redactedNames = ["token", "authorization", "password"]
    /// The deadline of a call that names none of its own.
    public static let callTimeoutSeconds = 60
    /// Calls in flight that a worker keeps.
    public static let maxCalls = 100_000
    /// Timed-out calls that a worker remembers in order to recognise late replies.
    public static let maxTombstones = 10_000
    /// Connection pairs open at a time, both sides together.
    public static let maxConnections = 20_000
    /// How long connecting to an upstream may take.
    public static let connectTimeoutSeconds = 5
    /// The buffer that a worker reads into.
    public static let readBufferBytes = 256 << 10
    /// Idle time before the first keepalive probe.
    public static let keepAliveIdleSeconds = 60
    /// Time between keepalive probes.
    public static let keepAliveIntervalSeconds = 15
    /// Unanswered keepalive probes after which a connection is dead.
    public static let keepAliveCount = 4
    /// How long an export of spans may take.
    public static let exportTimeoutSeconds = 10
    /// Spans that wait for their export.
    public static let maxQueuedSpans = 16_384
    /// Spans of one export.
    public static let maxBatchSpans = 512
    /// Calls a second that are kept for what became of them, at most.
    public static let keptSpansPerSecond = 100
}
