public import Calls

/// Some of the numbers as rows, with every value of their labels.
extension MetricsSnapshot {
    /// Every side and protocol, seen or not; registered protocols only where there is something to tell.
    public var connections: [Connections] {
        LabelPair<Side, ConnectionProtocol>.allLabels.compactMap { labels in
            let open = Int64(bitPattern: self[MetricCatalog.openConnections, labels])
            let total = self[MetricCatalog.connections, labels]
            guard open != 0 || total != 0 || labels.hasLineAtZero else { return nil }
            return Connections(side: labels.first, connectionProtocol: labels.second, open: open, total: total)
        }
    }

    /// The number of events by side and event.
    public var events: [(side: Side, event: PeerEvent, count: UInt64)] {
        LabelPair<Side, PeerEvent>.allLabels.map { ($0.first, $0.second, self[MetricCatalog.events, $0]) }
    }

    /// The round trips of heartbeats by side.
    public var heartbeatRoundTrips: [(side: Side, duration: HistogramSnapshot)] {
        Side.allCases.map { ($0, self[MetricCatalog.heartbeatRoundTrips, $0]) }
    }

    /// Bytes passed without being understood.
    public var uninspectedBytes: [(reason: UninspectedReason, count: UInt64)] {
        UninspectedReason.allCases.map { ($0, self[MetricCatalog.uninspectedBytes, $0]) }
    }

    /// The connections redirected to Weir by side.
    public var intercepted: [(side: Side, count: UInt64)] {
        Side.allCases.map { ($0, self[MetricCatalog.interceptedConnections, $0]) }
    }

    /// Connections not relayed.
    public var refused: [(reason: ConnectionRejectReason, count: UInt64)] {
        ConnectionRejectReason.allCases.map { ($0, self[MetricCatalog.refusedConnections, $0]) }
    }

    /// Verdicts given on a part of the request, by reason.
    public var partialVerdicts: [(reason: PartialVerdictReason, count: UInt64)] {
        PartialVerdictReason.allCases.map { ($0, self[MetricCatalog.partialVerdicts, $0]) }
    }

    /// The decisions on a part of the request, for any reason.
    public var verdictsPartial: UInt64 { partialVerdicts.reduce(0) { $0 &+ $1.count } }

    /// Entries of all call tables.
    public var callTableEntries: UInt64 { self[MetricCatalog.callTableEntries, NoLabels()] }

    /// The delay of event loop turns.
    public var loopLag: HistogramSnapshot { self[MetricCatalog.loopLag, NoLabels()] }
}
