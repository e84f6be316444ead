extension SettingKey {
    /// The metrics page.
    static let metrics: [SettingKey] = [
        .list(
            "metrics.names",
            at: \.metrics.names,
            kind: .word,
            count: 1...8,
            help: "families of metric names to export: weir, dubbo"
        ),
        .value(
            "metrics.callers",
            at: \.metrics.callers,
            kind: .boolean,
            help: "whether calls are counted by calling application, too"
        ),
        .value(
            "metrics.exemplars",
            at: \.metrics.exemplars,
            kind: .boolean,
            help: "whether duration buckets carry the ids of exported spans"
        ),
        .optional(
            "metrics.application",
            at: \.metrics.application,
            kind: .name,
            help: "application_name of dubbo metrics; off: as spans name it"
        ),
    ]

    /// Spans and where they go.
    static let tracing: [SettingKey] = [
        .optional(
            "tracing.endpoint",
            at: \.tracing.endpoint,
            kind: .url,
            help: "collector that spans go to, http://HOST:4318, or :4317 for grpc; off: no spans"
        ),
        .value("tracing.protocol", at: \.tracing.transport, kind: .word, help: "OTLP over http or grpc"),
        .list(
            "tracing.headers",
            at: \.tracing.headers,
            kind: .header,
            count: 0...32,
            help: "NAME=VALUE that the collector wants"
        ),
        .optional(
            "tracing.ca-file",
            at: \.tracing.caFile,
            kind: .path,
            help: "certificates to trust; off: the system's"
        ),
        .value("tracing.compression", at: \.tracing.compression, kind: .word, help: "none or gzip"),
        .value(
            "tracing.timeout",
            at: \.tracing.timeout,
            kind: .duration(.milliseconds(100)...(.seconds(60))),
            help: "how long sending a batch may take"
        ),
        .value(
            "tracing.queue",
            at: \.tracing.queue,
            kind: .integer(64...1_000_000),
            help: "spans that may wait; more are dropped"
        ),
        .value("tracing.batch", at: \.tracing.batch, kind: .integer(1...8192), help: "spans of a batch"),
        .optional(
            "tracing.service-name",
            at: \.tracing.serviceName,
            kind: .name,
            help: "service.name of spans; off: as the environment or the traffic says"
        ),
        .value(
            "tracing.names",
            at: \.tracing.names,
            kind: .word,
            help: "attribute names: classic (rpc.system), current (rpc.system.name) or both"
        ),
        .list(
            "tracing.formats",
            at: \.tracing.formats,
            kind: .word,
            count: 1...4,
            help: "trace contexts that are read, the best first: traceparent, uber-trace-id, b3, b3-multi"
        ),
        .list(
            "tracing.attachments",
            at: \.tracing.attachments,
            kind: .attachmentName,
            count: 0...64,
            help: "attachments and headers that become attributes of spans"
        ),
    ]

    /// Which calls become spans.
    static let sampling: [SettingKey] = [
        .value(
            "tracing.parent-based",
            at: \.tracing.parentBased,
            kind: .boolean,
            help: "whether the caller's decision is followed"
        ),
        .value(
            "tracing.ratio",
            at: \.tracing.ratio,
            kind: .decimal(0...1),
            help: "share of the calls without a decision that is traced"
        ),
        .optional(
            "tracing.rate",
            at: \.tracing.rate,
            kind: .decimal(0.001...1_000_000),
            help: "of those at most so many a second and operation"
        ),
        .optional(
            "tracing.remote-sampling",
            at: \.tracing.remoteSampling,
            kind: .url,
            help: "where to ask for Jaeger's sampling strategies, http://HOST:5778/sampling; off: ratio and rate"
        ),
        .value(
            "tracing.remote-interval",
            at: \.tracing.remoteInterval,
            kind: .duration(.seconds(1)...(.seconds(3600))),
            help: "how often to ask"
        ),
        .value(
            "tracing.keep-errors",
            at: \.tracing.keepErrors,
            kind: .boolean,
            help: "whether calls that fail are traced all the same"
        ),
        .optional(
            "tracing.keep-slower",
            at: \.tracing.keepSlower,
            kind: .duration(.milliseconds(1)...(.seconds(3600))),
            help: "calls that take longer are traced all the same"
        ),
        .value(
            "tracing.keep-rate",
            at: \.tracing.keepRate,
            kind: .integer(0...100_000),
            help: "calls so kept a second at most"
        ),
    ]

    /// What is written into requests.
    static let propagate: [SettingKey] = [
        .value(
            "propagate.dubbo",
            at: \.propagate.dubbo,
            kind: .word,
            help: "read, or inject: give requests Weir's own trace context"
        ),
        .value("propagate.triple", at: \.propagate.triple, kind: .word, help: "the same for Triple and gRPC"),
        .value("propagate.jsonrpc", at: \.propagate.jsonrpc, kind: .word, help: "the same for JSON-RPC over HTTP"),
        .list(
            "propagate.formats",
            at: \.propagate.formats,
            kind: .word,
            count: 1...4,
            help: "forms it is written in: traceparent, uber-trace-id, b3, b3-multi"
        ),
    ]
}
