public import Wire

/// A scanner that finds the JSON-RPC messages in JSON that arrives in any pieces, and checks the JSON.
///
/// It is a machine with an explicit stack of one bit a level: it looks at every byte once, keeps only the method and
/// the id (bounded by ``JSONLimits``), and can stop anywhere. It accepts RFC 8259, strings in UTF-8, and a byte order
/// mark before a value; `\u` escapes of half a surrogate pair are accepted, as by the grammar, and read as U+FFFD.
/// Forms that are not JSON but that some peer accepts are read all the same and reported by ``leniency``.
///
/// For one value a body: ``begin(_:)`` with ``Framing/single``, ``read(_:_:)`` for each piece, ``finish()``. For raw
/// TCP: ``Framing/stream``, where values follow each other with or without white space between them. The facts of a
/// message are valid from the return that reports its end until the next call.
///
/// Cost: some 230 ns for a call of 90 bytes, 2.8 (Chinese) to 9 GB/s (ASCII) inside long strings; no allocation in the
/// steady state. Source: RFC 8259.
public struct JSONScanner: ~Copyable {
    /// The content of the bytes.
    public enum Framing: UInt8, BitwiseCopyable, Sendable {
        /// One value, white space around it: the body of an HTTP message.
        case single
        /// Values one after the other: a raw connection.
        case stream
    }

    /// The reasons for which ``read(_:_:)`` returns.
    public enum Progress: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// All bytes are used up.
        case needsMore
        /// A value that is no array ended with the byte before the position; ``facts`` tell of it.
        case message
        /// A member of a batch ended; ``facts`` tell of it.
        case batchMember
        /// A batch ended, an empty one perhaps; ``memberCount`` tells how many members it had.
        case batchEnd
        /// In a stream: the LF after a value was read.
        case lineEnd
    }

    enum State: UInt8 {
        case outside, finished
        case value, arrayStart, objectStart, key, colon, afterValue
        case string, escape, hex, multibyte
        case minus, zero, integer, point, fraction, exponentMark, exponentSign, exponent
        case literal
        /// A byte order mark has come, and is the value's first bytes.
        case marked
        // See JSONScanner+Lenient.
        case mark, word, looseString, deep, deepString, deepEscape
        case slash, lineComment, comment, commentStar
    }

    /// A member of a message that is looked at.
    enum Field: UInt8 {
        case other, version, method, id, params, result, error
    }

    /// The use of the characters of the token in progress.
    enum Capture: UInt8 {
        case nothing, key, version, method, id, code, parameter
    }

    /// The members of `params` that are looked at: its `name`, and the trace context in its `_meta`.
    enum Parameter: UInt8 {
        case other, name, meta, traceparent, tracestate
    }

    /// The facts of the message in progress or, after its end, of the last one.
    public internal(set) var facts = JSONRPCFacts()
    /// The number of members of the batch in progress, or of the last one.
    public internal(set) var memberCount = 0
    /// True if a batch is going on or was the last value.
    public internal(set) var isBatch = false
    /// True if an LF stood between the last two values, or after the last one.
    public internal(set) var isLineDelimited = false
    /// The offset of the first byte of the current or last value, batches as a whole, from the beginning.
    public internal(set) var valueStartOffset: UInt64 = 0

    /// The knowledge about the place that the values come from; for a stream it may grow between two values.
    public var place = JSONRPCFacts.Place.anywhere
    /// The first form in the current or last value that is not JSON and was read past.
    public internal(set) var leniency: JSONError?
    var framing = Framing.single
    var state = State.outside
    var failure: JSONError?
    /// The offset of the current call's first byte, so that `origin + at` counts from the beginning.
    var origin: UInt64 = 0
    var consumed: UInt64 = 0

    // Nesting: a bit a level, set for objects; the innermost level's is kept apart.
    var levels = [8 of UInt64](repeating: 0)
    var depth = 0
    var isObject = false
    /// The depth inside the message's object; 0 when there is none.
    var messageDepth = 0

    // The token in progress.
    var isKey = false
    var multibyteLeft: UInt8 = 0
    var multibyteLow: UInt8 = 0
    var multibyteHigh: UInt8 = 0
    var hexLeft: UInt8 = 0
    var hexUnit: UInt16 = 0
    var highSurrogate: UInt16 = 0
    var literalRest: UInt32 = 0
    var needsSpace = false
    var awaitsLineEnd = false

    // What is read loosely.
    var isLoose = false
    var markLeft: UInt8 = 0
    var commented = State.outside
    var extraDepth = 0

    // What is kept.
    var field = Field.other
    /// The names that have come in their own spelling, a bit each.
    var exactNames: UInt8 = 0
    var isCodeNext = false
    var capture = Capture.nothing
    var captureFrom = 0
    var packed = PackedName()
    var code = CodeReader()
    var parameter = Parameter.other
    /// True if any of the following texts was kept.
    var hasParameters = false
    @usableFromInline
    var nameText = PrefixBuffer(limitBytes: JSONLimits.maxParameterNameBytes)
    @usableFromInline
    var traceparentText = PrefixBuffer(limitBytes: JSONLimits.maxTraceparentBytes)
    @usableFromInline
    var tracestateText = PrefixBuffer(limitBytes: JSONLimits.maxTracestateBytes)
    @usableFromInline
    var methodText = PrefixBuffer(limitBytes: JSONLimits.maxMethodBytes)
    /// The methods before the last one, of a message that has several; each after its length in two bytes.
    var otherMethods = PrefixBuffer(limitBytes: JSONLimits.maxOtherMethodBytes)
    @usableFromInline
    var idBuffer = PrefixBuffer(limitBytes: JSONLimits.maxIDBytes)

    /// A scanner that has begun.
    ///
    /// - Parameter framing: The content of the bytes.
    public init(_ framing: Framing = .single) { self.framing = framing }

    /// Forgets everything but its memory and begins with the next byte.
    ///
    /// - Parameters:
    ///   - framing: The content of the bytes.
    ///   - place: The knowledge about the place that they come from.
    public mutating func begin(_ framing: Framing, at place: JSONRPCFacts.Place = .anywhere) {
        self.framing = framing
        self.place = place
        state = .outside
        failure = nil
        leniency = nil
        isLoose = false
        consumed = 0
        depth = 0
        messageDepth = 0
        isObject = false
        isBatch = false
        memberCount = 0
        isLineDelimited = false
        needsSpace = false
        awaitsLineEnd = false
        capture = .nothing
        valueStartOffset = 0
        beginMessage(.absent, at: 0)
        facts.startOffset = 0
    }

    /// The last message's method as UTF-8 without escapes; empty unless ``JSONRPCFacts/method`` is `text`.
    public var method: RawSpan {
        @_lifetime(borrow self)
        get { methodText.bytes }
    }

    /// Gives the methods before the last one to `body`.
    ///
    /// Of a message that has several one peer takes the first, another the last. Of very many, those after the first
    /// ``JSONLimits/maxOtherMethodBytes`` are left out.
    ///
    /// - Parameter body: Must not read on meanwhile.
    public func eachOtherMethod(_ body: (RawSpan) -> Void) {
        let texts = otherMethods.bytes
        var at = 0
        while at &+ 2 <= texts.byteCount {
            let count = Int(texts.uint16(at: at))
            body(texts.extracting(at &+ 2..<at &+ 2 &+ count))
            at &+= 2 &+ count
        }
    }

    /// The last message's id as it is on the wire, quotes and escapes included; empty unless it is a string, a number,
    /// a boolean or null, and not too long.
    public var idText: RawSpan {
        @_lifetime(borrow self)
        get { idBuffer.bytes }
    }

    /// Gives ``method`` and ``idText`` to `body`: views of a scanner that is a class's property cannot leave it.
    ///
    /// - Parameter body: Must not read on meanwhile.
    /// - Returns: The result of `body`.
    @inlinable
    public func withTexts<Result>(_ body: (_ method: RawSpan, _ id: RawSpan) -> Result) -> Result {
        body(methodText.bytes, idBuffer.bytes)
    }

    /// The last message's `params.name` as UTF-8 without escapes; empty unless it is a text of at most
    /// ``JSONLimits/maxParameterNameBytes``.
    public var parameterName: RawSpan {
        @_lifetime(borrow self)
        get { nameText.bytes }
    }

    /// Gives the last message's trace context, `traceparent` and `tracestate` of `params._meta`, to `body`.
    ///
    /// - Parameter body: Gets them without escapes, empty where they are none; must not read on meanwhile.
    /// - Returns: The result of `body`.
    @inlinable
    public func withTraceContext<Result>(_ body: (_ traceparent: RawSpan, _ tracestate: RawSpan) -> Result) -> Result {
        body(traceparentText.bytes, tracestateText.bytes)
    }

    /// Gives ``method``, ``idText`` and ``parameterName`` to `body`.
    ///
    /// - Parameter body: Must not read on meanwhile.
    /// - Returns: The result of `body`.
    @inlinable
    public func withCallTexts<Result>(_ body: (_ method: RawSpan, _ id: RawSpan, _ name: RawSpan) -> Result) -> Result {
        body(methodText.bytes, idBuffer.bytes, nameText.bytes)
    }

    /// True if no value is half read.
    public var isBetweenValues: Bool { state == .outside || state == .finished }

    /// True if no method is half read.
    public var isMethodWhole: Bool { capture != .method }

    /// The number of bytes read since the beginning.
    public var offset: UInt64 { consumed }

    /// Reads on, up to the end of a message or of the bytes.
    ///
    /// Call it until `at` reaches the end of the bytes: every call moves `at` or tells of an end.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that have arrived.
    ///   - at: The position to read at; moved past the bytes read. After an error it stands at the byte that is wrong.
    /// - Returns: The reason for returning.
    /// - Throws: ``JSONError``; thrown again by every later call until ``begin(_:)``.
    public mutating func read(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        if let failure { throw failure }
        origin = consumed &- UInt64(at)
        captureFrom = at
        do throws(JSONError) {
            let progress = try run(bytes, &at)
            if capture != .nothing { flush(bytes, to: at) }
            consumed = origin &+ UInt64(at)
            return progress
        } catch {
            failure = error
            throw error
        }
    }

    /// Records that the bytes have ended.
    ///
    /// - Returns: True if a message ended only now: a number alone, whose end the bytes did not show.
    /// - Throws: ``JSONError/truncated`` inside a value, or when a body has none.
    public mutating func finish() throws(JSONError) -> Bool {
        if let failure { throw failure }
        switch state {
        case .finished: return false
        case .outside where framing == .stream: return false
        case .zero, .integer, .fraction, .exponent:
            if depth == 0 {
                origin = consumed
                return endNumber(at: 0) == .message
            }
        default: break
        }
        failure = .truncated
        throw .truncated
    }

    private mutating func run(_ bytes: RawSpan, _ at: inout Int) throws(JSONError) -> Progress {
        while at < bytes.byteCount {
            var progress = Progress.needsMore
            switch state {
            case .string: progress = try string(bytes, &at)
            case .escape: escape(bytes, &at)
            case .hex: hex(bytes, &at)
            case .multibyte: multibyte(bytes, &at)
            case .minus, .zero, .integer, .point, .fraction, .exponentMark, .exponentSign, .exponent:
                progress = try number(bytes, &at)
            case .literal: progress = try literal(bytes, &at)
            case .mark, .word, .looseString, .deep, .deepString, .deepEscape, .slash, .lineComment, .comment,
                .commentStar:
                progress = try loose(bytes, &at)
            default: progress = try structure(bytes, &at)
            }
            if progress != .needsMore { return progress }
        }
        return .needsMore
    }
}
