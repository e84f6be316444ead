import Calls
import HTTP2
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

@Suite struct HTTP2QuietTests {
    @Test("a connection is quiet only without requests that wait, calls or not; a health watch is none")
    func quiet() {
        let ends = GovernedHTTP2()
        ends.greet()
        ends.moveAll()
        let session = ends.governed.session
        #expect(session.isIdle)
        ends.client.open(1)
        ends.upQueue += ends.fromClient.call(1, "/grpc.health.v1.Health/Watch")
        ends.moveAll()
        #expect(session.isIdle)
        ends.client.open(3)
        let page = [(":method", "GET"), (":path", "/page"), (":scheme", "http")]
        ends.upQueue += H2.headers(3, ends.fromClient.encoder.block(page), end: true)
        ends.moveAll()
        #expect(!session.isIdle)
        ends.downQueue += ends.fromServer.head(3, end: true)
        ends.moveAll()
        #expect(session.isIdle)
    }
}

@Suite struct HTTP2DrainTests {
    @Test("a connection that was told its end is not quiet until its client has said how far its requests have come")
    func notQuietWhileAsked() {
        let ends = Self.ends()
        let session = ends.governed.session
        #expect(session.isIdle)
        ends.drain(.service)
        #expect(ends.client.goAways == [0] && !session.isIdle)
        // What was on its way is served, and then the end may come.
        ends.client.open(1)
        ends.upQueue = ends.fromClient.call(1) + Self.answer(ends.client.pings.first)
        ends.moveAll()
        #expect(ends.client.lastStreams == [.max >> 1, 1] && !session.isIdle)
        ends.downQueue = ends.fromServer.reply(1)
        ends.moveAll()
        #expect(session.isIdle && (ends.client.faults + ends.server.faults).isEmpty)
    }

    /// Two ends that have greeted each other.
    static func ends(_ watching: Watching = .nothing) -> GovernedHTTP2 {
        let ends = GovernedHTTP2(watching)
        ends.decidesByDrains()
        ends.greet()
        ends.upQueue += H2.ack
        ends.downQueue += H2.ack
        ends.moveAll()
        ends.client.settings = []
        ends.server.settings = []
        return ends
    }

    static func answer(_ ping: [UInt8]?) -> [UInt8] { H2.frame(6, 1, 0, ping ?? []) }

    @Test("the end comes in two steps, and the answer to Weir's PING is swallowed, cut at every place")
    func steps() {
        var count = 0
        var cut = 0
        repeat {
            let ends = Self.ends()
            for id: UInt32 in [1, 3, 5, 7, 9] { ends.client.open(id) }
            let first = ends.fromClient.call(1) + ends.fromClient.call(3)
            ends.upQueue = first
            ends.moveAll()
            ends.drain(.service)
            #expect(
                ends.client.lastStreams == [.max >> 1] && ends.client.goAways == [0] && ends.client.pings.count == 1
            )
            let ping = ends.client.pings.first
            var wrong = ping ?? []
            wrong[7] ^= 1
            let before = ends.fromClient.call(5) + Self.answer(wrong) + H2.frame(6, 0, 0, ping ?? [])
            let after = H2.update(0, 100) + ends.fromClient.call(7) + Self.answer(ping) + H2.update(0, 5)
            let all = before + Self.answer(ping) + after
            count = all.count
            let sent = ends.governed.up.output.count
            ends.upQueue = Array(all[..<cut])
            ends.moveUp(count)
            ends.upQueue += all[cut...]
            ends.moveUp(count)
            #expect(Array(ends.governed.up.output[sent...]) == before + after, "\(cut)")
            #expect(ends.governed.up.heldBytes == 0)
            // What came with the answer is among what was opened in time.
            let isTogether = ends.client.lastStreams == [.max >> 1, 7]
            #expect(isTogether || ends.client.lastStreams == [.max >> 1, 5], "\(cut)")
            ends.downQueue = ends.fromServer.reply(1) + ends.fromServer.reply(7) + ends.fromServer.reply(5)
            ends.downQueue += ends.fromServer.reply(3)
            let downAll = ends.downQueue
            let received = ends.governed.down.output.count
            while !ends.downQueue.isEmpty { ends.moveDown(max(cut, 1)) }
            #expect(Array(ends.governed.down.output[received...]) == downAll)
            #expect((ends.client.faults + ends.server.faults).isEmpty, "\(ends.client.faults) \(ends.server.faults)")
            #expect(ends.governed.session.drainSignals.all == [.goAway])
            #expect(ends.drains.count(of: .goAway) == 1)
            #expect(ends.governed.session.lateCalls == 2 && ends.drains.service?.passedCalls == 2)
            #expect(ends.drains.service?.rejectedCalls == 0 && ends.governed.session.inFlight == 0 && !ends.isClosed)
            cut += 1
        } while cut <= count
    }

    @Test("the signal waits for the server's SETTINGS and for the end of a frame or block, cut at every place")
    func boundary() {
        var probe = HTTP2Speaker()
        let settings = H2.settings([(3, 9)])
        let count = settings.count + H2.headers(1, probe.encoder.block([(":status", "200")]), end: false).count
        for cut in 0...count {
            let ends = GovernedHTTP2()
            ends.decidesByDrains()
            ends.client.open(1)
            ends.client.sent(tableSize: nil)
            ends.server.sent(tableSize: nil)
            ends.upQueue = H2.preface + H2.settings() + ends.fromClient.call(1)
            ends.moveAll()
            var block = H2.headers(1, ends.fromServer.encoder.block([(":status", "200")]), end: false)
            block[4] = 0
            let head = H2.settings([(3, 9)]) + block
            ends.downQueue = Array(head[..<cut])
            ends.moveAll()
            ends.drain(.service)
            let isTold = cut == settings.count
            #expect(ends.client.lastStreams.count == (isTold ? 1 : 0), "\(cut)")
            ends.downQueue = Array(head[cut...]) + H2.frame(9, 4, 1, []) + ends.fromServer.trailers(1)
            while !ends.downQueue.isEmpty { ends.moveDown(3) }
            #expect(
                ends.client.lastStreams == [.max >> 1] && ends.client.faults.isEmpty,
                "\(cut): \(ends.client.faults)"
            )
            #expect(ends.client.streams[1]?.isEnded == true)
        }
    }

    @Test("a drain that is undone before anything was said leaves no trace; afterwards nothing can be called back")
    func undone() {
        let ends = Self.ends()
        ends.client.open(1)
        ends.upQueue = ends.fromClient.call(1)
        ends.moveAll()
        let head = ends.fromServer.head(1)
        ends.downQueue = Array(head[..<10])
        ends.moveAll()
        ends.drain(.service)
        ends.undrain(.service)
        ends.downQueue = Array(head[10...])
        ends.moveAll()
        #expect(ends.client.lastStreams.isEmpty && ends.client.pings.isEmpty && ends.drains.count(of: .goAway) == 0)
        ends.drain(.service)
        ends.undrain(.service)
        ends.drain(.service)
        #expect(ends.client.lastStreams.count == 1 && ends.client.pings.count == 1)
        ends.undrain(.service)
        ends.upQueue = Self.answer(ends.client.pings.first)
        ends.moveUp(5)
        ends.moveAll()
        #expect(ends.client.lastStreams == [.max >> 1, 1] && ends.server.answers.isEmpty)
        ends.downQueue = ends.fromServer.trailers(1)
        ends.moveAll()
        #expect((ends.client.faults + ends.server.faults).isEmpty && ends.client.streams[1]?.isEnded == true)
        #expect(ends.drains.count(of: .goAway) == 1 && ends.governed.session.lateCalls == 0)
    }

    @Test("a GOAWAY of upstream's never names a later stream than Weir's, cut at every place")
    func upstreamGoAway() {
        func frames(_ ids: [UInt32]) -> [UInt8] {
            var out: [UInt8] = []
            let debug = Array("bye".utf8)
            for id in ids {
                HTTP2FrameWriter.goAway(lastStreamID: id, errorCode: 0, debug: debug.span.bytes, into: &out)
            }
            return out
        }
        let bytes = frames([.max >> 1, 9, 3, 1, 3])
        let told = frames([3, 3, 3, 1, 1])
        for cut in 0...bytes.count {
            let ends = Self.ends()
            for id: UInt32 in [1, 3] { ends.client.open(id) }
            ends.upQueue = ends.fromClient.call(1) + ends.fromClient.call(3)
            ends.moveAll()
            ends.drain(.service)
            ends.upQueue = Self.answer(ends.client.pings.first)
            ends.moveAll()
            let received = ends.governed.down.output.count
            ends.downQueue = Array(bytes[..<cut])
            ends.moveAll()
            #expect(ends.governed.down.heldBytes < 9)
            ends.downQueue = bytes[cut...] + H2.frame(7, 0, 0, [0, 0])
            ends.moveAll()
            #expect(Array(ends.governed.down.output[received...]) == told + H2.frame(7, 0, 0, [0, 0]), "\(cut)")
        }
    }

    @Test("what upstream had said before the drain is not taken back either")
    func upstreamFirst() {
        let ends = Self.ends()
        for id: UInt32 in [1, 3] { ends.client.open(id) }
        ends.upQueue = ends.fromClient.call(1) + ends.fromClient.call(3)
        ends.downQueue = H2.goAway(1)
        ends.moveAll()
        ends.drain(.service)
        ends.upQueue = Self.answer(ends.client.pings.first)
        ends.moveAll()
        #expect(ends.client.lastStreams == [1, 1, 1] && ends.client.faults.isEmpty)
    }

    @Test("in the grace a new connection is let in and told nothing; from the refusing stage on it is told to end")
    func newInGrace() {
        for signalling in DrainSignalling.allCases {
            let ends = GovernedHTTP2()
            ends.decidesByDrains()
            // It begins behind the drain's beginning.
            ends.drains.begin(
                DrainOrder(target: .service, now: 5, grace: 1 << 40, deadline: 1 << 41, signalling: signalling)
            )
            ends.governed.bench.inspector.drainsChanged()
            ends.client.open(1)
            ends.greet()
            ends.upQueue += H2.ack + ends.fromClient.call(1)
            ends.downQueue += H2.ack
            ends.moveAll()
            ends.downQueue += ends.fromServer.reply(1)
            ends.moveAll()
            #expect(ends.client.streams[1]?.isEnded == true && ends.client.lastStreams.isEmpty && !ends.isClosed)
            ends.refuse(signalling: signalling)
            #expect(ends.client.lastStreams == [.max >> 1] && ends.drains.count(of: .goAway) == 1 && !ends.isClosed)
            #expect((ends.client.faults + ends.server.faults).isEmpty)
        }
    }

    @Test("a drain that tells nothing ends HTTP/2 connections from the refusing stage on")
    func silent() {
        let ends = Self.ends()
        ends.drain(.service, signalling: .none)
        #expect(ends.client.lastStreams.isEmpty)
        ends.refuse(signalling: .none)
        #expect(ends.client.lastStreams == [.max >> 1])
        #expect((ends.client.faults + ends.server.faults).isEmpty)
    }

    @Test("a new connection is closed, and upstream gets nothing of it, cut at every place")
    func newConnection() {
        let bytes = H2.preface + H2.settings()
        for cut in 0..<bytes.count {
            let ends = GovernedHTTP2()
            ends.decidesByDrains()
            ends.refuse()
            ends.client.open(1)
            ends.client.sent(tableSize: nil)
            let all = bytes + ends.fromClient.call(1)
            ends.upQueue = Array(all[..<cut])
            ends.moveAll()
            ends.upQueue = Array(all[cut...])
            ends.moveAll()
            #expect(ends.isClosed && ends.governed.up.output.isEmpty && ends.governed.up.heldBytes == 0, "\(cut)")
            #expect(ends.client.faults.isEmpty && ends.client.lastStreams == [0] && ends.client.isWhole, "\(cut)")
            #expect(ends.governed.session.inFlight == 0 && ends.drains.count(of: .goAway) == 1)
            ends.downQueue = H2.settings()
            ends.moveAll()
            #expect(ends.client.lastStreams == [0] && ends.client.settings.count == 1)
        }
    }

    @Test("so is one whose server spoke first")
    func serverFirst() {
        let ends = GovernedHTTP2()
        ends.decidesByDrains()
        ends.refuse()
        ends.client.sent(tableSize: nil)
        ends.downQueue = H2.settings([(3, 9)])
        ends.moveAll()
        #expect(!ends.isClosed)
        ends.upQueue = Array(H2.preface.prefix(2))
        ends.moveAll()
        #expect(ends.isClosed && ends.governed.up.output.isEmpty && ends.client.lastStreams == [0])
        #expect(ends.client.faults.isEmpty)
    }

    @Test("other drains, and consumers' sides, close and tell nothing", arguments: [Side.provider, .consumer])
    func notTold(side: Side) {
        let bench = Bench(.nothing)
        let drains = DrainRegistry()
        bench.inspector.drainGate = DrainGate(registry: drains, operations: bench.registry)
        let target = side == .provider ? DrainTarget(interface: "com.x.Shop") : .service
        drains.begin(DrainOrder(target: target, now: 0, grace: 0, deadline: 1000))
        bench.inspector.drainsChanged()
        let session = bench.open(side: side)
        var speaker = HTTP2Speaker()
        for bytes in [H2.preface + H2.settings(), speaker.call(1), speaker.call(3, "/com.x.Other/a")] {
            bench.plan.removeAll()
            bench.inspector.receive(session, bytes: bytes.span.bytes, going: .toUpstream, now: 500, plan: &bench.plan)
            #expect(!bench.plan.closes && bench.plan.reply.isEmpty)
        }
        bench.plan.removeAll()
        bench.inspector.signalDrains(session, now: 500, plan: &bench.plan)
        #expect(bench.plan.reply.isEmpty && session.drainSignals.isEmpty && session.inFlight == 2)
        #expect(session.lateCalls == (side == .provider ? 1 : 0))
    }

    @Test("a frame that was half passed on when the drain began goes on at once", arguments: [0, 1, 5, 9, 10, 14])
    func halfPassed(cut: Int) {
        let ends = Self.ends()
        for id: UInt32 in [1, 3] { ends.client.open(id) }
        ends.upQueue = ends.fromClient.request(1)
        ends.moveAll()
        let data = H2.data(1, H2.message([1, 2, 3]), end: true)
        ends.upQueue = Array(data[..<cut])
        ends.moveAll()
        ends.drain(DrainTarget(interface: "com.x.Other"))
        ends.upQueue = Array(data[cut...])
        ends.moveAll()
        #expect(ends.server.streams[1]?.isEnded == true && ends.governed.up.heldBytes == 0)
        ends.upQueue = ends.fromClient.call(3)
        ends.moveAll()
        #expect(ends.server.faults.isEmpty && ends.server.streams[3]?.isEnded == true)
    }
}
