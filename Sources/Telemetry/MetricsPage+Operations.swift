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
        begin(MetricFamily(name: "weir_calls", kind: .counter, help: "Ended calls, by outcome and code."))
        for at in reports.indices {
            let callProtocol = reports[at].operation.callProtocol
            writeResults(reports[at].results, callProtocol, labels[at], callers: callers, &kept)
        }
        begin(MetricFamily(name: "weir_calls_in_flight", kind: .gauge, help: "Calls begun and not ended."))
        for at in reports.indices { sample(labels[at], reports[at].inFlight) }
        begin(.bytes("weir_request_bytes", help: "Bytes of the requests of calls that have ended."))
        for at in reports.indices { sample(labels[at], reports[at].requestBytes) }
        begin(.bytes("weir_response_bytes", help: "Bytes of the replies to calls that have ended."))
        for at in reports.indices { sample(labels[at], reports[at].responseBytes) }
        begin(MetricFamily(name: "weir_exceptions", kind: .counter, help: "Replies with an exception, by class."))
        for at in reports.indices {
            for exception in reports[at].exceptions {
                sample(labels[at], more: kept.more(exception), exception.count)
            }
        }
        let help = "Replies to calls given up before, or never seen."
        begin(MetricFamily(name: "weir_late_replies", kind: .counter, help: help))
        for at in reports.indices where reports[at].lateReplies > 0 { sample(labels[at], reports[at].lateReplies) }
    }

    /// A sample an outcome and code and, when they are told apart, a caller.
    private mutating func writeResults(
        _ results: [OperationReport.Result],
        _ callProtocol: CallProtocol,
        _ labels: [UInt8],
        callers: [String]?,
        _ kept: inout OperationLabels
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

    /// How long calls took.
    mutating func writeDurations(_ reports: [OperationReport], _ kept: inout OperationLabels) {
        let help = "First request byte seen to last reply byte seen, of calls that the application answered."
        begin(MetricFamily(name: "weir_call_duration_seconds", kind: .histogram, unit: "seconds", help: help))
        writeHistograms(reports, { $0.duration }, &kept)
    }

    /// What is known of streams.
    mutating func writeStreams(_ reports: [OperationReport], _ kept: inout OperationLabels) {
        var help = "How long calls that were streams were open, however they ended."
        begin(MetricFamily(name: "weir_stream_duration_seconds", kind: .histogram, unit: "seconds", help: help))
        writeHistograms(reports, { $0.streams }, &kept)
        help = "Messages of calls that carried more than one of them one way."
        begin(MetricFamily(name: "weir_stream_messages", kind: .counter, help: help))
        let (request, response) = (kept.direction("request"), kept.direction("response"))
        for at in reports.indices where reports[at].streams.count > 0 || reports[at].streamedRequests > 0 {
            let labels = kept.full(reports[at])
            sample(labels, more: request, reports[at].streamedRequests)
            sample(labels, more: response, reports[at].streamedResponses)
        }
    }

    /// Writes a histogram an operation, versions and groups together.
    private mutating func writeHistograms(
        _ reports: [OperationReport],
        _ histogram: (OperationReport) -> HistogramSnapshot,
        _ kept: inout OperationLabels
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
