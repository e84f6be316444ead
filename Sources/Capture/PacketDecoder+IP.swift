internal import Wire

/// Two addresses of an IP packet, as endpoints without ports.
private struct AddressPair: BitwiseCopyable {
    var source: Endpoint
    var destination: Endpoint
}

extension PacketDecoder {
    mutating func ipv4() -> Layer {
        guard has(20) else { return short(.ipHeader) }
        let start = offset
        let first = bytes.byte(at: start)
        guard first >> 4 == 4 else { return .found(.malformed(.ipVersion)) }
        let headerBytes = Int(first & 0x0f) * 4
        let totalBytes = Int(bytes.uint16(at: start + 2))
        guard headerBytes >= 20 else { return .found(.malformed(.ipHeader)) }
        // Captured before segmentation offload a packet may say 0: then it goes on to the end of the frame.
        if totalBytes != 0 {
            guard totalBytes >= headerBytes else { return .found(.malformed(.ipHeader)) }
            end = start + totalBytes
        }
        // MF or an offset.
        guard bytes.uint16(at: start + 6) & 0x3fff == 0 else { return .found(.fragment) }
        guard has(headerBytes) else { return short(.ipHeader) }
        offset = start + headerBytes
        let addresses = AddressPair(
            source: Endpoint(ipv4: bytes.uint32(at: start + 12), port: 0),
            destination: Endpoint(ipv4: bytes.uint32(at: start + 16), port: 0)
        )
        return transport(bytes.byte(at: start + 9), addresses)
    }

    mutating func ipv6() -> Layer {
        guard has(40) else { return short(.ipHeader) }
        let start = offset
        guard bytes.byte(at: start) >> 4 == 6 else { return .found(.malformed(.ipVersion)) }
        let payloadBytes = Int(bytes.uint16(at: start + 4))
        // 0: a jumbogram or a packet before segmentation offload.
        if payloadBytes != 0 { end = start + 40 + payloadBytes }
        let addresses = AddressPair(
            source: Endpoint(high: bytes.uint64(at: start + 8), low: bytes.uint64(at: start + 16), port: 0),
            destination: Endpoint(high: bytes.uint64(at: start + 24), low: bytes.uint64(at: start + 32), port: 0)
        )
        var nextHeader = bytes.byte(at: start + 6)
        offset = start + 40
        for _ in 0..<Self.maxLayers {
            switch nextHeader {
            case 0, 43, 60:  // hop-by-hop, routing, destination options: length in units of 8 beyond the first 8
                guard has(8) else { return short(.ipHeader) }
                let headerBytes = (Int(bytes.byte(at: offset + 1)) + 1) * 8
                guard has(headerBytes) else { return short(.ipHeader) }
                nextHeader = bytes.byte(at: offset)
                offset += headerBytes
            case 44:
                guard has(8) else { return short(.ipHeader) }
                // Offset or M; without them it is a whole packet (RFC 6946).
                guard bytes.uint16(at: offset + 2) & 0xfff9 == 0 else { return .found(.fragment) }
                nextHeader = bytes.byte(at: offset)
                offset += 8
            case 51:  // authentication header: length in units of 4 beyond the first 8
                guard has(8) else { return short(.ipHeader) }
                let headerBytes = (Int(bytes.byte(at: offset + 1)) + 2) * 4
                guard has(headerBytes) else { return short(.ipHeader) }
                nextHeader = bytes.byte(at: offset)
                offset += headerBytes
            default:
                return transport(nextHeader, addresses)
            }
        }
        return .found(.malformed(.nesting))
    }

    private mutating func transport(_ number: UInt8, _ addresses: AddressPair) -> Layer {
        switch number {
        case 6: return tcp(addresses)
        case 17: return udp()
        case 4: return tunnel(.ipv4)
        case 41: return tunnel(.ipv6)
        case 47: return gre()
        default: return .found(.nonTCP)
        }
    }

    private func tcp(_ addresses: AddressPair) -> Layer {
        guard end - offset >= 20 else { return .found(.malformed(.tcpHeader)) }
        guard has(20) else { return short(.tcpHeader) }
        let headerBytes = Int(bytes.byte(at: offset + 12) >> 4) * 4
        guard headerBytes >= 20, headerBytes <= end - offset else { return .found(.malformed(.tcpHeader)) }
        let payloadOffset = offset + headerBytes
        let segment = TCPSegment(
            source: addresses.source.with(port: bytes.uint16(at: offset)),
            destination: addresses.destination.with(port: bytes.uint16(at: offset + 2)),
            sequence: bytes.uint32(at: offset + 4),
            acknowledgment: bytes.uint32(at: offset + 8),
            flags: TCPFlags(rawValue: bytes.byte(at: offset + 13)),
            payloadOffset: payloadOffset,
            declaredBytes: end - payloadOffset,
            capturedBytes: max(0, min(bytes.byteCount, end) - payloadOffset)
        )
        return .found(.segment(segment))
    }
}

extension Endpoint {
    /// The same address with a port.
    @inline(__always)
    fileprivate func with(port: UInt16) -> Endpoint {
        guard !isIPv6 else { return Endpoint(high: high, low: low, port: port) }
        return Endpoint(ipv4: UInt32(truncatingIfNeeded: low), port: port)
    }
}
