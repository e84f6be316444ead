public import Calls

/// Writes every finished call as a JSON object a line.
public final class CallLines: CallObserver {
    /// The lines so far, until their owner takes them.
    public private(set) var json = JSONText()
    /// The difference from the monotonic clock to the time since 1970, in nanoseconds; for calls of that clock.
    public var clockOffset: Int64 = 0
    private let registry: OperationRegistry
    private var operations: [OperationID: Operation] = [:]
    private let flush: (borrowing CallLines) -> Void

    /// Lines that `flush` is asked to take whenever one is complete.
    ///
    /// - Parameters:
    ///   - registry: The operations of the process.
    ///   - flush: Looks at ``json`` and may take it; see ``removeAll()``.
    public init(registry: OperationRegistry, flush: @escaping (borrowing CallLines) -> Void = { _ in }) {
        self.registry = registry
        self.flush = flush
    }

    /// Forgets the lines; their owner has taken them.
    public func removeAll() { json.removeAll() }

    /// Writes the call's line.
    public func finished(_ observed: ObservedCall) {
        let operation = operation(observed.call.operation)
        json.beginObject()
        json.key("ts")
        let start = observed.call.clock.sinceEpoch(observed.call.startNanoseconds, offset: clockOffset)
        json.string(TimeText.seconds(start))
        json.key("duration_us")
        json.number(observed.call.durationNanoseconds / 1000)
        json.key("side")
        json.string(literal: observed.call.side.label)
        json.key("protocol")
        json.string(literal: operation.callProtocol.label)
        text("interface", operation.interface)
        text("method", operation.method)
        text("version", operation.version)
        text("group", operation.group)
        json.key("outcome")
        json.string(literal: observed.call.outcome.label)
        text("code", ResultCode.name(of: observed.call.code, in: operation.callProtocol))
        text("exception", observed.exception)
        text("id", observed.id)
        text("client", observed.connection.client)
        text("server", observed.connection.server)
        text("caller", observed.caller)
        json.key("request_bytes")
        json.number(observed.call.requestBytes)
        json.key("response_bytes")
        json.number(observed.call.responseBytes)
        write(observed.trace)
        json.endObject()
        json.endLine()
        flush(self)
    }

    private func write(_ trace: TraceContext?) {
        text("trace_id", trace?.traceID.text ?? "")
        text("parent_span_id", trace.map { TraceID.hex($0.spanID) } ?? "")
        json.key("sampled")
        if let trace { json.bool(trace.isSampled) } else { json.null() }
    }

    private func text(_ name: StaticString, _ value: String) {
        json.key(name)
        json.string(value)
    }

    private func operation(_ id: OperationID) -> Operation {
        if let known = operations[id] { return known }
        let operation = registry[id]
        operations[id] = operation
        return operation
    }
}
