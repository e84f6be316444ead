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
    ///   - now: The time, in nanoseconds.
    ///   - texts: What an observer of calls wants; asked for only if there is one.
    /// - Returns: Its place in the table, or ``CallTable/none`` when the table is full: it is counted as lost then.
    @discardableResult
    @inline(__always)
    func startCall(
        _ new: CallTable.Entry,
        _ session: Session,
        now: UInt64,
        texts: () -> CallTexts
    ) -> Int32 {
        guard !calls.isFull else {
            dropToken()
            countUntracked(new, .lost, session, now: now, texts: texts)
            return CallTable.none
        }
        retire(session, new.direction, new.id, now)
        let index = calls.add(new, first: &session.firstCall)
        session.inFlight &+= 1
        recorder.callStarted(new.operation, side: new.side)
        if isTraced { tracer?.attach(index) }
        if !pendingToken.isNone { holdToken(index) }
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
        if calls[old].kind == .call { finish(old, session, .unanswered, ResultCode.none, end: now, responseBytes: 0) }
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
        if calls.kind(index) == .call, now > calls.deadline(index) { expire(index, session) }
        switch calls.kind(index) {
        case .call: return index
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
        guard entry.kind == .call else {
            // A heartbeat without an answer: its connection has other ways to die.
            calls.remove(index, first: &session.firstCall)
            return
        }
        if !correlated.isEmpty, session === correlationHome { releaseCorrelated(index) }
        finish(index, session, .timeout, ResultCode.none, end: entry.deadline, responseBytes: 0, mayBeLate: true)
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
        recorder.callFinished(call, wasInFlight: true, isStream: stream != nil)
        if let stream { recorder.streamFinished(call, requests: stream.requests, responses: stream.responses) }
        session.inFlight -= 1
        if tokens.count > 0 { releaseToken(of: index) }
        session.finishedCalls &+= 1
        if isTraced { endSpan(index, call, entry.id, session, stream, mayBeLate) }
        let texts = callTexts.isEmpty ? nil : callTexts.removeValue(forKey: index)
        if let callObserver { report(call, entry.id, session, exception, texts, to: callObserver) }
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
        recorder.exemplar(call, traceID: start.traceID, spanID: start.spanID, isStream: stream != nil)
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
            if calls[index].kind == .call {
                finish(index, session, outcome, ResultCode.none, end: now, responseBytes: 0)
            }
            calls.remove(index, first: &session.firstCall)
        }
    }
}

/// How many messages a call that was a stream carried.
struct StreamMessages: BitwiseCopyable {
    var requests: UInt64
    var responses: UInt64
}

/// A worker's callers, where a class can hold them.
final class CallerBox {
    var cache: CallerCache

    init(registry: CallerRegistry) { cache = CallerCache(registry: registry) }
}
