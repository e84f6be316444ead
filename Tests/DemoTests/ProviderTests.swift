import Clocks
import Dubbo
import Hessian
import TestSupport
import Testing
import Wire

@testable import Demo

@Suite(.timeLimit(.minutes(10))) struct ProviderTests {
    private func call(_ interface: String, _ method: String, _ arguments: [HessianValue]) -> DemoCall {
        DemoCall(interface: interface, method: method, parameters: [], arguments: arguments)
    }

    @Test("methods answer as their arguments ask for")
    func answers() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(Peer(port: provider.port))
        var generic = call(DemoServices.orders, "findOrder", [.int64(42)])
        generic.isGeneric = true
        var stock = call(DemoServices.inventory, "stock", [.string("SKU-123")])
        stock.group = DemoServices.inventoryGroup
        var oldVersion = call(DemoServices.orders, "findOrder", [.int64(42)])
        oldVersion.version = "0.9.0"
        // Status and first body byte, the reply's kind.
        let cases: [(DemoCall, UInt8, UInt8)] = [
            (call(DemoServices.orders, "findOrder", [.int64(42)]), 20, 0x94),
            (call(DemoServices.orders, "findOrder", [.int64(40)]), 20, 0x95), (generic, 20, 0x94), (stock, 20, 0x94),
            (call(DemoServices.orders, "placeOrder", [.string("SKU-1"), .int32(0)]), 20, 0x93),
            (call(DemoServices.orders, "cancelOrder", [.int64(19)]), 20, 0x93),
            (call(DemoServices.orders, "$echo", [.string("x")]), 20, 0x94),
            (call(DemoServices.users, "profile", [.int64(DemoServices.brokenUser)]), 70, 0x30),
            (call(DemoServices.users, "noSuchMethod", []), 70, 0x30), (oldVersion, 40, 0x30),
            (call("com.example.Nothing", "find", []), 40, 0x30),
        ]
        for (number, (call, status, lead)) in cases.enumerated() {
            #expect(peer.socket.write(call.frame(id: UInt64(number), application: "test", traceParent: nil)))
            let reply = try #require(try peer.next())
            #expect(reply.header.requestID == UInt64(number))
            #expect(reply.header.flags == Serialization.hessian2)
            #expect(reply.header.status == status, "\(call.interface) \(call.method)")
            #expect(reply.body.first == lead, "\(call.interface) \(call.method)")
        }
        #expect(provider.counts.genericRequests == 1)
        #expect(provider.counts.requests == UInt64(cases.count))
        #expect(provider.counts.replies == UInt64(cases.count))
        #expect(provider.counts.decodeErrors == 0)
    }

    @Test("requests of one connection are served side by side, oneway ones never answered")
    func order() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(Peer(port: provider.port))
        var bytes: [UInt8] = []
        for id in 0..<100 as Range<UInt64> {
            let place = call(DemoServices.orders, "placeOrder", [.string("SKU-1"), .int32(1)])
            bytes += place.frame(id: id, application: "test", traceParent: nil)
        }
        var track = call(DemoServices.users, "track", [.string("/")])
        track.isOneway = true
        bytes += track.frame(id: 500, application: "test", traceParent: nil) + FrameBytes.heartbeat(id: 501)
        let start = SystemClock.now()
        #expect(peer.socket.write(bytes))
        let ids = try (0...100).map { _ in try peer.next()?.header.requestID ?? .max }
        let milliseconds = (SystemClock.now() - start) / 1_000_000
        // No order takes less than 12 ms, and a hundred one after the other take more than a second.
        #expect(try #require(ids.firstIndex(of: 501)) < 50)
        #expect(ids.sorted() == Array(0..<100) + [501])
        #expect(ids != ids.sorted())
        #expect(milliseconds < 1000)
        #expect(provider.counts.onewayRequests == 1)
        #expect(provider.counts.heartbeats == 1)
    }

    @Test("a body that cannot be read is answered with status 40, and the next request is served")
    func unreadableBodies() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(Peer(port: provider.port))
        var random = SeededRandom(seed: 11)
        for id in 0..<300 as Range<UInt64> {
            let body = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
            }
            let flags: UInt8 = id % 3 == 0 ? 0xc6 : 0xc2
            #expect(
                peer.socket.write(
                    [0xda, 0xbb, flags, 0] + id.bigEndianBytes + UInt32(body.count).bigEndianBytes + body
                )
            )
            let reply = try #require(try peer.next())
            #expect(reply.header.requestID == id)
            #expect(reply.header.status == 40, "\(hexText(body))")
        }
        #expect(peer.socket.write(FrameBytes.heartbeat(id: 1)))
        #expect(try peer.next()?.header.isEvent == true)
    }

    @Test("deeply nested arguments are given back up to a limit, then refused")
    func depth() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(Peer(port: provider.port))
        for (depth, status) in [(1, 20), (62, 20), (63, 20), (64, 40), (500, 40), (100_000, 40)] as [(Int, UInt8)] {
            // A generic `$echo` of lists within lists within the argument array.
            let innermost: [UInt8] = [UInt8](repeating: 0x79, count: depth) + [0x4e]
            var frame = FrameBytes.frame(flags: 0xc0, status: 0, id: UInt64(depth)) { body in
                for text in ["2.0.2", DemoServices.orders, "1.0.0", "$invoke", "", "$echo"] { body.string(text) }
                body.beginList(count: 0)
                body.beginList(count: 1)
            }
            frame += innermost + [0x48, 0x5a]
            frame.replaceSubrange(12..<16, with: UInt32(frame.count - 16).bigEndianBytes)
            #expect(peer.socket.write(frame))
            #expect(try peer.next()?.header.status == status, "depth \(depth)")
        }
    }

    @Test("garbage ends its own connection only")
    func garbage() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        var random = SeededRandom(seed: 12)
        for _ in 0..<50 {
            let peer = try #require(Peer(port: provider.port))
            let bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = peer.socket.write(bytes)
            #expect(try peer.next() == nil)
        }
        let other = try #require(Peer(port: provider.port))
        #expect(other.socket.write(FrameBytes.heartbeat(id: 1)))
        #expect(try other.next()?.header.requestID == 1)
        #expect(provider.counts.decodeErrors == 50)
    }

    @Test("more connections than the limit are closed at once")
    func connectionLimit() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peers = try (0..<DemoProvider.maxConnections).map { _ in try #require(Peer(port: provider.port)) }
        let last = try #require(peers.last)
        #expect(last.socket.write(FrameBytes.heartbeat(id: 1)))
        #expect(try last.next()?.header.requestID == 1)
        try withExtendedLifetime(peers) {
            let oneMore = try #require(Peer(port: provider.port))
            #expect(try oneMore.next() == nil)
        }
    }

    @Test("stopping ends connections, frees the port and may be repeated")
    func stop() throws {
        let provider = try DemoProvider()
        let peer = try #require(Peer(port: provider.port))
        let place = call(DemoServices.orders, "placeOrder", [.string("SKU-1"), .int32(1)])
        #expect(peer.socket.write(place.frame(id: 1, application: "test", traceParent: nil)))
        #expect(comesTrue { provider.counts.requests == 1 })
        provider.stop()
        provider.stop()
        #expect(provider.counts.connections == 1)
        while try peer.next() != nil {}
        #expect(Peer(port: provider.port) == nil)
        let successor = try DemoProvider(port: provider.port)
        #expect(throws: DemoError.cannotListen(port: provider.port, errorNumber: 98)) {
            try DemoProvider(port: successor.port)
        }
        successor.stop()
        let inUse = DemoError.cannotListen(port: 20880, errorNumber: 98)
        #expect("\(inUse)" == "cannot listen on 127.0.0.1:20880: Address already in use")
    }
}
