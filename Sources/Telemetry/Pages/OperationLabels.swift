internal import Calls

/// The label texts of operations in one form, kept between pages because they never change.
///
/// Bounded by the ``OperationRegistry`` and, for results, by ``maxResults``.
struct OperationLabels {
    /// The most texts of outcomes and codes that are kept.
    private static let maxResults = 8192

    private struct Entry {
        /// All six labels.
        var full: [UInt8]
        /// The key of its durations; see ``durations(_:)``.
        var durations: Int
    }

    /// The key of durations: an operation without version and group, on a side.
    private struct DurationKey: Hashable {
        var side: Side
        var callProtocol: CallProtocol
        var interface: String
        var method: String
    }

    private struct ResultKey: Hashable {
        var callProtocol: CallProtocol
        var outcome: Outcome
        var value: Int32
        var isOther: Bool
        /// −1 where callers are not told apart.
        var caller: Int16
    }

    private typealias Label = MetricCatalog.OperationLabel

    private let form: LabelForm
    /// By twice the operation's index plus the side.
    private var entries: [Entry?] = []
    private var durationKeys: [DurationKey: Int] = [:]
    /// The four labels by the number that ``durations(_:)`` returns.
    private var durationLabels: [[UInt8]] = []
    private var results: [ResultKey: [UInt8]] = [:]

    init(form: LabelForm) { self.form = form }

    /// All six labels.
    mutating func full(_ report: OperationReport) -> [UInt8] { entry(report).full }

    /// A number for what the report's durations are counted under; versions and groups share it.
    mutating func durations(_ report: OperationReport) -> Int { entry(report).durations }

    /// The four labels of what ``durations(_:)`` numbered.
    func durationLabels(_ number: Int) -> [UInt8] { durationLabels[number] }

    /// The further labels of a result, `caller` among them when the callers' names are given.
    mutating func more(_ result: OperationReport.Result, of callProtocol: CallProtocol, callers: [String]?) -> [UInt8] {
        let key = ResultKey(
            callProtocol: callProtocol,
            outcome: result.outcome,
            value: result.value,
            isOther: result.place == SeriesLabels.otherCode,
            caller: callers == nil ? -1 : Int16(result.caller)
        )
        if let known = results[key] { return known }
        var text = LabelText(form, isContinued: true)
        text.add(Label.outcome, result.outcome.label.description)
        text.add(Label.code, result.code)
        if let callers { text.add(Label.caller, CallerRegistry.name(of: result.caller, in: callers)) }
        // A caller that is not in the names yet may be in the next ones.
        if let callers, result.caller != CallerRegistry.other, Int(result.caller) > callers.count { return text.bytes }
        if results.count >= Self.maxResults { results.removeAll(keepingCapacity: true) }
        results[key] = text.bytes
        return text.bytes
    }

    /// The further label of an exception.
    func more(_ exception: OperationReport.Exception) -> [UInt8] {
        var text = LabelText(form, isContinued: true)
        text.add(Label.exception, exception.className)
        return text.bytes
    }

    /// The further label of a stream's messages.
    func direction(_ value: String) -> [UInt8] {
        var text = LabelText(form, isContinued: true)
        text.add(Label.direction, value)
        return text.bytes
    }

    private mutating func entry(_ report: OperationReport) -> Entry {
        let index = report.id.index * 2 + Int(report.side.rawValue)
        while entries.count <= index { entries.append(nil) }
        if let known = entries[index] { return known }
        let operation = report.operation
        let key = DurationKey(
            side: report.side,
            callProtocol: operation.callProtocol,
            interface: operation.interface,
            method: operation.method
        )
        var text = LabelText(form)
        text.add(Label.side, report.side.label.description)
        text.add(Label.callProtocol, operation.callProtocol.label.description)
        text.add(Label.interface, operation.interface)
        text.add(Label.method, operation.method)
        let durations = durationKeys[key] ?? durationLabels.count
        if durations == durationLabels.count {
            durationKeys[key] = durations
            durationLabels.append(text.bytes)
        }
        text.add(Label.version, operation.version)
        text.add(Label.group, operation.group)
        let new = Entry(full: text.bytes, durations: durations)
        entries[index] = new
        return new
    }
}
