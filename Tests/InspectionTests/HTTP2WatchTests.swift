import Calls
import HTTP2
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// What gRPC's health service says.
enum Health {
    static let path = "/grpc.health.v1.Health/Watch"
    static let serving = H2.message([8, 1])
    static let notServing = H2.message([8, 2])
    static let shop = DrainTarget(interface: "com.x.Shop")

    /// The messages of a body.
    static func messages(_ body: [UInt8]) -> [[UInt8]] {
        var messages: [[UInt8]] = []
        var rest = body[...]
        while rest.count >= 5 {
            let count = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
            messages.append(Array(rest.prefix(5 + count)))
            rest = rest.dropFirst(5 + count)
        }
        return messages + (rest.isEmpty ? [] : [Array(rest)])
    }
}

extension GovernedHTTP2 {
    /// The client begins to wait for a service.
    func watch(_ id: UInt32, _ service: String, isCompressed: Bool = false) {
        client.open(id)
        let message = service.isEmpty ? [] : H2.field(1, service)
        upQueue += fromClient.request(id, Health.path)
        upQueue += H2.data(id, H2.message(message, isCompressed: isCompressed), end: true)
    }

    /// DATA of the server's, which takes room.
    func data(_ id: UInt32, _ bytes: [UInt8], padding: Int? = nil, end: Bool = false) -> [UInt8] {
        let frame = padding.map { H2.padded(id, bytes, $0, end: end) } ?? H2.data(id, bytes, end: end)
        server.send(id, frame.count - 9)
        return frame
    }

    /// The server says how a service is.
    func say(_ id: UInt32, _ message: [UInt8]) { downQueue += data(id, message) }

    /// The client credits all that it has taken.
    func credit() {
        upQueue += H2.update(0, UInt32(client.uncredited))
        client.window += client.uncredited
        client.uncredited = 0
        for (id, count) in client.streamUncredited.sorted(by: { $0.key < $1.key }) {
            upQueue += H2.update(id, UInt32(count))
            client.streamWindows[id, default: client.initialWindow] += count
        }
        client.streamUncredited = [:]
    }

    /// Whether both ends have the same idea of what the client takes.
    func isBalanced(_ streams: [UInt32]) -> Bool {
        client.window == server.sendWindow
            && streams.allSatisfy { client.streamWindows[$0, default: client.initialWindow] == server.room($0) }
    }

    /// What the client was told on a stream.
    func told(_ id: UInt32) -> [[UInt8]] { Health.messages(client.streams[id]?.body ?? []) }

    var faults: [String] { client.faults + server.faults }
}

@Suite struct HTTP2WatchTests {
    /// Two ends, of which the client waits for `services`, and is told that they are there.
    static func ends(_ services: [String]) -> GovernedHTTP2 {
        let ends = HTTP2DrainTests.ends()
        ends.client.countsStreams = true
        for (index, service) in services.enumerated() {
            let id = UInt32(index * 2 + 1)
            ends.watch(id, service)
            ends.downQueue += ends.fromServer.head(id)
            ends.say(id, Health.serving)
        }
        ends.moveAll()
        return ends
    }

    @Test(
        "only who waits for what is drained is told so",
        arguments: [
            ("com.x.Shop", true), ("com.x.Shop:1.0", true), ("g/com.x.Shop:1.0", true), ("g/com.x.Shop", true),
            ("a/b/com.x.Shop:2", true), ("com.x.Shops", false), ("com.x.Shop/", false), ("", false), ("com.x", false),
            ("com.x.Shop.buy", false),
        ]
    )
    func services(_ service: String, _ isTold: Bool) {
        let ends = Self.ends([service, "com.x.Other"])
        ends.drain(DrainTarget(interface: "com.x.Shop", method: "buy"))
        #expect(ends.told(1) == [Health.serving] && ends.told(3) == [Health.serving])
        ends.drain(Health.shop)
        #expect(ends.told(1) == [Health.serving] + (isTold ? [Health.notServing] : []))
        #expect(ends.told(3) == [Health.serving])
        #expect(ends.drains.count(of: .notServing) == (isTold ? 1 : 0))
        #expect(ends.governed.session.drainSignals.contains(DrainSignals(.notServing)) == isTold)
        ends.undrain(Health.shop)
        #expect(ends.told(1) == [Health.serving] + (isTold ? [Health.notServing, Health.serving] : []))
        #expect(ends.governed.session.drainSignals.all == (isTold ? [.serving] : []))
        #expect(ends.drains.count(of: .serving) == (isTold ? 1 : 0))
        #expect(ends.client.lastStreams.isEmpty && ends.faults.isEmpty)
        ends.drain(.service)
        #expect(ends.told(1).last == Health.notServing && ends.told(3).last == Health.notServing)
        #expect(ends.client.lastStreams.count == 1)
        ends.undrain(.service)
        #expect(ends.told(1).last == Health.serving && ends.told(3).last == Health.serving && ends.faults.isEmpty)
        #expect(ends.governed.session.drainSignals.all == [.goAway, .serving] && ends.governed.session.inFlight == 0)
    }

    @Test("upstream's messages are withheld, credited and told later, cut at every place")
    func everySplit() {
        var count = 0
        var cut = 0
        repeat {
            let ends = Self.ends(["com.x.Shop", "com.x.Other"])
            ends.client.open(5)
            ends.upQueue = ends.fromClient.call(5, "/com.x.Other/buy")
            ends.moveAll()
            ends.drain(Health.shop)
            let first = ends.data(1, Health.notServing) + ends.data(1, H2.message([8, 3]), padding: 9)
            let other = ends.data(3, Health.notServing) + ends.fromServer.head(5) + ends.data(5, H2.message([1]))
            let pieces = ends.data(1, [0, 0, 0]) + ends.data(1, [0, 2, 8]) + ends.data(1, [1] + H2.message([8, 3]))
            let last = ends.fromServer.trailers(5) + ends.data(3, Health.serving) + H2.frame(6, 0, 0, [1, 2])
            let all = first + other + pieces + last
            count = all.count
            let received = ends.governed.down.output.count
            ends.downQueue = Array(all[..<cut])
            ends.moveAll()
            ends.downQueue += all[cut...]
            ends.moveAll()
            #expect(Array(ends.governed.down.output[received...]) == other + last, "\(cut)")
            #expect(ends.governed.down.heldBytes == 0)
            ends.undrain(Health.shop)
            #expect(ends.told(1) == [Health.serving, Health.notServing, H2.message([8, 3])], "\(cut)")
            ends.say(1, Health.serving)
            ends.moveAll()
            #expect(ends.told(1).last == Health.serving && ends.faults.isEmpty, "\(ends.faults)")
            ends.credit()
            ends.moveAll()
            #expect(ends.isBalanced([1, 3, 5]) && ends.client.window == 65_535, "\(cut)")
            cut += 1
        } while cut <= count
    }

    @Test("who begins to wait during the drain is told at once, instead of what upstream says, cut at every place")
    func begunDrained() {
        var upCount = 1
        var downCount = 1
        var cut = 0
        while cut <= max(upCount, downCount) {
            let ends = HTTP2DrainTests.ends()
            ends.client.countsStreams = true
            ends.drain(Health.shop)
            ends.watch(1, "g/com.x.Shop:1.0")
            ends.watch(3, "com.x.Other")
            let up = ends.upQueue
            upCount = up.count
            ends.upQueue = Array(up.prefix(cut))
            ends.moveAll()
            ends.upQueue = Array(up.dropFirst(cut))
            ends.moveAll()
            let heads = ends.fromServer.head(1) + ends.data(1, Health.serving) + ends.fromServer.head(3)
            let down = heads + ends.data(3, Health.serving)
            downCount = down.count
            ends.downQueue = Array(down.prefix(cut))
            ends.moveAll()
            ends.downQueue = Array(down.dropFirst(cut))
            ends.moveAll()
            #expect(
                ends.told(1) == [Health.notServing] && ends.told(3) == [Health.serving],
                "\(cut) \(ends.told(3)) \(ends.faults)"
            )
            ends.undrain(Health.shop)
            #expect(ends.told(1) == [Health.notServing, Health.serving] && ends.faults.isEmpty, "\(ends.faults)")
            ends.credit()
            ends.moveAll()
            #expect(ends.isBalanced([1, 3]), "\(cut)")
            cut += 1
        }
    }

    @Test("a window that has no room is waited for, and its updates are trimmed, cut at every place")
    func tinyWindow() {
        var count = 1
        var cut = 0
        while cut <= count {
            let ends = HTTP2DrainTests.ends()
            ends.client.countsStreams = true
            ends.upQueue = H2.settings([(4, 9)])
            ends.client.sent(initialWindow: 9)
            ends.client.sent(tableSize: nil)
            ends.watch(1, "com.x.Shop")
            ends.moveAll()
            ends.downQueue = H2.ack + ends.fromServer.head(1)
            ends.say(1, Health.serving)
            ends.moveAll()
            // Two bytes of room are left.
            ends.drain(Health.shop)
            #expect(ends.told(1) == [Health.serving])
            let updates = H2.update(1, 4) + H2.update(0, 3) + H2.update(1, 1)
            let more = H2.update(1, 3) + H2.update(0, 12) + H2.update(1, 7)
            let all = updates + more
            count = all.count
            let sent = ends.governed.up.output.count
            ends.client.streamWindows[1, default: 0] += 15
            ends.client.window += 15
            ends.upQueue = Array(all.prefix(cut))
            ends.moveAll()
            ends.upQueue = Array(all.dropFirst(cut))
            ends.moveAll()
            #expect(ends.told(1) == [Health.serving, Health.notServing] && ends.faults.isEmpty, "\(cut)")
            let rest = ends.governed.up.output[sent...]
            ends.client.streamUncredited[1] = 7
            ends.client.uncredited = 7
            ends.credit()
            ends.moveAll()
            #expect(rest.count <= all.count && ends.isBalanced([1]), "\(cut) \(Array(rest))")
            cut += 1
        }
    }

    @Test("what upstream says when there is no room behind Weir's own is told as soon as there is")
    func noRoom() {
        let ends = HTTP2DrainTests.ends()
        ends.client.countsStreams = true
        ends.upQueue = H2.settings([(4, 21)])
        ends.client.sent(initialWindow: 21)
        ends.client.sent(tableSize: nil)
        ends.watch(1, "com.x.Shop")
        ends.moveAll()
        ends.downQueue = H2.ack + ends.fromServer.head(1)
        ends.say(1, Health.serving)
        ends.moveAll()
        ends.drain(Health.shop)
        ends.undrain(Health.shop)
        #expect(ends.told(1) == [Health.serving, Health.notServing, Health.serving])
        // The server believes that there is room for two more.
        ends.say(1, Health.notServing)
        ends.moveAll()
        #expect(ends.told(1).count == 3 && ends.faults.isEmpty)
        ends.upQueue = H2.update(1, 6)
        ends.client.streamWindows[1, default: 0] += 6
        ends.moveAll()
        #expect(ends.told(1).count == 3)
        ends.upQueue = H2.update(1, 1)
        ends.client.streamWindows[1, default: 0] += 1
        ends.moveAll()
        #expect(ends.told(1).last == Health.notServing && ends.told(1).count == 4 && ends.faults.isEmpty)
        ends.client.streamUncredited[1] = 21
        ends.credit()
        ends.moveAll()
        #expect(ends.isBalanced([1]) && ends.governed.session.drainSignals.all == [.serving])
    }

    /// Two ends, of which the server believes to have room for 30 bytes, and the client takes 23.
    private static func nearlyFull() -> GovernedHTTP2 {
        let ends = Self.ends(["com.x.Shop"])
        for id: UInt32 in [3, 5] { ends.client.open(id) }
        ends.upQueue = ends.fromClient.call(3) + ends.fromClient.call(5) + H2.update(3, 100_000)
        ends.client.streamWindows[3] = 165_535
        ends.moveAll()
        ends.downQueue = ends.fromServer.head(3)
        while ends.server.sendWindow > 16_300 {
            ends.downQueue += ends.data(3, [UInt8](repeating: 1, count: 16_300))
        }
        ends.downQueue += ends.data(3, [UInt8](repeating: 2, count: ends.server.sendWindow - 30))
        ends.moveAll()
        ends.drain(Health.shop)
        return ends
    }

    @Test("what waits passes when the connection cannot be followed any more", arguments: 0..<4)
    func waitingBlind(kind: Int) {
        let ends = Self.nearlyFull()
        let data = ends.data(3, [UInt8](repeating: 4, count: 30))
        let received = ends.governed.down.output.count
        let more = ends.fromServer.trailers(3) + ends.fromServer.trailers(5)
        // A block goes on that never began; or the client gives more than there may be.
        let bad = H2.frame(9, 4, 5, [1])
        ends.downQueue = data + (kind == 1 ? bad : []) + more.prefix(20)
        ends.moveAll()
        #expect(ends.governed.down.output.count == received)
        ends.upQueue = kind == 0 ? bad : kind == 1 ? H2.update(0, 65_500) : H2.update(0, .max >> 1)
        if kind == 3 { while ends.upQueue.count > 1 { ends.moveUp(1) } }
        ends.moveAll()
        ends.downQueue = Array(more.dropFirst(20))
        ends.moveAll()
        #expect(Array(ends.governed.down.output[received...]) == data + (kind == 1 ? bad : []) + more, "\(kind)")
        #expect(ends.governed.up.heldBytes == 0 && ends.governed.down.heldBytes == 0 && !ends.isClosed)
        ends.undrain(Health.shop)
        #expect(ends.told(1) == [Health.serving, Health.notServing])
        #expect(ends.governed.bench.decodeErrors == (kind < 2 ? ["continuation": 1] : [:]))
    }

    @Test(
        "replies that would be more than the client takes wait for room, cut at every place",
        arguments: [false, true]
    )
    func stalled(isEnded: Bool) {
        var count = 0
        var cut = 0
        repeat {
            let ends = Self.nearlyFull()
            let first = ends.data(3, [UInt8](repeating: 3, count: 23))
            let second = ends.data(3, [UInt8](repeating: 4, count: 7)) + ends.fromServer.head(5)
            let all = first + second + ends.fromServer.trailers(5) + ends.fromServer.trailers(3)
            count = all.count
            ends.downQueue = Array(all[..<cut])
            ends.moveDown(1 << 16)
            ends.downQueue += all[cut...]
            ends.moveDown(1 << 16)
            #expect(ends.client.window == 0 && ends.client.isWhole && ends.governed.down.heldBytes == 0, "\(cut)")
            #expect(ends.client.streams[5]?.isEnded == false && !ends.governed.session.isIdle)
            if isEnded {
                ends.governed.bench.plan.removeAll()
                let inspector = ends.governed.bench.inspector
                inspector.ended(ends.governed.session, .toDownstream, now: 5, plan: &ends.governed.bench.plan)
                _ = ends.governed.down.take([], ends.governed.bench.plan)
                #expect(ends.governed.down.output.suffix(second.count + 9 * 2).contains(4))
                #expect(ends.governed.session.inFlight == 0)
            } else {
                ends.credit()
                let update = ends.upQueue
                while !ends.upQueue.isEmpty { ends.moveUp(max(1, min(cut, update.count))) }
                #expect(ends.faults.isEmpty && ends.governed.session.isIdle, "\(cut): \(ends.faults)")
                #expect(ends.client.streams[3]?.isEnded == true && ends.client.streams[5]?.isEnded == true, "\(cut)")
                ends.credit()
                ends.moveAll()
                #expect(ends.isBalanced([1, 3]) && ends.client.window == 65_535, "\(cut)")
            }
            cut += 1
        } while cut <= count
    }

    @Test("a stream that ends during the drain ends", arguments: 0..<4)
    func ends(kind: Int) {
        let ends = Self.ends(["com.x.Shop", "com.x.Shop"])
        ends.drain(Health.shop)
        switch kind {
        case 0: ends.downQueue = ends.fromServer.trailers(1)
        case 1: ends.downQueue = H2.reset(1, 2)
        case 2: ends.downQueue = ends.data(1, Health.serving, end: true)
        default: ends.upQueue = H2.reset(1, 8)
        }
        let isByReset = kind % 2 == 1
        while !ends.downQueue.isEmpty { ends.moveDown(1) }
        ends.moveAll()
        ends.undrain(Health.shop)
        #expect(ends.told(1) == [Health.serving, Health.notServing] && ends.faults.isEmpty, "\(ends.faults)")
        #expect(ends.told(3) == [Health.serving, Health.notServing, Health.serving])
        if !isByReset { #expect(ends.client.streams[1]?.isEnded == true) }
        #expect(kind != 1 || ends.client.streams[1]?.isReset == true)
        #expect(kind != 3 || ends.server.streams[1]?.isReset == true)
        ends.credit()
        ends.moveAll()
        #expect(ends.isBalanced([3]))
    }

    @Test("Weir's own message waits for the end of upstream's")
    func midway() {
        let ends = Self.ends(["com.x.Shop"])
        ends.downQueue = ends.data(1, Array(Health.serving.prefix(3)))
        ends.moveAll()
        ends.drain(Health.shop)
        #expect(ends.told(1).count == 2)
        ends.downQueue = ends.data(1, Array(Health.serving.dropFirst(3)) + Health.notServing.prefix(2))
        ends.moveAll()
        ends.downQueue = ends.data(1, Array(Health.notServing.dropFirst(2)))
        ends.say(1, Health.serving)
        ends.moveAll()
        // Upstream has said so itself.
        #expect(ends.told(1) == [Health.serving, Health.serving, Health.notServing] && ends.faults.isEmpty)
        ends.undrain(Health.shop)
        #expect(ends.told(1).last == Health.serving && ends.told(1).count == 4)
        ends.credit()
        ends.moveAll()
        #expect(ends.isBalanced([1]))
    }

    @Test("a half-withheld message is told when it is whole")
    func undrainedMidway() {
        let ends = Self.ends(["com.x.Shop"])
        ends.drain(Health.shop)
        ends.downQueue = ends.data(1, Array(Health.serving.prefix(6)))
        ends.moveAll()
        ends.undrain(Health.shop)
        #expect(ends.told(1).count == 2)
        ends.downQueue = ends.data(1, [3])
        ends.moveAll()
        #expect(ends.told(1) == [Health.serving, Health.notServing, H2.message([8, 3])] && ends.faults.isEmpty)
        ends.say(1, Health.serving)
        ends.credit()
        ends.moveAll()
        ends.credit()
        ends.moveAll()
        #expect(ends.told(1).last == Health.serving && ends.isBalanced([1]))
    }

    @Test("where upstream has said nothing, nothing is said for it; unknown services are drained with all")
    func saidNothing() {
        let ends = HTTP2DrainTests.ends()
        ends.drain(Health.shop)
        ends.watch(1, "com.x.Shop")
        ends.watch(3, "com.x.Shop", isCompressed: true)
        ends.moveAll()
        ends.downQueue = ends.fromServer.head(1) + ends.fromServer.head(3)
        ends.moveAll()
        #expect(ends.told(1) == [Health.notServing] && ends.told(3).isEmpty)
        ends.drain(.service)
        #expect(ends.told(3) == [Health.notServing])
        ends.undrain(.service)
        ends.undrain(Health.shop)
        #expect(ends.told(1).count == 1 && ends.told(3).count == 1)
        ends.say(1, Health.serving)
        ends.say(3, Health.serving)
        ends.moveAll()
        #expect(ends.told(1).last == Health.serving && ends.told(3).last == Health.serving && ends.faults.isEmpty)
    }

    @Test("a connection that was joined in the middle is left alone")
    func midstream() {
        let bench = HTTP2Bench(.nothing, isGreeted: false, isMidstream: true)
        let drains = DrainRegistry()
        bench.bench.inspector.drainGate = DrainGate(registry: drains, operations: bench.bench.registry)
        bench.up(bench.client.request(1, Health.path) + H2.data(1, H2.message([]), end: true))
        bench.down(bench.server.head(1) + H2.data(1, Health.serving, end: false))
        drains.begin(DrainOrder(target: .service, now: 0, grace: 10, deadline: 20))
        bench.bench.inspector.drainsChanged()
        bench.bench.plan.removeAll()
        bench.bench.inspector.signalDrains(bench.session, now: 5, plan: &bench.bench.plan)
        #expect(bench.bench.plan.reply.isEmpty && !bench.bench.plan.closes)
        bench.down(H2.data(1, Health.notServing, end: false))
    }
}
