import HTTP2
import Inspection
import PlanModel
import Policy
import TestSupport
import Testing

/// A client and a server that talk at random in small windows, while drains come and go.
private struct DrainedTalk: ~Copyable {
    static let targets = [
        DrainTarget(interface: "com.x.A"), DrainTarget(interface: "com.x.B"),
        DrainTarget(interface: "com.x.A", method: "m"), DrainTarget.service,
    ]
    static let names = ["com.x.A", "g/com.x.A:1.0", "com.x.B", "com.x.B:2", "com.x.C", ""]

    let ends: GovernedHTTP2
    var random: SeededRandom
    var nextID: UInt32 = 1
    /// What each health stream is about, and what upstream said last.
    var watched: [UInt32: String] = [:]
    var watches: Set<UInt32> = []
    var said: [UInt32: [UInt8]] = [:]
    /// What is still to be sent of replies, and what they are in all.
    var sending: [UInt32: [UInt8]] = [:]
    var bodies: [UInt32: [UInt8]] = [:]
    var drained: Set<Int> = []

    init(seed: UInt64, _ watching: Watching) {
        random = SeededRandom(seed: seed)
        ends = HTTP2DrainTests.ends(watching)
        // Every other time requests are refused and changed, too.
        if seed % 2 == 1 { ends.governed.bench.inspector.rules = ends.governed.governor }
        ends.client.countsStreams = true
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func begin() {
        let id = nextID
        nextID += 2
        guard chance(4), watched.count < 40 else {
            ends.client.open(id)
            let name = ["A", "B", "C"][Int.random(in: 0..<3, using: &random)]
            let method = ["m", "m", "no", "more"][Int.random(in: 0..<4, using: &random)]
            ends.upQueue += ends.fromClient.call(id, "/com.x.\(name)/\(method)", [("id", "\(id)")])
            return
        }
        let name = Self.names[Int.random(in: 0..<Self.names.count, using: &random)]
        watched[id] = name
        watches.insert(id)
        ends.watch(id, name)
    }

    /// The server begins to answer.
    mutating func accept() {
        for id in ends.server.news where ends.server.streams[id]?.isReset == false {
            ends.downQueue += ends.fromServer.head(id, [("node", "n\(id % 5)")])
            guard !watches.contains(id) else {
                let isSaid = chance(2)
                if isSaid, watched[id] != nil { say(id) }
                continue
            }
            let body = [UInt8](repeating: UInt8(id & 255), count: Int.random(in: 0..<800, using: &random))
            bodies[id] = H2.message(body)
            sending[id] = H2.message(body)
        }
        ends.server.news = []
    }

    mutating func goOn() {
        guard let id = sending.keys.sorted().randomElement(using: &random), let rest = sending[id] else { return }
        guard ends.server.streams[id]?.isReset == false else {
            sending[id] = nil
            return
        }
        let room = min(rest.count, ends.server.room(id), ends.server.sendWindow)
        let padding = chance(6) && room > 10 ? Int.random(in: 0..<8, using: &random) : nil
        let most = padding.map { room - $0 - 1 } ?? room
        guard most > 0 else { return }
        // Windows are used up to their last byte often.
        let count = chance(2) ? most : Int.random(in: 1...most, using: &random)
        ends.downQueue += ends.data(id, Array(rest.prefix(count)), padding: padding)
        sending[id] = Array(rest.dropFirst(count))
        guard count == rest.count else { return }
        sending[id] = nil
        ends.downQueue += ends.fromServer.trailers(id)
    }

    mutating func say(_ id: UInt32) {
        let message = H2.message([8, UInt8.random(in: 1...3, using: &random)])
        guard ends.server.streams[id]?.isReset == false, ends.server.streams[id] != nil else { return }
        guard ends.server.room(id) >= 20, ends.server.sendWindow >= 20 else { return }
        said[id] = message
        if chance(4) {
            let cut = Int.random(in: 1..<7, using: &random)
            ends.downQueue += ends.data(id, Array(message.prefix(cut)))
            ends.downQueue += ends.data(id, Array(message.dropFirst(cut)), padding: chance(2) ? 3 : nil)
        } else {
            ends.downQueue += ends.data(id, message)
        }
    }

    mutating func sayOne() {
        guard let id = said.keys.sorted().randomElement(using: &random), watched[id] != nil else { return }
        guard chance(30) else { return say(id) }
        ends.downQueue += ends.fromServer.trailers(id)
        watched[id] = nil
        said[id] = nil
    }

    mutating func credit() {
        let count = Int.random(in: 0...ends.client.uncredited, using: &random)
        ends.upQueue += H2.update(0, UInt32(count))
        ends.client.window += count
        ends.client.uncredited -= count
        for (id, most) in ends.client.streamUncredited.sorted(by: { $0.key < $1.key }) where most > 0 {
            let count = Int.random(in: 0...most, using: &random)
            ends.upQueue += H2.update(id, UInt32(count))
            ends.client.streamWindows[id, default: 0] += count
            ends.client.streamUncredited[id, default: 0] -= count
        }
    }

    mutating func housekeeping() {
        for _ in ends.client.settings { ends.upQueue += H2.ack }
        ends.client.settings = []
        for _ in ends.server.settings { ends.downQueue += H2.ack }
        ends.server.settings = []
        for ping in ends.client.pings { ends.upQueue += HTTP2DrainTests.answer(ping) }
        ends.client.pings = []
        if chance(20) {
            let size = [0, 5, 20, 100, 300].randomElement(using: &random) ?? 0
            ends.upQueue += H2.settings([(4, UInt32(size))])
            ends.client.sent(tableSize: nil)
            ends.client.sent(initialWindow: size)
        }
        if chance(40) { ends.upQueue += H2.frame(6, 1, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }
        if chance(40), let id = watched.keys.sorted().randomElement(using: &random) {
            ends.upQueue += H2.reset(id, 8)
            watched[id] = nil
            said[id] = nil
        }
    }

    mutating func changeDrains() {
        let index = chance(10) ? 3 : Int.random(in: 0..<3, using: &random)
        if drained.remove(index) != nil { return ends.undrain(Self.targets[index]) }
        drained.insert(index)
        ends.drain(Self.targets[index])
    }

    mutating func move() {
        let most = [1, 9, 30, 300, 5000].randomElement(using: &random) ?? 1
        if chance(2) {
            ends.moveUp(Int.random(in: 1...most, using: &random))
        } else {
            ends.moveDown(Int.random(in: 1...most, using: &random), isBoundaryWanted: chance(2))
        }
    }

    mutating func talk(steps: Int, calls: Int) {
        // The connection's window is nearly used up, so that every message counts.
        ends.client.open(nextID)
        ends.upQueue += ends.fromClient.call(nextID, "/com.x.C/m")
        ends.moveAll()
        ends.server.news = []
        ends.downQueue += ends.fromServer.head(nextID)
        for _ in 0..<4 { ends.downQueue += ends.data(nextID, [UInt8](repeating: 0, count: 16_300)) }
        ends.downQueue += ends.fromServer.trailers(nextID)
        ends.moveAll()
        ends.client.uncredited = 0
        ends.client.streamUncredited = [:]
        nextID += 2
        for _ in 0..<steps where ends.faults.isEmpty {
            switch Int.random(in: 0..<14, using: &random) {
            case 0 where Int(nextID) < calls * 2: begin()
            case 1: accept()
            case 2, 3: goOn()
            case 4: sayOne()
            case 5: credit()
            case 6: housekeeping()
            case 7: if chance(3) { changeDrains() }
            default: if ends.upQueue.count + ends.downQueue.count > 0 { move() }
            }
        }
    }

    /// Lets everything that was begun end, but for health streams.
    mutating func settle() {
        for _ in 0..<4000 where ends.faults.isEmpty {
            for _ in ends.server.settings { ends.downQueue += H2.ack }
            ends.server.settings = []
            for ping in ends.client.pings { ends.upQueue += HTTP2DrainTests.answer(ping) }
            ends.client.pings = []
            accept()
            goOn()
            ends.credit()
            ends.moveAll()
            if sending.isEmpty, ends.server.news.isEmpty, ends.client.uncredited == 0, ends.downQueue.isEmpty { break }
        }
        ends.credit()
        ends.moveAll()
    }
}

@Suite struct HTTP2DrainTalkTests {
    @Test("a client and a server talk in small windows while drains come and go", arguments: 0..<6)
    func talk(seed: Int) {
        var talk = DrainedTalk(seed: UInt64(seed), Watching.allCases[seed % 3])
        talk.talk(steps: 10_000, calls: 500)
        let ends = talk.ends
        // Streams may be given windows of nothing: now there is room.
        ends.upQueue += H2.settings([(4, 200)])
        ends.client.sent(tableSize: nil)
        ends.client.sent(initialWindow: 200)
        for id in talk.watched.keys.sorted() {
            ends.upQueue += H2.update(id, 100)
            ends.client.streamWindows[id, default: ends.client.initialWindow] += 100
        }
        if !talk.drained.contains(0) {
            talk.drained.insert(0)
            ends.drain(DrainedTalk.targets[0])
        }
        talk.settle()
        #expect(ends.faults.isEmpty, "\(ends.faults)")
        guard ends.faults.isEmpty else { return }
        for (id, name) in talk.watched where ends.server.streams[id]?.isEnded == true {
            let isDrained =
                name.contains("com.x.A") || talk.drained.contains(3)
                || (name.contains("com.x.B") && talk.drained.contains(1))
            #expect(
                ends.told(id).last == (isDrained ? Health.notServing : talk.said[id] ?? ends.told(id).last),
                "\(id)"
            )
        }
        for index in talk.drained { ends.undrain(DrainedTalk.targets[index]) }
        talk.settle()
        #expect(ends.faults.isEmpty && ends.governed.bench.decodeErrors.isEmpty, "\(ends.faults)")
        for id in talk.watched.keys {
            if let said = talk.said[id] { #expect(ends.told(id).last == said, "\(id)") }
            #expect(ends.told(id).allSatisfy { $0.count == 7 })
        }
        for (id, body) in talk.bodies { #expect(ends.client.streams[id]?.body == body, "\(id)") }
        #expect(ends.isBalanced(talk.watched.keys.sorted()), "\(ends.client.window) \(ends.server.sendWindow)")
        #expect(ends.drains.count(of: .notServing) > 5 && talk.bodies.count > 100)
    }
}
