internal import Calls

/// Renders the metrics page; DESIGN.md 7 says what is on it.
///
/// The label texts of an operation never change, so they are kept between scrapes by its id: a page of 2,000
/// operations is then mostly copying. One page serves one registry.
public struct MetricsPage: Sendable {
    /// Everything on the page that workers do not count.
    public struct Context: Sendable {
        /// Which Weir this is.
        public var build: BuildInfo
        /// What the operating system says, `nil` where it says nothing.
        public var process: ProcessReadings?
        /// How often a worker was represented by an old snapshot, since the start.
        public var staleWorkers: UInt64

        /// A context of those values.
        public init(build: BuildInfo, process: ProcessReadings?, staleWorkers: UInt64) {
            self.build = build
            self.process = process
            self.staleWorkers = staleWorkers
        }
    }

    /// The label texts of one operation.
    private struct Labels {
        /// By side: all six labels.
        var full: [[UInt8]]
        /// Which durations its calls belong to.
        var durations: Int
    }

    /// What durations are told apart by: an operation without version and group.
    private struct DurationKey: Hashable {
        var callProtocol: CallProtocol
        var interface: String
        var method: String
    }

    private var labels: [Labels?] = []
    private var durationKeys: [DurationKey: Int] = [:]
    /// By durations and side: the four labels.
    private var durationLabels: [[[UInt8]]] = []
    private var lastCount = 4096

    /// A page that has kept nothing yet.
    public init() {}

    /// Renders the page.
    ///
    /// - Parameters:
    ///   - snapshot: The numbers.
    ///   - context: The rest.
    ///   - format: The form wanted.
    /// - Returns: UTF-8 text.
    public mutating func render(_ snapshot: MetricsSnapshot, _ context: Context, format: ExpositionFormat) -> [UInt8] {
        var text = ExpositionText(format: format, capacity: lastCount + lastCount / 8)
        writeOperations(snapshot.operations, to: &text)
        writeDurations(snapshot.operations, to: &text)
        writeStreams(snapshot.operations, to: &text)
        text.writeConnections(snapshot)
        text.writeTroubles(snapshot)
        text.writeWorkers(snapshot, context)
        if let process = context.process { text.writeProcess(process) }
        text.end()
        lastCount = text.bytes.count
        return text.bytes
    }

    // MARK: Per operation

    private mutating func writeOperations(_ reports: [OperationReport], to text: inout ExpositionText) {
        let labels = reports.map { self.labels(of: $0).full[Int($0.side.rawValue)] }
        text.begin(MetricFamily(name: "weir_calls", kind: .counter, help: "Ended calls, by outcome and code."))
        for (report, labels) in zip(reports, labels) {
            for result in report.results { text.sample(labels, more: Self.more(result), result.count) }
        }
        text.begin(MetricFamily(name: "weir_calls_in_flight", kind: .gauge, help: "Calls begun and not ended."))
        for (report, labels) in zip(reports, labels) { text.sample(labels, report.inFlight) }
        text.begin(.bytes("weir_request_bytes", help: "Bytes of the requests of calls that have ended."))
        for (report, labels) in zip(reports, labels) { text.sample(labels, report.requestBytes) }
        text.begin(.bytes("weir_response_bytes", help: "Bytes of the replies to calls that have ended."))
        for (report, labels) in zip(reports, labels) { text.sample(labels, report.responseBytes) }
        text.begin(MetricFamily(name: "weir_exceptions", kind: .counter, help: "Replies with an exception, by class."))
        for (report, labels) in zip(reports, labels) {
            for exception in report.exceptions { text.sample(labels, more: Self.more(exception), exception.count) }
        }
        let help = "Replies to calls given up before, or never seen."
        text.begin(MetricFamily(name: "weir_late_replies", kind: .counter, help: help))
        for (report, labels) in zip(reports, labels) where report.lateReplies > 0 {
            text.sample(labels, report.lateReplies)
        }
    }

    private mutating func writeDurations(_ reports: [OperationReport], to text: inout ExpositionText) {
        let help = "First request byte seen to last reply byte seen, of calls that the application answered."
        text.begin(
            MetricFamily(name: "weir_call_duration_seconds", kind: .histogram, unit: "seconds", help: help)
        )
        writeHistograms(reports, \.duration, to: &text)
    }

    private mutating func writeStreams(_ reports: [OperationReport], to text: inout ExpositionText) {
        let help = "How long calls that were streams were open, however they ended."
        text.begin(
            MetricFamily(name: "weir_stream_duration_seconds", kind: .histogram, unit: "seconds", help: help)
        )
        writeHistograms(reports, \.streams, to: &text)
        text.begin(
            MetricFamily(name: "weir_stream_messages", kind: .counter, help: "Messages of calls that were streams.")
        )
        for report in reports where report.streams.count > 0 {
            let labels = labels(of: report).full[Int(report.side.rawValue)]
            text.sample(labels, more: Self.requestDirection, report.streamedRequests)
            text.sample(labels, more: Self.responseDirection, report.streamedResponses)
        }
    }

    /// Writes a histogram an operation, versions and groups together.
    private mutating func writeHistograms(
        _ reports: [OperationReport],
        _ histogram: KeyPath<OperationReport, HistogramSnapshot>,
        to text: inout ExpositionText
    ) {
        var durations: [HistogramSnapshot?] = []
        for report in reports where report[keyPath: histogram].count > 0 {
            let key = labels(of: report).durations * 2 + Int(report.side.rawValue)
            while durations.count <= key { durations.append(nil) }
            let new = report[keyPath: histogram]
            if durations[key]?.merge(new) == nil { durations[key] = new }
        }
        for (key, duration) in durations.enumerated() {
            if let duration { text.histogram(durationLabels[key / 2][key % 2], duration) }
        }
    }

    private mutating func labels(of report: OperationReport) -> Labels {
        let index = report.id.index
        while labels.count <= index { labels.append(nil) }
        if let known = labels[index] { return known }
        let operation = report.operation
        let key = DurationKey(
            callProtocol: operation.callProtocol,
            interface: operation.interface,
            method: operation.method
        )
        let four = Side.allCases.map { Self.labels(operation, $0) }
        let durations = durationKeys[key] ?? durationLabels.count
        if durations == durationLabels.count {
            durationKeys[key] = durations
            durationLabels.append(four.map(\.bytes))
        }
        let full = four.map { four in
            var text = four
            text.add("version", operation.version)
            text.add("group", operation.group)
            return text.bytes
        }
        let new = Labels(full: full, durations: durations)
        labels[index] = new
        return new
    }

    private static func labels(_ operation: Operation, _ side: Side) -> LabelText {
        var text = LabelText()
        text.add("side", side.label.description)
        text.add("protocol", operation.callProtocol.label.description)
        text.add("interface", operation.interface)
        text.add("method", operation.method)
        return text
    }

    private static let requestDirection = Array(",direction=\"request\"".utf8)
    private static let responseDirection = Array(",direction=\"response\"".utf8)

    private static func more(_ result: OperationReport.Result) -> [UInt8] {
        var text = LabelText()
        text.add("outcome", result.outcome.label.description)
        text.add("code", result.code)
        return [0x2c] + text.bytes
    }

    private static func more(_ exception: OperationReport.Exception) -> [UInt8] {
        var text = LabelText()
        text.add("exception", exception.className)
        return [0x2c] + text.bytes
    }
}
