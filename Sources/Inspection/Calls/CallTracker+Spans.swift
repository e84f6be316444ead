internal import Calls
internal import JSONRPC
internal import Telemetry
internal import Triple
internal import Wire

/// The spans of requests.
extension CallTracker {
    /// Decides about tracing a request of which the headers are known.
    func prepareSpan(
        _ operation: OperationID,
        _ headers: borrowing HeaderTexts,
        _ callProtocol: CallProtocol,
        isGeneric: Bool = false,
        side: Side,
        now: UInt64
    ) {
        guard let tracer else { return }
        let texts = headers.texts.bytes
        tracer.prepare(
            operation,
            headers.values,
            caller: headers.request.caller,
            in: texts,
            callProtocol,
            side,
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
            tracer.prepare(operation, fields, caller: .empty, in: texts.byteSpan, .jsonrpc, side, now: now)
        } else {
            let fields = tracer.fields(traceparent: nil)
            tracer.prepare(operation, fields, caller: .empty, in: id, .jsonrpc, side, now: now)
        }
        tracer.note(.hasTextID)
        if !id.isEmpty { tracer.note(.requestID, id) }
    }
}
