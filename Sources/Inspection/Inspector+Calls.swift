internal import Calls
internal import Policy
internal import Telemetry
internal import Wire

/// The life of a call, whatever its protocol.
extension Inspector {
    /// A call without an own deadline, or one whose deadline no longer matters, has until then.
    func defaultDeadline(_ start: UInt64) -> UInt64 { start &+ limits.callTimeoutNanoseconds }

    /// Opens a call that waits for a reply; one that already stood under its id goes unanswered.
    ///
    /// - Parameters:
    ///   - new: The call.
    ///   - session: Its connection's session.
    ///   - permit: What it has taken of limits; it goes back when the call ends.
    ///   - now: The time, in nanoseconds.
    ///   - texts: What an observer of calls wants; asked for only if there is one.
    /// - Returns: Its place in the table, or ``CallTable/none`` when the table is full: it is counted as lost then.
    @discardableResult
    @inline(__always)
    func startCall(
        _ new: CallTable.Entry,
        _ session: Session,
        permit: LimitToken = .none,
        now: UInt64,
        texts: () -> CallTexts
    ) -> Int32 {
        guard !calls.isFull else {
            pipeline.limits.release(permit)
            countUntracked(new, .lost, session, now: now, texts: texts)
            return CallTable.none
        }
        retire(session, new.direction, new.id, now)
        let index = calls.add(new, first: &session.firstCall)
        session.inFlight &+= 1
        recorder.callStarted(new.operation, side: new.side)
        if isTraced { tracer?.attach(index) }
        if !permit.isNone { pipeline.limits.hold(permit, by: index) }
        if callObserver != nil { callTexts[index] = texts() }
        return index
    }

    /// Counts a request whose reply nobody waits for here: one way, answered by Weir, or one too many for the table.
    func countUntracked(
        _ entry: CallTable.Entry,
        _ outcome: Outcome,
        code: Int32 = ResultCode.none,
        _ session: Session,
        now: UInt64,
        texts: () -> CallTexts
    ) {
        let call = FinishedCall(
            operation: entry.operation,
            side: entry.side,
            outcome: outcome,
            code: code,
            startNanoseconds: entry.start,
            durationNanoseconds: now > entry.start ? now - entry.start : 0,
            requestBytes: entry.requestBytes,
            responseBytes: 0,
            caller: entry.caller
        )
        recorder.callFinished(call, wasInFlight: false)
        session.finishedCalls &+= 1
        if isTraced { _ = tracer?.end(CallTable.none, call, id: entry.id, session) }
        if let callObserver { report(call, entry.id, session, "", texts(), to: callObserver) }
    }

    /// Makes room for an id that is used again: what stood under it will never be answered.
    func retire(_ session: Session, _ direction: Direction, _ id: UInt64, _ now: UInt64) {
        let old = calls.find(session: session.number, direction: direction, id: id)
        guard old >= 0 else { return }
        abandon(old, session, as: .unanswered, now: now)
        calls.remove(old, first: &session.firstCall)
    }

    /// The call in flight under that id; one that is past its deadline is given up, and a reply to it counted as late.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - direction: The way of requests.
    ///   - id: The call's id.
    ///   - now: The time, in nanoseconds.
    ///   - countsUnknown: Whether a reply to no call at all is counted, under the unknown operation.
    /// - Returns: Its place in the table, or ``CallTable/none``: then nothing more is to be done.
    @inline(__always)
    func callToAnswer(
        _ session: Session,
        _ direction: Direction,
        _ id: UInt64,
        _ now: UInt64,
        countsUnknown: Bool = false
    ) -> Int32 {
        let index = calls.find(session: session.number, direction: direction, id: id)
        guard index >= 0 else {
            if countsUnknown { recorder.lateReply(unknownOperation, side: session.side(of: direction)) }
            return CallTable.none
        }
        if calls.kind(index) == .call || calls.kind(index).isGivenUp, now > calls.deadline(index) {
            expire(index, session)
        }
        switch calls.kind(index) {
        case .call, .timedOut, .cancelled: return index
        case .tombstone:
            recorder.lateReply(calls[index].operation, side: calls[index].side)
            if isTraced { tracer?.lateReply(index, now: now) }
            calls.remove(index, first: &session.firstCall)
            return CallTable.none
        case .heartbeat, .free: return CallTable.none
        }
    }

    /// Counts the end of a call and takes it out of the table.
    @inline(__always)
    func endCall(
        _ index: Int32,
        _ session: Session,
        _ outcome: Outcome,
        _ code: Int32,
        end: UInt64,
        responseBytes: UInt64,
        stream: StreamMessages? = nil,
        exception: String = ""
    ) {
        finish(
            index,
            session,
            outcome,
            code,
            end: end,
            responseBytes: responseBytes,
            stream: stream,
            exception: exception
        )
        calls.remove(index, first: &session.firstCall)
    }

    /// Gives a call up.
    func expire(_ index: Int32, _ session: Session) {
        let entry = calls[index]
        if !correlated.isEmpty, session === correlationHome { return expireCorrelated(index) }
        guard entry.kind == .call else {
            // A heartbeat without an answer: its connection has other ways to die.
            abandon(index, session, as: .timeout, now: entry.deadline)
            calls.remove(index, first: &session.firstCall)
            return
        }
        finish(
            index,
            session,
            .timeout,
            ResultCode.none,
            end: entry.deadline,
            responseBytes: 0,
            stream: messages(of: entry, session),
            mayBeLate: true
        )
        let surplus = calls.bury(index)
        guard surplus >= 0, let owner = sessions[Int(calls[surplus].session)] else { return }
        calls.remove(surplus, first: &owner.firstCall)
    }

    /// Counts the end of a call in the table; the entry stays for the caller to take out.
    func finish(
        _ index: Int32,
        _ session: Session,
        _ outcome: Outcome,
        _ code: Int32,
        end: UInt64,
        responseBytes: UInt64,
        stream: StreamMessages? = nil,
        exception: String = "",
        mayBeLate: Bool = false
    ) {
        let entry = calls[index]
        let call = FinishedCall(
            operation: entry.operation,
            side: entry.side,
            outcome: outcome,
            code: code,
            startNanoseconds: entry.start,
            durationNanoseconds: end > entry.start ? end - entry.start : 0,
            requestBytes: entry.requestBytes,
            responseBytes: responseBytes,
            caller: entry.caller
        )
        let isGivenUp = entry.kind.isGivenUp
        recorder.callFinished(call, wasInFlight: !isGivenUp, isStream: stream?.isStream == true)
        if let stream { count(stream, of: call) }
        if !isGivenUp { session.inFlight -= 1 }
        pipeline.limits.release(of: index)
        session.finishedCalls &+= 1
        if !calledTools.isEmpty { learnTool(index, outcome, code) }
        if isTraced { endSpan(index, call, entry.id, session, stream, mayBeLate) }
        let texts = callTexts.isEmpty ? nil : callTexts.removeValue(forKey: index)
        if let callObserver { report(call, entry.id, session, exception, texts, to: callObserver) }
    }

    private func count(_ stream: StreamMessages, of call: FinishedCall) {
        if stream.isStream {
            recorder.streamFinished(call, requests: stream.requests, responses: stream.responses)
        } else {
            recorder.messages(call, requests: stream.requests, responses: stream.responses)
        }
    }

    // MARK: Given up

    /// So long trailers are waited for after the caller has given a call up.
    static let trailerNanoseconds: UInt64 = 500_000_000

    /// The caller of a call does not wait any longer, but trailers may be on their way: what its limits gave it goes
    /// back now, and it is in flight no more; it is counted when they are there, or will not come.
    ///
    /// - Parameters:
    ///   - index: The call's place in the table.
    ///   - session: Its connection's session.
    ///   - kind: As what it ends without trailers.
    ///   - now: The time, in nanoseconds.
    /// - Returns: Whether they are waited for: not when too many calls wait for theirs.
    func giveUp(_ index: Int32, _ session: Session, as kind: CallTable.Kind, now: UInt64) -> Bool {
        guard calls.giveUp(index, as: kind, until: now &+ Self.trailerNanoseconds) else { return false }
        let entry = calls[index]
        recorder.callGivenUp(entry.operation, side: entry.side)
        session.inFlight -= 1
        pipeline.limits.release(of: index)
        return true
    }

    /// Counts the end of a call that will not be answered; one that its caller has given up ends as that says.
    ///
    /// The entry stays for the caller to take out.
    private func abandon(_ index: Int32, _ session: Session, as outcome: Outcome, now: UInt64) {
        let kind = calls.kind(index)
        let stream = messages(of: calls[index], session)
        if kind == .call {
            // Its deadline may have passed since the last tick.
            let deadline = calls.deadline(index)
            let isOver = now > deadline
            let end = isOver ? deadline : now
            let given = isOver ? .timeout : outcome
            finish(index, session, given, ResultCode.none, end: end, responseBytes: 0, stream: stream)
        } else if kind.isGivenUp {
            let result = kind.result
            let end = calls.deadline(index) &- Self.trailerNanoseconds
            finish(index, session, result.outcome, result.code, end: end, responseBytes: 0, stream: stream)
        }
    }

    /// What a call's stream carried until it was given up.
    private func messages(of call: CallTable.Entry, _ session: Session) -> StreamMessages? {
        guard case .other(let decoder) = session.decoder else { return nil }
        return decoder.messages(of: call)
    }

    private func endSpan(
        _ index: Int32,
        _ call: FinishedCall,
        _ id: UInt64,
        _ session: Session,
        _ stream: StreamMessages?,
        _ mayBeLate: Bool
    ) {
        guard let tracer,
            let start = tracer.end(index, call, id: id, session, stream: stream, mayBeLate: mayBeLate),
            tracer.options.givesExemplars
        else { return }
        recorder.exemplar(call, traceID: start.traceID, spanID: start.spanID, isStream: stream?.isStream == true)
    }

    /// Who calls, if calls are counted by caller.
    ///
    /// - Parameters:
    ///   - name: The caller's name, in `texts`; empty if it does not say.
    ///   - texts: What the name's range points into.
    ///   - session: Its connection's session, which keeps what it said last.
    /// - Returns: Its place in the process's registry.
    func caller(_ name: ByteRange, in texts: RawSpan, _ session: Session) -> UInt8 {
        guard !name.isEmpty, let callers else { return session.caller }
        let place = callers.cache.place(of: texts.slice(name))
        session.caller = place
        return place
    }

    private func report(
        _ call: FinishedCall,
        _ id: UInt64,
        _ session: Session,
        _ exception: String,
        _ texts: CallTexts?,
        to observer: any CallObserver
    ) {
        guard let connection = session.seenConnection else { return }
        observer.finished(
            ObservedCall(
                call: call,
                id: texts?.id ?? String(Int64(bitPattern: id)),
                connection: connection,
                caller: texts?.caller ?? "",
                exception: exception,
                trace: texts?.trace
            )
        )
    }

    /// Ends all calls of a session, tombstones too.
    func endCalls(of session: Session, as outcome: Outcome, now: UInt64) {
        while session.firstCall >= 0 {
            let index = session.firstCall
            abandon(index, session, as: outcome, now: now)
            calls.remove(index, first: &session.firstCall)
        }
    }
}

/// How many messages a call carried, of which one way carried more than one.
struct StreamMessages: BitwiseCopyable {
    var requests: UInt64
    var responses: UInt64
    /// Whether it is a stream: its duration says nothing of the service.
    var isStream = true
}

extension CallTable.Kind {
    /// As what a call that its caller has given up ends without trailers.
    var result: (outcome: Outcome, code: Int32) {
        self == .timedOut ? (.timeout, ResultCode.none) : (.cancelled, ResultCode.cancelled)
    }
}

/// A worker's callers, where a class can hold them.
final class CallerBox {
    var cache: CallerCache

    init(registry: CallerRegistry) { cache = CallerCache(registry: registry) }
}
