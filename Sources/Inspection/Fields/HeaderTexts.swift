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
    /// True if ``fields`` are wanted.
    var wantsFields = false
    /// The values that somebody wants, by slot.
    let values = FieldValues()
    private var isSelecting = false
    /// True if the block is written anew, and to where.
    var isRewriting = false
    var encoder = HPACKEncoder()
    var rewritten: [UInt8] = []
    /// Which part of it is a trace context.
    var rewrittenTraces: [RewrittenTrace] = []
    /// True if there was a `:status`, which only a reply has.
    var isReply: Bool { reply.httpStatus != 0 }
    /// True if there was a `:path`, which only a request has.
    var isRequest: Bool { !request.path.isEmpty }

    /// Makes ready for the next block.
    ///
    /// - Parameters:
    ///   - isRequest: True if it may be a request's.
    ///   - isReply: True if it may be a reply's.
    ///   - wantsFields: True if all fields are wanted as they are.
    ///   - selector: The names whose values are wanted.
    mutating func begin(
        isRequest: Bool,
        isReply: Bool,
        wantsFields: Bool,
        selector: FieldSelector
    ) {
        isRequestWanted = isRequest
        isReplyWanted = isReply
        texts.removeAll(keepBytes: 65_536)
        request = TripleRequestHead()
        reply = TripleResponseHead()
        if !fields.isEmpty { fields.removeAll() }
        self.wantsFields = wantsFields
        isSelecting = isRequest && !selector.isEmpty
        if isRequest { values.begin(selector) }
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
        if wantsFields || isRewriting { return true }
        if isSelecting, values.selector.wants(header: nameID) { return true }
        guard nameID != NameTable.unwanted else { return false }
        return isReplyWanted && TripleResponseHead.wants(nameID) || isRequestWanted && TripleRequestHead.wants(nameID)
    }

    @inline(__always)
    mutating func field(_ field: borrowing HeaderField) {
        if field.nameID != NameTable.unwanted { take(field.nameID, field.value) }
        if isSelecting { select(field) }
        if wantsFields { keep(field) }
        if isRewriting { rewrite(field) }
    }

    private mutating func rewrite(_ field: borrowing HeaderField) {
        let start = rewritten.count
        encoder.field(field, into: &rewritten)
        guard let format = TraceFormat(header: field.nameID) else { return }
        rewrittenTraces.append(RewrittenTrace(format: format, part: start..<rewritten.count))
    }

    /// Takes a known field.
    mutating func take(_ id: UInt8, _ value: RawSpan) {
        if isRequestWanted { request.take(id, value, into: &texts) }
        if isReplyWanted { reply.take(id, value, into: &texts) }
    }

    /// Keeps the value of a field that somebody wants.
    private mutating func select(_ field: borrowing HeaderField) {
        guard !field.isUnknown, !field.isValueUnknown else { return }
        let selector = values.selector
        let slot =
            field.nameID == NameTable.unwanted ? selector.slot(of: field.name) : selector.slot(ofHeader: field.nameID)
        guard slot != FieldSelector.unwanted else { return }
        let value = selector.kept(field.value, in: slot)
        let range = ByteRange(offset: texts.count, count: value.byteCount)
        if texts.append(value) { values.set(slot, range) }
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
