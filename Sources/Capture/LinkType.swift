/// What a captured packet begins with: libpcap's `DLT_` number.
public struct LinkType: BitwiseCopyable, Hashable, RawRepresentable, Sendable {
    /// The `DLT_` number.
    public let rawValue: Int32

    /// A link type by its number; one that is not known makes every packet count as of an unknown link.
    ///
    /// - Parameter rawValue: A `DLT_` or `LINKTYPE_` number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// BSD loopback: the address family in 4 bytes of the capturing machine's order.
    public static let null = LinkType(rawValue: 0)
    /// Ethernet.
    public static let ethernet = LinkType(rawValue: 1)
    /// Raw IP as libpcap reports it on Linux; `LINKTYPE_RAW` in files is 101, and OpenBSD's number is 14.
    public static let raw = LinkType(rawValue: 12)
    /// OpenBSD loopback: the address family in 4 big-endian bytes.
    public static let loop = LinkType(rawValue: 108)
    /// Linux "cooked" capture, version 1 (`-i any`).
    public static let linuxCooked = LinkType(rawValue: 113)
    /// Raw IPv4.
    public static let ipv4 = LinkType(rawValue: 228)
    /// Raw IPv6.
    public static let ipv6 = LinkType(rawValue: 229)
    /// Linux "cooked" capture, version 2.
    public static let linuxCooked2 = LinkType(rawValue: 276)
}
