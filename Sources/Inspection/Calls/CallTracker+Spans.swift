package import Calls
internal import JSONRPC
internal import Telemetry
internal import Triple
internal import Wire

/// The spans of requests.
extension CallTracker {
    /// Decides about tracing a request, to be asked before the pipeline is.
    ///
    /// - Parameters:
    ///   - request: What is known of the request.
    ///   - callProtocol: Whose request it is.
    ///   - fields: Where its trace contexts and its caller stand.
    ///   - now: The time, in nanoseconds.
    package func prepareSpan(
        of request: CallRequest,
        as callProtocol: CallProtocol,
        fields: borrowing RequestFields,
        now: UInt64
    ) {
        guard let tracer else { return }
        tracer.prepare(
            request.operation,
            fields: fields.values ?? tracer.fields(traceparent: nil),
            caller: fields.caller,
            in: fields.texts,
            callProtocol: callProtocol,
            side: request.side,
            now: now
        )
    }

    /// Decides about tracing a request of which the headers are known.
    func prepareSpan(
        _ operation: OperationID,
        headers: borrowing HeaderTexts,
        callProtocol: CallProtocol,
        isGeneric: Bool = false,
        side: Side,
        now: UInt64
    ) {
        guard let tracer else { return }
        let texts = headers.texts.bytes
        tracer.prepare(
            operation,
            fields: headers.values,
            caller: headers.request.caller,
            in: texts,
            callProtocol: callProtocol,
            side: side,
            now: now
        )
        if isGeneric { tracer.note(.isGeneric) }
        if texts.slice(headers.request.version).equals(Operation.zeroVersion) { tracer.note(.hasZeroVersion) }
        if headers.request.previousAttempts > 0 { tracer.note(previousAttempts: headers.request.previousAttempts) }
        tracer.noteListed(headers.values, in: texts)
    }

    /// Decides about tracing a JSON-RPC request that has no headers.
    func prepareSpan(_ operation: OperationID, _ rpc: RPCReader?, id: RawSpan, side: Side, now: UInt64) {
        guard let tracer else { return }
        if let rpc, rpc.hasTraceContext {
            var lengths = (0, 0)
            let texts = rpc.scanner.withTraceContext { traceparent, tracestate in
                lengths = (traceparent.byteCount, tracestate.byteCount)
                return traceparent.array + tracestate.array
            }
            let fields = tracer.fields(
                traceparent: ByteRange(offset: 0, count: lengths.0),
                tracestate: ByteRange(offset: lengths.0, count: lengths.1)
            )
            tracer.prepare(
                operation,
                fields: fields,
                caller: .empty,
                in: texts.byteSpan,
                callProtocol: .jsonrpc,
                side: side,
                now: now
            )
        } else {
            let fields = tracer.fields(traceparent: nil)
            tracer.prepare(
                operation,
                fields: fields,
                caller: .empty,
                in: id,
                callProtocol: .jsonrpc,
                side: side,
                now: now
            )
        }
        tracer.note(.hasTextID)
        if !id.isEmpty { tracer.note(.requestID, id) }
    }
}
