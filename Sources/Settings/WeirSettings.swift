internal import Calls
public import Policy

/// Everything that can be set, checked and complete; made by ``SettingsLoader`` or, with every default, by ``init()``.
public struct WeirSettings: Equatable, Sendable {
    /// The side where calls arrive at the application; on by default.
    public internal(set) var provider = SideSettings(isEnabled: true, listenPort: 16006)
    /// The application's own ports, at most 64.
    ///
    /// They are what `/readyz` may be asked to connect to and what the metrics of intercepted connections look at, and
    /// are never learnt from traffic.
    public internal(set) var providerPorts: [UInt16] = []
    /// The side where the application makes calls; off unless something is said about it.
    public internal(set) var consumer = SideSettings(isEnabled: false, listenPort: 16001)
    /// How bytes are moved.
    public internal(set) var relay = RelaySettings()
    /// What is decoded and remembered.
    public internal(set) var inspection = InspectionSettings()
    /// The admin API.
    public internal(set) var admin = AdminSettings()
    /// What the metrics page shows.
    public internal(set) var metrics = MetricsSettings()
    /// Spans and where they go.
    public internal(set) var tracing = TracingSettings()
    /// Whether requests are given Weir's own trace context.
    public internal(set) var propagate = PropagationSettings()
    /// How the service is drained, unless a drain says otherwise.
    public internal(set) var drain = DrainSettings()
    /// What becomes of this process once another has taken over from it.
    public internal(set) var takeover = TakeoverSettings()
    /// Files with limits, see ``LimitsFile``; relative ones to the folder of the configuration file, without one to the
    /// current folder.
    public internal(set) var limits: [String] = []
    /// Attachments and headers that print as `***` everywhere; lower case, compared without regard to case.
    public internal(set) var redact = Defaults.redactedNames
    /// What Weir says about itself.
    public internal(set) var log = LogSettings()

    /// The defaults: the provider side on, towards the original destination.
    public init() {}
}

/// One side of the service: its listener and where its connections go.
public struct SideSettings: Equatable, Sendable {
    /// Whether the side runs.
    public internal(set) var isEnabled: Bool
    /// The address to listen on, never a name; `[::]` takes IPv4 too.
    public internal(set) var listen: NetworkAddress
    /// Where connections go; `nil` means each goes to its original destination.
    public internal(set) var upstream: NetworkAddress?

    init(isEnabled: Bool, listenPort: UInt16) {
        self.isEnabled = isEnabled
        listen = NetworkAddress(host: .ipv6(0), port: listenPort)
    }
}

/// How bytes are moved.
public struct RelaySettings: Equatable, Sendable {
    /// Threads, 0…256; 0 means ``workerCount(processors:cgroupLimit:)`` decides.
    public internal(set) var workers = 0
    /// Connection pairs open at a time, both sides together, 1…1,000,000.
    public internal(set) var maxConnections = Defaults.maxConnections
    /// How long connecting to an upstream may take, 10 ms…5 min.
    public internal(set) var connectTimeout = Duration.seconds(Defaults.connectTimeoutSeconds)
    /// TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged, 1 s…1 h; `nil` leaves it to the kernel.
    public internal(set) var tcpUserTimeout: Duration?
    /// Idle time before the first keepalive probe, 1 s…9 h, whole seconds; `nil` switches keepalive off.
    public internal(set) var keepaliveIdle: Duration? = .seconds(Defaults.keepAliveIdleSeconds)
    /// Time between keepalive probes, 1 s…9 h, whole seconds.
    public internal(set) var keepaliveInterval = Duration.seconds(Defaults.keepAliveIntervalSeconds)
    /// Unanswered keepalive probes after which a connection is dead, 1…127.
    public internal(set) var keepaliveCount = Defaults.keepAliveCount
    /// The buffer that a worker reads into, 16 KiB…8 MiB, in bytes.
    public internal(set) var readBufferBytes = Defaults.readBufferBytes

    /// The number of worker threads to start.
    ///
    /// - Parameters:
    ///   - processors: Processors that this process may run on.
    ///   - cgroupLimit: Processors' worth of time that the control group grants, rounded up; `nil` for no limit.
    /// - Returns: ``workers``, or when that is 0 the least of both figures and ``Defaults/maxWorkers``; at least 1.
    public func workerCount(processors: Int, cgroupLimit: Int?) -> Int {
        workers > 0 ? workers : max(1, min(processors, cgroupLimit ?? .max, Defaults.maxWorkers))
    }
}

/// What is decoded and remembered.
public struct InspectionSettings: Equatable, Sendable {
    /// Whether anything is decoded; without it connections are forwarded and counted only.
    public internal(set) var isEnabled = true
    /// The deadline of a call that names none of its own, 10 ms…24 h.
    public internal(set) var callTimeout = Duration.seconds(Defaults.callTimeoutSeconds)
    /// Different operations in the whole process, 1…100,000; further ones count as `_other`.
    public internal(set) var maxOperations = 2_000
    /// Calls in flight that a worker keeps, 1…10,000,000.
    public internal(set) var maxCalls = Defaults.maxCalls
    /// Timed-out calls that a worker remembers in order to recognise late replies, 0…1,000,000.
    public internal(set) var maxTombstones = Defaults.maxTombstones
    /// Patterns of HTTP paths under which every body with a method is a JSON-RPC call, up to 64 of 1,024 bytes.
    public internal(set) var jsonrpcPaths: [String] = []
    /// Whether tools of MCP servers are told apart, as `tools/call:NAME`; at most 128 a path.
    public internal(set) var mcpNames = true
}

/// The admin API.
public struct AdminSettings: Equatable, Sendable {
    /// The address to listen on; no name but `localhost`, which is both loopback addresses.
    public internal(set) var listen = NetworkAddress(host: .name("localhost"), port: 16080)
    /// A further address that serves only `/metrics`, `/healthz` and `/readyz`; `nil` for none.
    public internal(set) var metricsListen: NetworkAddress?
    /// A further address that serves only `/healthz` and `/readyz`, on a thread of its own; `nil` for none.
    public internal(set) var probesListen: NetworkAddress?
    /// What changing calls, and all beyond loopback, must carry as their bearer token, 8…256 visible ASCII characters;
    /// `nil` only on loopback.
    public internal(set) var token: String?
    /// Names that requests may call this machine besides IP addresses and `localhost`.
    public internal(set) var hosts: [String] = []
    /// Whether `/healthz` fails while a worker has had events waiting and taken no turn for 30 s.
    public internal(set) var stuckFailsHealth = false
}

/// How the service is drained when a stop is asked for, and by default.
public struct DrainSettings: Equatable, Sendable {
    /// How long requests still pass once consumers have been told, 0 s…1 h.
    public internal(set) var grace = Duration.seconds(3)
    /// After how long connections are closed that are not idle, 0 s…1 h; at least the grace is waited for.
    public internal(set) var deadline = Duration.seconds(10)
    /// Whether consumers are told of a drain before they are refused.
    public internal(set) var signal = DrainSignalling.auto
    /// Whether dubbo-go is told by the attachment `closing` of a reply.
    public internal(set) var givesClosing = false
    /// Where a Dubbo Java application beside Weir takes commands (QOS), so that it leaves its registry first; `nil` for
    /// none.
    public internal(set) var qos: NetworkAddress?
}

/// What becomes of a process once another has taken over from it.
public struct TakeoverSettings: Equatable, Sendable {
    /// After how long its connections are closed between two calls, and a second later in any case, 0 s…24 h; `nil`
    /// leaves them to their own ends.
    public internal(set) var deadline: Duration?
}

/// A family of metric names.
public enum MetricNames: String, CaseIterable, Sendable {
    /// `weir_*`.
    case weir
    /// `dubbo_provider_*` and `dubbo_consumer_*`, as Dubbo Java and dubbo-go export them.
    case dubbo
}

/// What the metrics page shows.
public struct MetricsSettings: Equatable, Sendable {
    /// The families of names to export, at least one.
    public internal(set) var names: [MetricNames] = [.weir]
    /// Whether calls are counted by calling application, too.
    public internal(set) var callers = false
    /// Whether buckets of durations carry the ids of exported spans (OpenMetrics and protobuf).
    public internal(set) var exemplars = true
    /// The application beside Weir, for ``MetricNames/dubbo``; `nil`: as spans name it.
    public internal(set) var application: String?
}

/// How much is logged; each level includes those after it.
public enum LogLevel: String, CaseIterable, Sendable {
    /// A line a frame.
    case trace
    /// A line a connection.
    case debug
    /// The configuration in short.
    case info
    /// Started, draining, stopped.
    case notice
    /// A limit or a peer's fault that changed behaviour.
    case warning
    /// The process cannot do its job.
    case error
}

/// How a log line is written.
public enum LogFormat: String, CaseIterable, Sendable {
    /// For people.
    case text
    /// A JSON object a line.
    case json
}

/// What Weir says about itself.
public struct LogSettings: Equatable, Sendable {
    /// The least important level that is written.
    public internal(set) var level = LogLevel.info
    /// How lines are written.
    public internal(set) var format = LogFormat.text
    /// Where a line for each finished call goes: a file, or ``standardOutput``; `nil` for nowhere.
    public internal(set) var calls: String?
    /// Which calls get one, as `name=value`, see ``CallFilter/init(parameters:)``; all of it must fit.
    public internal(set) var callsFilter: [String] = []
    /// The share of those that get one, 0…1; calls of one trace get one together.
    public internal(set) var callsSample = 1.0

    /// What ``calls`` says for standard output.
    public static let standardOutput = "stdout"

    /// ``callsFilter`` as the filter it is.
    public var callFilter: CallFilter { (try? CallFilter(parameters: callsFilter.map(Self.parameter))) ?? CallFilter() }

    /// The name and value of a condition.
    static func parameter(_ text: String) -> (name: String, value: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts.first ?? ""), String(parts.dropFirst().first ?? ""))
    }
}
