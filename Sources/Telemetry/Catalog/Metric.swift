internal import Calls

/// A family of samples: one metric name.
public struct MetricFamily: Equatable, Sendable {
    /// The kind of its numbers.
    public enum Kind: String, Sendable {
        /// A number that only grows.
        case counter
        /// A number that goes up and down.
        case gauge
        /// Counts of durations by bucket.
        case histogram
    }

    /// The name, of a counter without `_total`.
    public let name: String
    /// The kind of its numbers.
    public let kind: Kind
    /// The unit the name ends in, or empty.
    public let unit: String
    /// One line without backslashes and quotes.
    public let help: String

    /// The name of its samples on the page; samples of a histogram have one more suffix.
    public var sampleName: String { kind == .counter ? name + "_total" : name }
}

/// One metric: its name and meaning, its labels, and the source of its samples.
///
/// All other descriptions of a metric (the page, reports to other processes, the tests of README, dashboards and rules)
/// derive from this one. ``MetricCatalog`` has them all.
public struct Metric: Sendable {
    /// The name, the kind and the meaning.
    public let family: MetricFamily
    /// The labels in the order in which the page has them; further ones may be switched on, or missing.
    public let labels: [MetricLabelDescription]
    /// The numbers that are counted for it, if it is a number or a histogram of the catalogue's own kinds.
    let storage: Storage
    /// The samples; `nil` when the metric is not on this page.
    ///
    /// A metric that tells operations apart has its own writer and always returns `nil`.
    let samples: @Sendable (MetricSource) -> [MetricSample]?

    /// The storage of a metric.
    enum Storage: Sendable {
        /// Numbers of workers; see ``WorkerMetric``.
        case numbers(WorkerSlots)
        /// Histograms of workers; see ``WorkerHistogram``.
        case histograms(WorkerSlots)
        /// Numbers of the control plane; see ``ControlMetric``.
        case control(labels: [[String]])
        /// Something else, from which the samples are made.
        case other
    }

    /// A metric whose samples are computed.
    init(
        _ kind: MetricFamily.Kind,
        _ name: StaticString,
        unit: StaticString = "",
        help: StaticString,
        labels: [MetricLabelDescription] = [],
        samples: @escaping @Sendable (MetricSource) -> [MetricSample]? = { _ in nil }
    ) {
        family = MetricFamily(
            name: name.description,
            kind: kind,
            unit: unit.description,
            help: help.description
        )
        self.labels = labels
        storage = .other
        self.samples = samples
    }

    init(
        _ family: MetricFamily,
        labels: [MetricLabelDescription],
        storage: Storage = .other,
        samples: @escaping @Sendable (MetricSource) -> [MetricSample]?
    ) {
        self.family = family
        self.labels = labels
        self.storage = storage
        self.samples = samples
    }
}

/// The inputs for the samples of a page.
struct MetricSource {
    let snapshot: MetricsSnapshot
    let context: MetricsPage.Context
    /// The balance of consumers' connections; `nil` if it is not computed.
    let balances: [ConsumerBalance]?

    init(_ snapshot: MetricsSnapshot, _ context: MetricsPage.Context) {
        self.snapshot = snapshot
        self.context = context
        balances = context.additions.consumers.map(ConsumerBalance.all)
    }

    var additions: MetricsAdditions { context.additions }
}

/// One sample, or one histogram.
struct MetricSample: Sendable {
    /// The value of a sample.
    enum Value: Sendable {
        case count(UInt64)
        case signed(Int64)
        /// A finite number.
        case number(Double)
        case histogram(HistogramSnapshot)
    }

    let labels: [(name: StaticString, value: String)]
    let value: Value

    init(_ labels: [(name: StaticString, value: String)] = [], _ value: Value) {
        self.labels = labels
        self.value = value
    }

    init(_ labels: some MetricLabels, _ value: Value) {
        self.init(labels.texts.map { ($0.name, $0.value.description) }, value)
    }

    /// A number without labels.
    static func one(_ value: UInt64) -> [MetricSample] { [MetricSample([], .count(value))] }
}

extension ExpositionWriter {
    /// Writes a metric if it is on this page.
    mutating func write(_ metric: Metric, _ source: MetricSource) {
        guard let samples = metric.samples(source) else { return }
        begin(metric.family)
        for sample in samples {
            var text = LabelText(Self.labelForm)
            for label in sample.labels { text.add(label.name, label.value) }
            self.sample(text.bytes, sample.value)
        }
    }

    /// Writes one sample, or one histogram.
    mutating func sample(_ labels: [UInt8], _ value: MetricSample.Value) {
        switch value {
        case .count(let value): write(labels, more: [], value: value)
        case .signed(let value): write(labels, more: [], value: value)
        case .number(let value): write(labels, more: [], value: value)
        case .histogram(let value): histogram(labels, value)
        }
    }
}
