internal import Wire

/// The caller's trace context as it came with a request.
///
/// Sources: W3C Trace Context §3.2; Jaeger client libraries' propagation format; openzipkin/b3-propagation.
public struct TraceContext: BitwiseCopyable, Equatable, Sendable {
    /// The caller's decision about sampling.
    public enum Decision: UInt8, BitwiseCopyable, Sendable {
        /// The decision is left to the next service.
        case deferred
        /// The trace is not wanted.
        case notSampled
        /// The trace is wanted.
        case sampled
    }

    /// A longer value is not read, in bytes.
    public static let maxBytes = 512

    /// The trace; zero where only a decision came (B3's `0`).
    public var traceID: TraceID
    /// The caller's span; 0 where only a decision came.
    public var spanID: UInt64
    /// The caller's sampling decision.
    public var decision: Decision

    /// True if the caller wants the trace.
    public var isSampled: Bool { decision == .sampled }

    /// A context with these values.
    public init(traceID: TraceID, spanID: UInt64, decision: Decision) {
        self.traceID = traceID
        self.spanID = spanID
        self.decision = decision
    }

    /// Reads W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
    ///
    /// - Parameter traceparent: The header's value; a longer one of a later version is read as far as it is known.
    public init?(traceparent: RawSpan) {
        let count = traceparent.byteCount
        guard count >= 55, count <= Self.maxBytes, traceparent.byte(at: 2) == 0x2d, traceparent.byte(at: 35) == 0x2d,
            traceparent.byte(at: 52) == 0x2d
        else { return nil }
        guard let version = traceparent.extracting(0..<2).hexNumber, version != 0xff,
            let flags = traceparent.extracting(53..<55).hexNumber
        else { return nil }
        guard count == 55 || (traceparent.byte(at: 55) == 0x2d && version != 0) else { return nil }
        guard let high = traceparent.hex64(at: 3), let low = traceparent.hex64(at: 19),
            let span = traceparent.hex64(at: 36), high | low != 0, span != 0
        else { return nil }
        self.init(
            traceID: TraceID(high: high, low: low),
            spanID: span,
            decision: flags & 1 != 0 ? .sampled : .notSampled
        )
    }

    /// Reads Jaeger's `uber-trace-id`: `{trace}:{span}:{parent}:{flags}`, digits not padded, `:` perhaps as `%3A`.
    ///
    /// - Parameter uberTraceID: The value. Flags of two digits are taken as hex, as most libraries write them; the bit
    ///   that matters is the same in decimal.
    public init?(uberTraceID: RawSpan) {
        guard uberTraceID.byteCount <= Self.maxBytes else { return nil }
        var parts = FieldCursor(bytes: uberTraceID)
        guard let trace = parts.next(), let span = parts.next(), parts.next() != nil, let flags = parts.next(),
            parts.next() == nil
        else { return nil }
        guard let traceID = TraceID(hexDigits: uberTraceID.slice(trace)), !traceID.isZero,
            let spanID = uberTraceID.slice(span).hexNumber, spanID != 0, 1...2 ~= flags.count,
            let bits = uberTraceID.slice(flags).hexNumber
        else { return nil }
        self.init(traceID: traceID, spanID: spanID, decision: bits & 3 != 0 ? .sampled : .notSampled)
    }

    /// Reads B3 in one header: `{trace}-{span}[-{0|1|d}[-{parent}]]`, or a decision alone.
    ///
    /// - Parameter b3: The value.
    public init?(b3: RawSpan) {
        guard b3.byteCount <= Self.maxBytes else { return nil }
        var parts = FieldCursor(bytes: b3, separator: 0x2d)
        guard let first = parts.next() else { return nil }
        guard let second = parts.next() else {
            guard first.count == 1, let decision = Self.decision(b3: b3) else { return nil }
            self.init(traceID: TraceID(high: 0, low: 0), spanID: 0, decision: decision)
            return
        }
        let (state, parent) = (parts.next(), parts.next())
        guard parts.next() == nil, first.count == 32 || first.count == 16, second.count == 16,
            let traceID = TraceID(hexDigits: b3.slice(first)), !traceID.isZero,
            let spanID = b3.slice(second).hexNumber, spanID != 0
        else { return nil }
        if let parent, parent.count != 16 || b3.slice(parent).hexNumber == nil { return nil }
        var decision = Decision.deferred
        if let state {
            guard let known = Self.decision(b3: b3.slice(state)) else { return nil }
            decision = known
        }
        self.init(traceID: traceID, spanID: spanID, decision: decision)
    }

    /// Reads B3 in several headers.
    ///
    /// - Parameters:
    ///   - b3TraceID: `X-B3-TraceId`, 16 or 32 digits; empty when only a decision came.
    ///   - spanID: `X-B3-SpanId`.
    ///   - sampled: `X-B3-Sampled`: `1`, `0`, `true`, `false`, or empty.
    ///   - flags: `X-B3-Flags`: `1` asks for debugging.
    public init?(b3TraceID: RawSpan, spanID: RawSpan, sampled: RawSpan, flags: RawSpan) {
        var decision = Decision.deferred
        if !sampled.isEmpty {
            guard let known = Self.decision(b3: sampled), !sampled.equals("d") else { return nil }
            decision = known
        }
        if flags.equals("1") { decision = .sampled }
        if b3TraceID.isEmpty, spanID.isEmpty {
            guard decision != .deferred else { return nil }
            self.init(traceID: TraceID(high: 0, low: 0), spanID: 0, decision: decision)
            return
        }
        guard b3TraceID.byteCount == 32 || b3TraceID.byteCount == 16, let traceID = TraceID(hexDigits: b3TraceID),
            !traceID.isZero, spanID.byteCount == 16, let span = spanID.hexNumber, span != 0
        else { return nil }
        self.init(traceID: traceID, spanID: span, decision: decision)
    }

    private static func decision(b3 text: RawSpan) -> Decision? {
        if text.equals("1") || text.equals("d") || text.equals("true") { return .sampled }
        return text.equals("0") || text.equals("false") ? .notSampled : nil
    }
}

extension TraceID {
    /// The id that up to 32 hex digits spell, padded on the left.
    init?(hexDigits: RawSpan) {
        let count = hexDigits.byteCount
        guard 1...32 ~= count else { return nil }
        guard count > 16 else {
            guard let low = hexDigits.hexNumber else { return nil }
            self.init(high: 0, low: low)
            return
        }
        guard let high = hexDigits.extracting(0..<count - 16).hexNumber,
            let low = hexDigits.hex64(at: count - 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}

/// A cursor over the fields of a value.
private struct FieldCursor: ~Escapable {
    let bytes: RawSpan
    /// The separator: `:`, also as `%3A`, unless another is given.
    let separator: UInt8
    private var at = 0
    private var isOver = false

    @_lifetime(copy bytes)
    init(bytes: RawSpan, separator: UInt8 = 0x3a) {
        self.bytes = bytes
        self.separator = separator
    }

    /// The next field, which may be empty; `nil` after the last.
    mutating func next() -> ByteRange? {
        guard !isOver else { return nil }
        let start = at
        while at < bytes.byteCount {
            let count = separatorBytes
            if count > 0 {
                let field = ByteRange(offset: start, count: at - start)
                at += count
                return field
            }
            at += 1
        }
        isOver = true
        return ByteRange(offset: start, count: at - start)
    }

    private var separatorBytes: Int {
        let byte = bytes.byte(at: at)
        if byte == separator { return 1 }
        guard separator == 0x3a, byte == 0x25, at + 2 < bytes.byteCount, bytes.byte(at: at + 1) == 0x33 else {
            return 0
        }
        return bytes.byte(at: at + 2) | 0x20 == 0x61 ? 3 : 0
    }
}

extension TraceContext {
    /// Appends W3C `traceparent`.
    ///
    /// - Parameter text: The text that it is appended to.
    public func appendTraceparent(to text: inout [UInt8]) {
        text.append(contentsOf: [0x30, 0x30, 0x2d])
        text.appendHex(traceID.high)
        text.appendHex(traceID.low)
        text.append(0x2d)
        text.appendHex(spanID)
        text.append(contentsOf: [0x2d, 0x30, isSampled ? 0x31 : 0x30])
    }

    /// Appends Jaeger's `uber-trace-id`.
    ///
    /// - Parameters:
    ///   - parent: The span's own parent, 0 for a root; no reader uses it.
    ///   - text: The text that it is appended to.
    public func appendUberTraceID(parent: UInt64, to text: inout [UInt8]) {
        text.appendHex(traceID.high)
        text.appendHex(traceID.low)
        text.append(0x3a)
        text.appendHex(spanID)
        text.append(0x3a)
        if parent == 0 { text.append(0x30) } else { text.appendHex(parent) }
        text.append(contentsOf: [0x3a, 0x30, isSampled ? 0x31 : 0x30])
    }

    /// Appends B3's single form.
    ///
    /// - Parameter text: The text that it is appended to.
    public func appendB3(to text: inout [UInt8]) {
        text.appendHex(traceID.high)
        text.appendHex(traceID.low)
        text.append(0x2d)
        text.appendHex(spanID)
        text.append(contentsOf: [0x2d, isSampled ? 0x31 : 0x30])
    }
}
