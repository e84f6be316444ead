internal import Calls

/// What of the additions is reported to another process.
extension MetricsAdditions {
    func write(to writer: inout ReportWriter) {
        writer.add(each: callers ?? []) { $0.add($1) }
        writer.add(each: limits ?? []) { writer, limit in
            writer.add(limit.name)
            for number in [limit.allowed, limit.rejected, limit.wouldReject] { writer.add(number) }
        }
        writer.add(each: drains?.signals ?? []) { $0.add($1.signal, $1.count) }
        writer.add(each: adminCuts ?? []) { $0.add($1.reason, $1.count) }
        writer.add(tapLinesDropped ?? 0)
        let operation = operation ?? ProcessOperation(reloads: 0, failedReloads: 0, logLinesDropped: 0)
        for number in [operation.reloads, operation.failedReloads, operation.logLinesDropped] { writer.add(number) }
        let tracing = tracing ?? TracingCounters.Readings()
        for number in [tracing.exported, tracing.dropped, tracing.failed] { writer.add(number) }
        writer.add(each: tracing.malformed) { $0.add($1) }
        writer.add(each: tracing.injections) { $0.add($1) }
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
        tapLinesDropped = try reader.number()
        operation = ProcessOperation(
            reloads: try reader.number(),
            failedReloads: try reader.number(),
            logLinesDropped: try reader.number()
        )
        var tracing = TracingCounters.Readings()
        tracing.exported = try reader.number()
        tracing.dropped = try reader.number()
        tracing.failed = try reader.number()
        tracing.malformed = try reader.each { reader throws(ReportError) in try reader.number() }
        tracing.injections = try reader.each { reader throws(ReportError) in try reader.number() }
        self.tracing = tracing
        consumers = try reader.each { reader throws(ReportError) in
            ConsumerConnection(side: try reader.word(), consumer: try reader.text(), calls: try reader.number())
        }
    }

    /// Adds another process's counters to those that this one shows.
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
        if let own = tapLinesDropped { tapLinesDropped = own &+ (other.tapLinesDropped ?? 0) }
        if let theirs = other.operation { operation?.add(theirs) }
        if let theirs = other.tracing { tracing?.add(theirs) }
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

extension ProcessOperation {
    fileprivate mutating func add(_ other: ProcessOperation) {
        reloads &+= other.reloads
        failedReloads &+= other.failedReloads
        logLinesDropped &+= other.logLinesDropped
    }
}

extension TracingCounters.Readings {
    fileprivate mutating func add(_ other: TracingCounters.Readings) {
        exported &+= other.exported
        dropped &+= other.dropped
        failed &+= other.failed
        for at in malformed.indices where at < other.malformed.count { malformed[at] &+= other.malformed[at] }
        for at in injections.indices where at < other.injections.count { injections[at] &+= other.injections[at] }
    }
}
