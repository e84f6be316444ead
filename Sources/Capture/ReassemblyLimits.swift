/// How much a ``Reassembler`` may remember.
public struct ReassemblyLimits: Sendable {
    /// Connections known at a time, those that have ended and are still remembered included.
    ///
    /// The longest idle one makes room for a new one. Each costs about 250 bytes.
    public let connections: Int
    /// What one connection may keep of bytes that came too early, both directions together.
    public let heldBytesPerConnection: Int
    /// What all connections may keep of such bytes.
    public let heldBytes: Int

    /// What a kept segment is charged beside its bytes.
    ///
    /// More than its memory: it also bounds the number of kept segments, and so the cost of finding a place among them.
    public static let heldSegmentChargeBytes = 512

    /// How far ahead of the stream or behind it a segment may lie: TCP's largest window, 2³⁰ bytes (RFC 7323 §2.3).
    static let windowBytes = 1 << 30
    /// How many segments in a row must lie outside the window before the stream is taken up where they are.
    static let strayRun: UInt8 = 8
    /// How long data waits for bytes that it acknowledges, by the capture's clock, in nanoseconds.
    ///
    /// Longer than a delayed acknowledgment, which usually shows that they are missing.
    static let gateNanoseconds: UInt64 = 500_000_000
    /// How long it waits, in packets of the capture.
    static let gatePackets: UInt64 = 10_000
    /// How many streams wait so at a time.
    static let gates = 1024
    /// How near to the stream a reset, or a segment of an ended connection, must be to belong to it.
    static let nearBytes = 1 << 24

    /// Limits; the defaults are those that `weir read` uses.
    ///
    /// - Parameters:
    ///   - connections: From 1 to 2²⁴; what lies outside is brought inside.
    ///   - heldBytesPerConnection: A charge of 512 bytes a kept segment included.
    ///   - heldBytes: Likewise.
    public init(connections: Int = 65_536, heldBytesPerConnection: Int = 4 << 20, heldBytes: Int = 64 << 20) {
        self.connections = min(max(connections, 1), 1 << 24)
        self.heldBytesPerConnection = max(heldBytesPerConnection, 0)
        self.heldBytes = max(heldBytes, 0)
    }
}
