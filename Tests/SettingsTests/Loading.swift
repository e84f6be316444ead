import Settings

/// The settings of a text named `weir.yaml`, or the problems' lines.
func load(
    _ text: String? = nil,
    environment: [String: String] = [:],
    flags: [(String, String)] = []
) -> Result<WeirSettings, ConfigurationProblems> {
    let loader = SettingsLoader(
        file: text.map { SettingsFile(name: "weir.yaml", bytes: Array($0.utf8)) },
        environment: environment,
        overrides: flags.map { SettingsOverride(keyPath: $0.0, text: $0.1, flag: "--\($0.0)") }
    )
    do throws(ConfigurationProblems) {
        return .success(try loader.load())
    } catch {
        return .failure(error)
    }
}

/// What is said about a text; empty when nothing is wrong.
func problems(
    _ text: String? = nil,
    environment: [String: String] = [:],
    flags: [(String, String)] = []
) -> [String] {
    switch load(text, environment: environment, flags: flags) {
    case .success: []
    case .failure(let problems): problems.problems.map(\.description)
    }
}

/// A file that sets everything to something else than its default.
let fullText = """
    # a comment with an umlaut: ü
    provider:
      enabled: yes
      listen: "[::1]:26006"
      upstream: app.internal:20880
      ports: [20880, 50051]
    consumer:
      listen: 0.0.0.0:26001
      upstream: "[2001:db8::7]:20881"
    relay:
      workers: 3
      max-connections: 500
      connect-timeout: 250ms
      tcp-user-timeout: 1m
      keepalive-idle: 2m
      keepalive-interval: 5s
      keepalive-count: 9
      read-buffer: 1MiB
    inspection:
      enabled: false
      call-timeout: 1500ms
      max-operations: 17
      max-calls: 18
      max-tombstones: 0
      jsonrpc-paths: [/rpc, '/api/*']
      mcp-names: false
    admin:
      listen: 10.0.0.1:26080
      metrics-listen: :26081
      probes-listen: localhost:26082
      token: 'a-secret#token'
      hosts: [Weir.internal, b]
      stuck-fails-health: yes
    metrics:
      names:
        - dubbo
        - weir
      callers: true
      exemplars: false
      application: shop
    tracing:
      endpoint: https://collector.internal:4317/x
      protocol: grpc
      headers: ["x-key=a-secret#token"]
      ca-file: /etc/ssl/ca.pem
      compression: none
      timeout: 3s
      queue: 100
      batch: 64
      service-name: the shop
      names: both
      formats: [b3, traceparent]
      attachments: [User_Level, tenant]
      parent-based: no
      ratio: 0.25
      rate: 0.5
      remote-sampling: http://127.0.0.1:5778/sampling
      remote-interval: 10s
      keep-errors: yes
      keep-slower: 200ms
      keep-rate: 7
    propagate:
      dubbo: inject
      triple: inject
      jsonrpc: inject
      formats: [uber-trace-id, traceparent]
    drain:
      grace: 500ms
      deadline: 1h
      signal: none
      closing: on
      qos: 127.0.0.1:22222
    takeover:
      deadline: 1h
    limits: [limits.yaml, more/limits.yaml]
    redact: [Token, "x-user"]
    log:
      level: trace
      format: json
      calls: /var/log/calls.json
      calls-filter: [outcome=error, min_ms=2.5]
      calls-sample: 0.125

    """
