/// The reasons for which a flow-control window cannot be changed as a frame asks.
public enum FlowError: Error, Equatable, Sendable {
    /// A WINDOW_UPDATE of 0 (RFC 9113 §6.9).
    case zeroIncrement
    /// The window would pass 2³¹ − 1 (RFC 9113 §6.9.1).
    case overflow

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .zeroIncrement: "window_increment"
        case .overflow: "window_overflow"
        }
    }
}

/// The DATA that a receiver still accepts on one stream or connection while Weir inserts and withholds DATA.
///
/// The sender has its own idea of the window and sees neither. Inserted DATA takes room that the sender still believes
/// to have: a debt. Credit that passes from the receiver to the sender pays debts first, so that
///
///     the sender's idea == availableBytes + debtBytes
///
/// holds after every step, and both agree again once the debt is paid. While there is a debt the sender may send more
/// than the receiver accepts: ``fits(_:)`` tells which of its frames must wait for the receiver's next update.
///
/// The caller has two duties: DATA counts with its padding and pad length, and a frame counts on its stream's and on
/// the connection's window. Source: RFC 9113 §5.2, §6.9.
public struct FlowWindow: BitwiseCopyable, Equatable, Sendable {
    /// The largest window.
    public static let maxBytes: Int64 = 1 << 31 - 1

    /// The bytes that the receiver still accepts; negative after its initial window was made smaller, or after an
    /// overrun.
    ///
    /// Never below −2³¹, where it stays if a sender ignores the window altogether.
    public private(set) var availableBytes: Int64
    /// The bytes that were inserted and not yet taken from the credit that passes.
    public private(set) var debtBytes: Int64 = 0

    /// A window nothing has been sent in.
    ///
    /// - Parameter initialBytes: At most ``maxBytes``; more is taken for that.
    public init(initialBytes: UInt32 = HTTP2Default.windowBytes) {
        availableBytes = min(Int64(initialBytes), Self.maxBytes)
    }

    /// True if the receiver accepts that many bytes now.
    ///
    /// - Parameter bytes: A DATA frame's payload; an empty one always fits.
    /// - Returns: True if it may be sent.
    public func fits(_ bytes: UInt32) -> Bool { bytes == 0 || Int64(bytes) <= availableBytes }

    /// The sender's DATA passes to the receiver.
    ///
    /// - Parameter bytes: The frame's payload.
    public mutating func forward(_ bytes: UInt32) {
        availableBytes = max(availableBytes - Int64(bytes), -Self.maxBytes - 1)
    }

    /// DATA of Weir's own goes to the receiver, if there is room.
    ///
    /// - Parameter bytes: The frame's payload.
    /// - Returns: True if it fits; if not, nothing has changed and it must wait.
    public mutating func insert(_ bytes: UInt32) -> Bool {
        guard fits(bytes) else { return false }
        availableBytes -= Int64(bytes)
        debtBytes += Int64(bytes)
        return true
    }

    /// The sender's DATA is withheld from the receiver.
    ///
    /// - Parameter bytes: The frame's payload.
    /// - Returns: The bytes that a WINDOW_UPDATE of Weir's own must give back to the sender; 0 if all of them paid a
    ///   debt.
    public mutating func withhold(_ bytes: UInt32) -> UInt32 { bytes - pay(bytes) }

    /// The receiver's WINDOW_UPDATE arrives.
    ///
    /// - Parameters:
    ///   - increment: 31 bits.
    ///   - isPassed: True if the frame was already passed on, so that it pays no debt.
    /// - Returns: The increment to pass on to the sender; the frame is dropped if it is 0.
    /// - Throws: ``FlowError``; nothing has changed then.
    public mutating func update(_ increment: UInt32, isPassed: Bool = false) throws(FlowError) -> UInt32 {
        guard increment > 0 else { throw .zeroIncrement }
        guard availableBytes + Int64(increment) <= Self.maxBytes else { throw .overflow }
        availableBytes += Int64(increment)
        return isPassed ? increment : increment - pay(increment)
    }

    /// The receiver's INITIAL_WINDOW_SIZE changed; for a stream's window, never for the connection's.
    ///
    /// The sender sees the SETTINGS itself and changes its own idea by as much.
    ///
    /// - Parameters:
    ///   - old: The value until now.
    ///   - new: The value from now on.
    /// - Throws: ``FlowError/overflow`` when a value or one of both ideas of the window passes 2³¹ − 1; nothing has
    ///   changed then.
    public mutating func changeInitial(from old: UInt32, to new: UInt32) throws(FlowError) {
        let changed = availableBytes + Int64(new) - Int64(old)
        guard Int64(new) <= Self.maxBytes, changed + debtBytes <= Self.maxBytes else { throw .overflow }
        availableBytes = max(changed, -Self.maxBytes - 1)
    }

    /// Uses as much of a credit as possible for the debt.
    private mutating func pay(_ credit: UInt32) -> UInt32 {
        let paid = min(Int64(credit), debtBytes)
        debtBytes -= paid
        return UInt32(paid)
    }
}
