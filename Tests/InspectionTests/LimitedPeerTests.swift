import Calls
import Hessian
import Inspection
import PlanModel
import Policy
import TestSupport
import Testing
import Wire

/// Limits that keep windows apart by the downstream peer's address.
@Suite struct LimitedPeerTests {
    /// Who connects: an IPv4 address with two ports, the same as IPv6 says it, and others.
    private enum Peer {
        static let first = Endpoint(ipv4: 0xc000_0201, port: 4001)
        static let again = Endpoint(ipv4: 0xc000_0201, port: 4002)
        static let mapped = Endpoint(high: 0, low: 0xffff_c000_0201, port: 4003)
        static let other = Endpoint(ipv4: 0xc000_0202, port: 4001)
        static let long = Endpoint(high: 0x2001_0db8_0000_0000, low: 0x0001_0000_0000_c001, port: 4001)
    }

    /// A protocol, what its consumer says first and a call.
    struct Speech: CustomTestStringConvertible, Sendable {
        let name: String
        let bytes: [UInt8]
        var testDescription: String { name }
    }

    private static let speeches = [
        Speech(name: "Dubbo", bytes: Frames.request(id: 1)),
        Speech(
            name: "Dubbo above the bound of what is held",
            bytes: Frames.request(id: 1, arguments: { $0.string(String(repeating: "x", count: 100_000)) })
        ),
        Speech(
            name: "Triple",
            bytes: H2.preface + H2.settings()
                + H2.headers(
                    1,
                    IndexingEncoder.once([
                        (":method", "POST"), (":scheme", "http"), (":path", "/com.x.Shop/buy"),
                        ("content-type", "application/grpc"),
                    ]),
                    end: false
                ) + H2.data(1, H2.message([1]), end: true)
        ),
        Speech(name: "Triple over HTTP/1.1", bytes: H1.triple("buy")),
        Speech(name: "JSON-RPC over HTTP/1.1", bytes: H1.request(RPC.call())),
        Speech(name: "a batch", bytes: H1.request(RPC.batch(RPC.call(), RPC.call("2", "other")))),
        Speech(name: "JSON-RPC on raw TCP", bytes: Array((RPC.call() + "\n").utf8)),
    ]

    /// A connection of that peer says all of it; whether the call was admitted.
    private func asks(_ bytes: [UInt8], _ peer: Endpoint, _ limited: LimitedBench) -> Bool {
        let before = limited.counts().rejected
        let ends = ObservedConnection(client: peer, server: Endpoint(ipv4: 0x0a00_0002, port: 20880))
        let session = limited.bench.inspector.open(side: .provider, connection: ends)
        // As the relay would give it: no more than a read at a time.
        for start in stride(from: 0, to: bytes.count, by: 30_000) {
            let piece = Array(bytes[start..<min(start + 30_000, bytes.count)])
            limited.bench.plan.removeAll()
            limited.bench.inspector.receive(
                session,
                bytes: piece.span.bytes,
                going: .toUpstream,
                now: 1000,
                plan: &limited.bench.plan
            )
        }
        limited.bench.inspector.close(session, now: 2000)
        return limited.counts().rejected == before
    }

    @Test("a window for each address, whatever the port and however the address is written", arguments: speeches)
    func addresses(_ speech: Speech) throws {
        let limited = try LimitedBench([.window(2) { $0.keys = [.peer] }])
        #expect(asks(speech.bytes, Peer.first, limited))
        if speech.name != "a batch" { #expect(asks(speech.bytes, Peer.again, limited)) }
        #expect(!asks(speech.bytes, Peer.mapped, limited))
        #expect(asks(speech.bytes, Peer.other, limited) && asks(speech.bytes, Peer.long, limited))
        #expect(limited.registry.current["l"]?.keysInUse == 3)
    }

    @Test("past the bound of keys addresses share a window")
    func bound() throws {
        let limited = try LimitedBench([
            .window(1) {
                $0.keys = [.peer]
                $0.maxKeys = 10
            }
        ])
        let admitted = (0..<100).count {
            asks(Frames.request(id: 1), Endpoint(ipv4: 0x0a01_0000 + UInt32($0), port: 1), limited)
        }
        #expect(admitted == 11 && limited.registry.current["l"]?.keysInUse == 10)
    }

    @Test("beside other parts of a key, and in a matcher")
    func together() throws {
        let limited = try LimitedBench([
            .window(1) {
                $0.keys = [.peer, .method]
                $0.match.peer = .glob("192.0.2.*")
            }
        ])
        for peer in [Peer.first, Peer.mapped] {
            for method in ["one", "two"] {
                #expect(asks(Frames.request(id: 1, method: method), peer, limited) == (peer == Peer.first))
            }
        }
        for _ in 0..<3 { #expect(asks(Frames.request(id: 1), Peer.long, limited)) }
        #expect(limited.counts().allowed == 2 && limited.counts().rejected == 2)
    }

    @Test("connections whose ends are not known share a window")
    func unknown() throws {
        let limited = try LimitedBench([.window(1) { $0.keys = [.peer] }])
        for number in 0..<2 {
            let session = limited.bench.inspector.open(side: .provider)
            limited.bench.plan.removeAll()
            let request = Frames.request(id: 1)
            limited.bench.inspector.receive(
                session,
                bytes: request.span.bytes,
                going: .toUpstream,
                now: 1000,
                plan: &limited.bench.plan
            )
            #expect(limited.counts().rejected == UInt64(number))
        }
    }
}

extension IndexingEncoder {
    /// A connection's first block.
    static func once(_ fields: [(String, String)]) -> [UInt8] {
        var encoder = IndexingEncoder()
        return encoder.block(fields)
    }
}
