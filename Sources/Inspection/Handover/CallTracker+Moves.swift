internal import Calls
internal import Telemetry

/// Calls whose connection goes on in another process.
extension CallTracker {
    /// A connection's calls in flight, heartbeats and tombstones.
    func calls(of session: Session) -> [CallTable.Entry] {
        var calls: [CallTable.Entry] = []
        var index = session.calls.first
        while index >= 0 {
            calls.append(table[index])
            index = table.next(after: index)
        }
        return calls
    }

    /// Takes a connection's calls out of the table without an end: they are another process's.
    func forgetAll(on session: Session) {
        while session.calls.first >= 0 {
            let index = session.calls.first
            let entry = table[index]
            if entry.kind == .call { recorder.callGivenUp(entry.operation, side: entry.side) }
            pipeline.limits.release(of: index)
            operations.tools.forget(index)
            texts.removeValue(forKey: index)
            if isTraced { tracer?.forget(index) }
            table.remove(index, first: &session.calls.first)
        }
        session.calls.inFlight = 0
    }

    /// A call that began in another process goes on here; it is not counted as begun again.
    ///
    /// Where the table is full it is counted as lost, as one that begins would be.
    func resume(_ call: MovedCall, on session: Session, now: UInt64) {
        let entry = CallTable.Entry(
            kind: call.kind == .heartbeat ? .heartbeat : .call,
            session: session.number,
            direction: call.direction,
            id: call.id,
            side: call.side,
            operation: operations.registry.intern(call.operation),
            start: call.start,
            deadline: call.deadline,
            requestBytes: call.requestBytes
        )
        guard !table.isFull else {
            if call.kind == .call { count(entry, as: .lost, on: session, now: now) { CallTexts() } }
            return
        }
        let index = table.add(entry, first: &session.calls.first)
        switch call.kind {
        case .heartbeat, .free: break
        case .call:
            session.calls.inFlight &+= 1
            recorder.callStarted(entry.operation, side: entry.side)
        case .tombstone:
            let surplus = table.bury(index)
            guard surplus >= 0, let owner = connections[table[surplus].session] else { return }
            table.remove(surplus, first: &owner.calls.first)
        case .timedOut, .cancelled:
            if !table.giveUp(index, as: call.kind, until: call.deadline) {
                table.remove(index, first: &session.calls.first)
            }
        }
    }
}
