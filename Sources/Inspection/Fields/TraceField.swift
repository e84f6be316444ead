internal import Calls
internal import Triple
internal import Wire

/// The attachments and headers that say to which trace a request belongs; the raw values are their slots in every
/// ``FieldSelector``.
enum TraceField: UInt8, CaseIterable {
    case traceparent, tracestate, uberTraceID, b3, b3TraceID, b3SpanID, b3Sampled, b3Flags, sw8, eagleEyeTraceID
    case eagleEyeRPCID, transaction

    /// The bit of its slot.
    @inline(__always)
    var bit: UInt64 { 1 << UInt64(rawValue) }

    /// The fields that a span keeps unchanged, besides its context.
    static let keptBits =
        tracestate.bit | sw8.bit | eagleEyeTraceID.bit | eagleEyeRPCID.bit | transaction.bit

    /// The name in lower case.
    var text: String {
        switch self {
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .uberTraceID: "uber-trace-id"
        case .b3: "b3"
        case .b3TraceID: "x-b3-traceid"
        case .b3SpanID: "x-b3-spanid"
        case .b3Sampled: "x-b3-sampled"
        case .b3Flags: "x-b3-flags"
        case .sw8: "sw8"
        case .eagleEyeTraceID: "eagleeye-traceid"
        case .eagleEyeRPCID: "eagleeye-rpcid"
        case .transaction: "tx_xid"
        }
    }
}

extension FieldValues {
    /// True if the request has a context in that form.
    func has(_ format: TraceFormat) -> Bool {
        switch format {
        case .traceparent: !self[.traceparent].isEmpty
        case .uberTraceID: !self[.uberTraceID].isEmpty
        case .b3: !self[.b3].isEmpty
        case .b3Multi: !self[.b3TraceID].isEmpty || !self[.b3Sampled].isEmpty || !self[.b3Flags].isEmpty
        }
    }

    /// The context in that form; `nil` if it cannot be read.
    func context(_ format: TraceFormat, in texts: RawSpan) -> TraceContext? {
        switch format {
        case .traceparent: TraceContext(traceparent: texts.slice(self[.traceparent]))
        case .uberTraceID: TraceContext(uberTraceID: texts.slice(self[.uberTraceID]))
        case .b3: TraceContext(b3: texts.slice(self[.b3]))
        case .b3Multi:
            TraceContext(
                b3TraceID: texts.slice(self[.b3TraceID]),
                spanID: texts.slice(self[.b3SpanID]),
                sampled: texts.slice(self[.b3Sampled]),
                flags: texts.slice(self[.b3Flags])
            )
        }
    }

    /// The first context that can be read, in the usual order of forms.
    func firstContext(in texts: RawSpan) -> TraceContext? {
        for format in TraceFormat.allCases where has(format) {
            if let context = context(format, in: texts), !context.traceID.isZero { return context }
        }
        return nil
    }
}

extension TraceFormat {
    /// The form that a header belongs to; `nil` for any other, and for `tracestate`, which is passed on.
    init?(header id: UInt8) {
        switch TripleHeaderName(id: id) {
        case .traceparent: self = .traceparent
        case .uberTraceID: self = .uberTraceID
        case .b3: self = .b3
        case .b3TraceID, .b3SpanID, .b3Sampled, .b3Flags: self = .b3Multi
        default: return nil
        }
    }

    /// The form that an inserted field belongs to; `nil` for any other.
    init?(_ field: InsertedField) {
        switch field.key {
        case "traceparent": self = .traceparent
        case "uber-trace-id": self = .uberTraceID
        case "b3": self = .b3
        case "X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled": self = .b3Multi
        default: return nil
        }
    }
}
