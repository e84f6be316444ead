internal import Calls

/// The numbers under Dubbo's own names.
struct DubboNumbers {
    /// The services they belong to.
    var keys: [DubboServices.Key]
    /// All of them; see ``DubboServices/totals(_:)`` for the order.
    var totals: [DubboTotals?]
    /// The numbers of the last seconds and minutes, where they are known.
    var changes: CallWindows.Changes?
}

/// The label texts under Dubbo's own names in one form, kept between pages.
struct DubboLabels {
    private let form: LabelForm
    private var identity = DubboIdentity()
    private var texts: [[UInt8]] = []

    init(form: LabelForm) { self.form = form }

    /// The labels by number.
    mutating func labels(_ keys: [DubboServices.Key], _ identity: DubboIdentity) -> [[UInt8]] {
        if identity != self.identity {
            texts = []
            self.identity = identity
        }
        for key in keys.dropFirst(texts.count) {
            var text = LabelText(form)
            for label in DubboMetric.labels { text.add(label.name, label.value(key, identity)) }
            texts.append(text.bytes)
        }
        return texts
    }
}

/// One of Dubbo's own names on one side.
struct DubboMetric {
    let side: Side
    let value: @Sendable (DubboFamily.Source) -> MetricSample.Value?
    let metric: Metric

    private init(_ family: DubboFamily, _ side: Side) {
        self.side = side
        value = family.value
        metric = Metric(
            MetricFamily(
                name: "dubbo_\(side.label)_\(family.stem)",
                kind: family.kind,
                unit: "",
                help: family.help
            ),
            labels: Self.labels.map { MetricLabelDescription($0.name) }
        ) { _ in nil }
    }

    /// All of them, in the order of the page.
    static let all: [DubboMetric] = Side.allCases.flatMap { side in
        DubboFamily.all.filter { $0.side == nil || $0.side == side }.map { DubboMetric($0, side) }
    }

    /// The labels they all have.
    static let labels: [(name: StaticString, value: @Sendable (DubboServices.Key, DubboIdentity) -> String)] = [
        ("application_name", { $1.applicationName }),
        ("group", { key, _ in key.group }),
        ("hostname", { $1.hostname }),
        ("interface", { key, _ in key.interface }),
        ("ip", { $1.ip }),
        ("method", { key, _ in key.method }),
        ("version", { key, _ in key.version }),
    ]
}

extension ExpositionWriter {
    /// The families under Dubbo's own names.
    mutating func writeDubbo(_ numbers: DubboNumbers, identity: DubboIdentity, kept: inout DubboLabels) {
        let labels = kept.labels(numbers.keys, identity)
        let sources = Side.allCases.map { Self.sources(numbers, $0) }
        for metric in DubboMetric.all {
            begin(metric.metric.family)
            for (number, source) in sources[Int(metric.side.rawValue)] {
                if let value = metric.value(source) { sample(labels[number], value) }
            }
        }
    }

    private static func sources(_ numbers: DubboNumbers, _ side: Side) -> [(number: Int, DubboFamily.Source)] {
        numbers.keys.indices.compactMap { number in
            let at = number * 2 + Int(side.rawValue)
            guard at < numbers.totals.count, let total = numbers.totals[at] else { return nil }
            let source = DubboFamily.Source(
                total: total,
                rate: numbers.changes?.rates?[at],
                recent: numbers.changes?.totals?[at] ?? nil
            )
            return (number, source)
        }
    }
}
