internal import Calls
internal import JSONRPC
internal import Triple
internal import Wire

/// The call that a request's headers name, and its fields.
extension HeaderTexts {
    /// Gives a request's target to `body`: views of texts that are a class's property cannot leave it.
    func withPath<Result>(_ body: (RawSpan) -> Result) -> Result { body(texts.bytes.slice(request.path)) }

    /// The texts for an observer of calls.
    var callTexts: CallTexts {
        let bytes = texts.bytes
        return CallTexts(
            caller: bytes.slice(request.caller).text,
            trace: values.firstContext(in: bytes)
        )
    }

    /// The operation that a Triple path and the headers beside it name, with the method that a generic call names.
    func operation(_ names: TriplePath, method: [UInt8]?, in known: OperationNames) -> OperationID {
        guard let method else { return operation(names, in: known) }
        let path = texts.bytes.slice(request.path)
        return known.cache.operation(
            .triple,
            interface: path.slice(names.interface),
            version: texts.bytes.slice(request.version),
            method: method.byteSpan,
            group: texts.bytes.slice(request.group)
        )
    }

    /// Takes the trace context that a JSON-RPC message brings in `params._meta`.
    ///
    /// It counts before those of its HTTP request: a header is about the request, which may be the transport's own or
    /// carry several messages. Source: MCP 2026-07-28 (SEP-414), OpenTelemetry's conventions for MCP.
    mutating func takeTrace(of rpc: RPCReader) {
        guard rpc.hasTraceContext else { return }
        rpc.scanner.withTraceContext { traceparent, tracestate in
            guard TraceContext(traceparent: traceparent) != nil else { return }
            let place = ByteRange(offset: texts.count, count: traceparent.byteCount)
            guard texts.append(traceparent) else { return }
            values.set(TraceField.traceparent.rawValue, place)
            let state = ByteRange(offset: texts.count, count: tracestate.byteCount)
            values.set(TraceField.tracestate.rawValue, texts.append(tracestate) ? state : .empty)
            for field in [TraceField.uberTraceID, .b3, .b3TraceID] { values.remove(field) }
        }
    }

    /// The operation that a Triple path and the headers beside it name.
    func operation(_ names: TriplePath, in known: OperationNames) -> OperationID {
        let path = texts.bytes.slice(request.path)
        let version = texts.bytes.slice(request.version)
        let group = texts.bytes.slice(request.group)
        let interface = path.slice(names.interface)
        let method = path.slice(names.method)
        guard version.isEmpty else {
            return known.cache.operation(
                .triple,
                interface: interface,
                version: version,
                method: method,
                group: group
            )
        }
        // Without a version the path says it all.
        return known.cache.known(.triple, key: path, group: group)
            ?? known.cache.learn(
                .triple,
                key: path,
                group: group,
                interface: interface,
                version: version,
                method: method
            )
    }

    /// The request as observers of messages see it; the stream's part is not filled in.
    func observedRequest() -> ObservedStreamHalf {
        let bytes = texts.bytes
        let path = bytes.slice(request.path)
        var half = ObservedStreamHalf()
        if let names = TriplePath(path) {
            half.interface = path.slice(names.interface).text
            half.method = path.slice(names.method).text
        }
        if !request.version.isEmpty { half.version = bytes.slice(request.version).text }
        if !request.group.isEmpty { half.group = bytes.slice(request.group).text }
        for field in fields {
            let name = Array(field.name.lowercased().utf8)
            if TripleHeaderName.isAttachment(field.id, name: name.byteSpan) {
                half.attachments.append((field.name, field.value))
            }
        }
        return half
    }
}

extension HeaderTexts {
    /// The fields that the stages of the pipeline may read.
    var requestFields: RequestFields {
        @_lifetime(borrow self)
        get { RequestFields(values, caller: request.caller, in: texts.bytes) }
    }
}
