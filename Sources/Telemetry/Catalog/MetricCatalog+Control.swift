public import Calls

/// The result of a span: the label `result` of `weir_spans_total`.
public enum SpanResult: UInt8, CaseIterable, MetricLabel {
    /// The collector took them.
    case exported
    /// Too many waited.
    case dropped
    /// The collector did not take them.
    case failed

    /// `result`.
    public static var labelName: StaticString { "result" }

    /// The value of the metric label `result`.
    public var label: StaticString {
        switch self {
        case .exported: "exported"
        case .dropped: "dropped"
        case .failed: "failed"
        }
    }
}

/// The result of reading the files again: the label `result` of `weir_reloads_total`.
public enum ReloadResult: UInt8, CaseIterable, MetricLabel {
    /// They were put in force.
    case ok
    /// The files had mistakes.
    case failed

    /// `result`.
    public static var labelName: StaticString { "result" }

    /// The value of the metric label `result`.
    public var label: StaticString { self == .ok ? "ok" : "failed" }
}

/// The state of a process that was taken over from: the label `state` of `weir_takeover_predecessors`.
public enum PredecessorState: UInt8, CaseIterable, MetricLabel {
    /// It answers.
    case answering
    /// It does not.
    case silent

    /// `state`.
    public static var labelName: StaticString { "state" }

    /// The value of the metric label `state`.
    public var label: StaticString { self == .answering ? "answering" : "silent" }
}

/// The metrics that no worker counts.
extension MetricCatalog {
    /// Workers that do not get on.
    public static let stuckWorkers = ControlMetric<NoLabels>(
        .gauge,
        "weir_workers_stuck",
        help: "Workers that have had events waiting and taken no turn for 30 s, throttled time not counted."
    )
    /// The processes that this one follows.
    public static let predecessors = ControlMetric<PredecessorState>(
        .gauge,
        "weir_takeover_predecessors",
        help: "Processes that were taken over from and still run, by whether they answer this one."
    )
    /// The number of times that files were read again.
    public static let reloads = ControlMetric<ReloadResult>(
        .counter,
        "weir_reloads",
        help: "Times that the configuration file and the limits were read again."
    )
    /// Log lines that were not written.
    public static let logLinesDropped = ControlMetric<NoLabels>(
        .counter,
        "weir_log_lines_dropped",
        help: "Log lines, those of calls among them, that were not written because nobody took them."
    )
    /// The results of spans.
    public static let spans = ControlMetric<SpanResult>(
        .counter,
        "weir_spans",
        help: "Spans, by what became of them."
    )
    /// Trace contexts that could not be read.
    public static let malformedContexts = ControlMetric<TraceFormat>(
        .counter,
        "weir_trace_contexts_malformed",
        help: "Trace contexts of requests that could not be read."
    )
    /// Requests that were to carry a context of Weir's own.
    public static let contextInjections = ControlMetric<TracingCounters.Injection>(
        .counter,
        "weir_context_injections",
        help: "Requests that were to carry a trace context of Weir's own, by what became of that."
    )
    /// The lines that subscribers to calls missed.
    public static let tapLinesDropped = ControlMetric<NoLabels>(
        .counter,
        "weir_tap_lines_dropped",
        help: "Calls not shown to a viewer because it was too slow."
    )

    /// All of them, in the order of the page.
    static let control: [Metric] = [
        staleWorkers,
        buildInfo,
        Metric(stuckWorkers),
        Metric(predecessors),
        Metric(reloads),
        Metric(logLinesDropped),
        adminConnectionsClosed,
        Metric(spans),
        Metric(malformedContexts),
        Metric(contextInjections),
        Metric(tapLinesDropped),
        limitDecisions,
        drainState,
        drainSignals,
        directConnections,
    ]

    private static let staleWorkers = Metric(
        .counter,
        "weir_scrape_stale_workers",
        help: "Workers represented by an old snapshot because they did not answer in time."
    ) { source in
        MetricSample.one(source.context.staleWorkers)
    }

    private static let buildInfo = Metric(
        .gauge,
        "weir_build_info",
        help: "Which Weir this is; always 1.",
        labels: [MetricLabelDescription("version"), MetricLabelDescription("revision")]
    ) { source in
        let build = source.context.build
        return [MetricSample([("version", build.version), ("revision", build.revision)], .count(1))]
    }

    private static let adminConnectionsClosed = Metric(
        .counter,
        "weir_admin_connections_closed",
        help: "Connections of the admin API closed before their clients wanted it.",
        labels: [
            MetricLabelDescription(
                "reason",
                ["shed", "idle", "slow_request", "large_request", "slow_reader", "old_page"]
            )
        ]
    ) { source in
        source.additions.adminCuts?.map { MetricSample([("reason", $0.reason)], .count($0.count)) }
    }

    private static let limitDecisions = Metric(
        .counter,
        "weir_limit_decisions",
        help: "Calls by limit: those it allowed, rejected, or would have rejected if it were enforced.",
        labels: [
            MetricLabelDescription("limit"),
            MetricLabelDescription("decision", ["allowed", "rejected", "would_reject"]),
        ]
    ) { source in
        source.additions.limits?.flatMap { limit in
            [("allowed", limit.allowed), ("rejected", limit.rejected), ("would_reject", limit.wouldReject)].map {
                MetricSample([("limit", limit.name), ("decision", $0)], .count($1))
            }
        }
    }

    private static let drainState = Metric(
        .gauge,
        "weir_drain_state",
        help: "How far a drain has come: 0 none, 1 grace, 2 refusing, 3 over; without labels of the whole service.",
        labels: [MetricLabelDescription("interface"), MetricLabelDescription("method")]
    ) { source in
        source.additions.drains?.states.map { state in
            let value = MetricSample.Value.count(UInt64(state.value))
            if state.interface.isEmpty { return MetricSample([], value) }
            return MetricSample([("interface", state.interface), ("method", state.method)], value)
        }
    }

    private static let drainSignals = Metric(
        .counter,
        "weir_drain_signals",
        help: "Signals of drains given to consumers.",
        labels: [
            MetricLabelDescription(
                "signal",
                ["readonly", "writeable", "closing", "goaway", "not_serving", "serving", "connection_close"]
            )
        ]
    ) { source in
        source.additions.drains?.signals.map { MetricSample([("signal", $0.signal)], .count($0.count)) }
    }

    private static let directConnections = Metric(
        .gauge,
        "weir_direct_connections",
        help: "Established connections to the application's ports (provider.ports) that are not Weir's.",
        labels: [MetricLabelDescription("port")]
    ) { source in
        source.additions.directConnections?.map {
            MetricSample([("port", "\($0.port)")], .count(UInt64($0.count)))
        }
    }
}
