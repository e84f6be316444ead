internal import Calls
internal import Policy
internal import Wire

/// Changes of what is in force.
extension Inspector {
    /// Drains have been started or undone: looks which there are.
    public func drainsChanged() {
        pipeline.drains.refresh()
    }

    /// Other limits are in force: looks whether there are any, and at which headers they look.
    public func limitsChanged() {
        pipeline.limitsChanged(asking: operations.unknown)
        updateSelector()
    }

    /// Tells a connection's consumers what they do not know yet of drains.
    ///
    /// To be asked of every connection when ``drainsChanged()`` was; new ones are told with the first bytes by which
    /// they are known to speak something, Dubbo's with their first whole header.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - now: The time, in nanoseconds.
    ///   - plan: An empty plan; says afterwards what is to be written to the downstream peer (its reply), and whether
    ///     the connection is to be closed.
    public func signalDrains(_ session: Session, now: UInt64, plan: inout Plan) {
        guard session.side == .provider, drainGate != nil else { return }
        session.decoder.session?.drainsChanged(ConnectionContext(self, session, now: now), &plan)
    }
}
