internal import Calls

/// The metrics of ``MetricCatalog`` that the first reports did not have. They come last, each with its name and its
/// labels' values, so that a process that does not know one can read past it.
///
/// Nothing is written while all of them are 0; every release can read such a report.
extension MetricsReport {
    /// The metrics that are laid out elsewhere.
    static let laidOut = MetricsSnapshot.firstMetrics.union(MetricsAdditions.firstMetrics)
    /// The most metrics that are read.
    private static let maxMetrics = 1024

    private struct Series {
        var labels: [String]
        /// A number, or a histogram.
        var bytes: [UInt8]
    }

    /// Appends what is not 0 of the metrics that are not laid out elsewhere.
    ///
    /// - Parameters:
    ///   - writer: The writer with the rest of the report.
    ///   - laidOut: The names of the metrics that are.
    func writeFurther(to writer: inout ReportWriter, laidOut: Set<String> = Self.laidOut) {
        let metrics = (MetricCatalog.workers + MetricCatalog.control).compactMap { metric in
            laidOut.contains(metric.family.name) ? nil : series(metric).map { (metric.family.name, $0) }
        }
        guard !metrics.isEmpty else { return }
        writer.add(each: metrics) { writer, metric in
            writer.add(metric.0)
            writer.add(each: metric.1) { writer, series in
                writer.add(each: series.labels) { $0.add($1) }
                writer.add(series.bytes)
            }
        }
    }

    /// The series of a metric that are not 0; `nil` if there are none, or if the metric is not reported.
    private func series(_ metric: Metric) -> [Series]? {
        var all: [Series] = []
        func add(_ labels: [String], _ number: UInt64) {
            guard number > 0 else { return }
            var writer = ReportWriter()
            writer.add(number)
            all.append(Series(labels: labels, bytes: writer.bytes))
        }
        switch metric.storage {
        case .numbers(let slots):
            for (labels, at) in zip(slots.labels, slots.words) { add(labels, snapshot.numbers[at]) }
        case .histograms(let slots):
            for (labels, at) in zip(slots.labels, slots.histograms) where snapshot.histograms[at].count > 0 {
                var writer = ReportWriter()
                writer.add(snapshot.histograms[at])
                all.append(Series(labels: labels, bytes: writer.bytes))
            }
        case .control(let labels):
            guard metric.family.kind == .counter else { return nil }
            for (labels, number) in zip(labels, additions.numbers[metric.family.name] ?? []) { add(labels, number) }
        case .other: return nil
        }
        return all.isEmpty ? nil : all
    }

    /// Reads what ``writeFurther(to:laidOut:)`` wrote.
    ///
    /// - Throws: ``ReportError``, but not for a metric or a value of a label that this release does not know.
    mutating func readFurther(_ reader: inout ReportReader) throws(ReportError) {
        let known = Dictionary(uniqueKeysWithValues: MetricCatalog.all.map { ($0.family.name, $0) })
        let metrics = try reader.each(atMost: Self.maxMetrics) { reader throws(ReportError) in
            let name = try reader.text()
            let series = try reader.each { reader throws(ReportError) in
                Series(
                    labels: try reader.each { reader throws(ReportError) in try reader.text() },
                    bytes: Array(try reader.piece())
                )
            }
            return (name, series)
        }
        for (name, series) in metrics {
            guard let metric = known[name] else { continue }
            for one in series { try take(one, of: metric) }
        }
    }

    private mutating func take(_ series: Series, of metric: Metric) throws(ReportError) {
        var reader = ReportReader(series.bytes[...])
        switch metric.storage {
        case .numbers(let slots):
            guard let index = slots.labels.firstIndex(of: series.labels) else { return }
            snapshot.numbers[slots.words.lowerBound + index] &+= try reader.number()
        case .histograms(let slots):
            guard let index = slots.labels.firstIndex(of: series.labels) else { return }
            snapshot.histograms[slots.histograms.lowerBound + index].merge(try reader.histogram())
        case .control(let labels):
            guard metric.family.kind == .counter, let index = labels.firstIndex(of: series.labels) else { return }
            let zeros = [UInt64](repeating: 0, count: labels.count)
            additions.numbers[metric.family.name, default: zeros][index] &+= try reader.number()
        case .other: return
        }
        guard reader.isAtEnd else { throw .malformed }
    }
}
