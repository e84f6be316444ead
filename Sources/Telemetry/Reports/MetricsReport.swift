public import Calls

/// The counts of a process, for another process that adds them to its own.
///
/// Not in it: exemplars, and the operating system's readings except processor time. `MetricsReport+Process`,
/// `MetricsAdditions+Report` and, for later metrics, `MetricsReport+Further` define the layout of its bytes.
public struct MetricsReport: Sendable {
    /// The workers' numbers; operations and places are those of the process that made or read the report.
    public var snapshot: MetricsSnapshot
    /// Counters of the metrics page that belong to no worker.
    public var additions: MetricsAdditions
    /// The number of times that a worker was represented by an old snapshot.
    public var staleWorkers: UInt64
    /// Processor time used, in nanoseconds.
    public var cpuNanoseconds: UInt64

    /// A report of those numbers.
    ///
    /// - Parameters:
    ///   - snapshot: The workers' numbers, merged.
    ///   - additions: Counters that belong to no worker; the callers' names, limits, drain signals, spans, lines that
    ///     were dropped, reloads, connections of the admin API that were cut, and consumers are reported.
    ///   - staleWorkers: The number of times that a worker was represented by an old snapshot.
    ///   - cpuNanoseconds: Processor time used.
    public init(
        snapshot: MetricsSnapshot,
        additions: MetricsAdditions = MetricsAdditions(),
        staleWorkers: UInt64 = 0,
        cpuNanoseconds: UInt64 = 0
    ) {
        self.snapshot = snapshot
        self.additions = additions
        self.staleWorkers = staleWorkers
        self.cpuNanoseconds = cpuNanoseconds
    }

    /// The report without its gauges: what is left of a process that has gone.
    public var ofGoneProcess: MetricsReport {
        var report = self
        for at in report.snapshot.operations.indices { report.snapshot.operations[at].inFlight = 0 }
        for words in MetricCatalog.gaugeWords {
            for at in words { report.snapshot.numbers[at] = 0 }
        }
        report.additions.removeGauges()
        return report
    }

    // MARK: Bytes

    /// The report as bytes, which ``init(bytes:registry:labels:)`` reads.
    public var bytes: [UInt8] {
        var writer = ReportWriter()
        writer.add(staleWorkers)
        writer.add(cpuNanoseconds)
        writer.add(each: snapshot.operations) { $0.add($1) }
        snapshot.writeProcess(to: &writer)
        additions.write(to: &writer)
        writeFurther(to: &writer)
        return writer.bytes
    }

    /// Reads a report.
    ///
    /// - Parameters:
    ///   - bytes: Anything.
    ///   - registry: This process's operations; those of the report are added as far as there is room.
    ///   - labels: This process's codes and exception classes, to which the report's are added in the same way.
    /// - Throws: ``ReportError``.
    public init(
        bytes: ArraySlice<UInt8>,
        registry: OperationRegistry,
        labels: SeriesLabels
    ) throws(ReportError) {
        var reader = ReportReader(bytes)
        staleWorkers = try reader.number()
        cpuNanoseconds = try reader.number()
        var snapshot = MetricsSnapshot()
        snapshot.operations = try reader.each { reader throws(ReportError) in
            try OperationReport(&reader, registry: registry, labels: labels)
        }
        try snapshot.readProcess(&reader)
        self.snapshot = snapshot
        additions = try MetricsAdditions(&reader)
        if !reader.isAtEnd { try readFurther(&reader) }
        guard reader.isAtEnd else { throw .malformed }
    }
}

extension ReportWriter {
    fileprivate mutating func add(_ report: OperationReport) {
        let operation = report.operation
        add(word: operation.callProtocol)
        for name in [operation.interface, operation.version, operation.group, operation.method] { add(name) }
        add(word: report.side)
        add(signed: report.inFlight)
        for number in [
            report.requestBytes, report.responseBytes, report.lateReplies, report.streamedRequests,
            report.streamedResponses,
        ] { add(number) }
        add(each: report.results) { writer, result in
            writer.add(word: result.outcome)
            writer.add(result.place == SeriesLabels.otherCode ? 0 : 1)
            writer.add(signed: Int64(result.value))
            writer.add(UInt64(result.caller))
            writer.add(result.count)
        }
        add(each: report.exceptions) { writer, exception in
            writer.add(exception.place == SeriesLabels.limit ? 0 : 1)
            writer.add(exception.className)
            writer.add(exception.count)
        }
        add(report.duration)
        add(report.streams)
    }
}

extension OperationReport {
    fileprivate init(
        _ reader: inout ReportReader,
        registry: OperationRegistry,
        labels: SeriesLabels
    ) throws(ReportError) {
        let operation = Operation(
            callProtocol: try reader.word(),
            interface: try reader.text(),
            version: try reader.text(),
            group: try reader.text(),
            method: try reader.text()
        )
        let id = registry.adopt(operation)
        self.init(id, operation: registry[id], side: try reader.word())
        inFlight = try reader.signed()
        requestBytes = try reader.number()
        responseBytes = try reader.number()
        lateReplies = try reader.number()
        streamedRequests = try reader.number()
        streamedResponses = try reader.number()
        results = try reader.each { reader throws(ReportError) in
            try Result(&reader, operation: id, callProtocol: operation.callProtocol, labels: labels)
        }
        exceptions = try reader.each { reader throws(ReportError) in
            try Exception(&reader, operation: id, labels: labels)
        }
        duration = try reader.histogram()
        streams = try reader.histogram()
    }
}

extension OperationReport.Result {
    fileprivate init(
        _ reader: inout ReportReader,
        operation: OperationID,
        callProtocol: CallProtocol,
        labels: SeriesLabels
    ) throws(ReportError) {
        let outcome: Outcome = try reader.word()
        let isKnown = try reader.number() == 1
        guard let value = Int32(exactly: try reader.signed()), let caller = UInt8(exactly: try reader.number()) else {
            throw .malformed
        }
        let count = try reader.number()
        let place =
            isKnown ? labels.place(ofCode: value, of: operation, in: callProtocol).place : SeriesLabels.otherCode
        let isTold = place != SeriesLabels.otherCode
        self.init(
            outcome: outcome,
            code: isTold ? ResultCode.name(of: value, in: callProtocol) : "other",
            count: count,
            caller: caller,
            place: place,
            value: isTold ? value : ResultCode.none
        )
    }
}

extension OperationReport.Exception {
    fileprivate init(
        _ reader: inout ReportReader,
        operation: OperationID,
        labels: SeriesLabels
    ) throws(ReportError) {
        let isKnown = try reader.number() == 1
        let name = try reader.text()
        guard name.utf8.count <= SeriesLabels.maxClassNameBytes else { throw .malformed }
        let place = isKnown ? labels.place(ofException: name, of: operation).place : SeriesLabels.limit
        let isTold = place != SeriesLabels.limit
        self.init(className: isTold ? name : "other", count: try reader.number(), place: place)
    }
}
