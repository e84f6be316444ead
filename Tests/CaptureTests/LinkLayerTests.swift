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

    @Test("what is not TCP is counted by kind")
    func otherKinds() {
        let harness = Harness()
        let reassembler = harness.reassembler
        reassembler.feed(ethernet(0x0806, [UInt8](repeating: 0, count: 28)))
        reassembler.feed(ethernet(46, [UInt8](repeating: 0, count: 46)))
        reassembler.feed([7, 0, 0, 0, 1, 2, 3, 4], .null)
        #expect(reassembler.counters.nonIP == 3)
        reassembler.feed(ethernet(0x0800, ipv4(.client, .server, protocol: 17, udp(port: 53, [1, 2, 3, 4]))))
        reassembler.feed(
            ethernet(0x0800, ipv4(.client, .server, protocol: 17, udp(port: 4789, [UInt8](repeating: 0, count: 40))))
        )
        reassembler.feed(ethernet(0x0800, ipv4(.client, .server, protocol: 1, [8, 0, 0, 0])))
        reassembler.feed(ethernet(0x86dd, ipv6(.client6, .server6, next: 58, [1, 2, 3, 4])))
        #expect(reassembler.counters.nonTCP == 4)
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
        let links = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 999].map { LinkType(rawValue: $0) }
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
