internal import Calls
internal import HTTP2
internal import Triple
internal import Wire

/// Streams that end before their time.
extension StreamCalls {
    /// A stream was reset.
    ///
    /// - Parameters:
    ///   - id: The stream.
    ///   - code: The code.
    ///   - peer: The peer that resets it.
    ///   - context: Whom it belongs to.
    func reset(_ id: UInt32, code: UInt32, by peer: TripleResetter, context: ConnectionContext) {
        let place = streams.place(of: id)
        guard place >= 0 else { return }
        let stream = streams[place]
        if stream.marks.contains(.isGivenUp) {
            // A callee that resets it, too, sends no trailers.
            return peer == .caller ? () : endGivenUp(id, context)
        }
        if stream.marks.contains(.isRPC) {
            resetRPC(id, place: place, as: peer == .caller ? .cancelled : .unanswered, context: context)
        }
        if stream.marks.contains(.isCall), !stream.marks.contains(.replyEnded) {
            var result = TripleResult(
                reset: code,
                by: peer,
                head: stream.reply,
                form: stream.form,
                isReplyComplete: false
            )
            if peer == .caller {
                switch giveUp(id, place: place, context: context) {
                case .waiting: return
                case .late: result = TripleResult(outcome: .timeout, code: ResultCode.none)
                case .over: break
                }
            }
            finish(stream, result, context: context)
        }
        remove(id, context)
    }

    /// Decides the end of the call of a stream that its caller has reset.
    private enum GivenUp {
        /// Its trailers are waited for.
        case waiting
        /// It ends now: its time was over.
        case late
        /// It has ended, or ends now with what is known.
        case over
    }

    /// The caller does not wait any longer; if its time was over that is no cancellation, and no late reply either.
    private func giveUp(_ id: UInt32, place: Int, context: ConnectionContext) -> GivenUp {
        if captures.awaitsMethod(of: id) { resolveMethod(id, context) }
        let (inspector, session) = (context.inspector, context.session)
        let index = inspector.tracker.table.find(session: session.number, direction: direction, id: UInt64(id))
        let stream = streams[place]
        guard index >= 0, stream.marks.contains(.isCounted) else { return .over }
        guard inspector.tracker.table.kind(index) == .call else {
            streams[place].marks.remove(.isCounted)
            inspector.tracker.table.remove(index, first: &session.calls.first)
            return .over
        }
        // A status that is known already decides.
        guard stream.reply.grpcStatus == TripleResponseHead.noStatus else { return .over }
        creditRequest(place, context)
        let elapsed = context.now > stream.start ? context.now - stream.start : 0
        let isLate =
            context.now > inspector.tracker.table.deadline(index)
            || (stream.marks.contains(.hasDeadline)
                && TripleTimeout.isOver(after: elapsed, of: stream.deadline &- stream.start))
        guard inspector.tracker.giveUp(index, on: session, as: isLate ? .timedOut : .cancelled, now: context.now) else {
            return isLate ? .late : .over
        }
        streams[place].marks.insert(.isGivenUp)
        return .waiting
    }

    /// True if the reply of a stream that its caller has reset ended in time, and with what tells its result.
    func hasTrailers(_ stream: TripleStream, _ context: ConnectionContext) -> Bool {
        guard stream.form == .http || stream.reply.grpcStatus != TripleResponseHead.noStatus else { return false }
        let calls = context.tracker.table
        let index = calls.find(session: context.session.number, direction: direction, id: UInt64(stream.id))
        return index >= 0 && context.now <= calls.deadline(index)
    }

    /// A stream that its caller has reset gets no trailers any more.
    func endGivenUp(_ id: UInt32, _ context: ConnectionContext) {
        let place = streams.place(of: id)
        guard place >= 0 else { return }
        let calls = context.tracker.table
        let index = calls.find(session: context.session.number, direction: direction, id: UInt64(id))
        if index >= 0, calls.kind(index).isGivenUp {
            let result = calls.kind(index).result
            finish(
                streams[place],
                TripleResult(outcome: result.outcome, code: result.code),
                at: calls.deadline(index) &- CallTracker.trailerNanoseconds,
                context: context
            )
        }
        remove(id, context)
    }

    /// No trailers of any stream can come any more, or be understood.
    func endAllGivenUp(_ context: ConnectionContext) {
        guard streams.count > 0 else { return }
        var ended: [UInt32] = []
        for place in 0..<streams.placeCount where streams[place].marks.contains(.isGivenUp) {
            ended.append(streams[place].id)
        }
        for id in ended { endGivenUp(id, context) }
    }

    /// The server looks at no stream above `last`: calls there will not be answered.
    func endAbove(_ last: UInt32, _ context: ConnectionContext) {
        var ended: [UInt32] = []
        for place in 0..<streams.placeCount where streams[place].id > last { ended.append(streams[place].id) }
        for id in ended {
            if captures.awaitsMethod(of: id) { resolveMethod(id, context) }
            let place = streams.place(of: id)
            if streams[place].marks.contains(.isGivenUp) {
                endGivenUp(id, context)
                continue
            }
            if streams[place].marks.contains(.isRPC) {
                resetRPC(id, place: place, as: .unanswered, context: context)
            }
            if streams[place].marks.contains(.isCounted) {
                creditRequest(place, context)
                context.tracker.retire(UInt64(id), direction: direction, on: context.session, now: context.now)
            }
            remove(id, context)
        }
    }
}
