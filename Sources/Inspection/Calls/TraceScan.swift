internal import Calls
internal import JSONRPC
internal import Telemetry
internal import Triple
internal import Wire

/// What is found of traces, and of attachments that the settings list, among a request's attachments.
struct TraceScan {
    /// An attachment that the settings list.
    struct Listed: BitwiseCopyable {
        /// Its number in that list.
        var number: UInt8
        var value: ByteRange
    }

    var fields = TraceFields()
    /// Empty but for requests that have any.
    var listed: [Listed] = []

    /// Forgets what was found and keeps the memory.
    mutating func removeAll() {
        fields = TraceFields()
        if !listed.isEmpty { listed.removeAll(keepingCapacity: true) }
    }

    /// Keeps a value whose name is wanted.
    ///
    /// - Parameters:
    ///   - name: The name, in any case.
    ///   - value: Where its value lies.
    ///   - names: The names that are wanted.
    @inline(__always)
    mutating func take(_ name: RawSpan, _ value: ByteRange, _ names: TraceNames) {
        let id = names.id(of: name)
        if id != NameTable.unwanted { take(id, value) }
    }

    /// Keeps the value of a wanted name.
    mutating func take(_ id: UInt8, _ value: ByteRange) {
        if let name = TraceFields.Name(rawValue: id) {
            fields.take(name, value)
        } else {
            listed.append(Listed(number: id - TraceNames.firstListed, value: value))
        }
    }
}

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
            headers.traceFields,
            caller: headers.request.caller,
            in: texts,
            callProtocol,
            side,
            now: now
        )
        if isGeneric { tracer.note(.isGeneric) }
        if texts.slice(headers.request.version).equals(Operation.zeroVersion) { tracer.note(.hasZeroVersion) }
        if headers.request.previousAttempts > 0 { tracer.note(previousAttempts: headers.request.previousAttempts) }
        tracer.note(headers.traces.listed, in: texts)
    }

    /// Decides about tracing a JSON-RPC request that has no headers.
    func prepareSpan(_ operation: OperationID, _ rpc: RPCReader?, id: RawSpan, side: Side, now: UInt64) {
        guard let tracer else { return }
        if let rpc, rpc.hasTraceContext {
            var fields = TraceFields()
            let texts = rpc.scanner.withTraceContext { traceparent, tracestate in
                fields.traceparent = ByteRange(offset: 0, count: traceparent.byteCount)
                fields.tracestate = ByteRange(offset: traceparent.byteCount, count: tracestate.byteCount)
                return traceparent.array + tracestate.array
            }
            tracer.prepare(operation, fields, caller: .empty, in: texts.byteSpan, .jsonrpc, side, now: now)
        } else {
            tracer.prepare(operation, TraceFields(), caller: .empty, in: id, .jsonrpc, side, now: now)
        }
        tracer.note(.hasTextID)
        if !id.isEmpty { tracer.note(.requestID, id) }
    }
}

/// The names among attachments and headers that say something of traces, and those that the settings list.
final class TraceNames: Sendable {
    /// The number of the first name that the settings list.
    static let firstListed: UInt8 = 64
    /// The most names that the settings may list.
    static let maxListed = 64
    /// The names of trace contexts alone.
    static let usual = TraceNames(listed: [])

    private let table: NameTable
    /// The lengths that any of the names has, a bit each; 63 for all above.
    private let lengths: UInt64
    /// Whether the settings list any.
    let hasListed: Bool

    /// The usual names and the settings' own.
    ///
    /// - Parameter listed: In lower case.
    init(listed: [String]) {
        var wanted = TraceFields.Name.allCases.map { (name: $0.text, id: $0.rawValue) }
        for (number, name) in listed.prefix(Self.maxListed).enumerated() {
            wanted.append((name, Self.firstListed + UInt8(number)))
        }
        table = NameTable(made: wanted)
        lengths = wanted.reduce(0) { $0 | 1 << UInt64(min($1.name.utf8.count, 63)) }
        hasListed = !listed.isEmpty
    }

    /// The number of a name in any case, or ``NameTable/unwanted``.
    @inline(__always)
    func id(of name: RawSpan) -> UInt8 {
        guard lengths & 1 << UInt64(min(name.byteCount, 63)) != 0 else { return NameTable.unwanted }
        return table.id(ignoringCaseOf: name)
    }
}
