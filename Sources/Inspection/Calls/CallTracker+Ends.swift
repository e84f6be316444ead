internal import Calls
internal import Policy
internal import Telemetry
internal import Wire

/// The ends of calls.
extension CallTracker {
    /// Counts the end of a call and takes it out of the table.
    ///
    /// - Parameters:
    ///   - index: The call's place in the table.
    ///   - session: Its connection's session.
    ///   - result: What became of it.
    @inline(__always)
    package func end(_ index: Int32, on session: Session, with result: CallResult) {
        finish(index, on: session, with: result)
        table.remove(index, first: &session.calls.first)
    }

    /// Ends all calls of a connection, tombstones too.
    func endAll(on session: Session, as outcome: Outcome, now: UInt64) {
        while session.calls.first >= 0 {
            let index = session.calls.first
            abandon(index, on: session, as: outcome, now: now)
            table.remove(index, first: &session.calls.first)
        }
    }

    /// Gives a call up whose deadline has passed: it becomes a tombstone, by which a late reply is known.
    func expire(_ index: Int32, on session: Session) {
        let entry = table[index]
        if correlated.isHome(session) { return expireCorrelated(index) }
        guard entry.kind == .call else {
            // A heartbeat without an answer: its connection has other ways to die.
            abandon(index, on: session, as: .timeout, now: entry.deadline)
            table.remove(index, first: &session.calls.first)
            return
        }
        var result = CallResult(.timeout, end: entry.deadline)
        result.stream = session.messages(of: entry)
        finish(index, on: session, with: result, mayBeLate: true)
        let surplus = table.bury(index)
        guard surplus >= 0, let owner = connections[table[surplus].session] else { return }
        table.remove(surplus, first: &owner.calls.first)
    }

    /// Counts the end of a call in the table; the entry stays for the caller to take out.
    private func finish(_ index: Int32, on session: Session, with result: CallResult, mayBeLate: Bool = false) {
        let entry = table[index]
        let call = FinishedCall(
            operation: entry.operation,
            side: entry.side,
            outcome: result.outcome,
            code: result.code,
            startNanoseconds: entry.start,
            durationNanoseconds: result.end > entry.start ? result.end - entry.start : 0,
            requestBytes: entry.requestBytes,
            responseBytes: result.responseBytes,
            caller: entry.caller,
            clock: recorder.clock
        )
        let isGivenUp = entry.kind.isGivenUp
        recorder.callFinished(call, wasInFlight: !isGivenUp, isStream: result.stream?.isStream == true)
        if let stream = result.stream { count(stream, of: call) }
        if !isGivenUp { session.calls.inFlight -= 1 }
        pipeline.limits.release(of: index)
        session.calls.finished &+= 1
        operations.tools.ended(index, outcome: result.outcome, code: result.code)
        if isTraced { endSpan(index, call, id: entry.id, on: session, stream: result.stream, mayBeLate: mayBeLate) }
        let texts = texts.isEmpty ? nil : texts.removeValue(forKey: index)
        guard let observer else { return }
        report(call, id: entry.id, on: session, texts: texts, to: observer)
    }

    private func count(_ stream: StreamMessages, of call: FinishedCall) {
        if stream.isStream {
            recorder.streamFinished(call, requests: stream.requests, responses: stream.responses)
        } else {
            recorder.messages(call, requests: stream.requests, responses: stream.responses)
        }
    }

    private func endSpan(
        _ index: Int32,
        _ call: FinishedCall,
        id: UInt64,
        on session: Session,
        stream: StreamMessages?,
        mayBeLate: Bool
    ) {
        guard let tracer,
            let start = tracer.end(index, call: call, id: id, on: session, stream: stream, mayBeLate: mayBeLate),
            tracer.options.givesExemplars
        else { return }
        recorder.exemplar(call, traceID: start.traceID, spanID: start.spanID, isStream: stream?.isStream == true)
    }

    /// Tells an observer of a finished call.
    func report(
        _ call: FinishedCall,
        id: UInt64,
        on session: Session,
        texts: CallTexts?,
        to observer: any CallObserver
    ) {
        guard let connection = session.seenConnection else { return }
        observer.finished(
            ObservedCall(
                call: call,
                id: texts?.id ?? String(Int64(bitPattern: id)),
                connection: connection,
                caller: texts?.caller ?? "",
                exception: texts?.exception ?? "",
                trace: texts?.trace
            )
        )
    }

    /// A call gets another place in the table: what belongs to it goes along.
    ///
    /// - Parameters:
    ///   - index: Its place.
    ///   - session: Its connection's session.
    ///   - entry: What the table is to know of it from now on.
    ///   - owner: The session that it belongs to from now on.
    /// - Returns: Its new place.
    func move(_ index: Int32, of session: Session, to entry: CallTable.Entry, on owner: Session) -> Int32 {
        let kept = texts.removeValue(forKey: index)
        table.remove(index, first: &session.calls.first)
        let moved = table.add(entry, first: &owner.calls.first)
        if isTraced { tracer?.move(index, to: moved) }
        pipeline.limits.move(index, to: moved)
        operations.tools.move(index, to: moved)
        if let kept { texts[moved] = kept }
        return moved
    }

    // MARK: Given up

    /// The time that trailers are waited for after the caller has given a call up.
    static let trailerNanoseconds: UInt64 = 500_000_000

    /// The caller of a call does not wait any longer, but trailers may be on their way: what its limits gave it goes
    /// back now, and it is in flight no more; it is counted when they are there, or will not come.
    ///
    /// - Parameters:
    ///   - index: The call's place in the table.
    ///   - session: Its connection's session.
    ///   - kind: As what it ends without trailers.
    ///   - now: The time, in nanoseconds.
    /// - Returns: True if they are waited for: not when too many calls wait for theirs.
    package func giveUp(_ index: Int32, on session: Session, as kind: CallTable.Kind, now: UInt64) -> Bool {
        guard table.giveUp(index, as: kind, until: now &+ Self.trailerNanoseconds) else { return false }
        let entry = table[index]
        recorder.callGivenUp(entry.operation, side: entry.side)
        session.calls.inFlight -= 1
        pipeline.limits.release(of: index)
        return true
    }

    /// Counts the end of a call that will not be answered; one that its caller has given up ends as that says.
    ///
    /// The entry stays for the caller to take out.
    func abandon(_ index: Int32, on session: Session, as outcome: Outcome, now: UInt64) {
        let kind = table.kind(index)
        var result: CallResult
        if kind == .call {
            // Its deadline may have passed since the last tick.
            let deadline = table.deadline(index)
            let isOver = now > deadline
            result = CallResult(isOver ? .timeout : outcome, end: isOver ? deadline : now)
        } else if kind.isGivenUp {
            let end = table.deadline(index) &- Self.trailerNanoseconds
            result = CallResult(kind.result.outcome, code: kind.result.code, end: end)
        } else {
            return
        }
        result.stream = session.messages(of: table[index])
        finish(index, on: session, with: result)
    }
}
