internal import Calls

/// The numbers that belong to no operation, in the order of the first release that reported them.
///
/// Neither order nor words may change, because processes of older releases read them. Later metrics are in
/// `MetricsReport+Further`.
extension MetricsSnapshot {
    func writeProcess(to writer: inout ReportWriter) {
        writer.add(each: connections) { writer, row in
            writer.add(word: row.side)
            writer.add(word: row.connectionProtocol)
            writer.add(signed: row.open)
            writer.add(row.total)
        }
        writer.add(each: events) { writer, row in
            writer.add(word: row.side)
            writer.add(row.event, row.count)
        }
        writer.add(each: heartbeatRoundTrips) { writer, row in
            writer.add(word: row.side)
            writer.add(row.duration)
        }
        writer.add(each: decodeErrors) { writer, row in
            writer.add(word: row.connectionProtocol)
            writer.add(row.reason)
            writer.add(row.count)
        }
        writer.add(each: uninspectedBytes) { $0.add($1.reason, $1.count) }
        writer.add(each: intercepted) { $0.add($1.side, $1.count) }
        writer.add(each: refused) { $0.add($1.reason, $1.count) }
        writer.add(each: partialVerdicts) { $0.add($1.reason, $1.count) }
        writer.add(callTableEntries)
        writer.add(operationsOverflowed)
        writer.add(loopLag)
    }

    mutating func readProcess(_ reader: inout ReportReader) throws(ReportError) {
        try reader.forEach { reader throws(ReportError) in
            let labels = LabelPair(try reader.word() as Side, try reader.word() as ConnectionProtocol)
            self[MetricCatalog.openConnections, labels] &+= UInt64(bitPattern: try reader.signed())
            self[MetricCatalog.connections, labels] &+= try reader.number()
        }
        try reader.forEach { reader throws(ReportError) in
            let labels = LabelPair(try reader.word() as Side, try reader.word() as PeerEvent)
            self[MetricCatalog.events, labels] &+= try reader.number()
        }
        try reader.forEach { reader throws(ReportError) in
            let side: Side = try reader.word()
            self[MetricCatalog.heartbeatRoundTrips, side].merge(try reader.histogram())
        }
        decodeErrors = try reader.each(atMost: 1024) { reader throws(ReportError) in
            DecodeErrors(
                connectionProtocol: try reader.word(),
                reason: try reader.text(),
                count: try reader.number()
            )
        }
        try read(MetricCatalog.uninspectedBytes, &reader)
        try read(MetricCatalog.interceptedConnections, &reader)
        try read(MetricCatalog.refusedConnections, &reader)
        try read(MetricCatalog.partialVerdicts, &reader)
        self[MetricCatalog.callTableEntries, NoLabels()] = try reader.number()
        operationsOverflowed = try reader.number()
        self[MetricCatalog.loopLag, NoLabels()] = try reader.histogram()
    }

    /// Reads a metric's numbers, each after its label's word.
    private mutating func read(
        _ metric: WorkerMetric<some MetricLabel>,
        _ reader: inout ReportReader
    ) throws(ReportError) {
        try reader.forEach { reader throws(ReportError) in
            self[metric, try reader.word()] &+= try reader.number()
        }
    }

    /// The metrics that are laid out here.
    static let firstMetrics: Set<String> = [
        name(MetricCatalog.openConnections), name(MetricCatalog.connections), name(MetricCatalog.events),
        MetricCatalog.heartbeatRoundTrips.name.description, name(MetricCatalog.uninspectedBytes),
        name(MetricCatalog.interceptedConnections), name(MetricCatalog.refusedConnections),
        name(MetricCatalog.partialVerdicts), name(MetricCatalog.callTableEntries),
        MetricCatalog.loopLag.name.description,
    ]

    private static func name(_ metric: WorkerMetric<some MetricLabels>) -> String { metric.name.description }
}

extension ReportWriter {
    mutating func add(_ word: some ReportWord, _ count: UInt64) {
        add(word: word)
        add(count)
    }
}

extension ReportReader {
    /// Reads elements that have their number before them, and keeps none of them.
    fileprivate mutating func forEach(
        _ body: (inout ReportReader) throws(ReportError) -> Void
    ) throws(ReportError) {
        _ = try each(body)
    }
}
