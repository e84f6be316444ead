internal import Wire

/// Link layers that are not Ethernet: PPP (RFC 1661, 1662, 2516), Cisco's HDLC, and NFLOG.
extension PacketDecoder {
    /// Attributes of one packet that NFLOG logged; the kernel writes some twenty.
    static let maxAttributes = 64

    /// PPP's protocol number, after the address and control bytes if they are there.
    mutating func ppp() -> Layer {
        if has(2), bytes.uint16(at: offset) == 0xff03 { offset += 2 }
        guard has(1) else { return short(.linkHeader) }
        var number = UInt16(bytes.byte(at: offset))
        // A first byte that is odd is the last one: the field was compressed (RFC 1661 §6.5).
        if number & 1 == 0 {
            guard has(2) else { return short(.linkHeader) }
            number = bytes.uint16(at: offset)
            offset += 1
        }
        offset += 1
        switch number {
        case 0x0021: return .ipv4
        case 0x0057: return .ipv6
        case 0x0281: return .etherType(0x8847)
        case 0x0283: return .etherType(0x8848)
        default: return .found(.nonIP)
        }
    }

    mutating func pppoe() -> Layer {
        guard has(6) else { return short(.linkHeader) }
        defer { offset += 6 }
        // Any other code is a step of discovery.
        return bytes.byte(at: offset + 1) == 0 ? .ppp : .found(.nonIP)
    }

    /// PPP in HDLC-like framing, or Cisco's HDLC, which its address bytes tell.
    mutating func serial() -> Layer {
        guard has(1) else { return short(.linkHeader) }
        let address = bytes.byte(at: offset)
        return address == 0x0f || address == 0x8f ? ciscoHDLC() : .ppp
    }

    mutating func behindDirection() -> Layer {
        guard has(1) else { return short(.linkHeader) }
        offset += 1
        return .ppp
    }

    mutating func ciscoHDLC() -> Layer {
        guard has(4) else { return short(.linkHeader) }
        defer { offset += 4 }
        return .etherType(bytes.uint16(at: offset + 2))
    }

    /// A family, a version, a number, then attributes: length (its own four bytes counted), type, value, padding to 4.
    ///
    /// Lengths and types are in the order of the machine that wrote them; types are small, which tells it.
    mutating func nflog() -> Layer {
        guard has(4) else { return short(.linkHeader) }
        let family = bytes.byte(at: offset)
        guard bytes.byte(at: offset + 1) == 0 else { return .found(.nonIP) }
        offset += 4
        for _ in 0..<Self.maxAttributes {
            // Without a packet in it.
            guard offset < end else { return .found(.nonIP) }
            guard has(4) else { return short(.linkHeader) }
            let isLittle = bytes.byte(at: offset + 3) == 0
            let words = (bytes.uint16(at: offset), bytes.uint16(at: offset + 2))
            let length = Int(isLittle ? words.0.byteSwapped : words.0)
            guard length >= 4 else { return .found(.malformed(.linkHeader)) }
            // NFULA_PAYLOAD.
            if (isLittle ? words.1.byteSwapped : words.1) == 9 {
                end = min(end, offset + length)
                offset += 4
                return family == 2 ? .ipv4 : family == 10 ? .ipv6 : .found(.nonIP)
            }
            guard has(length) else { return short(.linkHeader) }
            offset += (length + 3) & ~3
        }
        return .found(.malformed(.nesting))
    }
}
