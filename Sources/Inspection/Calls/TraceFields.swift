internal import Calls
internal import Triple
internal import Wire

/// Where a request says to which trace it belongs; empty where it does not.
struct TraceFields: BitwiseCopyable {
    /// The names that are looked for among attachments, in any case; the settings' own come behind them.
    enum Name: UInt8, CaseIterable {
        case traceparent = 1
        case tracestate, uberTraceID, b3, b3TraceID, b3SpanID, b3Sampled, b3Flags, sw8, eagleEyeTraceID, eagleEyeRPCID
        case transaction

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

    var traceparent = ByteRange.empty
    var tracestate = ByteRange.empty
    var uberTraceID = ByteRange.empty
    var b3 = ByteRange.empty
    var b3TraceID = ByteRange.empty
    var b3SpanID = ByteRange.empty
    var b3Sampled = ByteRange.empty
    var b3Flags = ByteRange.empty
    var sw8 = ByteRange.empty
    var eagleEyeTraceID = ByteRange.empty
    var eagleEyeRPCID = ByteRange.empty
    var transaction = ByteRange.empty

    /// Nothing is said.
    init() {}

    /// What a request's headers say.
    init(_ head: TripleRequestHead) {
        traceparent = head.traceparent
        tracestate = head.tracestate
        uberTraceID = head.uberTraceID
        b3 = head.b3
        b3TraceID = head.b3TraceID
        b3SpanID = head.b3SpanID
        b3Sampled = head.b3Sampled
        b3Flags = head.b3Flags
        sw8 = head.sw8
    }

    /// Keeps a value; of a name that comes twice the last one counts.
    mutating func take(_ name: Name, _ value: ByteRange) {
        switch name {
        case .traceparent: traceparent = value
        case .tracestate: tracestate = value
        case .uberTraceID: uberTraceID = value
        case .b3: b3 = value
        case .b3TraceID: b3TraceID = value
        case .b3SpanID: b3SpanID = value
        case .b3Sampled: b3Sampled = value
        case .b3Flags: b3Flags = value
        case .sw8: sw8 = value
        case .eagleEyeTraceID: eagleEyeTraceID = value
        case .eagleEyeRPCID: eagleEyeRPCID = value
        case .transaction: transaction = value
        }
    }

    /// Whether anything is said in that form.
    func has(_ format: TraceFormat) -> Bool {
        switch format {
        case .traceparent: !traceparent.isEmpty
        case .uberTraceID: !uberTraceID.isEmpty
        case .b3: !b3.isEmpty
        case .b3Multi: !b3TraceID.isEmpty || !b3Sampled.isEmpty || !b3Flags.isEmpty
        }
    }

    /// What is said in that form, if it can be read.
    func context(_ format: TraceFormat, in texts: RawSpan) -> TraceContext? {
        switch format {
        case .traceparent: TraceContext(traceparent: texts.slice(traceparent))
        case .uberTraceID: TraceContext(uberTraceID: texts.slice(uberTraceID))
        case .b3: TraceContext(b3: texts.slice(b3))
        case .b3Multi:
            TraceContext(
                b3TraceID: texts.slice(b3TraceID),
                spanID: texts.slice(b3SpanID),
                sampled: texts.slice(b3Sampled),
                flags: texts.slice(b3Flags)
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
