public import Calls

/// Every metric that Weir exports, each declared once.
///
/// A new one of the workers is a ``WorkerMetric`` or ``WorkerHistogram`` after the last of its kind, its place in
/// ``workers``, and the line that counts it (``Recorder/count(_:_:by:)``). One of the control plane is a
/// ``ControlMetric``, its place in ``control``, and the line that sets it (``MetricsAdditions/set(_:_:to:)``). Numbers
/// of another form are a ``Metric`` that says how its samples are made. README's table gets its row: tests compare it,
/// the dashboards and the rules with ``all``.
public enum MetricCatalog {
    /// All of them, in the order of the page.
    public static let all = operations + workers + control + DubboMetric.all.map(\.metric) + system

    // MARK: What workers count; each begins where the one before ends

    /// Connections that are open.
    public static let openConnections = WorkerMetric<LabelPair<Side, ConnectionProtocol>>(
        .gauge,
        "weir_open_connections",
        help: "Relayed connections open now.",
        after: .start
    )
    /// Connections by what they spoke.
    public static let connections = WorkerMetric<LabelPair<Side, ConnectionProtocol>>(
        .counter,
        "weir_connections",
        help: "Relayed connections, by the protocol they were seen to speak; silent ones when they end.",
        after: openConnections.end
    )
    /// Connections that were redirected to Weir.
    public static let interceptedConnections = WorkerMetric<Side>(
        .counter,
        "weir_intercepted_connections",
        help: "Connections that the kernel redirected to Weir, whether they could be relayed or not.",
        after: connections.end
    )
    /// Connections that were not relayed.
    public static let refusedConnections = WorkerMetric<ConnectionRejectReason>(
        .counter,
        "weir_connections_refused",
        help: "Connections not relayed.",
        after: interceptedConnections.end
    )
    /// Events of the peers' protocols.
    public static let events = WorkerMetric<LabelPair<Side, PeerEvent>>(
        .counter,
        "weir_events",
        help: "Event requests, heartbeats among them.",
        after: refusedConnections.end
    )
    /// The time heartbeats took.
    public static let heartbeatRoundTrips = WorkerHistogram<Side>(
        "weir_heartbeat_round_trip_seconds",
        help: "First byte of a heartbeat request seen to last byte of its answer seen.",
        after: events.end
    )
    /// Bytes that passed without being understood.
    public static let uninspectedBytes = WorkerMetric<UninspectedReason>(
        .counter,
        "weir_uninspected_bytes",
        unit: "bytes",
        help: "Bytes forwarded without being understood.",
        after: heartbeatRoundTrips.end
    )
    /// Decisions that were made on a part of the request.
    public static let partialVerdicts = WorkerMetric<PartialVerdictReason>(
        .counter,
        "weir_verdicts_partial",
        help: "Verdicts given before all that a rule asks for had arrived.",
        after: uninspectedBytes.end
    )
    /// Entries of call tables.
    public static let callTableEntries = WorkerMetric<NoLabels>(
        .gauge,
        "weir_call_table_entries",
        help: "Calls in the call tables, those given up and still remembered counted.",
        after: partialVerdicts.end
    )
    /// The delay of event loop turns.
    public static let loopLag = WorkerHistogram<NoLabels>(
        "weir_loop_lag_seconds",
        help: "How much later than it could an event loop turn began.",
        after: callTableEntries.end
    )

    /// The metrics that do not tell operations apart and are on every page with Weir's names, in the order of the page.
    static let workers: [Metric] = [
        Metric(openConnections),
        Metric(connections),
        Metric(interceptedConnections),
        Metric(refusedConnections),
        heartbeats,
        Metric(events),
        Metric(heartbeatRoundTrips),
        consumerConnections,
        consumerConnectionImbalance,
        decodeErrors,
        Metric(uninspectedBytes),
        Metric(partialVerdicts),
        operationCount,
        operationsOverflow,
        Metric(callTableEntries),
        Metric(loopLag),
    ]

    // MARK: Where workers count

    /// The end of the last declaration.
    static let end: SlotMark = workers.reduce(.start) { end, metric in
        switch metric.storage {
        case .numbers(let slots), .histograms(let slots):
            SlotMark(
                word: max(end.word, slots.words.upperBound),
                histogram: max(end.histogram, slots.histograms.upperBound)
            )
        case .control, .other: end
        }
    }

    /// The places of numbers that go up and down.
    static let gaugeWords: [Range<Int>] = workers.compactMap { metric in
        guard metric.family.kind == .gauge, case .numbers(let slots) = metric.storage else { return nil }
        return slots.words
    }

    /// The counters of the control plane, and the labels of each.
    static let controlCounters: [(name: String, labels: [[String]])] = control.compactMap { metric in
        guard metric.family.kind == .counter, case .control(let labels) = metric.storage else { return nil }
        return (metric.family.name, labels)
    }
}
