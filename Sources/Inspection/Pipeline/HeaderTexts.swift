internal import Calls
internal import HTTP2
internal import Triple
internal import Wire

/// Collects what is wanted of a header block; one for all connections of a worker.
///
/// The values wanted are copied into one buffer, since those that a decoder hands over lie in its table or in the
/// block and end with the call.
struct HeaderTexts: HeaderSink, ~Copyable {
    /// A field for display.
    struct Field {
        var id: UInt8
        var name: String
        var value: String
    }

    private static let maxValueBytes = 4096
    private static let maxFields = 512

    /// The values.
    var texts = PrefixBuffer(limitBytes: 65_536)
    var request = TripleRequestHead()
    var reply = TripleResponseHead()
    /// All fields, for an observer of messages.
    var fields: [Field] = []
    private var isRequestWanted = true
    private var isReplyWanted = true
    /// Whether ``fields`` are wanted.
    var wantsFields = false
    /// The names wanted for traces, if any are.
    private var traceNames: TraceNames?
    private var wantsTraces = false
    private var wantsListed = false
    /// What was found under those of them that are no usual headers.
    var traces = TraceScan()
    /// The names that limits look at, if they look at any.
    private(set) var limitNames: LimitNames?
    private var wantsLimited = false
    /// What was found under them.
    var limited: [LimitedHeader] = []
    /// Whether the block is written anew, and to where.
    var isRewriting = false
    var encoder = HPACKEncoder()
    var rewritten: [UInt8] = []
    /// Which part of it is a trace context.
    var rewrittenTraces: [RewrittenTrace] = []
    /// Whether there was a `:status`, which only a reply has.
    var isReply: Bool { reply.httpStatus != 0 }
    /// Whether there was a `:path`, which only a request has.
    var isRequest: Bool { !request.path.isEmpty }

    /// Makes ready for the next block.
    ///
    /// - Parameters:
    ///   - isRequest: Whether it may be a request's.
    ///   - isReply: Whether it may be a reply's.
    ///   - wantsFields: Whether all fields are wanted as they are.
    ///   - traceNames: The names wanted for traces; `nil` when they are not.
    ///   - limitNames: The names that limits look at; `nil` when they look at none.
    mutating func begin(
        isRequest: Bool,
        isReply: Bool,
        wantsFields: Bool,
        traceNames: TraceNames?,
        limitNames: LimitNames?
    ) {
        isRequestWanted = isRequest
        isReplyWanted = isReply
        texts.removeAll(keepBytes: 65_536)
        request = TripleRequestHead()
        reply = TripleResponseHead()
        if !fields.isEmpty { fields.removeAll() }
        self.wantsFields = wantsFields
        wantsTraces = traceNames != nil && isRequest
        if wantsTraces {
            self.traceNames = traceNames
            wantsListed = traceNames?.hasListed == true
            traces.removeAll()
        }
        wantsLimited = limitNames != nil && isRequest
        if wantsLimited { self.limitNames = limitNames }
        if !limited.isEmpty { limited.removeAll(keepingCapacity: true) }
        isRewriting = false
    }

    /// Writes the block anew while it is read.
    mutating func beginRewriting() {
        rewritten.removeAll(keepingCapacity: true)
        if !rewrittenTraces.isEmpty { rewrittenTraces.removeAll(keepingCapacity: true) }
        isRewriting = true
    }

    @inline(__always)
    func wants(nameID: UInt8) -> Bool {
        if wantsFields || isRewriting || wantsLimited { return true }
        guard nameID != NameTable.unwanted else { return wantsTraces }
        if wantsTraces, wantsListed || nameID >= TripleHeaderName.traceparent.rawValue { return true }
        if isReplyWanted, TripleResponseHead.wants(nameID) { return true }
        guard isRequestWanted, TripleRequestHead.wants(nameID) else { return false }
        return nameID < TripleHeaderName.traceparent.rawValue
    }

    @inline(__always)
    mutating func field(_ field: borrowing HeaderField) {
        if field.nameID != NameTable.unwanted { take(field.nameID, field.value) }
        if wantsTraces { takeTrace(field) }
        if wantsLimited { takeLimited(field) }
        if wantsFields { keep(field) }
        if isRewriting { rewrite(field) }
    }

    private mutating func rewrite(_ field: borrowing HeaderField) {
        let start = rewritten.count
        encoder.field(field, into: &rewritten)
        guard field.nameID >= TripleHeaderName.traceparent.rawValue, let name = TripleHeaderName(id: field.nameID),
            let format = TraceFormat(header: name)
        else { return }
        rewrittenTraces.append(RewrittenTrace(format: format, part: start..<rewritten.count))
    }

    /// Takes a known field.
    mutating func take(_ id: UInt8, _ value: RawSpan) {
        if isRequestWanted { request.take(id, value, into: &texts) }
        if isReplyWanted { reply.take(id, value, into: &texts) }
    }

    /// Takes a field that is wanted for traces and is no usual header, or that the settings list.
    private mutating func takeTrace(_ field: borrowing HeaderField) {
        let isUsual =
            field.nameID != NameTable.unwanted && field.nameID < TripleHeaderName.eagleEyeTraceID.rawValue
        guard wantsListed || !isUsual, !field.isUnknown, !field.isValueUnknown,
            let id = traceNames?.id(of: field.name), id != NameTable.unwanted, id >= TraceNames.firstListed || !isUsual
        else { return }
        let range = ByteRange(offset: texts.count, count: field.value.byteCount)
        if texts.append(field.value) { traces.take(id, range) }
    }

    /// Takes a field that a limit looks at.
    private mutating func takeLimited(_ field: borrowing HeaderField) {
        guard !field.isUnknown, !field.isValueUnknown, let index = limitNames?.index(of: field.name), index >= 0 else {
            return
        }
        let value = field.value.extracting(first: Session.maxCallerBytes)
        let range = ByteRange(offset: texts.count, count: value.byteCount)
        if texts.append(value) { limited.append(LimitedHeader(name: Int32(index), value: range)) }
    }

    /// Where the request says to which trace it belongs.
    var traceFields: TraceFields {
        var fields = TraceFields(request)
        fields.eagleEyeTraceID = traces.fields.eagleEyeTraceID
        fields.eagleEyeRPCID = traces.fields.eagleEyeRPCID
        fields.transaction = traces.fields.transaction
        return fields
    }

    @inline(never)
    private mutating func keep(_ field: borrowing HeaderField) {
        guard fields.count < Self.maxFields, !field.isUnknown, !field.isValueUnknown else { return }
        let name = field.name.text
        let isBinary = TripleAttachment.isBinary(field.name)
        let value = TripleAttachment.text(field.value, isBinary: isBinary, maxBytes: Self.maxValueBytes)
        fields.append(Field(id: field.nameID, name: name, value: value))
    }
}

/// A trace context in a block that was written anew.
struct RewrittenTrace {
    var format: TraceFormat
    var part: Range<Int>
}

extension TraceFormat {
    /// The form that a header belongs to; `nil` for any other, and for `tracestate`, which is passed on.
    init?(header: TripleHeaderName) {
        switch header {
        case .traceparent: self = .traceparent
        case .uberTraceID: self = .uberTraceID
        case .b3: self = .b3
        case .b3TraceID, .b3SpanID, .b3Sampled, .b3Flags: self = .b3Multi
        default: return nil
        }
    }

    /// The form that an inserted text belongs to.
    init?(_ text: InsertedField) {
        switch text.key {
        case "traceparent": self = .traceparent
        case "uber-trace-id": self = .uberTraceID
        case "b3": self = .b3
        case "X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled": self = .b3Multi
        default: return nil
        }
    }
}
