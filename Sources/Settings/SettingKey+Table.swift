extension SettingKey {
    /// Every setting, in the order in which they are shown.
    static let all: [SettingKey] =
        provider + [
            .list(
                "provider.ports",
                at: \.providerPorts,
                kind: .port,
                count: 0...64,
                help: "the application's own ports"
            )
        ] + consumer + relay + inspection + admin + metrics + tracing + sampling + propagate + drain + [
            .optional(
                "takeover.deadline",
                at: \.takeover.deadline,
                kind: .duration(.zero...(.seconds(86_400))),
                help: "after how long a process that was taken over from closes what is left; off: never"
            ),
            .list(
                "limits",
                at: \.limits,
                kind: .path,
                count: 0...64,
                help: "files with limits, relative to this file's folder"
            ),
            .list(
                "redact",
                at: \.redact,
                kind: .attachmentName,
                count: 0...1000,
                help: "attachments and headers that print as ***"
            ),
            .value("log.level", at: \.log.level, kind: .word, help: "trace, debug, info, notice, warning or error"),
            .value("log.format", at: \.log.format, kind: .word, help: "text or json"),
            .optional(
                "log.calls",
                at: \.log.calls,
                kind: .path,
                help: "where a JSON line for each call goes: stdout or a file"
            ),
            .list(
                "log.calls-filter",
                at: \.log.callsFilter,
                kind: .callCondition,
                count: 0...8,
                help: "which calls: conditions of /v1/calls as NAME=VALUE, such as outcome=error"
            ),
            .value(
                "log.calls-sample",
                at: \.log.callsSample,
                kind: .decimal(0...1),
                help: "the share of those calls, 0 to 1"
            ),
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
                at: isEnabled,
                kind: .boolean,
                help: "whether \(what) are taken in; on when the section is there"
            ),
            .value(
                "\(name).listen",
                at: listen,
                kind: .listenAddress,
                help: "address to listen on; [::] takes IPv4 too"
            ),
            .optional(
                "\(name).upstream",
                at: upstream,
                kind: .upstreamAddress,
                help: "HOST:PORT that connections go to; off: where each was going before it was intercepted"
            ),
        ]
    }

    private static let relay: [SettingKey] = [
        .value(
            "relay.workers",
            at: \.relay.workers,
            kind: .integer(0...256),
            help: "threads; 0: as processors and cgroup allow, at most 4"
        ),
        .value(
            "relay.max-connections",
            at: \.relay.maxConnections,
            kind: .integer(1...1_000_000),
            help: "connections at a time; more are closed"
        ),
        .value(
            "relay.connect-timeout",
            at: \.relay.connectTimeout,
            kind: .duration(.milliseconds(10)...(.seconds(300))),
            help: "how long connecting to an upstream may take"
        ),
        .optional(
            "relay.tcp-user-timeout",
            at: \.relay.tcpUserTimeout,
            kind: .duration(.seconds(1)...(.seconds(3600))),
            help: "how long sent bytes may stay unacknowledged; off: as the kernel does"
        ),
        .optional(
            "relay.keepalive-idle",
            at: \.relay.keepaliveIdle,
            kind: .duration(.seconds(1)...(.seconds(32_400)), step: 1000),
            help: "idle time before the first keepalive probe; off: no keepalive"
        ),
        .value(
            "relay.keepalive-interval",
            at: \.relay.keepaliveInterval,
            kind: .duration(.seconds(1)...(.seconds(32_400)), step: 1000),
            help: "time between keepalive probes"
        ),
        .value(
            "relay.keepalive-count",
            at: \.relay.keepaliveCount,
            kind: .integer(1...127),
            help: "unanswered probes that end a connection"
        ),
        .value(
            "relay.read-buffer",
            at: \.relay.readBufferBytes,
            kind: .size(16 << 10...8 << 20),
            help: "the buffer a worker reads into"
        ),
    ]

    private static let drain: [SettingKey] = [
        .value(
            "drain.grace",
            at: \.drain.grace,
            kind: .duration(.zero...(.seconds(3600))),
            help: "how long requests still pass once consumers were told"
        ),
        .value(
            "drain.deadline",
            at: \.drain.deadline,
            kind: .duration(.zero...(.seconds(3600))),
            help: "after how long connections are closed that are not idle"
        ),
        .value(
            "drain.signal",
            at: \.drain.signal,
            kind: .word,
            help: "auto or none: whether consumers are told before they are refused"
        ),
        .value(
            "drain.closing",
            at: \.drain.givesClosing,
            kind: .boolean,
            help: "whether replies of what is drained say closing, by which dubbo-go leaves for 30 s"
        ),
        .optional(
            "drain.qos",
            at: \.drain.qos,
            kind: .upstreamAddress,
            help: "HOST:PORT of the application's QOS, asked to take drained interfaces out of its registry"
        ),
    ]

    private static let inspection: [SettingKey] = [
        .value("inspection.enabled", at: \.inspection.isEnabled, kind: .boolean, help: "whether anything is decoded"),
        .value(
            "inspection.call-timeout",
            at: \.inspection.callTimeout,
            kind: .duration(.milliseconds(10)...(.seconds(86_400))),
            help: "the deadline of a call that names none"
        ),
        .value(
            "inspection.max-operations",
            at: \.inspection.maxOperations,
            kind: .integer(1...100_000),
            help: "different operations; further ones count as _other"
        ),
        .value(
            "inspection.max-calls",
            at: \.inspection.maxCalls,
            kind: .integer(1...10_000_000),
            help: "calls in flight that a worker keeps"
        ),
        .value(
            "inspection.max-tombstones",
            at: \.inspection.maxTombstones,
            kind: .integer(0...1_000_000),
            help: "timed-out calls that a worker remembers for late replies"
        ),
        .list(
            "inspection.jsonrpc-paths",
            at: \.inspection.jsonrpcPaths,
            kind: .pathPattern,
            count: 0...64,
            help: "HTTP paths (* and ? stand for others) whose JSON bodies are calls though they do not say so"
        ),
        .value(
            "inspection.mcp-names",
            at: \.inspection.mcpNames,
            kind: .boolean,
            help: "whether tools of MCP servers are told apart, as tools/call:NAME"
        ),
    ]

    private static let admin: [SettingKey] = [
        .value(
            "admin.listen",
            at: \.admin.listen,
            kind: .localAddress,
            help: "address of the admin API; localhost: both loopback addresses"
        ),
        .optional(
            "admin.metrics-listen",
            at: \.admin.metricsListen,
            kind: .localAddress,
            help: "a further address with /metrics, /healthz and /readyz only"
        ),
        .optional(
            "admin.probes-listen",
            at: \.admin.probesListen,
            kind: .localAddress,
            help: "a further address with /healthz and /readyz only, served by a thread of its own"
        ),
        .optional(
            "admin.token",
            at: \.admin.token,
            kind: .token,
            help: "bearer token of changing calls, and of all beyond loopback"
        ),
        .list(
            "admin.hosts",
            at: \.admin.hosts,
            kind: .hostName,
            count: 0...64,
            help: "names in Host besides IP addresses and localhost"
        ),
        .value(
            "admin.stuck-fails-health",
            at: \.admin.stuckFailsHealth,
            kind: .boolean,
            help: "whether /healthz says 500 while a worker is stuck"
        ),
    ]
}
