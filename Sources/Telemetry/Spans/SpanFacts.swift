public import Calls
public import Wire

/// The facts of a call that becomes a span, without its texts: plain values, so that recording one is a copy.
///
/// Times are nanoseconds of the call's clock, 0 if not known.
public struct SpanFacts: BitwiseCopyable, Sendable {
    /// A set of facts.
    public struct Marks: OptionSet, BitwiseCopyable, Sendable {
        /// One bit a fact.
        public let rawValue: UInt16
        /// A set with those bits.
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// A generic call (`$invoke`), counted under the method it names.
        public static let isGeneric = Marks(rawValue: 1)
        /// The caller's span called the same operation before, and that call failed.
        public static let isRetry = Marks(rawValue: 2)
        /// Weir answered in the application's place.
        public static let isRejected = Marks(rawValue: 4)
        /// The call had been given up when its reply came, at ``SpanFacts/lateReply``.
        public static let hasLateReply = Marks(rawValue: 8)
        /// A call of more than one message a way; the message counts are known.
        public static let isStream = Marks(rawValue: 16)
        /// ``SpanFacts/requestID`` means nothing: the id, if there is one, is a text.
        public static let hasTextID = Marks(rawValue: 32)
        /// The call was not chosen for tracing when it began; it is kept for its end (an error, or slow).
        public static let isKept = Marks(rawValue: 64)
        /// The request was passed on with Weir's own context.
        public static let isInjected = Marks(rawValue: 128)
        /// The ends of the connection are known.
        public static let hasEnds = Marks(rawValue: 256)
        /// The version was written as `0.0.0`, which the operation knows as none.
        public static let hasZeroVersion = Marks(rawValue: 512)
    }

    /// The value of ``serialization`` for protocols without one.
    public static let noSerialization: UInt8 = 0xff

    /// The call itself: operation, side, outcome, code, start, duration, sizes.
    public var call: FinishedCall
    /// The trace's id.
    public var traceID: TraceID
    /// The span's own id, never 0.
    public var spanID: UInt64
    /// The caller's span; 0 for the root of a trace.
    public var parentSpanID: UInt64
    /// The time of the request's last byte.
    public var requestEnd: UInt64 = 0
    /// The time of the reply's first byte.
    public var replyStart: UInt64 = 0
    /// The time of a reply that came after the call had been given up.
    public var lateReply: UInt64 = 0
    /// Bytes of other replies that passed on the connection between the request's last and the reply's first byte.
    public var behindBytes: UInt64 = 0
    /// The protocol's number of the call: Dubbo's request id, HTTP/2's stream.
    public var requestID: UInt64 = 0
    /// The messages of a stream to the service.
    public var streamedRequests: UInt32 = 0
    /// The messages of a stream back.
    public var streamedResponses: UInt32 = 0
    /// The number of earlier attempts of the caller's span.
    public var previousAttempts: UInt16 = 0
    /// Further facts.
    public var marks: Marks = []
    /// Dubbo's serialization id, or ``noSerialization``.
    public var serialization = SpanFacts.noSerialization
    /// The peer that opened the connection.
    public var client = Endpoint(ipv4: 0, port: 0)
    /// The other end of it.
    public var server = Endpoint(ipv4: 0, port: 0)
    /// The place of the span's texts in ``SpanBatch/texts``.
    public var texts = ByteRange.empty

    /// The facts of a call in a trace.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - traceID: The trace's id.
    ///   - spanID: The span's own id.
    ///   - parentSpanID: The caller's span, 0 for none.
    public init(call: FinishedCall, traceID: TraceID, spanID: UInt64, parentSpanID: UInt64) {
        self.call = call
        self.traceID = traceID
        self.spanID = spanID
        self.parentSpanID = parentSpanID
    }
}

/// The meaning of a text of a span.
public enum SpanText: UInt8, Sendable {
    /// The calling application.
    case caller = 1
    /// The class of the exception that answered.
    case exception = 2
    /// The protocol's id where it is a text, as JSON.
    case requestID = 3
    /// W3C `tracestate`, passed on as it came.
    case tracestate = 4
    /// SkyWalking's whole `sw8`.
    case sw8 = 5
    /// EagleEye's trace id.
    case eagleEyeTraceID = 6
    /// EagleEye's rpc id.
    case eagleEyeRPCID = 7
    /// Seata's transaction, `TX_XID`.
    case transaction = 8
    /// An attachment that the settings list: its number in that list (one byte), then its value.
    case attachment = 9
}

/// Texts of a span one after the other: the kind, the length in two bytes, the bytes.
public enum SpanTexts {
    /// The longest text that is kept, in bytes; a longer one is cut.
    public static let maxBytes = 512

    /// Appends a text.
    ///
    /// - Parameters:
    ///   - kind: The text's meaning.
    ///   - bytes: The text, cut to ``maxBytes``.
    ///   - number: An attachment's number in the settings' list.
    ///   - texts: The texts that it is appended to.
    public static func append(_ kind: SpanText, _ bytes: RawSpan, number: UInt8 = 0, to texts: inout [UInt8]) {
        let room = kind == .attachment ? maxBytes - 1 : maxBytes
        let count = min(bytes.byteCount, room)
        let total = kind == .attachment ? count + 1 : count
        texts.append(kind.rawValue)
        texts.appendBigEndian(UInt16(truncatingIfNeeded: total))
        if kind == .attachment { texts.append(number) }
        for at in 0..<count { texts.append(bytes.byte(at: at)) }
    }

    /// Calls `body` with every text, in order.
    ///
    /// - Parameters:
    ///   - texts: The texts that ``append(_:_:number:to:)`` made.
    ///   - body: Is given the kind, an attachment's number, and the text.
    public static func forEach(_ texts: ArraySlice<UInt8>, _ body: (SpanText, UInt8, ArraySlice<UInt8>) -> Void) {
        var rest = texts
        while rest.count >= 3 {
            let first = rest.startIndex
            let count = Int(rest[first + 1]) << 8 | Int(rest[first + 2])
            guard rest.count >= 3 + count, let kind = SpanText(rawValue: rest[first]) else { return }
            let value = rest[(first + 3)..<(first + 3 + count)]
            if kind == .attachment {
                if let number = value.first { body(kind, number, value.dropFirst()) }
            } else {
                body(kind, 0, value)
            }
            rest = rest[(first + 3 + count)...]
        }
    }
}
