/// How much of the beginning of a ``Recorder``'s array is taken by the declarations so far.
///
/// Each declaration takes what it needs behind the one before. The compiler makes constants of all places, as long as
/// they are made of literals and counts of cases only.
struct SlotMark: BitwiseCopyable, Sendable {
    /// The first number that is free.
    var word: Int
    /// How many histograms there are.
    var histogram: Int

    /// Position 0 is nobody's, so that 0 can mean "none".
    static let start = SlotMark(word: 1, histogram: 0)
}

/// Numbers that each worker counts.
///
/// They are declared in ``MetricCatalog`` and counted by ``Recorder/count(_:_:by:)``; the sums over workers and
/// processes, the page and the reports to other processes follow from the declaration.
public struct WorkerMetric<Labels: MetricLabels>: Sendable {
    let kind: MetricFamily.Kind
    let name: StaticString
    let unit: StaticString
    let help: StaticString
    private let start: SlotMark
    /// Where the number of the first value of the labels is.
    @usableFromInline let first: Int

    /// A counter or gauge.
    ///
    /// - Parameters:
    ///   - kind: Not a histogram.
    ///   - name: Of a counter without `_total`.
    ///   - unit: The unit the name ends in.
    ///   - help: One line without backslashes and quotes.
    ///   - mark: The ``end`` of the declaration before.
    init(
        _ kind: MetricFamily.Kind,
        _ name: StaticString,
        unit: StaticString = "",
        help: StaticString,
        after mark: SlotMark
    ) {
        self.kind = kind
        self.name = name
        self.unit = unit
        self.help = help
        start = mark
        first = mark.word
    }

    var end: SlotMark { SlotMark(word: start.word + Labels.count, histogram: start.histogram) }

    /// Where a number is in a recorder's array.
    @inlinable
    func position(_ labels: Labels) -> Int { first &+ labels.index }
}

/// Durations that each worker counts, by ``Recorder/record(_:in:_:)``; otherwise as ``WorkerMetric``.
public struct WorkerHistogram<Labels: MetricLabels>: Sendable {
    let name: StaticString
    let help: StaticString
    private let start: SlotMark

    /// A histogram of seconds.
    ///
    /// - Parameters:
    ///   - name: It ends in `_seconds`.
    ///   - help: One line without backslashes and quotes.
    ///   - mark: The ``end`` of the declaration before.
    init(_ name: StaticString, help: StaticString, after mark: SlotMark) {
        self.name = name
        self.help = help
        start = mark
    }

    var end: SlotMark {
        SlotMark(
            word: start.word + Labels.count * RecorderIndex.HistogramSlot.total,
            histogram: start.histogram + Labels.count
        )
    }

    /// Where a histogram is in a recorder.
    func id(_ labels: Labels) -> HistogramID {
        HistogramID(
            words: start.word &+ labels.index &* RecorderIndex.HistogramSlot.total,
            octaves: number(labels) &* HistogramScale.octaveCount
        )
    }

    /// Which one it is of all histograms of the catalogue.
    func number(_ labels: Labels) -> Int { start.histogram &+ labels.index }
}

/// Where the numbers or histograms of one metric are, whatever its labels.
struct WorkerSlots: Sendable {
    /// The numbers in a recorder's array.
    let words: Range<Int>
    /// Which of the catalogue's histograms they are; empty for numbers.
    let histograms: Range<Int>
    /// By index: the values of the labels.
    let labels: [[String]]
}

extension MetricLabels {
    /// By index: the values of the labels.
    static var values: [[String]] { allLabels.map { $0.texts.map(\.value.description) } }
}

extension Metric {
    /// What workers count.
    init<Labels>(_ metric: WorkerMetric<Labels>) {
        let family = MetricFamily(
            name: metric.name.description,
            kind: metric.kind,
            unit: metric.unit.description,
            help: metric.help.description
        )
        let slots = WorkerSlots(words: metric.first..<metric.end.word, histograms: 0..<0, labels: Labels.values)
        let isGauge = metric.kind == .gauge
        self.init(family, labels: Labels.descriptions, storage: .numbers(slots)) { source in
            Labels.allLabels.map { labels in
                let value = source.snapshot[metric, labels]
                return MetricSample(labels, isGauge ? .signed(Int64(bitPattern: value)) : .count(value))
            }
        }
    }

    /// Durations that workers count.
    init<Labels>(_ metric: WorkerHistogram<Labels>) {
        let family = MetricFamily(
            name: metric.name.description,
            kind: .histogram,
            unit: "seconds",
            help: metric.help.description
        )
        let slots = WorkerSlots(
            words: metric.words,
            histograms: metric.histograms,
            labels: Labels.values
        )
        self.init(family, labels: Labels.descriptions, storage: .histograms(slots)) { source in
            Labels.allLabels.map { MetricSample($0, .histogram(source.snapshot[metric, $0])) }
        }
    }
}

extension WorkerHistogram {
    fileprivate var words: Range<Int> { start.word..<end.word }
    fileprivate var histograms: Range<Int> { start.histogram..<end.histogram }
}
