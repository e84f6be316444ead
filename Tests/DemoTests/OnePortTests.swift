import Calls
import Clocks
import HTTP2
import TestSupport
import Testing

@testable import Demo

@Suite(.timeLimit(.minutes(10)), .serialized) struct OnePortTests {
    private static let triple =
        TripleBytes.clientHello()
        + TripleBytes.request(
            TripleCall(method: "locate", message: DemoProtobuf.message(7)),
            streamID: 1,
            application: "test",
            traceParent: nil
        )
    private static let post = JSONPost(JSONCall(method: "refund", parameters: "[]"))
        .bytes(ids: [1], application: "test", traceParent: nil)

    /// The first bytes of each protocol, and what the replies hold.
    private static let beginnings: [(name: String, bytes: [UInt8], reply: [UInt8])] = [
        ("dubbo", FrameBytes.heartbeat(id: 77), FrameBytes.heartbeatReply(id: 77)),
        ("triple", triple, Array("Leipzig".utf8)), ("jsonrpc", post, Array("\"result\":true".utf8)),
    ]

    /// Reads until a text has come: whether it did before the end.
    private static func reads(_ text: [UInt8], from socket: DemoSocket) -> Bool {
        var (all, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 4096))
        while case let count = socket.read(into: &buffer), count > 0 {
            all += buffer[..<count]
            if !all.ranges(of: text).isEmpty { return true }
        }
        return false
    }

    @Test("one port takes all protocols, however the first bytes arrive", arguments: [0, 1, 2])
    func detection(_ index: Int) throws {
        let (name, bytes, reply) = Self.beginnings[index]
        let provider = try DemoProvider()
        defer { provider.stop() }
        for step in [1, 7, 10_000] {
            let socket = try #require(DemoSocket.connect(to: "127.0.0.1", port: provider.port, milliseconds: 1000))
            let pause = DemoBell()
            for start in stride(from: 0, to: bytes.count, by: step) {
                #expect(socket.write(Array(bytes[start..<min(start + step, bytes.count)])))
                if start < 40 { pause.wait(until: SystemClock.now() + 1_000_000) }
            }
            #expect(Self.reads(reply, from: socket), "\(name) by \(step)")
        }
        #expect(provider.counts.connections == 3)
        #expect(provider.counts.decodeErrors == 0)
    }

    @Test("damaged traffic ends its own connection at worst")
    func damaged() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        var random = SeededRandom(seed: 31)
        for round in 0..<600 {
            let original = Self.beginnings[round % 3].bytes
            var bytes = original + original.dropFirst(round % 3 == 1 ? HTTP2Preface.byteCount : 0)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                // What tells the protocol is left alone.
                let place = Int.random(in: min(24, bytes.count / 2)..<bytes.count, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            let socket = try #require(DemoSocket.connect(to: "127.0.0.1", port: provider.port, milliseconds: 1000))
            _ = socket.write(bytes)
            if round % 8 == 0 { socket.shutDown() }
        }
        let socket = try #require(DemoSocket.connect(to: "127.0.0.1", port: provider.port, milliseconds: 1000))
        #expect(socket.write(Self.triple))
        #expect(Self.reads(Array("Leipzig".utf8), from: socket))
    }

    @Test("consumers of every protocol outlive providers that say nonsense")
    func nonsense() throws {
        for callProtocol in CallProtocol.allCases {
            let listener = try DemoListener(port: 0)
            let consumers = DemoConsumers(
                address: "127.0.0.1",
                port: listener.port,
                connections: 1,
                seed: 9,
                protocols: [callProtocol]
            )
            consumers.start()
            var random = SeededRandom(seed: 5)
            for round in 1...3 as ClosedRange<UInt64> {
                let socket = try #require(listener.accept())
                _ = socket.write((0..<3000).map { _ in UInt8.random(in: 0...0xd9, using: &random) })
                #expect(comesTrue { consumers.counts.decodeErrors >= round }, "\(callProtocol)")
            }
            consumers.stop()
            #expect(consumers.counts.inFlight == 0)
            #expect(consumers.counts.total(.ok) == 0)
        }
    }

    @Test("without protocols there are no connections")
    func none() {
        let consumers = DemoConsumers(address: "127.0.0.1", port: 1, protocols: [])
        consumers.start()
        consumers.stop()
        #expect(consumers.counts == DemoCounts())
        #expect(consumers.applications.isEmpty)
    }
}
