/// The part of a ``Recorder``'s array that the declarations so far take.
///
/// Each declaration takes the places after the one before. The compiler makes constants of all places, as long as they
/// consist of literals and counts of cases only.
struct SlotMark: BitwiseCopyable, Sendable {
    /// The first number that is free.
    var word: Int
    /// The number of histograms.
    var histogram: Int

    /// Position 0 is unused, so that 0 can mean "none".
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
    /// The position of the number of the first value of the labels.
    @usableFromInline let first: Int

    /// A counter or gauge.
    ///
    /// - Parameters:
    ///   - kind: Not a histogram.
    ///   - name: The metric's name; a counter's without `_total`.
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

    /// The position of a number in a recorder's array.
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

    /// The histogram's id in a recorder.
    func id(_ labels: Labels) -> HistogramID {
        HistogramID(
            words: start.word &+ labels.index &* RecorderIndex.HistogramSlot.total,
            octaves: number(labels) &* HistogramScale.octaveCount
        )
    }

    /// Its number among all histograms of the catalogue.
    func number(_ labels: Labels) -> Int { start.histogram &+ labels.index }
}

/// The places of the numbers or histograms of one metric, whatever its labels.
struct WorkerSlots: Sendable {
    /// The numbers in a recorder's array.
    let words: Range<Int>
    /// Their numbers among the catalogue's histograms; empty for plain numbers.
    let histograms: Range<Int>
    /// The values of the labels by index.
    var labels: [[String]] { values() }
    /// Places of protocols are named when they are taken.
    fileprivate let values: @Sendable () -> [[String]]
}

extension MetricLabels {
    /// The values of the labels by index.
    static var values: [[String]] { allLabels.map { $0.texts.map(\.value.description) } }
}

extension Metric {
    /// A metric that workers count.
    init<Labels>(_ metric: WorkerMetric<Labels>) {
        let family = MetricFamily(
            name: metric.name.description,
            kind: metric.kind,
            unit: metric.unit.description,
            help: metric.help.description
        )
        let slots = WorkerSlots(words: metric.first..<metric.end.word, histograms: 0..<0, values: { Labels.values })
        let isGauge = metric.kind == .gauge
        self.init(family, labels: Labels.descriptions, storage: .numbers(slots)) { source in
            Labels.allLabels.compactMap { labels in
                let value = source.snapshot[metric, labels]
                guard value != 0 || labels.hasLineAtZero else { return nil }
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
            values: { Labels.values }
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
