/// The 128-bit id of a trace.
public struct TraceID: BitwiseCopyable, Hashable, Sendable {
    /// The first eight bytes; 0 for the 64-bit ids of B3 and Jaeger.
    public var high: UInt64
    /// The last eight bytes.
    public var low: UInt64

    /// An id of two halves.
    @inlinable @inline(__always)
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// True if it is zero, which is no valid id.
    @inlinable
    public var isZero: Bool { high | low == 0 }

    /// 32 lower-case hex digits.
    public var text: String { Self.hex(high) + Self.hex(low) }

    /// The 16 lower-case hex digits of a span's id or of half a trace's.
    ///
    /// - Parameter id: The id.
    /// - Returns: The digits.
    public static func hex(_ id: UInt64) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A wire format of trace context.
public enum TraceFormat: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// W3C `traceparent` and `tracestate`.
    case traceparent
    /// Jaeger's `uber-trace-id`.
    case uberTraceID
    /// B3 in one header.
    case b3
    /// B3 in several, `X-B3-TraceId` and so on.
    case b3Multi

    /// The name in settings and in the metric label `format`.
    public var label: StaticString {
        switch self {
        case .traceparent: "traceparent"
        case .uberTraceID: "uber-trace-id"
        case .b3: "b3"
        case .b3Multi: "b3-multi"
        }
    }
}
