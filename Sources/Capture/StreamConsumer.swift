public import Wire

/// One of the two ends of a connection.
public enum EndpointRole: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The one that sent the first packet seen.
    case first
    /// The other one.
    case second

    /// The other end.
    @inlinable @inline(__always)
    public var opposite: EndpointRole { self == .first ? .second : .first }
}

/// The knowledge about the end that opened a connection.
public enum ClientKnowledge: BitwiseCopyable, Equatable, Sendable {
    /// A SYN or a SYN-ACK told.
    case known(EndpointRole)
    /// The capture began after the handshake.
    case unknown
}

/// The reason for the end of a connection.
public enum CloseReason: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Both ends sent all they had.
    case fin
    /// One end reset it.
    case reset
    /// It was the longest idle one when a new one needed room.
    case evicted
    /// A handshake began a new one between the same endpoints.
    case reused
    /// The capture ended.
    case endOfCapture
}

/// The receiver of the byte streams of a ``Reassembler``.
///
/// The calls for every connection are, in this order: one `opened`; for each end any number of `received` and `missed`
/// in stream order, then perhaps `ended`; one `closed`. The two ends are interleaved as the packets were.
///
/// A connection is named by a small number below ``ReassemblyLimits/connections``, an index into a table of the
/// consumer's. After `closed` the number may be given to another connection.
///
/// Times are those of the capture, in nanoseconds since 1970; packets are numbered from 1 in the order read. The
/// calls are made inside ``Reassembler/packet(_:linkType:time:originalLength:)`` and ``Reassembler/finish()``, which
/// must not be called from within them.
public protocol StreamConsumer: AnyObject {
    /// A connection was seen for the first time.
    ///
    /// - Parameters:
    ///   - connection: Its number.
    ///   - first: The sender of the first packet.
    ///   - second: The receiver of the first packet.
    ///   - client: The end that opened the connection.
    ///   - time: The time.
    func opened(_ connection: Int, first: Endpoint, second: Endpoint, client: ClientKnowledge, time: UInt64)

    /// The next bytes of one end's stream.
    ///
    /// - Parameters:
    ///   - connection: The connection.
    ///   - role: The sender.
    ///   - bytes: At least one; valid during the call only.
    ///   - time: The time of the packet that carried them. Not later than now, but it may be earlier than that of the
    ///     bytes before: they came late.
    ///   - packet: The number of that packet.
    func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64)

    /// The next bytes of one end's stream are not in the capture.
    ///
    /// - Parameters:
    ///   - connection: The connection.
    ///   - role: The sender.
    ///   - byteCount: The number of missing bytes; at least one.
    ///   - time: The time at which the hole was recognised.
    func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64)

    /// One end will send no more: everything before its FIN was delivered.
    ///
    /// - Parameters:
    ///   - connection: The connection.
    ///   - role: The end that sends no more.
    ///   - time: The time at which its end became clear.
    func ended(_ connection: Int, from role: EndpointRole, time: UInt64)

    /// Reports that the connection is over; no call about it follows.
    ///
    /// - Parameters:
    ///   - connection: The connection.
    ///   - reason: The reason.
    ///   - time: The time.
    func closed(_ connection: Int, reason: CloseReason, time: UInt64)
}
