internal import Calls

/// The part of the additions that is reported to another process, in the order of the first release that reported it.
///
/// The order may not change, because processes of older releases read it. Later metrics are in `MetricsReport+Further`.
extension MetricsAdditions {
    /// The metrics whose numbers are written one after the other.
    private static let plain = [
        name(MetricCatalog.tapLinesDropped), name(MetricCatalog.reloads), name(MetricCatalog.logLinesDropped),
        name(MetricCatalog.spans),
    ]
    /// The metrics whose numbers are preceded by their count.
    private static let counted = [name(MetricCatalog.malformedContexts), name(MetricCatalog.contextInjections)]
    /// The metrics that are laid out here.
    static let firstMetrics = Set(plain + counted)

    private static func name(_ metric: ControlMetric<some MetricLabels>) -> String { metric.name.description }

    private static func zeros(_ name: String) -> [UInt64] {
        let labels = MetricCatalog.controlCounters.first { $0.name == name }?.labels ?? []
        return [UInt64](repeating: 0, count: labels.count)
    }

    /// The numbers of a counter, 0 where it is not on the page.
    private func numbers(_ name: String) -> [UInt64] { numbers[name] ?? Self.zeros(name) }

    /// Adds every missing counter of the catalogue to the page with the value 0.
    mutating func addCounters() {
        for (name, labels) in MetricCatalog.controlCounters where numbers[name] == nil {
            numbers[name] = [UInt64](repeating: 0, count: labels.count)
        }
    }

    /// Removes the gauges, which belong to one process.
    mutating func removeGauges() {
        consumers = nil
        let counters = Set(MetricCatalog.controlCounters.map(\.name))
        numbers = numbers.filter { counters.contains($0.key) }
    }

    func write(to writer: inout ReportWriter) {
        writer.add(each: callers ?? []) { $0.add($1) }
        writer.add(each: limits ?? []) { writer, limit in
            writer.add(limit.name)
            for number in [limit.allowed, limit.rejected, limit.wouldReject] { writer.add(number) }
        }
        writer.add(each: drains?.signals ?? []) { $0.add($1.signal, $1.count) }
        writer.add(each: adminCuts ?? []) { $0.add($1.reason, $1.count) }
        for name in Self.plain { for number in numbers(name) { writer.add(number) } }
        for name in Self.counted { writer.add(each: numbers(name)) { $0.add($1) } }
        writer.add(each: consumers ?? []) { writer, connection in
            writer.add(word: connection.side)
            writer.add(connection.consumer)
            writer.add(connection.calls)
        }
    }

    init(_ reader: inout ReportReader) throws(ReportError) {
        callers = try reader.each(atMost: CallerRegistry.capacity) { reader throws(ReportError) in try reader.text() }
        limits = try reader.each(atMost: 4096) { reader throws(ReportError) in
            LimitReadings(
                name: try reader.text(),
                allowed: try reader.number(),
                rejected: try reader.number(),
                wouldReject: try reader.number()
            )
        }
        drains = DrainReadings(
            states: [],
            signals: try reader.each(atMost: 256) { reader throws(ReportError) in
                (signal: try reader.text(), count: try reader.number())
            }
        )
        adminCuts = try reader.each(atMost: 256) { reader throws(ReportError) in
            (reason: try reader.text(), count: try reader.number())
        }
        for name in Self.plain {
            for at in numbers(name).indices { numbers[name, default: Self.zeros(name)][at] = try reader.number() }
        }
        for name in Self.counted {
            let theirs = try reader.each { reader throws(ReportError) in try reader.number() }
            numbers[name] = Self.zeros(name)
            for (at, number) in theirs.prefix(numbers(name).count).enumerated() { numbers[name]?[at] = number }
        }
        consumers = try reader.each { reader throws(ReportError) in
            ConsumerConnection(side: try reader.word(), consumer: try reader.text(), calls: try reader.number())
        }
    }

    /// Adds another process's counters to this one's.
    mutating func merge(_ other: MetricsAdditions) {
        for limit in other.limits ?? [] { add(limit) }
        for signal in other.drains?.signals ?? [] {
            if let at = drains?.signals.firstIndex(where: { $0.signal == signal.signal }) {
                drains?.signals[at].count &+= signal.count
            } else {
                drains?.signals.append(signal)
            }
        }
        for cut in other.adminCuts ?? [] {
            if let at = adminCuts?.firstIndex(where: { $0.reason == cut.reason }) {
                adminCuts?[at].count &+= cut.count
            } else {
                adminCuts?.append(cut)
            }
        }
        for (name, _) in MetricCatalog.controlCounters {
            guard let theirs = other.numbers[name] else { continue }
            for at in (numbers[name] ?? []).indices where at < theirs.count { numbers[name]?[at] &+= theirs[at] }
        }
        if let own = consumers { consumers = own + (other.consumers ?? []) }
    }

    /// Adds a limit's counts; one that this process does not have is left on the page, so that no series ends.
    private mutating func add(_ other: LimitReadings) {
        guard limits != nil else { return }
        guard let at = limits?.firstIndex(where: { $0.name == other.name }) else {
            limits?.append(other)
            return
        }
        limits?[at].allowed &+= other.allowed
        limits?[at].rejected &+= other.rejected
        limits?[at].wouldReject &+= other.wouldReject
    }
}

extension ReportWriter {
    fileprivate mutating func add(_ text: String, _ count: UInt64) {
        add(text)
        add(count)
    }
}
