import Wire
import Capture

/// One end of a made-up connection.
struct Peer {
    var address: [UInt8]
    var port: UInt16

    static let client = Peer(address: [10, 0, 0, 1], port: 40_000)
    static let server = Peer(address: [10, 0, 0, 2], port: 20_880)
    static let client6 = Peer(address: [0xfd, 0x77] + [UInt8](repeating: 0, count: 13) + [1], port: 40_000)
    static let server6 = Peer(address: [0xfd, 0x77] + [UInt8](repeating: 0, count: 13) + [2], port: 20_880)

    var endpoint: Endpoint {
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        if address.count == 4 { return Endpoint(ipv4: UInt32(number(address[...])), port: port) }
        return Endpoint(high: number(address[..<8]), low: number(address[8...]), port: port)
    }
}

func be16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
func be32(_ value: UInt32) -> [UInt8] { be16(Int(value >> 16)) + be16(Int(value & 0xffff)) }

enum Flag {
    static let fin: UInt8 = 1
    static let syn: UInt8 = 2
    static let rst: UInt8 = 4
    static let psh: UInt8 = 8
    static let ack: UInt8 = 16
}

func tcp(
    _ from: Peer,
    _ to: Peer,
    seq: UInt32,
    ack: UInt32 = 0,
    flags: UInt8,
    options: [UInt8] = [],
    _ payload: [UInt8] = []
) -> [UInt8] {
    be16(Int(from.port)) + be16(Int(to.port)) + be32(seq) + be32(ack)
        + [UInt8((20 + options.count) / 4) << 4, flags] + be16(65535) + [0, 0, 0, 0] + options + payload
}

func ipv4(
    _ from: Peer,
    _ to: Peer,
    protocol number: UInt8 = 6,
    options: [UInt8] = [],
    fragment: Int = 0x4000,
    totalLength: Int? = nil,
    _ payload: [UInt8]
) -> [UInt8] {
    let header = 20 + options.count
    return [UInt8(0x40 | header / 4), 0] + be16(totalLength ?? header + payload.count) + [0, 1] + be16(fragment)
        + [64, number, 0, 0] + from.address + to.address + options + payload
}

func ipv6(
    _ from: Peer,
    _ to: Peer,
    next: UInt8 = 6,
    length: Int? = nil,
    _ payload: [UInt8]
) -> [UInt8] {
    [0x60, 0, 0, 0] + be16(length ?? payload.count) + [next, 64] + from.address + to.address + payload
}

func ethernet(_ payload: [UInt8]) -> [UInt8] { ethernet(0x0800, payload) }

func ethernet(_ type: Int, _ payload: [UInt8]) -> [UInt8] {
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + be16(type) + payload
}

func udp(port: Int, _ payload: [UInt8]) -> [UInt8] {
    be16(50_000) + be16(port) + be16(8 + payload.count) + [0, 0] + payload
}

func inUDP(_ port: Int, _ payload: [UInt8]) -> [UInt8] {
    ethernet(0x0800, ipv4(.client, .server, protocol: 17, udp(port: port, payload)))
}

func vxlan(port: Int = 4789, _ inner: [UInt8]) -> [UInt8] { inUDP(port, [8, 0, 0, 0, 0, 0, 7, 0] + inner) }

extension Reassembler {
    /// Feeds one packet given as an array.
    func feed(_ bytes: [UInt8], _ link: LinkType = .ethernet, time: UInt64 = 1, original: Int? = nil) {
        packet(bytes.span.bytes, linkType: link, time: time, originalLength: original ?? bytes.count)
    }
}
