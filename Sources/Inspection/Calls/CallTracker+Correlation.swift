internal import Calls
internal import Telemetry
internal import Wire

/// Calls that have left their connection because their reply will come on another; see ``CorrelationTable``.
///
/// They stay in the call table under a session of their own, by their numbers in the process's table.
extension CallTracker {
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
    func correlate(_ index: Int32, of session: Session, scope: UInt64, id: UInt64, now: UInt64) -> UInt64 {
        var entry = table[index]
        let key = CorrelationTable.key(scope, direction: session.seen(entry.direction), id: id)
        let number = correlated.waiting.wait(key, scope: scope, worker: correlated.number, now: now)
        takeAnswers(now: now)
        guard number != 0 else {
            end(index, on: session, with: CallResult(.unknown, end: now))
            return 0
        }
        let waiting = correlated.home
        entry.id = number
        entry.session = waiting.number
        let moved = move(index, of: session, to: entry, on: waiting)
        session.calls.inFlight -= 1
        session.calls.finished &+= 1
        waiting.calls.inFlight += 1
        correlated.kept[moved] = CorrelatedCalls.Kept(
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
    /// - Returns: True if a call waited for it.
    func answerCorrelated(
        scope: UInt64,
        direction: Direction,
        id: UInt64,
        with answer: CorrelationTable.Answer
    ) -> Bool {
        guard correlated.waiting.answer(CorrelationTable.key(scope, direction: direction, id: id), answer) else {
            return false
        }
        takeAnswers(now: answer.time)
        return true
    }

    /// Ends this worker's calls to which answers have been found.
    func takeAnswers(now: UInt64) {
        guard !correlated.kept.isEmpty else { return }
        for answer in correlated.waiting.takeAnswers(of: correlated.number) { end(answer) }
    }

    /// Ends a call that has left its connection, if it has not ended yet.
    ///
    /// - Parameter answer: What became of it, with its number.
    func end(_ answer: CorrelationTable.Answer) {
        let waiting = correlated.home
        for direction in Direction.allCases {
            let index = table.find(session: waiting.number, direction: direction, id: answer.call)
            guard index >= 0, table.kind(index) == .call else { continue }
            putOffDeadline(index)
            guard answer.time <= table.deadline(index) else { return expireCorrelated(index) }
            releaseCorrelated(index)
            if isTraced { tracer?.replyBegan(index, replies: 0, now: answer.time) }
            var result = CallResult(answer.outcome, code: answer.code, end: answer.time)
            result.responseBytes = answer.byteCount
            end(index, on: waiting, with: result)
        }
    }

    /// A call that has left its connection is given up, unless its stream has brought something meanwhile.
    ///
    /// It leaves no tombstone, which no connection's end would take away.
    func expireCorrelated(_ index: Int32) {
        guard !putOffDeadline(index) else { return }
        let deadline = table.deadline(index)
        releaseCorrelated(index)
        end(index, on: correlated.home, with: CallResult(.timeout, end: deadline))
    }

    /// Weir's own deadline of a call counts from the last that came in the stream it waits for.
    ///
    /// - Returns: True if it is a later one now.
    @discardableResult
    private func putOffDeadline(_ index: Int32) -> Bool {
        guard let kept = correlated.kept[index], kept.putsOffDeadline,
            let last = correlated.waiting.lastActivity(kept.scope)
        else {
            return false
        }
        let deadline = defaultDeadline(last)
        guard deadline > table.deadline(index) else { return false }
        table.setDeadline(index, deadline)
        return true
    }

    /// A call that has left its connection ends: nobody waits for it any more, and it is told with its own ends.
    func releaseCorrelated(_ index: Int32) {
        guard let kept = correlated.kept.removeValue(forKey: index) else { return }
        correlated.waiting.forget(kept.key, call: table[index].id)
        correlated.home.connection = kept.ends
    }

    /// Ends the calls that have left their connections: nothing further will be read.
    ///
    /// - Parameter now: The time, in nanoseconds.
    func endCorrelated(now: UInt64) {
        guard !correlated.kept.isEmpty else { return }
        takeAnswers(now: now)
        for index in correlated.kept.keys.sorted() {
            releaseCorrelated(index)
            end(index, on: correlated.home, with: CallResult(.unanswered, end: now))
        }
    }
}
