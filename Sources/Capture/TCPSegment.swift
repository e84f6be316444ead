internal import Wire

/// The flag bits of a TCP header (RFC 9293 §3.1) that reassembly looks at.
struct TCPFlags: OptionSet, BitwiseCopyable {
    let rawValue: UInt8

    static let fin = TCPFlags(rawValue: 0x01)
    static let syn = TCPFlags(rawValue: 0x02)
    static let rst = TCPFlags(rawValue: 0x04)
    static let psh = TCPFlags(rawValue: 0x08)
    static let ack = TCPFlags(rawValue: 0x10)
}

/// The facts of one TCP segment that reassembly needs; the bytes stay in the packet.
struct TCPSegment: BitwiseCopyable {
    var source: Endpoint
    var destination: Endpoint
    var sequence: UInt32
    var acknowledgment: UInt32
    var flags: TCPFlags
    /// The start of the payload in the packet; past the captured bytes if even the options were cut off.
    var payloadOffset: Int
    /// The length of the payload by the IP header.
    var declaredBytes: Int
    /// The captured part of it in bytes.
    var capturedBytes: Int
}

/// The content of a packet.
enum DecodedPacket: BitwiseCopyable {
    case segment(TCPSegment)
    /// ARP, spanning tree, …
    case nonIP
    /// UDP, ICMP, …
    case nonTCP
    /// A piece of an IP packet; pieces are not put together.
    case fragment
    /// The snap length cut it before the end of its headers.
    case headersCut
    /// Something that is known by name and not read.
    case unsupported(UnsupportedKind)
    case malformed(MalformedReason)
}
