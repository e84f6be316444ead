public import Calls
internal import Wire

extension MetricsReport {
    /// Adds the numbers of another process.
    ///
    /// - Parameters:
    ///   - other: Its report, read with the same registry and labels.
    ///   - registry: This process's callers; those of the report are added as far as there is room. Without it callers
    ///     are not told apart.
    public mutating func merge(_ other: MetricsReport, callers registry: CallerRegistry?) {
        let places = (other.additions.callers ?? []).map { name -> UInt8 in
            guard let registry else { return CallerRegistry.unknown }
            let bytes = Array(name.utf8)
            return registry.place(of: bytes.byteSpan)
        }
        snapshot.merge(other.snapshot) { place in
            if registry == nil || place == CallerRegistry.unknown { return CallerRegistry.unknown }
            return Int(place) <= places.count ? places[Int(place) - 1] : CallerRegistry.other
        }
        additions.merge(other.additions)
        if let registry, additions.callers != nil { additions.callers = registry.names }
        staleWorkers &+= other.staleWorkers
        cpuNanoseconds &+= other.cpuNanoseconds
    }
}

extension MetricsSnapshot {
    /// Adds the numbers of another process.
    fileprivate mutating func merge(_ other: MetricsSnapshot, caller: (UInt8) -> UInt8) {
        mergeOperations(other, caller)
        mergeDecodeErrors(other)
        for at in numbers.indices { numbers[at] &+= other.numbers[at] }
        for at in histograms.indices { histograms[at].merge(other.histograms[at]) }
        operationsOverflowed &+= other.operationsOverflowed
    }

    private mutating func mergeOperations(_ other: MetricsSnapshot, _ caller: (UInt8) -> UInt8) {
        struct Key: Hashable {
            var id: OperationID
            var side: Side
        }
        var places: [Key: Int] = [:]
        for at in operations.indices { places[Key(id: operations[at].id, side: operations[at].side)] = at }
        for report in other.operations {
            let key = Key(id: report.id, side: report.side)
            let at = places[key] ?? operations.count
            if at == operations.count {
                places[key] = at
                operations.append(OperationReport(report.id, operation: report.operation, side: report.side))
            }
            operations[at].merge(report, caller)
        }
    }

    private mutating func mergeDecodeErrors(_ other: MetricsSnapshot) {
        for row in other.decodeErrors {
            let at = decodeErrors.firstIndex {
                $0.connectionProtocol == row.connectionProtocol && $0.reason == row.reason
            }
            guard let at else {
                decodeErrors.append(row)
                continue
            }
            decodeErrors[at] = DecodeErrors(
                connectionProtocol: row.connectionProtocol,
                reason: row.reason,
                count: decodeErrors[at].count &+ row.count
            )
        }
    }
}

extension OperationReport {
    /// A report without numbers.
    init(_ id: OperationID, operation: Operation, side: Side) {
        self.id = id
        self.operation = operation
        self.side = side
    }

    fileprivate mutating func merge(_ other: OperationReport, _ caller: (UInt8) -> UInt8) {
        inFlight &+= other.inFlight
        requestBytes &+= other.requestBytes
        responseBytes &+= other.responseBytes
        lateReplies &+= other.lateReplies
        streamedRequests &+= other.streamedRequests
        streamedResponses &+= other.streamedResponses
        if !other.results.isEmpty { add(other.results, caller) }
        for exception in other.exceptions { add(exception) }
        duration.merge(other.duration)
        streams.merge(other.streams)
    }

    private mutating func add(_ exception: Exception) {
        let at = exceptions.firstIndex { $0.place == exception.place }
        let sum = Exception(
            className: exception.className,
            count: (at.map { exceptions[$0].count } ?? 0) &+ exception.count,
            place: exception.place
        )
        if let at { exceptions[at] = sum } else { exceptions.append(sum) }
    }

    /// Adds results; they stay in order of outcome, code and caller.
    private mutating func add(_ others: [Result], _ caller: (UInt8) -> UInt8) {
        func key(_ result: Result) -> Int {
            Int(result.outcome.rawValue) << 16 | result.place << 8 | Int(result.caller)
        }
        var all = results
        for result in others { all.append(result.with(count: result.count, caller: caller(result.caller))) }
        all.sort { key($0) < key($1) }
        results.removeAll(keepingCapacity: true)
        for result in all {
            guard let last = results.last, key(last) == key(result) else {
                results.append(result)
                continue
            }
            results[results.count - 1] = last.with(count: last.count &+ result.count, caller: last.caller)
        }
    }
}

extension OperationReport.Result {
    fileprivate func with(count: UInt64, caller: UInt8) -> Self {
        Self(outcome: outcome, code: code, count: count, caller: caller, place: place, value: value)
    }
}
