/// The type of a captured packet's first bytes: libpcap's `DLT_` number.
public struct LinkType: BitwiseCopyable, Hashable, RawRepresentable, Sendable {
    /// The `DLT_` number.
    public let rawValue: Int32

    /// A link type by its number; one that is not known makes every packet count as of an unknown link.
    ///
    /// - Parameter rawValue: A `DLT_` or `LINKTYPE_` number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The link type that a file's `LINKTYPE_` number names: libpcap has other numbers for a few.
    ///
    /// - Parameter number: The number in the file.
    init(inFile number: UInt16) {
        switch number {
        case 101: self = .raw
        case 100: rawValue = 11
        case 102: rawValue = 13
        case 106: rawValue = 19
        default: rawValue = Int32(number)
        }
    }

    /// BSD loopback: the address family in 4 bytes of the capturing machine's order.
    public static let null = LinkType(rawValue: 0)
    /// Ethernet.
    public static let ethernet = LinkType(rawValue: 1)
    /// PPP, with or without the address and control bytes of HDLC framing.
    public static let ppp = LinkType(rawValue: 9)
    /// Raw IP as libpcap reports it on Linux; `LINKTYPE_RAW` in files is 101, and OpenBSD's number is 14.
    public static let raw = LinkType(rawValue: 12)
    /// PPP in HDLC-like framing, or Cisco's HDLC.
    public static let pppSerial = LinkType(rawValue: 50)
    /// A PPPoE session packet.
    public static let pppEthernet = LinkType(rawValue: 51)
    /// Cisco's HDLC.
    public static let ciscoHDLC = LinkType(rawValue: 104)
    /// OpenBSD loopback: the address family in 4 big-endian bytes.
    public static let loop = LinkType(rawValue: 108)
    /// Linux "cooked" capture, version 1 (`-i any`).
    public static let linuxCooked = LinkType(rawValue: 113)
    /// PPP after a byte that tells the direction.
    public static let pppWithDirection = LinkType(rawValue: 204)
    /// Raw IPv4.
    public static let ipv4 = LinkType(rawValue: 228)
    /// Raw IPv6.
    public static let ipv6 = LinkType(rawValue: 229)
    /// Packets that Linux' firewall logged, as attributes.
    public static let nflog = LinkType(rawValue: 239)
    /// Linux' netlink sockets, which carry no network traffic.
    public static let netlink = LinkType(rawValue: 253)
    /// Linux "cooked" capture, version 2.
    public static let linuxCooked2 = LinkType(rawValue: 276)
}
