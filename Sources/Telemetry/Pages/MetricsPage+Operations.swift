internal import Calls

/// The families that tell operations apart.
extension ExpositionWriter {
    /// Counts of calls.
    mutating func writeOperations(
        _ reports: [OperationReport],
        callers: [String]?,
        _ kept: inout OperationLabels
    ) {
        // A report is a dozen references: it is looked at in its place, not copied out.
        let labels = reports.indices.map { kept.full(reports[$0]) }
        begin(MetricCatalog.calls.family)
        for at in reports.indices {
            let callProtocol = reports[at].operation.callProtocol
            writeResults(
                reports[at].results,
                callProtocol: callProtocol,
                labels: labels[at],
                callers: callers,
                kept: &kept
            )
        }
        begin(MetricCatalog.callsInFlight.family)
        for at in reports.indices { sample(labels[at], reports[at].inFlight) }
        begin(MetricCatalog.requestBytes.family)
        for at in reports.indices { sample(labels[at], reports[at].requestBytes) }
        begin(MetricCatalog.responseBytes.family)
        for at in reports.indices { sample(labels[at], reports[at].responseBytes) }
        begin(MetricCatalog.exceptions.family)
        for at in reports.indices {
            for exception in reports[at].exceptions {
                sample(labels[at], more: kept.more(exception), exception.count)
            }
        }
        begin(MetricCatalog.lateReplies.family)
        for at in reports.indices where reports[at].lateReplies > 0 { sample(labels[at], reports[at].lateReplies) }
    }

    /// Writes a sample for each outcome and code and, if callers are told apart, each caller.
    private mutating func writeResults(
        _ results: [OperationReport.Result],
        callProtocol: CallProtocol,
        labels: [UInt8],
        callers: [String]?,
        kept: inout OperationLabels
    ) {
        var at = 0
        while at < results.count {
            let result = results[at]
            var count = result.count
            at += 1
            // Results that differ in the caller only stand side by side.
            while callers == nil, at < results.count, results[at].outcome == result.outcome,
                results[at].place == result.place
            {
                count &+= results[at].count
                at += 1
            }
            sample(labels, more: kept.more(result, of: callProtocol, callers: callers), count)
        }
    }

    /// Writes the durations of calls.
    mutating func writeDurations(_ reports: [OperationReport], _ kept: inout OperationLabels) {
        begin(MetricCatalog.callDuration.family)
        writeHistograms(reports, histogram: { $0.duration }, kept: &kept)
    }

    /// Writes the numbers of streams.
    mutating func writeStreams(_ reports: [OperationReport], _ kept: inout OperationLabels) {
        begin(MetricCatalog.streamDuration.family)
        writeHistograms(reports, histogram: { $0.streams }, kept: &kept)
        begin(MetricCatalog.streamMessages.family)
        let (request, response) = (
            kept.direction(MetricCatalog.directions[0]), kept.direction(MetricCatalog.directions[1])
        )
        for at in reports.indices where reports[at].streams.count > 0 || reports[at].streamedRequests > 0 {
            let labels = kept.full(reports[at])
            sample(labels, more: request, reports[at].streamedRequests)
            sample(labels, more: response, reports[at].streamedResponses)
        }
    }

    /// Writes a histogram an operation, versions and groups together.
    private mutating func writeHistograms(
        _ reports: [OperationReport],
        histogram: (OperationReport) -> HistogramSnapshot,
        kept: inout OperationLabels
    ) {
        var durations: [HistogramSnapshot?] = []
        for at in reports.indices {
            let new = histogram(reports[at])
            guard new.count > 0 else { continue }
            let key = kept.durations(reports[at])
            while durations.count <= key { durations.append(nil) }
            if durations[key]?.merge(new) == nil { durations[key] = new }
        }
        for (key, duration) in durations.enumerated() {
            if let duration { self.histogram(kept.durationLabels(key), duration) }
        }
    }
}
