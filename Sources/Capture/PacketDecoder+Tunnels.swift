internal import Wire

/// Tunnels in IP: GRE (RFC 2784, 2890; version 1, RFC 2637) and ERSPAN in it, VXLAN (RFC 7348) and its generic
/// extension, Geneve (RFC 8926).
///
/// ERSPAN as draft-foschiano-erspan-03 has it, and type I, which is an Ethernet frame without a header of its own.
extension PacketDecoder {
    /// Counts a tunnel.
    ///
    /// - Parameter inner: The inner packet's type.
    /// - Returns: The same, or that there are too many.
    mutating func tunnel(_ inner: Layer) -> Layer {
        tunnels += 1
        return tunnels <= Self.maxTunnels ? inner : .found(.malformed(.nesting))
    }

    /// UDP is of interest only as a tunnel, which its destination port tells.
    mutating func udp() -> Layer {
        guard has(4) else { return short(.linkHeader) }
        switch bytes.uint16(at: offset + 2) {
        // The port that was assigned, and the one that Linux used before.
        case 4789, 8472: return vxlan()
        case 4790: return genericVXLAN()
        case 6081: return geneve()
        case 2152: return .found(.unsupported(.gtp))
        default: return .found(.nonTCP)
        }
    }

    private mutating func vxlan() -> Layer {
        guard has(16) else { return short(.linkHeader) }
        // The I flag: there is a network identifier, as there must be.
        guard bytes.byte(at: offset + 8) & 0x08 != 0 else { return .found(.nonTCP) }
        offset += 16
        return tunnel(.ethernet)
    }

    /// Reads VXLAN whose header names the next layer (draft-ietf-nvo3-vxlan-gpe).
    private mutating func genericVXLAN() -> Layer {
        guard has(16) else { return short(.linkHeader) }
        let flags = bytes.byte(at: offset + 8)
        // Version 0, with a network identifier.
        guard flags & 0x38 == 0x08 else { return .found(.nonTCP) }
        let next = flags & 0x04 == 0 ? 3 : bytes.byte(at: offset + 11)
        offset += 16
        switch next {
        case 1: return tunnel(.ipv4)
        case 2: return tunnel(.ipv6)
        case 3: return tunnel(.ethernet)
        default: return .found(.nonIP)
        }
    }

    private mutating func geneve() -> Layer {
        guard has(16) else { return short(.linkHeader) }
        let first = bytes.byte(at: offset + 8)
        guard first >> 6 == 0 else { return .found(.nonTCP) }
        // The length of the options is in units of 4.
        let headerBytes = 16 + Int(first & 0x3f) * 4
        let type = bytes.uint16(at: offset + 10)
        guard has(headerBytes) else { return short(.linkHeader) }
        offset += headerBytes
        return tunnel(bridged(type))
    }

    mutating func gre() -> Layer {
        guard has(4) else { return short(.linkHeader) }
        let flags = bytes.uint16(at: offset)
        let type = bytes.uint16(at: offset + 2)
        let version = flags & 7
        // Source routes (RFC 1701) are not followed: nobody sends them.
        guard version <= 1, flags & 0x4000 == 0 else { return .found(.nonTCP) }
        var headerBytes = 4
        // A checksum, a key, a sequence number; in version 1 an acknowledgment number.
        for bit: UInt16 in [0x8000, 0x2000, 0x1000] where flags & bit != 0 { headerBytes += 4 }
        if version == 1, flags & 0x0080 != 0 { headerBytes += 4 }
        guard has(headerBytes) else { return short(.linkHeader) }
        offset += headerBytes
        switch type {
        // Without a sequence number it is type I.
        case 0x88be where flags & 0x1000 == 0: return tunnel(.ethernet)
        case 0x88be, 0x22eb: return erspan()
        case 0x880b: return tunnel(.ppp)
        default: return tunnel(bridged(type))
        }
    }

    /// Reads ERSPAN's header, which begins with a version: 1 in type II, 2 in type III.
    private mutating func erspan() -> Layer {
        guard has(1) else { return short(.linkHeader) }
        switch bytes.byte(at: offset) >> 4 {
        case 1:
            guard has(8) else { return short(.linkHeader) }
            offset += 8
            return tunnel(.ethernet)
        case 2:
            guard has(12) else { return short(.linkHeader) }
            // The kind of frame in five bits, and in the last one whether eight bytes of the platform's follow.
            let last = bytes.uint16(at: offset + 10)
            let headerBytes = 12 + Int(last & 1) * 8
            guard has(headerBytes) else { return short(.linkHeader) }
            offset += headerBytes
            switch last >> 10 & 0x1f {
            case 0: return tunnel(.ethernet)
            case 2: return tunnel(.ip)
            default: return .found(.nonIP)
            }
        default: return .found(.nonIP)
        }
    }

    /// The layer of a tunnel's protocol type: an Ethernet frame, or the content of one.
    private func bridged(_ type: UInt16) -> Layer { type == 0x6558 ? .ethernet : .etherType(type) }
}
