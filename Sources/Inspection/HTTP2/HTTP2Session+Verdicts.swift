internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// Verdicts on Triple requests and their execution.
///
/// A refused request never reaches upstream: its frames are dropped, its DATA is credited back to the client, and the
/// client is answered with a single block of headers. From the first block that is dropped or changed on, upstream's
/// header table is no longer the client's, so every later block of that direction is written anew, without indexing.
extension HTTP2Session {
    // MARK: Judging

    /// Decides about a request, and answers and counts it if it is refused.
    ///
    /// - Parameters:
    ///   - stream: The stream that it begins.
    ///   - request: What is called.
    ///   - headers: Its headers.
    ///   - context: The bytes being read.
    /// - Returns: What it has taken of limits; `nil` if it is refused.
    func decideCall(
        _ stream: TripleStream,
        _ request: CallRequest,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) -> LimitToken? {
        var request = request
        if streams.isIncomplete || localReplies.isFull { request.unanswerable = .tooLarge }
        let (pipeline, session) = (context.pipeline, context.session)
        let decided = pipeline.decide(
            request,
            as: .triple,
            fields: headers.requestFields,
            on: session,
            now: context.now
        )
        if let reply = decided.decision.reply {
            refuse(stream, operation: request.operation, reply: reply, headers: headers, context: context)
            return nil
        }
        state(requests).rewriter.insertion += decided.decision.inserted
        return decided.permit
    }

    private func refuse(
        _ stream: TripleStream,
        operation: OperationID,
        reply: LocalReply,
        headers: borrowing HeaderTexts,
        context: ConnectionContext
    ) {
        let inspector = context.inspector
        let reason: TripleLocalReply.Reason = reply.outcome == .drained ? .drained : .limited
        let answer = TripleLocalReply(
            reason,
            message: reply.text,
            retryAfterNanoseconds: reply.retryAfterNanoseconds
        )
        var entry = callEntry(stream, operation: operation, context: context)
        entry.requestBytes = stream.requestBytes
        if inspector.tracker.callers.isWanted {
            entry.caller = inspector.tracker.callers.number(
                of: headers.texts.bytes.slice(headers.request.caller),
                on: context.session
            )
        }
        let isGRPC = stream.form == .grpc
        let code = isGRPC ? Int32(reason.grpcStatus) : Int32(reason.httpStatus)
        context.tracker.count(entry, as: reply.outcome, code: code, on: context.session, now: context.now) {
            headers.callTexts
        }
        let block = Self.block(of: answer, reason, isGRPC: isGRPC, headers: headers)
        localReplies.append(block, on: stream.id, isEarly: !stream.marks.contains(.requestEnded))
        state(requests).rewriter.refuse()
        guard let observed = halves.removeValue(forKey: stream.id), let connection = context.session.seenConnection
        else { return }
        inspector.messageObserver?.streamRequest(observed.request, on: connection)
    }

    /// The fields of an answer, coded.
    private static func block(
        of answer: TripleLocalReply,
        _ reason: TripleLocalReply.Reason,
        isGRPC: Bool,
        headers: borrowing HeaderTexts
    ) -> [UInt8] {
        let contentType = headers.texts.bytes.slice(headers.request.contentTypeText)
        var fields = isGRPC ? answer.trailersOnly(contentType: contentType) : answer.httpFields
        if !isGRPC { fields.insert(TripleField(.status, Array(String(reason.httpStatus).utf8)), at: 0) }
        var block: [UInt8] = []
        let encoder = HPACKEncoder()
        for field in fields {
            let name = Array(field.name.text.description.utf8)
            encoder.field(name: name.byteSpan, value: field.value.byteSpan, into: &block)
        }
        return block
    }
}
