internal import Calls

/// The numbers under Dubbo's own names.
struct DubboNumbers {
    /// What they are of.
    var keys: [DubboServices.Key]
    /// All of them; see ``DubboServices/totals(_:)`` for the order.
    var totals: [DubboTotals?]
    /// Those of the last seconds and minutes, where they are known.
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
            text.add("application_name", identity.applicationName)
            text.add("group", key.group)
            text.add("hostname", identity.hostname)
            text.add("interface", key.interface)
            text.add("ip", identity.ip)
            text.add("method", key.method)
            text.add("version", key.version)
            texts.append(text.bytes)
        }
        return texts
    }
}

extension ExpositionWriter {
    /// The families under Dubbo's own names.
    mutating func writeDubbo(_ numbers: DubboNumbers, _ identity: DubboIdentity, _ kept: inout DubboLabels) {
        let labels = kept.labels(numbers.keys, identity)
        for side in Side.allCases {
            let sources = Self.sources(numbers, side)
            for family in DubboFamily.all where family.side == nil || family.side == side {
                begin(
                    MetricFamily(name: "dubbo_\(side.label)_\(family.stem)", kind: family.kind, help: family.help)
                )
                for (number, source) in sources {
                    switch family.value(source) {
                    case .count(let value): sample(labels[number], value)
                    case .signed(let value): sample(labels[number], value)
                    case .number(let value): sample(labels[number], value)
                    case nil: break
                    }
                }
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
