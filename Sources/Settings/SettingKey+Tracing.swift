extension SettingKey {
    /// The metrics page.
    static let metrics: [SettingKey] = [
        .list("metrics.names", \.metrics.names, .word, 1...8, "families of metric names to export: weir, dubbo"),
        .value("metrics.callers", \.metrics.callers, .boolean, "whether calls are counted by calling application, too"),
        .value(
            "metrics.exemplars",
            \.metrics.exemplars,
            .boolean,
            "whether duration buckets carry the ids of exported spans"
        ),
        .optional(
            "metrics.application",
            \.metrics.application,
            .name,
            "application_name of dubbo metrics; off: as spans name it"
        ),
    ]

    /// Spans and where they go.
    static let tracing: [SettingKey] = [
        .optional(
            "tracing.endpoint",
            \.tracing.endpoint,
            .url,
            "collector that spans go to, http://HOST:4318, or :4317 for grpc; off: no spans"
        ),
        .value("tracing.protocol", \.tracing.transport, .word, "OTLP over http or grpc"),
        .list("tracing.headers", \.tracing.headers, .header, 0...32, "NAME=VALUE that the collector wants"),
        .optional("tracing.ca-file", \.tracing.caFile, .path, "certificates to trust; off: the system's"),
        .value("tracing.compression", \.tracing.compression, .word, "none or gzip"),
        .value(
            "tracing.timeout",
            \.tracing.timeout,
            .duration(.milliseconds(100)...(.seconds(60))),
            "how long sending a batch may take"
        ),
        .value("tracing.queue", \.tracing.queue, .integer(64...1_000_000), "spans that may wait; more are dropped"),
        .value("tracing.batch", \.tracing.batch, .integer(1...8192), "spans of a batch"),
        .optional(
            "tracing.service-name",
            \.tracing.serviceName,
            .name,
            "service.name of spans; off: as the environment or the traffic says"
        ),
        .value(
            "tracing.names",
            \.tracing.names,
            .word,
            "attribute names: classic (rpc.system), current (rpc.system.name) or both"
        ),
        .list(
            "tracing.formats",
            \.tracing.formats,
            .word,
            1...4,
            "trace contexts that are read, the best first: traceparent, uber-trace-id, b3, b3-multi"
        ),
        .list(
            "tracing.attachments",
            \.tracing.attachments,
            .attachmentName,
            0...64,
            "attachments and headers that become attributes of spans"
        ),
    ]

    /// Which calls become spans.
    static let sampling: [SettingKey] = [
        .value("tracing.parent-based", \.tracing.parentBased, .boolean, "whether the caller's decision is followed"),
        .value(
            "tracing.ratio",
            \.tracing.ratio,
            .decimal(0...1),
            "share of the calls without a decision that is traced"
        ),
        .optional(
            "tracing.rate",
            \.tracing.rate,
            .decimal(0.001...1_000_000),
            "of those at most so many a second and operation"
        ),
        .optional(
            "tracing.remote-sampling",
            \.tracing.remoteSampling,
            .url,
            "where to ask for Jaeger's sampling strategies, http://HOST:5778/sampling; off: ratio and rate"
        ),
        .value(
            "tracing.remote-interval",
            \.tracing.remoteInterval,
            .duration(.seconds(1)...(.seconds(3600))),
            "how often to ask"
        ),
        .value(
            "tracing.keep-errors",
            \.tracing.keepErrors,
            .boolean,
            "whether calls that fail are traced all the same"
        ),
        .optional(
            "tracing.keep-slower",
            \.tracing.keepSlower,
            .duration(.milliseconds(1)...(.seconds(3600))),
            "calls that take longer are traced all the same"
        ),
        .value("tracing.keep-rate", \.tracing.keepRate, .integer(0...100_000), "calls so kept a second at most"),
    ]

    /// What is written into requests.
    static let propagate: [SettingKey] = [
        .value("propagate.dubbo", \.propagate.dubbo, .word, "read, or inject: give requests Weir's own trace context"),
        .value("propagate.triple", \.propagate.triple, .word, "the same for Triple and gRPC"),
        .value("propagate.jsonrpc", \.propagate.jsonrpc, .word, "the same for JSON-RPC over HTTP"),
        .list(
            "propagate.formats",
            \.propagate.formats,
            .word,
            1...4,
            "forms it is written in: traceparent, uber-trace-id, b3, b3-multi"
        ),
    ]
}
