extension SettingKey {
    /// Every setting, in the order in which they are shown.
    static let all: [SettingKey] =
        provider + [
            .list("provider.ports", \.providerPorts, .port, 0...64, "the application's own ports")
        ] + consumer + relay + inspection + admin + metrics + tracing + sampling + propagate + drain + [
            .optional(
                "takeover.deadline",
                \.takeover.deadline,
                .duration(.zero...(.seconds(86_400))),
                "after how long a process that was taken over from closes what is left; off: never"
            ),
            .list("limits", \.limits, .path, 0...64, "files with limits, relative to this file's folder"),
            .list("redact", \.redact, .attachmentName, 0...1000, "attachments and headers that print as ***"),
            .value("log.level", \.log.level, .word, "trace, debug, info, notice, warning or error"),
            .value("log.format", \.log.format, .word, "text or json"),
            .optional("log.calls", \.log.calls, .path, "where a JSON line for each call goes: stdout or a file"),
            .list(
                "log.calls-filter",
                \.log.callsFilter,
                .callCondition,
                0...8,
                "which calls: conditions of /v1/calls as NAME=VALUE, such as outcome=error"
            ),
            .value("log.calls-sample", \.log.callsSample, .decimal(0...1), "the share of those calls, 0 to 1"),
        ]

    /// The keys by path.
    static let byPath = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })

    /// The names of the mappings at the top, in order.
    static let sections = all.map(\.path).reduce(into: [String]()) { sections, path in
        guard let dot = path.firstIndex(of: "."), sections.last != String(path[..<dot]) else { return }
        sections.append(String(path[..<dot]))
    }

    private static let provider = side(
        "provider",
        "calls that arrive at the application",
        isEnabled: \.provider.isEnabled,
        listen: \.provider.listen,
        upstream: \.provider.upstream
    )

    private static let consumer = side(
        "consumer",
        "calls that the application makes",
        isEnabled: \.consumer.isEnabled,
        listen: \.consumer.listen,
        upstream: \.consumer.upstream
    )

    private static func side(
        _ name: String,
        _ what: String,
        isEnabled: Place<Bool>,
        listen: Place<NetworkAddress>,
        upstream: Place<NetworkAddress?>
    ) -> [SettingKey] {
        [
            .value(
                "\(name).enabled",
                isEnabled,
                .boolean,
                "whether \(what) are taken in; on when the section is there"
            ),
            .value("\(name).listen", listen, .listenAddress, "address to listen on; [::] takes IPv4 too"),
            .optional(
                "\(name).upstream",
                upstream,
                .upstreamAddress,
                "HOST:PORT that connections go to; off: where each was going before it was intercepted"
            ),
        ]
    }

    private static let relay: [SettingKey] = [
        .value(
            "relay.workers",
            \.relay.workers,
            .integer(0...256),
            "threads; 0: as processors and cgroup allow, at most 4"
        ),
        .value(
            "relay.max-connections",
            \.relay.maxConnections,
            .integer(1...1_000_000),
            "connections at a time; more are closed"
        ),
        .value(
            "relay.connect-timeout",
            \.relay.connectTimeout,
            .duration(.milliseconds(10)...(.seconds(300))),
            "how long connecting to an upstream may take"
        ),
        .optional(
            "relay.tcp-user-timeout",
            \.relay.tcpUserTimeout,
            .duration(.seconds(1)...(.seconds(3600))),
            "how long sent bytes may stay unacknowledged; off: as the kernel does"
        ),
        .optional(
            "relay.keepalive-idle",
            \.relay.keepaliveIdle,
            .duration(.seconds(1)...(.seconds(32_400)), step: 1000),
            "idle time before the first keepalive probe; off: no keepalive"
        ),
        .value(
            "relay.keepalive-interval",
            \.relay.keepaliveInterval,
            .duration(.seconds(1)...(.seconds(32_400)), step: 1000),
            "time between keepalive probes"
        ),
        .value(
            "relay.keepalive-count",
            \.relay.keepaliveCount,
            .integer(1...127),
            "unanswered probes that end a connection"
        ),
        .value(
            "relay.read-buffer",
            \.relay.readBufferBytes,
            .size(16 << 10...8 << 20),
            "the buffer a worker reads into"
        ),
    ]

    private static let drain: [SettingKey] = [
        .value(
            "drain.grace",
            \.drain.grace,
            .duration(.zero...(.seconds(3600))),
            "how long requests still pass once consumers were told"
        ),
        .value(
            "drain.deadline",
            \.drain.deadline,
            .duration(.zero...(.seconds(3600))),
            "after how long connections are closed that are not idle"
        ),
        .value(
            "drain.signal",
            \.drain.signal,
            .word,
            "auto or none: whether consumers are told before they are refused"
        ),
        .value(
            "drain.closing",
            \.drain.givesClosing,
            .boolean,
            "whether replies of what is drained say closing, by which dubbo-go leaves for 30 s"
        ),
        .optional(
            "drain.qos",
            \.drain.qos,
            .upstreamAddress,
            "HOST:PORT of the application's QOS, asked to take drained interfaces out of its registry"
        ),
    ]

    private static let inspection: [SettingKey] = [
        .value("inspection.enabled", \.inspection.isEnabled, .boolean, "whether anything is decoded"),
        .value(
            "inspection.call-timeout",
            \.inspection.callTimeout,
            .duration(.milliseconds(10)...(.seconds(86_400))),
            "the deadline of a call that names none"
        ),
        .value(
            "inspection.max-operations",
            \.inspection.maxOperations,
            .integer(1...100_000),
            "different operations; further ones count as _other"
        ),
        .value(
            "inspection.max-calls",
            \.inspection.maxCalls,
            .integer(1...10_000_000),
            "calls in flight that a worker keeps"
        ),
        .value(
            "inspection.max-tombstones",
            \.inspection.maxTombstones,
            .integer(0...1_000_000),
            "timed-out calls that a worker remembers for late replies"
        ),
        .list(
            "inspection.jsonrpc-paths",
            \.inspection.jsonrpcPaths,
            .pathPattern,
            0...64,
            "HTTP paths (* and ? stand for others) whose JSON bodies are calls though they do not say so"
        ),
        .value(
            "inspection.mcp-names",
            \.inspection.mcpNames,
            .boolean,
            "whether tools of MCP servers are told apart, as tools/call:NAME"
        ),
    ]

    private static let admin: [SettingKey] = [
        .value(
            "admin.listen",
            \.admin.listen,
            .localAddress,
            "address of the admin API; localhost: both loopback addresses"
        ),
        .optional(
            "admin.metrics-listen",
            \.admin.metricsListen,
            .localAddress,
            "a further address with /metrics, /healthz and /readyz only"
        ),
        .optional(
            "admin.probes-listen",
            \.admin.probesListen,
            .localAddress,
            "a further address with /healthz and /readyz only, served by a thread of its own"
        ),
        .optional(
            "admin.token",
            \.admin.token,
            .token,
            "bearer token of changing calls, and of all beyond loopback"
        ),
        .list(
            "admin.hosts",
            \.admin.hosts,
            .hostName,
            0...64,
            "names in Host besides IP addresses and localhost"
        ),
        .value(
            "admin.stuck-fails-health",
            \.admin.stuckFailsHealth,
            .boolean,
            "whether /healthz says 500 while a worker is stuck"
        ),
    ]
}
