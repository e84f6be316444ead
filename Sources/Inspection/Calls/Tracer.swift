public import Calls
public import Telemetry
internal import Wire

/// The trace contexts that are read, kept in spans, and written into requests.
public struct TracingOptions: Equatable, Sendable {
    /// The forms that are read; the first that can be read counts.
    public var formats = TraceFormat.allCases
    /// Attachments and headers that become part of the span; lower case, at most 64.
    public var attachments: [String] = []
    /// The protocols whose requests are given Weir's own context.
    public var injected: Set<CallProtocol> = []
    /// The forms it is written in.
    public var injectedFormats: [TraceFormat] = [.traceparent]

    /// True if the operations' duration histograms are given the ids of spans.
    public var givesExemplars = true

    /// Reads every form and writes none.
    public init() {}
}

/// Makes spans of one worker's calls.
///
/// A call that is to become a span, or may, has a draft from its request on: what the call table does not know of it.
/// Drafts are used again, so that a call costs no allocation once as many were in flight before. Belongs to the
/// worker's thread.
public final class Tracer {
    /// The decision about a request.
    struct Start: BitwiseCopyable {
        var traceID: TraceID
        var spanID: UInt64
        var parentSpanID: UInt64
        /// True if the span is wanted whatever becomes of the call.
        var isSampled: Bool
        /// True if the request came with a context.
        var hasContext: Bool
    }

    /// The facts of a call that may become a span, besides those in the call table.
    struct Draft: BitwiseCopyable {
        var start: Start
        var requestEnd: UInt64 = 0
        var replyStart: UInt64 = 0
        /// How many bytes of replies had passed on the connection when the request was complete.
        var repliesBefore: UInt64 = 0
        var behindBytes: UInt64 = 0
        var previousAttempts: UInt16 = 0
        var serialization = SpanFacts.noSerialization
        var marks: SpanFacts.Marks = []
    }

    static let none: Int32 = -1
    /// A call that was given up waits so long for a late reply before its span is handed over.
    static let lateNanoseconds: UInt64 = 5_000_000_000
    /// More do not wait.
    private static let maxWaiting = 4096

    let options: TracingOptions
    let sampler: Sampler
    let spanBuffer: SpanBuffer
    let counters: TracingCounters
    private let ownName: LearnedName?
    private var randomState: UInt64
    private var drafts: [Draft] = []
    var draftTexts: [[UInt8]] = []
    private var freeDrafts: [Int32] = []
    /// By place in the call table: the call's draft.
    private var draftOfCall: [Int32] = []
    /// The draft of a request that is no call yet.
    private(set) var pending = Tracer.none
    /// The decision about that request.
    private(set) var pendingStart: Start?
    /// Spans that wait for late replies, oldest first.
    private var waiting: [(span: SpanFacts, draft: Int32, call: Int32, until: UInt64)] = []
    private var failures = FailedAttempts()
    /// The trace fields of a JSON-RPC request without headers.
    private let messageFields = FieldValues()
    private static let messageSelector = FieldSelector(traces: true, listed: [], limited: [])

    /// A tracer without calls.
    ///
    /// - Parameters:
    ///   - options: What is read and written.
    ///   - sampler: Decides what is traced; shared by all workers.
    ///   - spanBuffer: Where this worker's spans go.
    ///   - counters: Where malformed contexts and injections are counted.
    ///   - ownName: Is told how the application beside Weir names itself.
    ///   - seed: Where ids begin; only for what has to be repeated exactly.
    public init(
        options: TracingOptions,
        sampler: Sampler,
        spanBuffer: SpanBuffer,
        counters: TracingCounters,
        ownName: LearnedName? = nil,
        seed: UInt64? = nil
    ) {
        self.ownName = ownName
        self.options = options
        self.sampler = sampler
        self.spanBuffer = spanBuffer
        self.counters = counters
        var random = SystemRandomNumberGenerator()
        randomState = seed ?? random.next()
    }

    /// A number that is hard to guess and never 0.
    func random() -> UInt64 {
        // SplitMix64; the state is seeded from the system.
        randomState &+= 0x9e37_79b9_7f4a_7c15
        var value = randomState
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        value ^= value >> 31
        return value == 0 ? 1 : value
    }

    // MARK: Requests

    /// A request is known: decides whether it is traced, and keeps what the span will need.
    ///
    /// - Parameters:
    ///   - operation: What is called.
    ///   - fields: Where its trace contexts lie.
    ///   - caller: Who calls; empty if it does not say.
    ///   - texts: The bytes that the ranges point into.
    ///   - callProtocol: Whose call it is.
    ///   - side: Where Weir stands: on the consumer side it is the application beside it that calls.
    ///   - now: The time, in nanoseconds.
    func prepare(
        _ operation: OperationID,
        fields: FieldValues,
        caller: ByteRange,
        in texts: RawSpan,
        callProtocol: CallProtocol,
        side: Side,
        now: UInt64
    ) {
        if side == .consumer, !caller.isEmpty, let ownName, !ownName.isKnown { ownName.learn(texts.slice(caller).text) }
        let context = context(fields, in: texts)
        let isWritten = isInjecting && options.injected.contains(callProtocol)
        var traceID = context?.traceID ?? TraceID(high: 0, low: 0)
        let isRoot = traceID.isZero
        if isRoot { traceID = TraceID(high: random(), low: random()) }
        let isSampled = sampler.samples(
            context?.decision ?? .deferred,
            operation: operation,
            random: traceID.low,
            now: now
        )
        guard isSampled || keepsAny || isWritten else {
            pendingStart = nil
            discard()
            return
        }
        let start = Start(
            traceID: traceID,
            spanID: random(),
            parentSpanID: isRoot ? 0 : context?.spanID ?? 0,
            isSampled: isSampled,
            hasContext: context != nil
        )
        pendingStart = start
        guard isSampled || keepsAny else { return discard() }
        let draft = pending >= 0 ? pending : take()
        pending = draft
        drafts[Int(draft)] = Draft(start: start)
        drafts[Int(draft)].previousAttempts = failures.attempts(start, operation)
        keepTexts(fields, caller: caller, in: texts, draft: Int(draft))
    }

    private func keepTexts(_ fields: FieldValues, caller: ByteRange, in texts: RawSpan, draft: Int) {
        draftTexts[draft].removeAll(keepingCapacity: true)
        keep(.caller, value: caller, in: texts, draft: draft)
        guard fields.hasAny(of: TraceField.keptBits) else { return }
        keep(.tracestate, value: fields[.tracestate], in: texts, draft: draft)
        keep(.sw8, value: fields[.sw8], in: texts, draft: draft)
        keep(.eagleEyeTraceID, value: fields[.eagleEyeTraceID], in: texts, draft: draft)
        keep(.eagleEyeRPCID, value: fields[.eagleEyeRPCID], in: texts, draft: draft)
        keep(.transaction, value: fields[.transaction], in: texts, draft: draft)
    }

    @inline(__always)
    private func keep(_ kind: SpanText, value: ByteRange, in texts: RawSpan, draft: Int) {
        if !value.isEmpty { SpanTexts.append(kind, texts.slice(value), to: &draftTexts[draft]) }
    }

    /// Keeps a text of the request being prepared.
    func note(_ kind: SpanText, _ text: RawSpan, number: UInt8 = 0) {
        if pending >= 0 { SpanTexts.append(kind, text, number: number, to: &draftTexts[Int(pending)]) }
    }

    /// Keeps attachments of the request being prepared that the settings list.
    func noteListed(_ fields: FieldValues, in texts: RawSpan) {
        guard !fields.selector.listed.isEmpty else { return }
        for (number, slot) in fields.selector.listed.enumerated() {
            if let value = fields[slot] { note(.attachment, texts.slice(value), number: UInt8(number)) }
        }
    }

    /// The request being prepared says that it was tried before.
    func note(previousAttempts: UInt16) {
        if pending >= 0 { drafts[Int(pending)].previousAttempts = previousAttempts }
    }

    /// Keeps what is known of the request being prepared.
    func note(_ marks: SpanFacts.Marks) { note(serialization: SpanFacts.noSerialization, marks) }

    /// Keeps what is known of the request being prepared.
    func note(serialization: UInt8, _ marks: SpanFacts.Marks) {
        guard pending >= 0 else { return }
        drafts[Int(pending)].serialization = serialization
        drafts[Int(pending)].marks.formUnion(marks)
    }

    /// The context of the first form that can be read; what cannot be is counted.
    private func context(_ fields: FieldValues, in texts: RawSpan) -> TraceContext? {
        for format in options.formats where fields.has(format) {
            if let context = fields.context(format, in: texts) { return context }
            counters.malformed(format)
        }
        return nil
    }

    /// True if requests of that protocol are given Weir's own context.
    func injects(_ callProtocol: CallProtocol) -> Bool { isInjecting && options.injected.contains(callProtocol) }

    /// True if requests of any protocol over HTTP/2 are.
    var injectsHTTP2: Bool { injects(.triple) || injects(.jsonrpc) }

    /// The context for the request being prepared, whose parent is the span to be.
    ///
    /// - Parameter callProtocol: Whose request it is.
    /// - Returns: Nothing when its context is left alone: it came with one that is not sampled.
    func injection(_ callProtocol: CallProtocol) -> [InsertedField] {
        guard injects(callProtocol), let start = pendingStart, start.isSampled || !start.hasContext else { return [] }
        let context = TraceContext(
            traceID: start.traceID,
            spanID: start.spanID,
            decision: start.isSampled ? .sampled : .notSampled
        )
        if pending >= 0 { drafts[Int(pending)].marks.insert(.isInjected) }
        return options.injectedFormats.flatMap { Self.texts(context, $0, parent: start.parentSpanID) }
    }

    private static func texts(_ context: TraceContext, _ format: TraceFormat, parent: UInt64) -> [InsertedField] {
        var value: [UInt8] = []
        switch format {
        case .traceparent: context.appendTraceparent(to: &value)
        case .uberTraceID: context.appendUberTraceID(parent: parent, to: &value)
        case .b3: context.appendB3(to: &value)
        case .b3Multi:
            return [
                InsertedField(key: "X-B3-TraceId", value: context.traceID.text),
                InsertedField(key: "X-B3-SpanId", value: TraceID.hex(context.spanID)),
                InsertedField(key: "X-B3-Sampled", value: context.isSampled ? "1" : "0"),
            ]
        }
        return [InsertedField(key: format.label.description, value: String(decoding: value, as: UTF8.self))]
    }

    /// Counts what became of a request that was to be given Weir's own context.
    func noteInjection(_ result: TracingCounters.Injection) { if isInjecting { counters.injection(result) } }

    /// True if requests of any protocol are given Weir's own context.
    var isInjecting: Bool { !options.injected.isEmpty && !options.injectedFormats.isEmpty }

    /// True if calls that nobody chose may become spans.
    private var keepsAny: Bool { sampler.options.keepsAny }

    /// Takes the trace context that a JSON-RPC message without headers brings.
    ///
    /// - Parameters:
    ///   - traceparent: Its W3C context; `nil` without one.
    ///   - tracestate: The state beside it, behind it in the same bytes.
    /// - Returns: The fields.
    func fields(traceparent: ByteRange?, tracestate: ByteRange = .empty) -> FieldValues {
        messageFields.begin(Self.messageSelector)
        guard let traceparent else { return messageFields }
        messageFields.set(TraceField.traceparent.rawValue, traceparent)
        messageFields.set(TraceField.tracestate.rawValue, tracestate)
        return messageFields
    }

    // MARK: Drafts

    private func take() -> Int32 {
        if let free = freeDrafts.popLast() { return free }
        drafts.append(
            Draft(
                start: Start(
                    traceID: TraceID(high: 0, low: 0),
                    spanID: 0,
                    parentSpanID: 0,
                    isSampled: false,
                    hasContext: false
                )
            )
        )
        draftTexts.append([])
        return Int32(drafts.count - 1)
    }

    /// The request being prepared is no call.
    func discard() {
        guard pending >= 0 else { return }
        freeDrafts.append(pending)
        pending = Self.none
    }

    /// Makes the request being prepared something that can be kept until it is a call; see ``resume(_:)``.
    func suspend() -> Int32 {
        defer { pending = Self.none }
        return pending
    }

    /// Goes on with what ``suspend()`` gave.
    func resume(_ draft: Int32) {
        discard()
        pending = draft
    }

    /// The request being prepared has become a call.
    func attach(_ call: Int32) {
        while draftOfCall.count <= Int(call) { draftOfCall.append(Self.none) }
        draftOfCall[Int(call)] = pending
        pending = Self.none
    }

    /// A call goes on in another process: its span is not made here.
    func forget(_ call: Int32) {
        let draft = draft(of: call)
        guard draft >= 0 else { return }
        draftOfCall[Int(call)] = Self.none
        waiting.removeAll { $0.call == call && $0.draft == draft }
        freeDrafts.append(draft)
    }

    /// A call has got another place in the table.
    func move(_ call: Int32, to other: Int32) {
        let draft = draft(of: call)
        if draft >= 0 { draftOfCall[Int(call)] = Self.none }
        discard()
        pending = draft
        attach(other)
    }

    @inline(__always)
    private func draft(of call: Int32) -> Int32 {
        Int(call) < draftOfCall.count ? draftOfCall[Int(call)] : Self.none
    }

    /// The request's last byte was seen.
    ///
    /// - Parameters:
    ///   - call: The call's place in the table.
    ///   - replies: How many bytes of replies have passed on the connection.
    ///   - now: The time, in nanoseconds.
    func requestEnded(_ call: Int32, replies: UInt64, now: UInt64) {
        let draft = draft(of: call)
        guard draft >= 0 else { return }
        drafts[Int(draft)].requestEnd = now
        drafts[Int(draft)].repliesBefore = replies
    }

    /// The reply's first byte was seen.
    ///
    /// - Parameters:
    ///   - call: The call's place in the table.
    ///   - replies: How many bytes of other replies have passed on the connection.
    ///   - now: The time, in nanoseconds.
    func replyBegan(_ call: Int32, replies: UInt64, now: UInt64) {
        let draft = draft(of: call)
        guard draft >= 0, drafts[Int(draft)].replyStart == 0 else { return }
        drafts[Int(draft)].replyStart = now
        if drafts[Int(draft)].requestEnd != 0 {
            drafts[Int(draft)].behindBytes = replies &- drafts[Int(draft)].repliesBefore
        }
    }

    /// An exception answered the call.
    ///
    /// - Parameters:
    ///   - className: Its class.
    ///   - call: The call's place in the table.
    func noteException(_ className: RawSpan, _ call: Int32) {
        let draft = draft(of: call)
        if draft >= 0 { SpanTexts.append(.exception, className, to: &draftTexts[Int(draft)]) }
    }

    // MARK: Ends

    /// A call has ended, and its draft with it.
    ///
    /// - Parameters:
    ///   - index: The call's place in the table; ``CallTable/none`` for the request being prepared.
    ///   - call: What became of it.
    ///   - id: Its number in its protocol.
    ///   - session: Its connection's session.
    ///   - stream: Its messages, of a stream.
    ///   - mayBeLate: True if a reply may still come.
    /// - Returns: The span's ids, if it is one.
    func end(
        _ index: Int32,
        call: FinishedCall,
        id: UInt64,
        on session: Session,
        stream: StreamMessages? = nil,
        mayBeLate: Bool = false
    ) -> Start? {
        let number = index >= 0 ? draft(of: index) : pending
        guard number >= 0 else { return nil }
        if index < 0 { pending = Self.none } else if !mayBeLate { draftOfCall[Int(index)] = Self.none }
        let draft = drafts[Int(number)]
        let end = call.startNanoseconds &+ call.durationNanoseconds
        if call.outcome.isFailure {
            failures.note(draft.start, operation: call.operation, before: draft.previousAttempts)
        }
        guard draft.start.isSampled || sampler.keeps(call, now: end) else {
            if mayBeLate { draftOfCall[Int(index)] = Self.none }
            freeDrafts.append(number)
            return nil
        }
        let span = facts(draft, call: call, id: id, on: session, stream: stream)
        if mayBeLate, waiting.count < Self.maxWaiting {
            waiting.append((span, number, index, end &+ Self.lateNanoseconds))
            return draft.start
        }
        if mayBeLate { draftOfCall[Int(index)] = Self.none }
        spanBuffer.record(span, texts: draftTexts[Int(number)])
        freeDrafts.append(number)
        return draft.start
    }

    @inline(__always)
    private func facts(
        _ draft: Draft,
        call: FinishedCall,
        id: UInt64,
        on session: Session,
        stream: StreamMessages?
    ) -> SpanFacts {
        var span = SpanFacts(
            call: call,
            traceID: draft.start.traceID,
            spanID: draft.start.spanID,
            parentSpanID: draft.start.parentSpanID
        )
        span.requestEnd = draft.requestEnd
        span.replyStart = draft.replyStart
        span.behindBytes = draft.behindBytes
        span.requestID = id
        span.serialization = draft.serialization
        span.marks = draft.marks
        span.previousAttempts = draft.previousAttempts
        if draft.previousAttempts > 0 { span.marks.insert(.isRetry) }
        if !draft.start.isSampled { span.marks.insert(.isKept) }
        if call.outcome == .limited || call.outcome == .drained { span.marks.insert(.isRejected) }
        if let stream {
            if stream.isStream { span.marks.insert(.isStream) }
            span.streamedRequests = UInt32(clamping: stream.requests)
            span.streamedResponses = UInt32(clamping: stream.responses)
        }
        if let ends = session.seenConnection {
            span.marks.insert(.hasEnds)
            span.client = ends.clientEnd
            span.server = ends.serverEnd
        }
        return span
    }

    /// A reply came to a call, at a place in the table, that had been given up.
    func lateReply(_ index: Int32, now: UInt64) {
        let number = draft(of: index)
        guard number >= 0, let place = waiting.firstIndex(where: { $0.call == index && $0.draft == number }) else {
            return
        }
        draftOfCall[Int(index)] = Self.none
        waiting[place].span.lateReply = now
        waiting[place].span.marks.insert(.hasLateReply)
    }

    /// True if spans wait for late replies.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Hands over the spans that have waited long enough.
    ///
    /// - Parameter now: The time, in nanoseconds; the greatest one for all of them.
    func flush(now: UInt64) {
        guard let first = waiting.first, first.until <= now else { return }
        let count = waiting.firstIndex { $0.until > now } ?? waiting.count
        for entry in waiting[..<count] {
            spanBuffer.record(entry.span, texts: draftTexts[Int(entry.draft)])
            freeDrafts.append(entry.draft)
            if draft(of: entry.call) == entry.draft { draftOfCall[Int(entry.call)] = Self.none }
        }
        waiting.removeFirst(count)
    }
}
