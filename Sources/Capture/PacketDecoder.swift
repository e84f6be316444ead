internal import Wire

/// A decoder that finds the TCP segment in a captured packet.
///
/// It walks link layer, tags, labels, tunnels and IP headers. The end of a packet follows from the lengths in headers,
/// not from the captured bytes: bytes after it (Ethernet padding, trailers) are ignored, and the part cut off by the
/// snap length is known to be missing. Checksums are not checked: with offloading they are often wrong.
///
/// Layouts: IEEE 802.3 and 802.1Q; RFC 791, 8200, 9293, 3032 (MPLS), and what the other files of this type name;
/// libpcap's LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2.
struct PacketDecoder: ~Escapable {
    /// The next layer of the packet.
    enum Layer: BitwiseCopyable {
        case ethernet
        case ppp
        case etherType(UInt16)
        /// IP of the version in its first byte.
        case ip
        case ipv4
        case ipv6
        case found(DecodedPacket)
    }

    /// Headers in one packet; more is malice.
    static let maxLayers = 16
    /// Tunnels in one packet.
    static let maxTunnels = 3
    /// The longest length that is believed of a packet that was not fully captured; twice that of the largest offload.
    static let maxOriginalBytes = 1 << 20

    let bytes: RawSpan
    /// The start of the next header.
    var offset = 0
    /// The end of the innermost packet by its headers; may be past the captured bytes.
    var end: Int
    var tunnels = 0

    /// A decoder at the first byte.
    ///
    /// - Parameters:
    ///   - bytes: The captured bytes.
    ///   - originalLength: The length of the packet.
    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, originalLength: Int) {
        self.bytes = bytes
        self.end = max(min(originalLength, Self.maxOriginalBytes), bytes.byteCount)
    }

    /// Reads all headers.
    ///
    /// - Parameter linkType: The link type of the packet.
    /// - Returns: The content of the packet.
    mutating func decode(_ linkType: LinkType) -> DecodedPacket {
        var layer = link(linkType)
        for _ in 0..<Self.maxLayers {
            switch layer {
            case .ethernet: layer = ethernet()
            case .ppp: layer = ppp()
            case .etherType(let type): layer = payload(ofType: type)
            case .ip: layer = ip()
            case .ipv4: layer = ipv4()
            case .ipv6: layer = ipv6()
            case .found(let result): return result
            }
        }
        return .malformed(.nesting)
    }

    /// True if `count` more bytes were captured.
    @inline(__always)
    func has(_ count: Int) -> Bool { count <= bytes.byteCount - offset }

    /// The result for captured bytes that end inside a header.
    func short(_ reason: MalformedReason) -> Layer {
        .found(bytes.byteCount < end ? .headersCut : .malformed(reason))
    }

    private mutating func link(_ type: LinkType) -> Layer {
        switch type.rawValue {
        case LinkType.ethernet.rawValue: return .ethernet
        case LinkType.null.rawValue, LinkType.loop.rawValue: return loopback()
        case LinkType.linuxCooked.rawValue: return cooked(headerBytes: 16, typeAt: 14, hardwareAt: 2)
        case LinkType.linuxCooked2.rawValue: return cooked(headerBytes: 20, typeAt: 0, hardwareAt: 8)
        case LinkType.raw.rawValue, 14, 101: return .ip
        case LinkType.ipv4.rawValue: return .ipv4
        case LinkType.ipv6.rawValue: return .ipv6
        case LinkType.ppp.rawValue: return .ppp
        case LinkType.pppSerial.rawValue: return serial()
        case LinkType.pppEthernet.rawValue: return pppoe()
        case LinkType.pppWithDirection.rawValue: return behindDirection()
        case LinkType.ciscoHDLC.rawValue: return ciscoHDLC()
        case LinkType.nflog.rawValue: return nflog()
        case LinkType.netlink.rawValue: return .found(.unsupported(.netlink))
        default: return .found(.malformed(.unknownLinkType))
        }
    }

    private mutating func ethernet() -> Layer {
        guard has(14) else { return short(.linkHeader) }
        defer { offset += 14 }
        return .etherType(bytes.uint16(at: offset + 12))
    }

    private mutating func cooked(headerBytes: Int, typeAt: Int, hardwareAt: Int) -> Layer {
        guard has(headerBytes) else { return short(.linkHeader) }
        // ARPHRD_NETLINK: what stands for the type is a family of netlink's.
        guard bytes.uint16(at: offset + hardwareAt) != 824 else { return .found(.unsupported(.netlink)) }
        defer { offset += headerBytes }
        return .etherType(bytes.uint16(at: offset + typeAt))
    }

    /// The family's number is that of the machine that captured, in its byte order.
    private mutating func loopback() -> Layer {
        guard has(4) else { return short(.linkHeader) }
        let word = bytes.uint32(at: offset)
        offset += 4
        switch word <= 0xffff ? word : word.byteSwapped {
        case 2: return .ipv4
        case 10, 24, 28, 30: return .ipv6  // Linux; NetBSD and OpenBSD; FreeBSD; Darwin
        default: return .found(.nonIP)
        }
    }

    private mutating func payload(ofType type: UInt16) -> Layer {
        switch type {
        case 0x0800: return .ipv4
        case 0x86dd: return .ipv6
        case 0x8100, 0x88a8, 0x9100, 0x9200:
            guard has(4) else { return short(.linkHeader) }
            defer { offset += 4 }
            return .etherType(bytes.uint16(at: offset + 2))
        case 0x8864: return pppoe()
        case 0x8847, 0x8848: return mpls(type)
        default: return .found(.nonIP)
        }
    }

    private mutating func mpls(_ type: UInt16) -> Layer {
        guard has(4) else { return short(.linkHeader) }
        defer { offset += 4 }
        let isBottom = bytes.byte(at: offset + 2) & 1 == 1
        return isBottom ? .ip : .etherType(type)
    }

    private func ip() -> Layer {
        guard has(1) else { return short(.ipHeader) }
        switch bytes.byte(at: offset) >> 4 {
        case 4: return .ipv4
        case 6: return .ipv6
        default: return .found(.malformed(.ipVersion))
        }
    }
}
