import Calls
import Clocks
import Dubbo
import TestSupport
import Testing
import Wire

@testable import Demo

@Suite(.timeLimit(.minutes(10)), .serialized) struct TrafficTests {
    @Test("a while of traffic: everything sent is answered as its arguments ask for")
    func direct() throws {
        let provider = try DemoProvider(seed: 3)
        let consumers = DemoConsumers(address: "127.0.0.1", port: provider.port, callsPerSecond: 1500, seed: 3)
        let start = SystemClock.now()
        consumers.start()
        consumers.start()
        #expect(comesTrue { consumers.counts.totalSent > 3000 })
        consumers.stop()
        let seconds = (SystemClock.now() - start) / 1_000_000_000 + 1
        let counts = consumers.counts
        let oneway = counts.total(.oneway)
        #expect(comesTrue { provider.counts.requests + provider.counts.onewayRequests == counts.totalSent })
        provider.stop()
        let served = provider.counts

        #expect(counts.totalSent < 3000 + 1500 * seconds)
        #expect(counts.inFlight == 0)
        #expect(counts.unexpected == 0)
        #expect(counts.decodeErrors == 0)
        #expect(counts.connections == 8)
        #expect(counts.failedConnections == 0)
        #expect(served.decodeErrors == 0)
        #expect(served.connections == 8)
        #expect(served.onewayRequests == oneway)
        #expect(served.requests == counts.totalSent - oneway)
        #expect(served.genericRequests > 0)
        #expect(served.heartbeats == counts.heartbeats)
        // A call that ended in a timeout got no reply, or one too late; the last of these may have met a closed door.
        // In Triple the service itself says that the time is over, and learns of the calls that were given up.
        let replies =
            served.requests - counts.total(.timeout, in: .dubbo) - served.cancelledRequests + counts.lateReplies
        #expect((replies...replies + 2).contains(served.replies))
        #expect(served.cancelledRequests == counts.total(.cancelled))
        let outcomes: [(CallProtocol, [Outcome])] = [
            (.dubbo, [.ok, .businessError, .serverError, .clientError, .timeout, .oneway]),
            (.triple, [.ok, .businessError, .serverError, .clientError, .timeout, .cancelled]),
            (.jsonrpc, [.ok, .businessError, .serverError, .clientError, .oneway]),
        ]
        for (callProtocol, expected) in outcomes {
            for outcome in expected {
                #expect(counts.total(outcome, in: callProtocol) > 0, "\(callProtocol) \(outcome)")
            }
            #expect(counts.totalSent(in: callProtocol) > counts.totalSent / 10)
        }
        for outcome in [Outcome.unanswered, .lost] { #expect(counts.total(outcome) == 0, "\(outcome)") }
        let methods = [
            "placeOrder", "findOrder", "cancelOrder", "$echo", "reserve", "stock", "login", "profile", "track",
            "quote", "locate", "book", "follow", "charge", "balance", "refund", "audit", "payout",
        ]
        for method in methods { #expect(counts.sent.keys.contains { $0.method == method }, "\(method)") }
    }

    @Test("the same seed draws the same calls, another seed others")
    func seeds() {
        func frames(seed: UInt64) -> [[UInt8]] {
            var random = DemoRandom(seed: seed)
            let triple = TripleTraffic.application(&random)
            let jsonrpc = JSONTraffic.application(&random)
            var messages: [[UInt8]] = []
            for number in 0..<200 as Range<UInt32> {
                guard let call = triple.nextCall(&random), let post = jsonrpc.nextCall(&random) else { continue }
                let ids = (0..<4).map { _ in jsonrpc.requestID() }
                let trace = jsonrpc.traceParent(&random)
                let id = 2 * number + 1
                messages.append(TripleBytes.request(call, streamID: id, application: "dispatch", traceParent: trace))
                messages.append(post.bytes(ids: ids, application: "cashier", traceParent: trace))
            }
            for application in DemoTraffic.applications(&random) {
                for _ in 0..<200 {
                    guard let call = application.nextCall(&random) else { continue }
                    let (id, trace) = (application.requestID(), application.traceParent(&random))
                    messages.append(call.frame(id: id, application: application.name, traceParent: trace))
                }
            }
            return messages
        }
        #expect(frames(seed: 5) == frames(seed: 5))
        #expect(frames(seed: 5) != frames(seed: 6))
    }

    @Test("ids begin at a random number and go up by one in a process, over its connections")
    func ids() throws {
        let listener = try DemoListener(port: 0)
        // Connections 1 and 4 are of the same application.
        let consumers = DemoConsumers(
            address: "127.0.0.1",
            port: listener.port,
            connections: 4,
            seed: 8,
            protocols: [.dubbo]
        )
        consumers.start()
        var ids: [String: Set<UInt64>] = [:]
        var peers: [Peer] = []
        for _ in 0..<4 { peers.append(Peer(try #require(listener.accept()))) }
        for peer in peers {
            for _ in 0..<10 {
                let frame = try #require(try peer.next())
                guard !frame.header.isEvent else { continue }
                let request = try DemoRequest(frame)
                ids[request.attachments["remote.application"] ?? "", default: []].insert(frame.header.requestID)
            }
        }
        consumers.stop()
        #expect(ids.keys.sorted() == consumers.applications.sorted())
        let web = try #require(ids["shop-web"])
        #expect(web.count >= 18)
        let (least, most) = (web.min() ?? 0, web.max() ?? 0)
        #expect(least > 1_000_000)
        #expect(most &- least < 1000)
    }

    @Test("a peer that never answers: short calls time out, the rest is unanswered, stopping is quick")
    func silence() throws {
        let listener = try DemoListener(port: 0)
        let consumers = DemoConsumers(address: "127.0.0.1", port: listener.port, connections: 2, protocols: [.dubbo])
        consumers.start()
        let accepted = (0..<2).compactMap { _ in listener.accept() }
        #expect(comesTrue { consumers.counts.totalSent > 200 })
        consumers.stop()
        let counts = consumers.counts
        #expect(counts.inFlight == 0)
        #expect(counts.total(.unanswered) > 100)
        #expect(counts.total(.ok) == 0)
        #expect(accepted.count == 2)
    }

    @Test("nobody listens: it keeps trying and stops at once")
    func refused() throws {
        let listener = try DemoListener(port: 0)
        listener.shutDown()
        let consumers = DemoConsumers(address: "127.0.0.1", port: listener.port)
        consumers.start()
        #expect(comesTrue { withExtendedLifetime(listener) { consumers.counts.failedConnections >= 4 } })
        consumers.stop()
        #expect(consumers.counts.totalSent == 0)
        let nowhere = DemoConsumers(address: "not an address", port: 1, connections: 1)
        nowhere.start()
        #expect(comesTrue { nowhere.counts.failedConnections >= 1 })
        nowhere.stop()
    }

    @Test("stopping before starting does nothing, and starting after it too")
    func neverStarted() {
        let consumers = DemoConsumers(address: "127.0.0.1", port: 1)
        consumers.stop()
        consumers.start()
        #expect(consumers.counts == DemoCounts())
    }

    @Test("a connection that breaks is made again; a provider's garbage is counted")
    func reconnects() throws {
        let listener = try DemoListener(port: 0)
        let consumers = DemoConsumers(
            address: "127.0.0.1",
            port: listener.port,
            connections: 1,
            seed: 2,
            protocols: [.dubbo]
        )
        consumers.start()
        var random = SeededRandom(seed: 4)
        for round in 1...2 as ClosedRange<UInt64> {
            let peer = Peer(try #require(listener.accept()))
            var first = try #require(try peer.next())
            while !first.header.isTwoWay { first = try #require(try peer.next()) }
            // A reply to the first call that no one can read, then what is no frame at all.
            let unreadable: [UInt8] = [0x94, 0x43, 0xff]
            let length = UInt32(unreadable.count).bigEndianBytes
            _ = peer.socket.write([0xda, 0xbb, 2, 20] + first.header.requestID.bigEndianBytes + length + unreadable)
            _ = peer.socket.write((0..<100).map { _ in UInt8.random(in: 0...0xd9, using: &random) })
            while try peer.next() != nil {}
            #expect(comesTrue { consumers.counts.decodeErrors >= 2 * round })
        }
        consumers.stop()
        #expect(consumers.counts.inFlight == 0)
        #expect(consumers.counts.connections >= 2)
    }
}
