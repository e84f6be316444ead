internal import Calls
internal import Dubbo
internal import Wire

/// What is known of a Dubbo request that has been read.
struct DubboRequest: ~Escapable, BitwiseCopyable {
    /// A deadline of the caller's own above this is not one: a day.
    private static let maxTimeoutMilliseconds: Int64 = 86_400_000

    let header: FrameHeader
    /// When its first byte was seen, in nanoseconds.
    let start: UInt64
    let operation: OperationID
    let attachments: CallAttachments
    /// What the ranges point into.
    let texts: RawSpan
    /// The attachment `timeout` where it is a number.
    var timeoutMilliseconds: Int32?

    @inline(__always)
    @_lifetime(copy texts)
    init(
        _ header: FrameHeader,
        start: UInt64,
        operation: OperationID,
        attachments: CallAttachments,
        in texts: RawSpan
    ) {
        self.header = header
        self.start = start
        self.operation = operation
        self.attachments = attachments
        self.texts = texts
    }

    /// The calling application's name; empty if the request does not say.
    var caller: RawSpan {
        @inline(__always)
        @_lifetime(copy self)
        get { texts.slice(attachments.caller) }
    }

    /// How long the caller waits, in nanoseconds; `nil` if it does not say.
    var timeoutNanoseconds: UInt64? {
        @inline(__always)
        get { Self.timeout(timeoutMilliseconds, attachments: attachments, in: texts) }
    }

    private static func timeout(_ number: Int32?, attachments: CallAttachments, in texts: RawSpan) -> UInt64? {
        var milliseconds = Self.maxTimeoutMilliseconds
        if let number, number > 0 { milliseconds = min(milliseconds, Int64(number)) }
        if !attachments.timeout.isEmpty, let own = texts.slice(attachments.timeout).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        if !attachments.budget.isEmpty, let own = texts.slice(attachments.budget).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        guard milliseconds < Self.maxTimeoutMilliseconds else { return nil }
        return UInt64(milliseconds) &* 1_000_000
    }
}
