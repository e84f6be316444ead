public import Calls

extension Recorder {
    // MARK: Any metric of the catalogue

    /// Counts one number of a metric.
    ///
    /// Inside this module this is one increment at a constant place; elsewhere it is a call more.
    ///
    /// - Parameters:
    ///   - metric: The metric.
    ///   - labels: The labels of the number.
    ///   - amount: The amount to add; numbers wrap, so `.max` takes one off a gauge.
    @inlinable @inline(__always)
    public func count<Labels>(_ metric: WorkerMetric<Labels>, _ labels: Labels, by amount: UInt64 = 1) {
        add(amount, at: metric.position(labels))
    }

    /// Makes one number of a gauge another.
    ///
    /// - Parameters:
    ///   - metric: The metric.
    ///   - labels: The labels of the number.
    ///   - value: The current value.
    @inlinable @inline(__always)
    public func set<Labels>(_ metric: WorkerMetric<Labels>, _ labels: Labels, to value: UInt64) {
        set(value, at: metric.position(labels))
    }

    /// Counts a duration.
    ///
    /// - Parameters:
    ///   - nanoseconds: The duration.
    ///   - histogram: The histogram.
    ///   - labels: The labels of the histogram.
    public func record<Labels>(_ nanoseconds: UInt64, in histogram: WorkerHistogram<Labels>, _ labels: Labels) {
        record(nanoseconds, in: histogram.id(labels))
    }

    // MARK: Connections

    /// A connection was accepted; its protocol is not known yet.
    ///
    /// - Parameter side: The side that Weir is on.
    public func connectionOpened(side: Side) { count(MetricCatalog.openConnections, LabelPair(side, .silent)) }

    /// A connection's protocol became known, or changed; it is counted once under each protocol it was seen to speak.
    ///
    /// - Parameters:
    ///   - side: The side that Weir is on.
    ///   - old: The protocol it was counted under.
    ///   - new: The protocol it turned out to speak.
    public func connectionIdentified(side: Side, from old: ConnectionProtocol, to new: ConnectionProtocol) {
        guard old != new else { return }
        // Numbers wrap: adding the largest one takes one off.
        count(MetricCatalog.openConnections, LabelPair(side, old), by: .max)
        count(MetricCatalog.openConnections, LabelPair(side, new))
        count(MetricCatalog.connections, LabelPair(side, new))
    }

    /// A connection ended; one that never spoke is counted as `silent` now.
    ///
    /// - Parameters:
    ///   - side: The side that Weir is on.
    ///   - connectionProtocol: The protocol it spoke.
    public func connectionClosed(side: Side, connectionProtocol: ConnectionProtocol) {
        count(MetricCatalog.openConnections, LabelPair(side, connectionProtocol), by: .max)
        if connectionProtocol == .silent { count(MetricCatalog.connections, LabelPair(side, .silent)) }
    }

    /// A connection goes on in another process, which does not count it again.
    ///
    /// - Parameters:
    ///   - side: The side that Weir is on.
    ///   - connectionProtocol: The protocol it is counted under.
    public func connectionMoved(side: Side, connectionProtocol: ConnectionProtocol) {
        count(MetricCatalog.openConnections, LabelPair(side, connectionProtocol), by: .max)
    }

    /// A connection came from another process, which has counted it.
    ///
    /// - Parameters:
    ///   - side: The side that Weir is on.
    ///   - connectionProtocol: The protocol it is counted under.
    public func connectionResumed(side: Side, connectionProtocol: ConnectionProtocol) {
        count(MetricCatalog.openConnections, LabelPair(side, connectionProtocol))
    }

    /// A connection came that was redirected to Weir.
    ///
    /// - Parameter side: The side that Weir is on.
    public func connectionIntercepted(side: Side) { count(MetricCatalog.interceptedConnections, side) }

    /// A connection was not relayed.
    ///
    /// - Parameter reason: The reason.
    public func connectionRefused(reason: ConnectionRejectReason) { count(MetricCatalog.refusedConnections, reason) }

    // MARK: Protocol events and failures

    /// An event request was seen; heartbeats are events too.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - side: The side that Weir is on.
    public func event(_ event: PeerEvent, side: Side) { count(MetricCatalog.events, LabelPair(side, event)) }

    /// A heartbeat request was seen.
    ///
    /// - Parameter side: The side that Weir is on.
    public func heartbeat(side: Side) { event(.heartbeat, side: side) }

    /// A heartbeat was answered.
    ///
    /// - Parameters:
    ///   - side: The side that Weir is on.
    ///   - nanoseconds: First byte of the request seen to last byte of the answer seen.
    public func heartbeatRoundTrip(side: Side, nanoseconds: UInt64) {
        record(nanoseconds, in: MetricCatalog.heartbeatRoundTrips, side)
    }

    /// A decoder met bytes it could not follow.
    ///
    /// May allocate; it happens about once a connection.
    ///
    /// - Parameters:
    ///   - connectionProtocol: The protocol of the decoder.
    ///   - reason: The error's label.
    public func decodeError(_ connectionProtocol: ConnectionProtocol, reason: StaticString) {
        let key = RecorderIndex.DecodeReason(connectionProtocol: connectionProtocol, reason: reason.description)
        note(DecodeFailure(connectionProtocol: connectionProtocol, reason: key.reason))
        add(1, at: grow { index, words in index.position(key, &words) })
    }

    /// Bytes were passed without being understood.
    ///
    /// - Parameters:
    ///   - count: The number of bytes.
    ///   - reason: The reason.
    public func uninspectedBytes(_ count: UInt64, reason: UninspectedReason) {
        self.count(MetricCatalog.uninspectedBytes, reason, by: count)
    }

    /// Counts a decision that was made before everything a rule asks for had arrived.
    ///
    /// - Parameter reason: The reason.
    public func verdictPartial(_ reason: PartialVerdictReason) { count(MetricCatalog.partialVerdicts, reason) }

    // MARK: The worker itself

    /// An event loop turn began later than it could have.
    ///
    /// - Parameter nanoseconds: The delay.
    public func loopLag(nanoseconds: UInt64) { record(nanoseconds, in: MetricCatalog.loopLag, NoLabels()) }

    /// Sets the number of calls in the worker's call tables, tombstones included.
    ///
    /// - Parameter count: Not negative.
    public func setCallTableEntries(_ count: Int) {
        set(MetricCatalog.callTableEntries, NoLabels(), to: UInt64(clamping: count))
    }
}
