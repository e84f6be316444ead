/// The bounds of a ``Reassembler``'s memory.
public struct ReassemblyLimits: Sendable {
    /// The most connections known at a time, those that have ended and are still remembered included.
    ///
    /// The longest idle one makes room for a new one. Each costs about 250 bytes.
    public let connections: Int
    /// The most early bytes that one connection may keep, both directions together.
    public let heldBytesPerConnection: Int
    /// The most early bytes that all connections may keep.
    public let heldBytes: Int

    /// The size that a kept segment counts besides its bytes.
    ///
    /// More than its memory: it also bounds the number of kept segments, and so the cost of finding a place among them.
    public static let heldSegmentChargeBytes = 512

    /// The farthest distance of a segment from the stream, ahead or behind: TCP's largest window, 2³⁰ bytes (RFC 7323
    /// §2.3).
    static let windowBytes = 1 << 30
    /// The number of consecutive segments outside the window after which the stream continues at their position.
    static let strayRun: UInt8 = 8
    /// The time that data waits for bytes that it acknowledges, by the capture's clock, in nanoseconds.
    ///
    /// Longer than a delayed acknowledgment, which usually shows that they are missing.
    static let gateNanoseconds: UInt64 = 500_000_000
    /// The same wait in packets of the capture.
    static let gatePackets: UInt64 = 10_000
    /// The most streams that wait so at a time.
    static let gates = 1024
    /// The distance from the stream within which a reset, or a segment of an ended connection, belongs to it.
    static let nearBytes = 1 << 24

    /// Limits; the defaults are those that `weir read` uses.
    ///
    /// - Parameters:
    ///   - connections: The number, from 1 to 2²⁴; other values are clamped.
    ///   - heldBytesPerConnection: A charge of 512 bytes a kept segment included.
    ///   - heldBytes: Likewise.
    public init(connections: Int = 65_536, heldBytesPerConnection: Int = 4 << 20, heldBytes: Int = 64 << 20) {
        self.connections = min(max(connections, 1), 1 << 24)
        self.heldBytesPerConnection = max(heldBytesPerConnection, 0)
        self.heldBytes = max(heldBytes, 0)
    }
}
