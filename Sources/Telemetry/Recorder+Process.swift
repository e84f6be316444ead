public import Calls

extension Recorder {
    // MARK: Connections

    /// A connection was accepted; its protocol is not known yet.
    ///
    /// - Parameter side: Where Weir stands.
    public func connectionOpened(side: Side) { add(1, at: ProcessWords.openConnections(side, .silent)) }

    /// A connection's protocol became known, or changed; it is counted once under each protocol it was seen to speak.
    ///
    /// - Parameters:
    ///   - side: Where Weir stands.
    ///   - old: What it was taken for.
    ///   - new: What it is.
    public func connectionIdentified(side: Side, from old: ConnectionProtocol, to new: ConnectionProtocol) {
        guard old != new else { return }
        // Numbers wrap: adding the largest one takes one off.
        add(.max, at: ProcessWords.openConnections(side, old))
        add(1, at: ProcessWords.openConnections(side, new))
        add(1, at: ProcessWords.connections(side, new))
    }

    /// A connection ended; one that never spoke is counted as `silent` now.
    ///
    /// - Parameters:
    ///   - side: Where Weir stands.
    ///   - connectionProtocol: What it spoke.
    public func connectionClosed(side: Side, connectionProtocol: ConnectionProtocol) {
        add(.max, at: ProcessWords.openConnections(side, connectionProtocol))
        if connectionProtocol == .silent { add(1, at: ProcessWords.connections(side, .silent)) }
    }

    /// A connection came that was redirected to Weir.
    ///
    /// - Parameter side: Where Weir stands.
    public func connectionIntercepted(side: Side) { add(1, at: ProcessWords.intercepted(side)) }

    /// A connection was not relayed.
    ///
    /// - Parameter reason: Why not.
    public func connectionRefused(reason: RefusalReason) { add(1, at: ProcessWords.refused(reason)) }

    // MARK: Protocol events and troubles

    /// An event request was seen; heartbeats are events too.
    ///
    /// - Parameters:
    ///   - event: Which one.
    ///   - side: Where Weir stands.
    public func event(_ event: PeerEvent, side: Side) { add(1, at: ProcessWords.event(event, side)) }

    /// A heartbeat request was seen.
    ///
    /// - Parameter side: Where Weir stands.
    public func heartbeat(side: Side) { event(.heartbeat, side: side) }

    /// A heartbeat was answered.
    ///
    /// - Parameters:
    ///   - side: Where Weir stands.
    ///   - nanoseconds: First byte of the request seen to last byte of the answer seen.
    public func heartbeatRoundTrip(side: Side, nanoseconds: UInt64) {
        record(nanoseconds, in: side == .provider ? heartbeatRoundTrips.provider : heartbeatRoundTrips.consumer)
    }

    /// A decoder met bytes it could not follow.
    ///
    /// May allocate; it happens about once a connection.
    ///
    /// - Parameters:
    ///   - connectionProtocol: Whose decoder it was.
    ///   - reason: The error's label.
    public func decodeError(_ connectionProtocol: ConnectionProtocol, reason: StaticString) {
        let key = RecorderIndex.DecodeReason(connectionProtocol: connectionProtocol, reason: reason.description)
        note(DecodeTrouble(connectionProtocol: connectionProtocol, reason: key.reason))
        add(1, at: grow { index, words in index.position(key, &words) })
    }

    /// Bytes were passed without being understood.
    ///
    /// - Parameters:
    ///   - count: How many.
    ///   - reason: Why.
    public func uninspectedBytes(_ count: UInt64, reason: UninspectedReason) {
        add(count, at: ProcessWords.uninspected(reason))
    }

    /// A verdict had to be given before the whole of what a rule asks for had arrived.
    ///
    /// - Parameter reason: Why.
    public func verdictPartial(_ reason: PartialVerdictReason) { add(1, at: ProcessWords.partial(reason)) }

    // MARK: The worker itself

    /// An event loop turn began later than it could have.
    ///
    /// - Parameter nanoseconds: How much later.
    public func loopLag(nanoseconds: UInt64) { record(nanoseconds, in: loopLag) }

    /// How many calls the worker's call tables hold now, tombstones counted.
    ///
    /// - Parameter count: Not negative.
    public func setCallTableEntries(_ count: Int) {
        set(UInt64(clamping: count), at: ProcessWords.callTableEntries)
    }
}
