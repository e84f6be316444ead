internal import Calls

extension OperationReport {
    /// The sums over one operation's rows of several workers.
    init(
        _ id: OperationID,
        _ operation: Operation,
        _ side: Side,
        rows: [(RecorderSnapshot, Int)],
        names: SeriesLabels.Entry
    ) {
        self.id = id
        self.operation = operation
        self.side = side
        var results = ResultSums()
        var exceptions = [UInt64](repeating: 0, count: SeriesLabels.limit + 1)
        var inFlight: UInt64 = 0
        for (recorder, index) in rows {
            let row = recorder.index.rows[index]
            let words = recorder.words
            inFlight &+= words[row.words + RecorderIndex.RowWord.inFlight]
            requestBytes &+= words[row.words + RecorderIndex.RowWord.requestBytes]
            responseBytes &+= words[row.words + RecorderIndex.RowWord.responseBytes]
            lateReplies &+= words[row.words + RecorderIndex.RowWord.lateReplies]
            duration.merge(recorder.histogram(row.duration))
            if let streams = row.streams { self.streams.merge(recorder.histogram(streams)) }
            streamedRequests &+= words[row.words + RecorderIndex.RowWord.streamedRequests]
            streamedResponses &+= words[row.words + RecorderIndex.RowWord.streamedResponses]
            recorder.eachResult(of: row) { results.add(words[$0.words], outcome: $0.outcome, place: Int($0.place)) }
            recorder.eachException(of: row) { exceptions[Int($0.place)] &+= words[$0.words] }
        }
        self.inFlight = Int64(bitPattern: inFlight)
        self.results = results.sums.map { sum in
            Result(
                outcome: sum.outcome,
                code: names.codeName(sum.place, of: operation.callProtocol),
                count: sum.count,
                place: sum.place
            )
        }
        for (place, count) in exceptions.enumerated() where count > 0 {
            self.exceptions.append(Exception(className: names.exceptionName(place), count: count, place: place))
        }
    }
}

/// Counts by outcome and code place, kept in that order.
private struct ResultSums {
    var sums: [(outcome: Outcome, place: Int, count: UInt64)] = []

    mutating func add(_ count: UInt64, outcome: Outcome, place: Int) {
        let key = (outcome.rawValue, place)
        let at = sums.firstIndex { ($0.outcome.rawValue, $0.place) >= key } ?? sums.count
        if at < sums.count, sums[at].outcome == outcome, sums[at].place == place {
            sums[at].count &+= count
        } else {
            sums.insert((outcome, place, count), at: at)
        }
    }
}

extension SeriesLabels.Entry {
    fileprivate func codeName(_ place: Int, of callProtocol: CallProtocol) -> String {
        place < codes.count ? ResultCode.name(of: codes[place], in: callProtocol) : "other"
    }

    fileprivate func exceptionName(_ place: Int) -> String {
        place < exceptions.count ? exceptions[place] : "other"
    }
}

extension MetricsSnapshot {
    /// Sums what belongs to no operation.
    mutating func mergeProcess(_ recorders: [RecorderSnapshot]) {
        func sum(_ position: Int) -> UInt64 { recorders.reduce(0) { $0 &+ $1.words[position] } }
        for side in Side.allCases {
            for spoken in ConnectionProtocol.allCases {
                var row = Connections(side: side, connectionProtocol: spoken)
                row.open = Int64(bitPattern: sum(ProcessWords.openConnections(side, spoken)))
                row.total = sum(ProcessWords.connections(side, spoken))
                connections.append(row)
            }
            for event in PeerEvent.allCases { events.append((side, event, sum(ProcessWords.event(event, side)))) }
            var roundTrips = HistogramSnapshot()
            for recorder in recorders { roundTrips.merge(recorder.heartbeatRoundTrips(side)) }
            heartbeatRoundTrips.append((side, roundTrips))
        }
        uninspectedBytes = UninspectedReason.allCases.map { reason in (reason, sum(ProcessWords.uninspected(reason))) }
        refused = RefusalReason.allCases.map { reason in (reason, sum(ProcessWords.refused(reason))) }
        verdictsPartial = sum(ProcessWords.verdictsPartial)
        callTableEntries = sum(ProcessWords.callTableEntries)
        for recorder in recorders { loopLag.merge(recorder.histogram(recorder.loopLag)) }
    }

    /// Sums decode errors by protocol and reason.
    mutating func mergeDecodeErrors(_ recorders: [RecorderSnapshot]) {
        var sums: [RecorderIndex.DecodeReason: UInt64] = [:]
        for recorder in recorders {
            for (key, position) in recorder.index.decodeErrors { sums[key, default: 0] += recorder.words[position] }
        }
        decodeErrors =
            sums
            .map { DecodeErrors(connectionProtocol: $0.connectionProtocol, reason: $0.reason, count: $1) }
            .sorted {
                ($0.connectionProtocol.rawValue, $0.reason) < ($1.connectionProtocol.rawValue, $1.reason)
            }
    }
}
