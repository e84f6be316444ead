internal import Calls
internal import FoundationEssentials
internal import OTLP
internal import Telemetry

/// The names of a span's attributes.
public struct SpanConventions: Sendable {
    /// OpenTelemetry renamed the attributes of calls in version 1.39 of its conventions.
    public enum Names: String, CaseIterable, Sendable {
        /// The names until 1.38: `rpc.system`, `rpc.service`, `rpc.method`, `rpc.grpc.status_code`.
        case classic
        /// The names since 1.39: `rpc.system.name`, a full `rpc.method`, `rpc.response.status_code`.
        case current
        /// Both; the current form of `rpc.method`, which both have.
        case both
    }

    /// The names in use.
    public let names: Names
    /// The attachments that the workers keep, in the order of their numbers.
    public let attachments: [String]

    /// Conventions with those names.
    ///
    /// - Parameters:
    ///   - names: The names in use.
    ///   - attachments: The settings' list of attachments; each becomes `dubbo.attachment.NAME`.
    public init(names: Names = .classic, attachments: [String] = []) {
        self.names = names
        self.attachments = attachments
    }
}

extension SpanConventions {
    /// The input for the attributes of one call.
    struct Subject {
        let facts: SpanFacts
        let texts: KnownTexts
        let operation: Operation
        /// The difference from the monotonic clock to the time since 1970, in nanoseconds.
        let offset: Int64

        var call: FinishedCall { facts.call }
        var end: UInt64 { facts.call.startNanoseconds &+ facts.call.durationNanoseconds }

        /// A time of the call's clock as nanoseconds since 1970.
        func time(_ nanoseconds: UInt64) -> UInt64 { call.clock.sinceEpoch(nanoseconds, offset: offset) }
    }

    /// A call as OpenTelemetry has it.
    ///
    /// - Parameters:
    ///   - facts: The facts of the call.
    ///   - texts: Its texts.
    ///   - operation: The operation.
    ///   - offset: The difference from the monotonic clock to the time since 1970, in nanoseconds.
    /// - Returns: The span.
    func span(_ facts: SpanFacts, texts: ArraySlice<UInt8>, operation: Operation, offset: Int64) -> OTLPSpan {
        let subject = Subject(facts: facts, texts: KnownTexts(texts), operation: operation, offset: offset)
        let status = CallStatus(facts.call, operation.callProtocol, exception: subject.texts.exception)
        var span = OTLPSpan()
        span.traceID = Self.bytes(facts.traceID.high) + Self.bytes(facts.traceID.low)
        span.spanID = Self.bytes(facts.spanID)
        if facts.parentSpanID != 0 { span.parentSpanID = Self.bytes(facts.parentSpanID) }
        span.traceState = subject.texts.tracestate
        span.flags = Self.flags(facts)
        span.name = operation.interface.isEmpty ? operation.method : "\(operation.interface)/\(operation.method)"
        span.kind = facts.call.side == .provider ? .server : .client
        span.startTimeUnixNano = subject.time(facts.call.startNanoseconds)
        span.endTimeUnixNano = subject.time(subject.end)
        span.attributes = attributes(subject, status)
        span.events = Self.events(subject)
        if status.isError { span.status.code = .error }
        return span
    }

    /// W3C's sampled bit, and the bit for a parent in another process.
    private static func flags(_ facts: SpanFacts) -> UInt32 {
        let isSampled: UInt32 = facts.marks.contains(.isKept) ? 0 : 1
        // Bit 8: bit 9 is known; bit 9: the parent is remote.
        return facts.parentSpanID == 0 ? isSampled : isSampled | 0x300
    }

    /// An id's eight bytes, the highest first.
    private static func bytes(_ id: UInt64) -> Data {
        Data((0..<8).map { UInt8(truncatingIfNeeded: id >> UInt64(56 - 8 * $0)) })
    }
}
