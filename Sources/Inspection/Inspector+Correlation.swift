internal import Calls
internal import Telemetry
internal import Wire

/// Calls that have left their connection because their reply will come on another; see ``CorrelationTable``.
///
/// They stay in the call table under a session of their own, by their numbers in the process's table.
extension Inspector {
    /// What is kept of such a call.
    struct Correlated {
        /// Under what it waits in the process's table.
        var key: UInt64
        /// The ends of the connection that it came on.
        var ends: ObservedConnection?
        /// The endpoint or session whose stream is to bring its reply.
        var scope: UInt64
        /// Whether its deadline is Weir's own: what comes in that stream puts it off.
        var putsOffDeadline: Bool
    }

    /// Takes a call out of its connection: its reply will be found under a key.
    ///
    /// - Parameters:
    ///   - index: The call's place in the call table.
    ///   - session: Its connection's session.
    ///   - scope: What distinguishes its client.
    ///   - id: Its id's key.
    ///   - now: The time, in nanoseconds.
    /// - Returns: Its number; 0 when there was no room: it has ended as `unknown` then.
    @discardableResult
    func correlate(_ index: Int32, _ session: Session, scope: UInt64, id: UInt64, now: UInt64) -> UInt64 {
        var entry = calls[index]
        let key = CorrelationTable.key(scope, session.seen(entry.direction), id)
        let number = correlation.wait(key, scope: scope, worker: correlationNumber, now: now)
        takeAnswers(now: now)
        guard number != 0 else {
            endCall(index, session, .unknown, ResultCode.none, end: now, responseBytes: 0)
            return 0
        }
        let waiting = correlationSession
        entry.id = number
        entry.session = waiting.number
        let texts = callTexts.removeValue(forKey: index)
        calls.remove(index, first: &session.firstCall)
        let moved = calls.add(entry, first: &waiting.firstCall)
        if isTraced { tracer?.move(index, to: moved) }
        pipeline.limits.move(index, to: moved)
        if !calledTools.isEmpty { moveTool(index, to: moved) }
        if let texts { callTexts[moved] = texts }
        session.inFlight -= 1
        session.finishedCalls &+= 1
        waiting.inFlight += 1
        correlated[moved] = Correlated(
            key: key,
            ends: session.seenConnection,
            scope: scope,
            putsOffDeadline: entry.deadline == defaultDeadline(entry.start)
        )
        return number
    }

    /// A message was read that may answer a call of another connection.
    ///
    /// - Parameters:
    ///   - scope: What distinguishes the client.
    ///   - direction: The way of the request, as the client sees it.
    ///   - id: The message's id's key.
    ///   - answer: What it says.
    /// - Returns: Whether a call waited for it.
    func answerCorrelated(
        scope: UInt64,
        _ direction: Direction,
        id: UInt64,
        _ answer: CorrelationTable.Answer
    ) -> Bool {
        guard correlation.answer(CorrelationTable.key(scope, direction, id), answer) else { return false }
        takeAnswers(now: answer.time)
        return true
    }

    /// Ends this worker's calls to which answers have been found.
    func takeAnswers(now: UInt64) {
        guard !correlated.isEmpty else { return }
        for answer in correlation.takeAnswers(of: correlationNumber) { end(answer) }
    }

    /// Ends a call that has left its connection, if it has not ended yet.
    ///
    /// - Parameter answer: What became of it, with its number.
    func end(_ answer: CorrelationTable.Answer) {
        let waiting = correlationSession
        for direction in Direction.allCases {
            let index = calls.find(session: waiting.number, direction: direction, id: answer.call)
            guard index >= 0, calls.kind(index) == .call else { continue }
            putOffDeadline(index)
            guard answer.time <= calls.deadline(index) else { return expireCorrelated(index) }
            releaseCorrelated(index)
            if isTraced { tracer?.replyBegan(index, replies: 0, now: answer.time) }
            endCall(
                index,
                waiting,
                answer.outcome,
                answer.code,
                end: answer.time,
                responseBytes: answer.byteCount
            )
        }
    }

    /// A call that has left its connection is given up, unless its stream has brought something meanwhile.
    ///
    /// It leaves no tombstone, which no connection's end would take away.
    func expireCorrelated(_ index: Int32) {
        guard !putOffDeadline(index) else { return }
        let deadline = calls.deadline(index)
        releaseCorrelated(index)
        endCall(index, correlationSession, .timeout, ResultCode.none, end: deadline, responseBytes: 0)
    }

    /// Weir's own deadline of a call counts from the last that came in the stream it waits for.
    ///
    /// - Returns: Whether it is a later one now.
    @discardableResult
    private func putOffDeadline(_ index: Int32) -> Bool {
        guard let kept = correlated[index], kept.putsOffDeadline, let last = correlation.lastActivity(kept.scope) else {
            return false
        }
        let deadline = defaultDeadline(last)
        guard deadline > calls.deadline(index) else { return false }
        calls.setDeadline(index, deadline)
        return true
    }

    /// A call that has left its connection ends: nobody waits for it any more, and it is told with its own ends.
    func releaseCorrelated(_ index: Int32) {
        guard let kept = correlated.removeValue(forKey: index) else { return }
        correlation.forget(kept.key, call: calls[index].id)
        correlationSession.connection = kept.ends
    }

    /// Ends the calls that have left their connections: nothing further will be read.
    ///
    /// - Parameter now: The time, in nanoseconds.
    public func endCorrelated(now: UInt64) {
        guard !correlated.isEmpty else { return }
        takeAnswers(now: now)
        for index in correlated.keys.sorted() {
            releaseCorrelated(index)
            endCall(index, correlationSession, .unanswered, ResultCode.none, end: now, responseBytes: 0)
        }
    }

    /// The session under which such calls are.
    private var correlationSession: Session {
        if let session = correlationHome { return session }
        let session = Session(
            number: takeNumber(),
            side: .provider,
            connection: nil,
            isMidstream: false,
            isClientUnknown: false
        )
        sessions[Int(session.number)] = session
        correlationHome = session
        return session
    }
}
