internal import Wire

/// The reasons for which a header names no deadline.
public enum TripleTimeoutError: Error, Equatable, Sendable {
    /// No value, or no digits.
    case empty
    /// More digits than the grammar allows.
    case tooManyDigits(count: Int)
    /// A byte other than a digit where only digits are allowed.
    case notANumber
    /// No unit after the digits, or none of `n u m S M H`.
    case unknownUnit
    /// Zero: the grammar asks for a positive number.
    case zero

    /// The reason in one word.
    public var label: StaticString {
        switch self {
        case .empty: "empty"
        case .tooManyDigits: "digits"
        case .notANumber: "number"
        case .unknownUnit: "unit"
        case .zero: "zero"
        }
    }
}

/// The caller's deadline, read from the headers that carry it; all results are nanoseconds.
public enum TripleTimeout {
    /// The most digits of `grpc-timeout`.
    public static let maxDigits = 8
    /// The most digits of a number of milliseconds.
    public static let maxMillisecondDigits = 10
    /// A longer time is cut to this: 292 years.
    public static let maxNanoseconds = UInt64(Int64.max)

    /// Reads `grpc-timeout`: one to eight digits and a unit.
    ///
    /// - Parameter value: The header's value.
    /// - Returns: Nanoseconds, at most ``maxNanoseconds``.
    /// - Throws: The reason, if it is not valid; the caller is then taken to wait without an end.
    ///
    /// Source: gRPC `PROTOCOL-HTTP2.md` (Timeout).
    public static func grpc(_ value: RawSpan) throws(TripleTimeoutError) -> UInt64 {
        guard value.byteCount > 0 else { throw .empty }
        let digits = value.byteCount - 1
        let nanoseconds: UInt64
        switch value.byte(at: digits) {
        case 0x6e: nanoseconds = 1
        case 0x75: nanoseconds = 1000
        case 0x6d: nanoseconds = 1_000_000
        case 0x53: nanoseconds = 1_000_000_000
        case 0x4d: nanoseconds = 60_000_000_000
        case 0x48: nanoseconds = 3_600_000_000_000
        default: throw .unknownUnit
        }
        return product(try number(value.extracting(0..<digits), maxDigits: maxDigits), nanoseconds)
    }

    /// Reads a number of milliseconds: `triple-timeout-ms`, `connect-timeout-ms`, `tri-service-timeout`, and the
    /// attachments `timeout` and `_to`.
    ///
    /// - Parameter value: The header's value.
    /// - Returns: Nanoseconds.
    /// - Throws: The reason, if it is not valid.
    public static func milliseconds(_ value: RawSpan) throws(TripleTimeoutError) -> UInt64 {
        product(try number(value, maxDigits: maxMillisecondDigits), 1_000_000)
    }

    /// True if a caller that gave a call up did so because its deadline had passed.
    ///
    /// grpcio rounds what it writes into `grpc-timeout` up by as much as 1 %, and gives up at its own, true deadline.
    /// The header may also have been under way for some milliseconds when the call is first seen.
    ///
    /// - Parameters:
    ///   - elapsed: The time from the first sight of the call to its end by the caller, in nanoseconds.
    ///   - timeout: The deadline that its caller sent.
    /// - Returns: True if the deadline was reached or less than 1 % and 10 ms away; for short deadlines a quarter at
    ///   most.
    ///
    /// Source: gRPC C-core `timeout_encoding.cc`, seen with grpcio 1.85.3.
    public static func isOver(after elapsed: UInt64, of timeout: UInt64) -> Bool {
        let tolerance = min(timeout / 100 + 10_000_000, timeout / 4)
        return elapsed >= timeout - tolerance
    }

    private static func number(_ digits: RawSpan, maxDigits: Int) throws(TripleTimeoutError) -> UInt64 {
        guard digits.byteCount > 0 else { throw .empty }
        guard digits.byteCount <= maxDigits else { throw .tooManyDigits(count: digits.byteCount) }
        guard let value = digits.decimal else { throw .notANumber }
        guard value > 0 else { throw .zero }
        return UInt64(value)
    }

    private static func product(_ count: UInt64, _ unit: UInt64) -> UInt64 {
        let (product, hasOverflowed) = count.multipliedReportingOverflow(by: unit)
        return hasOverflowed ? maxNanoseconds : min(product, maxNanoseconds)
    }
}
