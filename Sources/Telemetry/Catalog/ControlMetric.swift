/// Numbers that no worker counts.
///
/// They are declared in ``MetricCatalog`` and set in ``MetricsAdditions`` for each page; the page, and for counters the
/// reports to other processes and the sums over them, follow from the declaration. A metric that is not set is not on
/// the page.
public struct ControlMetric<Labels: MetricLabels>: Sendable {
    let kind: MetricFamily.Kind
    let name: StaticString
    let help: StaticString

    /// A counter, or a gauge of this process alone.
    ///
    /// - Parameters:
    ///   - kind: Not a histogram.
    ///   - name: The metric's name; a counter's without `_total`.
    ///   - help: One line without backslashes and quotes.
    init(_ kind: MetricFamily.Kind, _ name: StaticString, help: StaticString) {
        self.kind = kind
        self.name = name
        self.help = help
    }
}

extension Metric {
    /// A metric that the control plane sets.
    init<Labels>(_ metric: ControlMetric<Labels>) {
        let family = MetricFamily(
            name: metric.name.description,
            kind: metric.kind,
            unit: "",
            help: metric.help.description
        )
        let name = family.name
        self.init(family, labels: Labels.descriptions, storage: .control(labels: Labels.values)) { source in
            source.additions.numbers[name].map { numbers in
                zip(Labels.allLabels, numbers).map { MetricSample($0, .count($1)) }
            }
        }
    }
}

extension MetricsAdditions {
    /// Sets one number of a metric; the others of it are 0 before they are set.
    public mutating func set<Labels>(_ metric: ControlMetric<Labels>, _ labels: Labels, to value: UInt64) {
        let zeros = [UInt64](repeating: 0, count: Labels.count)
        numbers[metric.name.description, default: zeros][labels.index] = value
    }

    /// One number of a metric; `nil` when the metric is not on the page.
    public subscript<Labels>(metric: ControlMetric<Labels>, labels: Labels) -> UInt64? {
        numbers[metric.name.description]?[labels.index]
    }

    /// Removes a metric from the page.
    public mutating func remove(_ metric: ControlMetric<some MetricLabels>) {
        numbers[metric.name.description] = nil
    }
}
