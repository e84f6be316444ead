/// A source of captured packets: a file, a pipe, or an interface.
///
/// It belongs to one thread.
public protocol PacketSource: ~Copyable {
    /// Waits for the next packet.
    ///
    /// - Returns: The packet, whose bytes stay until the next call; or what came instead of one.
    /// - Throws: ``CaptureError`` if the source is broken; nothing can be read after it.
    @_lifetime(&self)
    mutating func next() throws(CaptureError) -> PacketEvent
}

/// The answer of a ``PacketSource``.
public enum PacketEvent: ~Escapable {
    /// A packet.
    case packet(CapturedPacket)
    /// No whole packet came in the time that the source waits; one may come later.
    case timeout
    /// There will be no packet any more.
    case end

    /// The packet, if it is one.
    public var packet: CapturedPacket? {
        @_lifetime(copy self)
        get {
            switch self {
            case .packet(let packet): packet
            case .timeout, .end: nil
            }
        }
    }
}
