import Foundation

/// One TCP segment, written past the kernel's TCP.
struct Segment {
    /// Bits of the header's flags.
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        static let fin = Flags(rawValue: 1)
        static let reset = Flags(rawValue: 4)
        static let push = Flags(rawValue: 8)
        static let acknowledgment = Flags(rawValue: 16)
    }

    let source: Address
    let destination: Address
    let sequence: UInt32
    let acknowledged: UInt32
    let flags: Flags
    var payload: [UInt8] = []

    /// Sends it from inside a namespace; needs root.
    func send(from namespace: String) throws {
        let packet = bytes
        let isIPv6 = destination.isIPv6
        let address = Address(destination.host, 0)
        try Namespaces.inside(namespace) {
            let family = isIPv6 ? AF_INET6 : AF_INET
            let descriptor = socket(family, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
            guard descriptor >= 0 else { throw Failure(call: "raw socket") }
            defer { close(descriptor) }
            let sent = address.withSocketAddress { sendto(descriptor, packet, packet.count, 0, $0, $1) }
            guard sent == packet.count else { throw Failure(call: "sendto") }
        }
    }

    /// The packet, IP header first.
    private var bytes: [UInt8] {
        let source = address(self.source)
        let destination = address(self.destination)
        var tcp = big(self.source.port) + big(self.destination.port) + big(sequence) + big(acknowledged)
        tcp += [5 << 4, flags.rawValue] + big(UInt16(500)) + [0, 0, 0, 0] + payload
        let pseudo = source + destination + big(UInt32(tcp.count)) + [0, 0, 0, 6]
        tcp.replaceSubrange(16..<18, with: big(Self.checksum(pseudo + tcp)))
        if self.destination.isIPv6 {
            return big(UInt32(6 << 28)) + big(UInt16(tcp.count)) + [6, 64] + source + destination + tcp
        }
        var ip = [0x45, 0] + big(UInt16(20 + tcp.count)) + [0, 1, 0, 0, 64, 6, 0, 0] + source + destination
        ip.replaceSubrange(10..<12, with: big(Self.checksum(ip)))
        return ip + tcp
    }

    private func address(_ address: Address) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: address.isIPv6 ? 16 : 4)
        inet_pton(address.isIPv6 ? AF_INET6 : AF_INET, address.host, &bytes)
        return bytes
    }

    private func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    /// RFC 1071.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for (index, byte) in bytes.enumerated() { sum += UInt32(byte) << (index % 2 == 0 ? 8 : 0) }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }
}

extension Connection {
    /// The sequence number of what is sent next, and of what is expected next; needs root (TCP_REPAIR of tcp(7)).
    func sequences() throws -> (sent: UInt32, expected: UInt32) {
        func set(_ option: Int32, _ value: Int32) throws {
            var value = value
            guard setsockopt(descriptor, Int32(IPPROTO_TCP), option, &value, 4) == 0 else {
                throw Failure(call: "TCP_REPAIR")
            }
        }
        func sequence(ofQueue queue: Int32) throws -> UInt32 {
            try set(20, queue)
            var value: UInt32 = 0
            var length = socklen_t(4)
            guard getsockopt(descriptor, Int32(IPPROTO_TCP), 21, &value, &length) == 0 else {
                throw Failure(call: "TCP_QUEUE_SEQ")
            }
            return value
        }
        try set(19, 1)
        let numbers = (try sequence(ofQueue: 2), try sequence(ofQueue: 1))
        // Off again without a window probe.
        try set(19, -1)
        return numbers
    }
}
