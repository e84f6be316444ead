import Capture
import Testing
import TestSupport

@Suite struct LinkLayerTests {
    static let payload = Array("hello".utf8)
    static let segment4 = tcp(.client, .server, seq: 7, flags: Flag.psh, payload)
    static let segment6 = tcp(.client6, .server6, seq: 7, flags: Flag.psh, payload)
    static let packet4 = ipv4(.client, .server, segment4)
    static let packet6 = ipv6(.client6, .server6, segment6)
    /// Linux cooked headers.
    static func sll(_ type: Int) -> [UInt8] { [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0] + be16(type) }
    static func sll2(_ type: Int) -> [UInt8] { be16(type) + [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0] }
    static func gre(_ flags: Int, _ type: Int, _ payload: [UInt8]) -> [UInt8] {
        ipv4(.client, .server, protocol: 47, be16(flags) + be16(type) + payload)
    }
    static func erspan3(kind: UInt8, isLong: Bool = false) -> [UInt8] {
        [0x20, 7, 0, 9, 1, 2, 3, 4, 0, 0, 0x80 | kind << 2, isLong ? 1 : 0]
            + [UInt8](repeating: 6, count: isLong ? 8 : 0)
    }
    /// The header, an attribute of 6 bytes (padded to 8), one of 8, and the packet.
    static func nflog(_ family: UInt8, isBig: Bool, _ packet: [UInt8]) -> [UInt8] {
        func half(_ value: Int) -> [UInt8] { isBig ? be16(value) : be16(value).reversed() }
        return [family, 0, 0, 5] + half(6) + half(10) + [65, 0, 0, 0] + half(8) + half(5) + [0, 0, 0, 2]
            + half(4 + packet.count) + half(9) + packet
    }
    static let longOptions = [UInt8](repeating: 4, count: 63 * 4)

    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let link: LinkType
        let bytes: [UInt8]
        var testDescription: String { name }

        init(_ name: String, _ link: LinkType, _ bytes: [UInt8]) {
            self.name = name
            self.link = link
            self.bytes = bytes
        }
    }

    static let understood: [Case] = [
        Case("Ethernet, IPv4", .ethernet, ethernet(0x0800, packet4)),
        Case("Ethernet, IPv6", .ethernet, ethernet(0x86dd, packet6)),
        Case("802.1Q", .ethernet, ethernet(0x8100, [0, 42] + be16(0x0800) + packet4)),
        Case("QinQ 88a8", .ethernet, ethernet(0x88a8, [0, 1] + be16(0x8100) + [0, 2] + be16(0x0800) + packet4)),
        Case("QinQ 9100", .ethernet, ethernet(0x9100, [0, 1] + be16(0x8100) + [0, 2] + be16(0x86dd) + packet6)),
        Case(
            "three tags",
            .ethernet,
            ethernet(0x9100, [0, 1] + be16(0x88a8) + [0, 2] + be16(0x8100) + [0, 3] + be16(0x0800) + packet4)
        ),
        Case("PPPoE", .ethernet, ethernet(0x8864, [0x11, 0, 0, 1] + be16(packet4.count + 2) + be16(0x21) + packet4)),
        Case("MPLS", .ethernet, ethernet(0x8847, [0, 1, 0, 64] + [0, 2, 1, 64] + packet6)),
        Case("SLL", .linuxCooked, sll(0x0800) + packet4),
        Case("SLL, tagged", .linuxCooked, sll(0x8100) + [0, 5] + be16(0x86dd) + packet6),
        Case("SLL2", .linuxCooked2, sll2(0x86dd) + packet6),
        Case("raw IPv4", .raw, packet4),
        Case("raw IPv6", .raw, packet6),
        Case("raw 101", LinkType(rawValue: 101), packet6),
        Case("IPV4", .ipv4, packet4),
        Case("IPV6", .ipv6, packet6),
        Case("NULL little-endian", .null, [2, 0, 0, 0] + packet4),
        Case("NULL big-endian", .null, [0, 0, 0, 2] + packet4),
        Case("NULL Darwin IPv6", .null, [30, 0, 0, 0] + packet6),
        Case("NULL FreeBSD IPv6", .null, [0, 0, 0, 28] + packet6),
        Case("LOOP", .loop, [0, 0, 0, 24] + packet6),
        Case("IPv4 options", .ipv4, ipv4(.client, .server, options: [1, 1, 1, 0], segment4)),
        Case(
            "TCP options",
            .ipv4,
            ipv4(.client, .server, tcp(.client, .server, seq: 7, flags: Flag.psh, options: [1, 1, 1, 1], payload))
        ),
        Case(
            "hop-by-hop, routing, destination options",
            .ipv6,
            ipv6(
                .client6,
                .server6,
                next: 0,
                [43, 0, 1, 4, 0, 0, 0, 0] + [60, 1] + [UInt8](repeating: 0, count: 14) + [6, 0, 1, 4, 0, 0, 0, 0]
                    + segment6
            )
        ),
        Case("atomic fragment", .ipv6, ipv6(.client6, .server6, next: 44, [6, 0, 0, 0, 0, 0, 0, 9] + segment6)),
        Case(
            "authentication header",
            .ipv6,
            ipv6(.client6, .server6, next: 51, [6, 1] + [UInt8](repeating: 0, count: 10) + segment6)
        ),
        Case("VXLAN", .ethernet, vxlan(ethernet(0x0800, packet4))),
        Case("VXLAN on Linux's port", .ethernet, vxlan(port: 8472, ethernet(0x8100, [0, 1] + be16(0x86dd) + packet6))),
        Case("VXLAN in VXLAN", .ethernet, vxlan(vxlan(ethernet(0x0800, packet4)))),
        Case("VXLAN-GPE, Ethernet", .ethernet, inUDP(4790, [0x0c, 0, 0, 3, 0, 0, 7, 0] + ethernet(0x0800, packet4))),
        Case("VXLAN-GPE, IPv6", .ethernet, inUDP(4790, [0x0c, 0, 0, 2, 0, 0, 7, 0] + packet6)),
        Case("Geneve", .ethernet, inUDP(6081, [0, 0, 0x65, 0x58, 0, 0, 7, 0] + ethernet(0x0800, packet4))),
        Case(
            "Geneve with options",
            .ethernet,
            inUDP(
                6081,
                [3, 0x40, 0x86, 0xdd, 0, 0, 7, 0] + [1, 2, 0x80, 2] + [UInt8](repeating: 5, count: 8) + packet6
            )
        ),
        Case("Geneve, most options", .ethernet, inUDP(6081, [0x3f, 0, 8, 0, 0, 0, 7, 0] + longOptions + packet4)),
        Case("GRE", .raw, gre(0, 0x0800, packet4)),
        Case("GRE with all fields", .raw, gre(0xb000, 0x86dd, [UInt8](repeating: 9, count: 12) + packet6)),
        Case("GRE with a key", .raw, gre(0x2000, 0x0800, [0, 0, 0, 5] + packet4)),
        Case("GRE in IPv6", .raw, ipv6(.client6, .server6, next: 47, [0, 0, 0x65, 0x58] + ethernet(packet4))),
        Case("GRE with MPLS", .raw, gre(0, 0x8847, [0, 1, 1, 64] + packet4)),
        Case("PPTP", .raw, gre(0x3081, 0x880b, [UInt8](repeating: 3, count: 12) + [0xff, 3, 0, 0x21] + packet4)),
        Case("ERSPAN I", .raw, gre(0, 0x88be, ethernet(0x8100, [0, 1] + be16(0x0800) + packet4))),
        Case("ERSPAN II", .raw, gre(0x1000, 0x88be, [0, 0, 0, 1] + [0x10, 5, 0, 9, 0, 0, 0, 1] + ethernet(packet4))),
        Case("ERSPAN III", .raw, gre(0x1000, 0x22eb, [0, 0, 0, 1] + erspan3(kind: 0) + ethernet(0x86dd, packet6))),
        Case(
            "ERSPAN III of the platform's own, IP",
            .raw,
            gre(0x1000, 0x22eb, [0, 0, 0, 1] + erspan3(kind: 2, isLong: true) + packet4)
        ),
        Case("PPP", .ppp, be16(0x21) + packet4),
        Case("PPP with address and control", .ppp, [0xff, 3] + be16(0x57) + packet6),
        Case("PPP, compressed protocol field", .ppp, [0x21] + packet4),
        Case("PPP with MPLS", .ppp, be16(0x281) + [0, 2, 1, 64] + packet6),
        Case("PPP in HDLC", .pppSerial, [0xff, 3] + be16(0x21) + packet4),
        Case("Cisco HDLC as PPP", .pppSerial, [0x0f, 0] + be16(0x0800) + packet4),
        Case("Cisco HDLC", .ciscoHDLC, [0x8f, 0] + be16(0x86dd) + packet6),
        Case("PPPoE alone", .pppEthernet, [0x11, 0, 0, 1] + be16(packet4.count + 2) + be16(0x21) + packet4),
        Case("PPP with a direction", .pppWithDirection, [1, 0xff, 3] + be16(0x21) + packet4),
        Case("NFLOG, little-endian", .nflog, nflog(2, isBig: false, packet4)),
        Case("NFLOG, big-endian", .nflog, nflog(10, isBig: true, packet6)),
        Case("IPv4 in IPv4", .raw, ipv4(.client, .server, protocol: 4, packet4)),
        Case("IPv6 in IPv4", .raw, ipv4(.client, .server, protocol: 41, packet6)),
        Case("Ethernet padding", .ethernet, ethernet(0x0800, packet4 + [0, 0, 0, 0, 0, 0])),
        Case("total length 0", .ethernet, ethernet(0x0800, ipv4(.client, .server, totalLength: 0, segment4))),
        Case("payload length 0", .ethernet, ethernet(0x86dd, ipv6(.client6, .server6, length: 0, segment6))),
    ]

    @Test("the payload is found behind every kind of header", arguments: understood)
    func payloadIsFound(_ one: Case) {
        let harness = Harness()
        harness.reassembler.feed(one.bytes, one.link)
        #expect(harness.said() == ["open unknown", "> hello"])
        #expect(harness.reassembler.counters.malformedTotal == 0)
        #expect(harness.reassembler.counters.truncated == 0)
        let connection = harness.recorder.connections.first
        #expect([Peer.client.endpoint, Peer.client6.endpoint].contains(connection?.first))
        #expect([Peer.server.endpoint, Peer.server6.endpoint].contains(connection?.second))
    }

    @Test("a packet cut anywhere by the snap length gives what is there and never traps", arguments: understood)
    func everyPrefix(_ one: Case) {
        for count in 0...one.bytes.count {
            let harness = Harness()
            harness.reassembler.feed(Array(one.bytes[..<count]), one.link, original: one.bytes.count)
            let delivered = harness.recorder.connections.first.map { $0.streams[0].bytes } ?? []
            #expect(Self.payload.starts(with: delivered))
            if let stream = harness.recorder.connections.first?.streams[0], !one.name.contains("padding") {
                #expect(stream.position == 5)
            }
            #expect(harness.reassembler.counters.truncated == (count < one.bytes.count ? 1 : 0))
            #expect(harness.reassembler.counters.malformedTotal == 0)
        }
    }

    @Test("the same prefixes as whole packets are malformed at worst", arguments: understood)
    func everyPrefixAsWhole(_ one: Case) {
        for count in 0..<one.bytes.count {
            let harness = Harness()
            harness.reassembler.feed(Array(one.bytes[..<count]), one.link)
            let counters = harness.reassembler.counters
            let seen =
                counters.malformedTotal + counters.truncated + counters.segments + counters.nonTCP + counters.nonIP
            #expect(seen >= 1)
            #expect(counters.holeBytes + counters.deliveredBytes <= 5)
        }
    }

    @Test("what is known and not supported is counted by its name")
    func unsupported() {
        let harness = Harness()
        harness.reassembler.feed(inUDP(2152, [0x30, 0xff] + be16(Self.packet4.count) + be32(7) + Self.packet4))
        harness.reassembler.feed([0, 4, 3, 0x38] + [UInt8](repeating: 0, count: 12) + Self.packet4, .linuxCooked)
        harness.reassembler.feed([0, 0, 0, 0, 0, 0, 0, 3, 3, 0x38] + [UInt8](repeating: 0, count: 30), .linuxCooked2)
        harness.reassembler.feed([UInt8](repeating: 0, count: 36), .netlink)
        harness.reassembler.feed(Self.packet4, LinkType(rawValue: 147))
        harness.reassembler.feed(Self.packet4, LinkType(rawValue: 147))
        let counters = harness.reassembler.counters
        #expect(counters.unsupported(.gtp) == 1 && counters.unsupported(.netlink) == 3 && harness.said() == [])
        #expect(counters.ofUnknownLinkType == 3 && counters.malformedTotal == 2)
        #expect(counters.unknownLinkTypes.map(\.name) == ["NETLINK (253)", "147"])
        #expect(LinkType(rawValue: 9999).name == "9999")
        for number in Int32(1000)..<1020 { harness.reassembler.feed([1], LinkType(rawValue: number)) }
        #expect(harness.reassembler.counters.unknownLinkTypes.count == 8)
    }

    @Test("what is not TCP is counted by kind")
    func otherKinds() {
        let harness = Harness()
        let reassembler = harness.reassembler
        reassembler.feed(ethernet(0x0806, [UInt8](repeating: 0, count: 28)))
        reassembler.feed(ethernet(46, [UInt8](repeating: 0, count: 46)))
        reassembler.feed([7, 0, 0, 0, 1, 2, 3, 4], .null)
        reassembler.feed([0xc0, 0x21, 1, 1, 0, 4], .ppp)
        reassembler.feed([0x11, 9, 0, 0, 0, 0], .pppEthernet)
        reassembler.feed(Self.nflog(7, isBig: false, Self.packet4), .nflog)
        reassembler.feed([2, 0, 0, 0], .nflog)
        reassembler.feed([2, 1, 0, 0], .nflog)
        reassembler.feed(Self.gre(0x1000, 0x22eb, [0, 0, 0, 1] + Self.erspan3(kind: 5) + Self.packet4), .raw)
        reassembler.feed(Self.gre(0x1000, 0x88be, [0, 0, 0, 1, 0x30, 0, 0, 0]), .raw)
        reassembler.feed(Self.gre(0, 0, []), .raw)
        reassembler.feed(inUDP(4790, [0x0c, 0, 0, 4, 0, 0, 7, 0] + Self.packet4))
        #expect(reassembler.counters.nonIP == 12)
        reassembler.feed(Self.gre(0x4000, 0x0800, Self.packet4), .raw)
        reassembler.feed(Self.gre(2, 0x0800, Self.packet4), .raw)
        reassembler.feed(inUDP(6081, [0x40, 0, 8, 0, 0, 0, 7, 0] + Self.packet4))
        reassembler.feed(inUDP(4790, [0x04, 0, 0, 1, 0, 0, 7, 0] + Self.packet4))
        #expect(reassembler.counters.nonTCP == 4)
        reassembler.feed(ethernet(0x0800, ipv4(.client, .server, protocol: 17, udp(port: 53, [1, 2, 3, 4]))))
        reassembler.feed(
            ethernet(0x0800, ipv4(.client, .server, protocol: 17, udp(port: 4789, [UInt8](repeating: 0, count: 40))))
        )
        reassembler.feed(ethernet(0x0800, ipv4(.client, .server, protocol: 1, [8, 0, 0, 0])))
        reassembler.feed(ethernet(0x86dd, ipv6(.client6, .server6, next: 58, [1, 2, 3, 4])))
        #expect(reassembler.counters.nonTCP == 8)
        reassembler.feed(ethernet(0x0800, ipv4(.client, .server, fragment: 0x2000, Self.segment4)))
        reassembler.feed(ethernet(0x0800, ipv4(.client, .server, fragment: 0x0010, Self.segment4)))
        reassembler.feed(
            ethernet(0x86dd, ipv6(.client6, .server6, next: 44, [6, 0, 0, 1, 0, 0, 0, 9] + Self.segment6))
        )
        #expect(reassembler.counters.fragments == 3)
        #expect(harness.said() == [])
    }

    @Test(
        "a broken packet is counted under its reason",
        arguments: [
            (MalformedReason.unknownLinkType, LinkType(rawValue: 147), packet4),
            (.linkHeader, .ethernet, [1, 2, 3]),
            (.linkHeader, .ethernet, ethernet(0x8100, [0])),
            (.linkHeader, .linuxCooked, [1, 2, 3]),
            (.linkHeader, .null, [1]),
            (.linkHeader, .ppp, [0]),
            (.linkHeader, .pppSerial, []),
            (.linkHeader, .nflog, [2, 0, 0, 0, 3, 0, 1, 0]),
            (.linkHeader, .nflog, [2, 0, 0, 0, 90, 0, 1, 0]),
            (.linkHeader, .raw, gre(0x1000, 0x22eb, [0, 0, 0, 1, 0x20, 0])),
            (.linkHeader, .ethernet, inUDP(6081, [0x3f, 0, 8, 0, 0, 0, 7, 0] + packet4)),
            (.nesting, .nflog, [2, 0, 0, 0] + Array([[UInt8]](repeating: [4, 0, 1, 0], count: 70).joined())),
            (.nesting, .raw, gre(0, 0x0800, gre(0, 0x0800, gre(0, 0x0800, gre(0, 0x0800, packet4))))),
            (.ipVersion, .raw, [0x50] + packet4.dropFirst()),
            (.ipVersion, .ipv4, packet6),
            (.ipVersion, .ipv6, packet4 + packet4),
            (.ipHeader, .ipv4, [0x44] + packet4.dropFirst()),
            (.ipHeader, .ipv4, ipv4(.client, .server, totalLength: 19, segment4)),
            (.ipHeader, .ipv4, [0x45, 0, 0]),
            (.ipHeader, .ipv6, ipv6(.client6, .server6, next: 60, length: 0, [6, 9, 0, 0, 0, 0, 0, 0])),
            (.tcpHeader, .ipv4, ipv4(.client, .server, Array(segment4[..<12]))),
            (.tcpHeader, .ipv4, ipv4(.client, .server, segment4[..<12] + [0x40] + segment4[13...])),
            (.tcpHeader, .ipv4, ipv4(.client, .server, segment4[..<12] + [0xf0] + segment4[13...])),
            (.nesting, .ethernet, vxlan(vxlan(vxlan(vxlan(ethernet(0x0800, packet4)))))),
            (.nesting, .ethernet, ethernet(0x8100, Array([[UInt8]](repeating: [0, 1, 0x81, 0], count: 40).joined()))),
            (
                .nesting, .ethernet,
                ethernet(
                    0x86dd,
                    ipv6(
                        .client6,
                        .server6,
                        next: 60,
                        Array([[UInt8]](repeating: [60, 0, 0, 0, 0, 0, 0, 0], count: 40).joined())
                    )
                )
            ),
        ] as [(MalformedReason, LinkType, [UInt8])]
    )
    func brokenPackets(reason: MalformedReason, link: LinkType, bytes: [UInt8]) {
        let harness = Harness()
        harness.reassembler.feed(bytes, link)
        #expect(harness.reassembler.counters.malformed(reason) == 1)
        #expect(harness.reassembler.counters.malformedTotal == 1)
        #expect(harness.said() == [])
    }

    @Test("every reason has a word of its own")
    func labels() {
        #expect(Set(MalformedReason.allCases.map { "\($0.label)" }).count == MalformedReason.allCases.count)
    }

    @Test("seeded garbage behind every link type does no harm")
    func garbage() {
        var random = SeededRandom(seed: 11)
        let links = [0, 1, 9, 12, 14, 50, 51, 101, 104, 108, 113, 204, 228, 229, 239, 253, 276, 999].map {
            LinkType(rawValue: $0)
        }
        let harness = Harness(
            limits: ReassemblyLimits(connections: 50, heldBytesPerConnection: 20_000, heldBytes: 50_000)
        )
        harness.recorder.keepsEvents = false
        for turn in 0..<100_000 {
            var bytes: [UInt8]
            if turn % 2 == 0 {
                bytes = (0..<Int.random(in: 0...120, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            } else {
                bytes = Self.understood[turn % Self.understood.count].bytes
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            let link =
                turn % 2 == 0
                ? links.randomElement(using: &random)! : Self.understood[turn % Self.understood.count].link
            harness.reassembler.feed(bytes, link, original: bytes.count + Int.random(in: -3...3, using: &random))
            #expect(harness.reassembler.heldBytes <= 50_000)
            #expect(harness.reassembler.rememberedConnections <= 50)
        }
        harness.reassembler.finish()
        #expect(harness.recorder.problems == [])
        #expect(harness.reassembler.heldBytes == 0)
    }
}
