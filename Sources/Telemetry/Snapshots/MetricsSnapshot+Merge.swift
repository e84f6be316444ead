internal import Calls

extension OperationReport {
    /// The sums over one operation's rows of several workers.
    init(
        _ id: OperationID,
        operation: Operation,
        side: Side,
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
            inFlight &+= words[row.words + RecorderIndex.CounterSlot.inFlight]
            requestBytes &+= words[row.words + RecorderIndex.CounterSlot.requestBytes]
            responseBytes &+= words[row.words + RecorderIndex.CounterSlot.responseBytes]
            lateReplies &+= words[row.words + RecorderIndex.CounterSlot.lateReplies]
            var durations = recorder.histogram(row.duration)
            durations.exemplars = recorder.exemplars(of: row)
            duration.merge(durations)
            if let streams = row.streams { self.streams.merge(recorder.histogram(streams)) }
            streamedRequests &+= words[row.words + RecorderIndex.CounterSlot.streamedRequests]
            streamedResponses &+= words[row.words + RecorderIndex.CounterSlot.streamedResponses]
            recorder.eachResult(of: row) { results.add(words[$0.words], $0) }
            recorder.eachException(of: row) { exceptions[Int($0.place)] &+= words[$0.words] }
        }
        self.inFlight = Int64(bitPattern: inFlight)
        self.results = results.sorted().map { sum in
            Result(
                outcome: Outcome(rawValue: sum.outcome) ?? .lost,
                code: names.codeName(sum.place, of: operation.callProtocol),
                count: sum.count,
                caller: sum.caller,
                place: sum.place,
                value: sum.place < names.codes.count ? names.codes[sum.place] : ResultCode.none
            )
        }
        for (place, count) in exceptions.enumerated() where count > 0 {
            self.exceptions.append(Exception(className: names.exceptionName(place), count: count, place: place))
        }
    }
}

/// Counts by outcome, code place and caller.
private struct ResultSums {
    struct Sum {
        /// Outcome, place and caller, so that their order is the order of keys.
        let key: UInt32
        var count: UInt64

        var outcome: UInt8 { UInt8(truncatingIfNeeded: key >> 16) }
        var place: Int { Int(key >> 8 & 0xff) }
        var caller: UInt8 { UInt8(truncatingIfNeeded: key) }
    }

    private var sums: [Sum] = []

    mutating func add(_ count: UInt64, _ result: RecorderIndex.Result) {
        let key = UInt32(result.outcomeValue) << 16 | UInt32(result.place) << 8 | UInt32(result.caller)
        sums.append(Sum(key: key, count: count))
    }

    /// One sum a key, in order.
    mutating func sorted() -> [Sum] {
        sums.sort { $0.key < $1.key }
        var all: [Sum] = []
        all.reserveCapacity(sums.count)
        for sum in sums {
            if let last = all.last, last.key == sum.key {
                all[all.count - 1].count &+= sum.count
            } else {
                all.append(sum)
            }
        }
        return all
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
        for metric in MetricCatalog.workers {
            switch metric.storage {
            case .numbers(let slots):
                for recorder in recorders {
                    for at in slots.words { numbers[at] &+= recorder.words[at] }
                }
            case .histograms(let slots):
                for at in slots.histograms {
                    for recorder in recorders { histograms[at].merge(recorder.histogram(numbered: at, of: slots)) }
                }
            case .control, .other: break
            }
        }
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
