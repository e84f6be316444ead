import Calls
import HTTP2
import Inspection
import PlanModel
import Telemetry
import TestSupport
import Testing

/// A client and a server that talk at random, and what each stream of theirs should come to.
private struct RandomTalk: ~Copyable {
    let ends: GovernedHTTP2
    var random: SeededRandom
    var nextID: UInt32 = 1
    var methods: [UInt32: String] = [:]
    /// Requests that name their methods in their messages.
    var generic: Set<UInt32> = []
    /// Requests that go on: what is still to be sent.
    var sending: [UInt32: [UInt8]] = [:]
    /// Requests that the server has whole and did not answer.
    var asked: [UInt32] = []
    var cancelled: Set<UInt32> = []
    var answered: Set<UInt32> = []

    init(seed: UInt64, _ watching: Watching) {
        random = SeededRandom(seed: seed)
        ends = GovernedHTTP2(watching)
        ends.client.countsCredit = true
        ends.greet()
        // DATA may come in frames larger than a read.
        ends.server.maxFrameBytes = 1 << 17
        ends.downQueue += H2.settings([(5, 1 << 17)])
        ends.server.sent(tableSize: nil)
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func begin() {
        let id = nextID
        nextID += chance(20) ? 4 : 2
        let method = ["no", "yes", "more", "yes", "no"][Int.random(in: 0..<5, using: &random)]
        methods[id] = method
        ends.client.open(id)
        var fields = [("id", "\(id)"), ("user", "u\(Int.random(in: 0..<30, using: &random))")]
        if chance(3) { fields.append(("authorization", "secret \(id % 7)")) }
        if chance(10) {
            fields.append(("large", String(repeating: "x", count: Int.random(in: 0..<9000, using: &random))))
        }
        let piece: UInt32 = chance(4) ? UInt32.random(in: 1...60, using: &random) : 16_384
        if chance(4), ends.client.sendWindow > 1000 { return beginGeneric(id, method, fields, piece) }
        let isEmpty = chance(10)
        ends.upQueue += ends.fromClient.request(id, "/com.x.Shop/\(method)", fields, end: isEmpty, piece: piece)
        if !isEmpty {
            sending[id] = H2.message(
                [UInt8](
                    repeating: UInt8(id & 255),
                    count: Int.random(in: 0..<(chance(25) ? 200_000 : 600), using: &random)
                )
            )
        }
    }

    /// A generic request: its message begins right behind its headers, and the method is in the beginning.
    private mutating func beginGeneric(_ id: UInt32, _ method: String, _ fields: [(String, String)], _ piece: UInt32) {
        generic.insert(id)
        ends.upQueue += ends.fromClient.request(id, "/com.x.Shop/$invoke", fields, piece: piece)
        let message = H2.message(H2.generic(method))
        let first = chance(2) ? message.count : 40
        let frames = H2.data(id, Array(message.prefix(first)), end: first == message.count, piece: piece)
        ends.client.sendWindow -= first
        ends.upQueue += frames
        sending[id] = first == message.count ? nil : Array(message.dropFirst(first))
    }

    /// The client goes on with one of its requests, if the server has room.
    mutating func goOn() {
        guard let id = sending.keys.sorted().randomElement(using: &random), let rest = sending[id] else { return }
        let stream = ends.client.streams[id]
        if stream?.isReset == true, chance(2) {
            // It was answered before it had said all: some clients stop then.
            sending[id] = nil
            return
        }
        if chance(25) {
            ends.upQueue += H2.reset(id, 8)
            sending[id] = nil
            cancelled.insert(id)
            return
        }
        let room = max(0, ends.client.sendWindow - 60)
        let count = min(Int.random(in: 0...rest.count, using: &random), rest.count > 1000 ? room : rest.count)
        let padding = chance(3) ? Int.random(in: 0..<50, using: &random) : 0
        guard ends.client.sendWindow >= count + padding + 1 else { return }
        let isEnd = count == rest.count
        let piece = Array(rest.prefix(count))
        let most: UInt32 = chance(2) ? 1 << 17 : 16_384
        let frame =
            padding > 0 ? H2.padded(id, piece, padding, end: isEnd) : H2.data(id, piece, end: isEnd, piece: most)
        ends.client.sendWindow -= count + (padding > 0 ? padding + 1 : 0)
        ends.upQueue += frame
        if chance(8) { ends.upQueue += H2.update(id, 100) + H2.frame(2, 0, id, [0, 0, 0, 0, 1]) }
        sending[id] = isEnd ? nil : Array(rest.dropFirst(count))
        if isEnd, count > 0, chance(30), let last = sending.keys.min() {
            // Trailers of a request, which gRPC does not know.
            ends.upQueue += H2.headers(last, ends.fromClient.encoder.block([("tail", "t")]), end: true)
            sending[last] = nil
        }
    }

    /// The server answers one request, or resets it.
    mutating func answer() {
        asked += ends.server.news
        ends.server.news = []
        guard let place = asked.indices.randomElement(using: &random) else { return }
        let id = asked.remove(at: place)
        guard ends.server.streams[id]?.isReset == false else { return }
        answered.insert(id)
        if chance(20) {
            ends.downQueue += H2.reset(id, 2)
            return
        }
        let text = ends.server.streams[id]?.fields["id"] ?? "?"
        let more = [("echo", text), ("node", "n\(Int.random(in: 0..<9, using: &random))")]
        ends.downQueue += ends.fromServer.head(id, more)
        ends.downQueue += H2.data(id, H2.message([1, 2, 3]), end: false) + ends.fromServer.trailers(id)
        ends.client.uncredited = 0
        ends.client.window = 65_535
    }

    /// Acknowledges SETTINGS and changes sizes; gives credit.
    mutating func housekeeping() {
        for size in ends.client.settings {
            if let size { ends.fromClient.encoder.resize(to: size) }
            ends.upQueue += H2.ack
        }
        ends.client.settings = []
        for size in ends.server.settings {
            if let size { ends.fromServer.encoder.resize(to: size) }
            ends.downQueue += H2.ack
        }
        ends.server.settings = []
        let size = [0, 50, 500, 4096, 8000, 16_384].randomElement(using: &random).map { UInt32($0) } ?? 0
        if chance(20) {
            ends.upQueue += H2.settings([(1, size)])
            ends.client.sent(tableSize: size)
        } else if chance(20) {
            ends.downQueue += H2.settings([(1, size)])
            ends.server.sent(tableSize: size)
        }
        if chance(3) { credit() }
    }

    mutating func credit() {
        ends.downQueue += H2.update(0, UInt32(ends.server.uncredited))
        ends.server.window += ends.server.uncredited
        ends.server.uncredited = 0
    }

    mutating func move() {
        let most = [1, 9, 30, 300, 5000, 70_000].randomElement(using: &random) ?? 1
        if chance(2) {
            ends.moveUp(Int.random(in: 1...most, using: &random))
        } else {
            ends.moveDown(Int.random(in: 1...most, using: &random), isBoundaryWanted: chance(2))
        }
    }

    mutating func talk(steps: Int, calls: Int) {
        for _ in 0..<steps where ends.client.faults.isEmpty && ends.server.faults.isEmpty {
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where methods.count < calls: begin()
            case 1, 2: goOn()
            case 3: answer()
            case 4: housekeeping()
            default: if ends.upQueue.count + ends.downQueue.count > 0 { move() }
            }
        }
        while !sending.isEmpty || !ends.upQueue.isEmpty || !ends.downQueue.isEmpty || !ends.server.news.isEmpty
            || !asked.isEmpty || !ends.client.settings.isEmpty || !ends.server.settings.isEmpty
        {
            guard ends.client.faults.isEmpty, ends.server.faults.isEmpty else { return }
            goOn()
            answer()
            housekeeping()
            ends.moveUp(3000)
            ends.moveDown(3000)
        }
        credit()
        ends.moveAll()
    }
}

@Suite struct HTTP2GovernedTests {
    @Test(
        "a client and a server talk, and each request gets its own answer, from the right one",
        arguments: 0..<6
    )
    func talk(seed: Int) {
        var talk = RandomTalk(seed: UInt64(seed), Watching.allCases[seed % 3])
        talk.talk(steps: 40_000, calls: 1500)
        let ends = talk.ends
        let isFaultless = (ends.client.faults + ends.server.faults).isEmpty
        #expect(isFaultless, "\(ends.client.faults) \(ends.server.faults)")
        guard isFaultless else { return }
        #expect(ends.client.isWhole && ends.server.isWhole && ends.client.goAways.isEmpty)
        let errors = ends.governed.bench.decodeErrors
        #expect(errors.isEmpty && ends.governed.bench.snapshot.verdictsPartial == 0, "\(errors)")
        guard errors.isEmpty else { return }
        #expect(ends.client.sendWindow == 65_535 && ends.server.window == 65_535, "windows are balanced")
        var refused = 0
        for (id, method) in talk.methods {
            let asked = ends.server.streams[id]
            guard let reply = ends.client.streams[id] else { continue }
            guard method != "no" else {
                refused += 1
                #expect(asked == nil, "\(id)")
                #expect(reply.blocks == 1 && reply.fields["grpc-status"] == "8" && reply.isEnded, "\(id)")
                #expect(reply.fields["grpc-message"] == "over the limit" && reply.body.isEmpty, "\(id)")
                #expect(reply.fields["content-type"] == "application/grpc+proto", "\(id)")
                continue
            }
            let path = "/com.x.Shop/\(talk.generic.contains(id) ? "$invoke" : method)"
            #expect(asked?.fields["id"] == "\(id)" && asked?.fields[":path"] == path, "\(id)")
            #expect(asked?.fields["mark"] == (method == "more" ? "m ü" : nil), "\(id)")
            guard !talk.cancelled.contains(id), talk.answered.contains(id), !reply.isReset else { continue }
            #expect(reply.fields["echo"] == "\(id)" && reply.fields["grpc-status"] == "0" && reply.isEnded, "\(id)")
        }
        #expect(refused > talk.methods.count / 5 && talk.methods.count > 1000)
        #expect(talk.generic.count { talk.methods[$0] == "no" } > 20)
        let limited = ends.governed.bench.snapshot.report("no")?.results.map { "\($0.outcome) \($0.code) \($0.count)" }
        #expect(limited == ["limited RESOURCE_EXHAUSTED \(refused)"])
    }

    @Test("cut at every place, the same bytes reach both ends")
    func everySplit() {
        func ends() -> (ends: GovernedHTTP2, up: [UInt8]) {
            let ends = GovernedHTTP2(.messages)
            ends.client.sent(tableSize: nil)
            ends.server.sent(tableSize: nil)
            for id: UInt32 in [1, 3, 5, 7, 9, 11] { ends.client.open(id) }
            var up = H2.preface + H2.settings()
            up +=
                ends.fromClient.call(1, "/com.x.Shop/more") + ends.fromClient.request(3, "/com.x.Shop/more", piece: 20)
            up += ends.fromClient.call(5, "/com.x.Shop/no") + H2.data(3, H2.message([1]), end: true)
            up += ends.fromClient.call(7, "/com.x.Shop/yes", [("authorization", "a")])
            up += ends.fromClient.request(9, "/com.x.Shop/no", end: true, piece: 20) + H2.ack
            up += ends.fromClient.call(11, "/com.x.Shop/more")
            return (ends, up)
        }
        func run(_ cut: Int) -> (up: [UInt8], down: String, faults: [String]) {
            let (ends, up) = ends()
            ends.downQueue = H2.settings() + H2.ack
            ends.moveAll()
            ends.upQueue = Array(up[..<cut])
            ends.moveUp(up.count)
            #expect(ends.governed.up.heldBytes < 300)
            ends.upQueue = Array(up[cut...])
            ends.moveUp(up.count)
            // How credit is given in parts may differ, but not what comes to each stream.
            let answers = ends.client.streams.sorted { $0.key < $1.key }.map {
                "\($0.key) \($0.value.fields.sorted { $0.key < $1.key }) \($0.value.isEnded) \($0.value.isReset)"
            }
            let down = "\(answers) \(ends.client.sendWindow)"
            return (ends.governed.up.output, down, ends.client.faults + ends.server.faults)
        }
        let whole = run(0)
        #expect(whole.faults.isEmpty)
        for cut in 1...ends().up.count {
            let split = run(cut)
            #expect(split.up == whole.up && split.down == whole.down && split.faults.isEmpty, "\(cut)")
        }
    }

    @Test("answers wait until the server's SETTINGS have passed", arguments: [false, true])
    func early(isByteByByte: Bool) {
        let ends = GovernedHTTP2()
        for id: UInt32 in [1, 3] { ends.client.open(id) }
        ends.client.sent(tableSize: nil)
        ends.upQueue = H2.preface + H2.settings()
        ends.upQueue += ends.fromClient.call(1, "/com.x.Shop/no") + ends.fromClient.call(3, "/com.x.Shop/yes")
        ends.moveAll()
        #expect(ends.governed.down.output.isEmpty)
        ends.downQueue = H2.settings([(3, 9)]) + H2.ack + ends.fromServer.reply(3)
        ends.server.sent(tableSize: nil)
        if isByteByByte { while !ends.downQueue.isEmpty { ends.moveDown(1) } } else { ends.moveAll() }
        #expect((ends.client.faults + ends.server.faults).isEmpty, "\(ends.client.faults)")
        #expect(ends.client.streams[1]?.fields["grpc-status"] == "8" && ends.client.streams[3]?.isEnded == true)
    }

    @Test("a connection that must be given up ends with GOAWAY both ways", arguments: 0..<6)
    func givenUp(kind: Int) {
        let ends = GovernedHTTP2()
        ends.greet()
        for id: UInt32 in [1, 3, 5] { ends.client.open(id) }
        ends.moveAll()
        ends.upQueue = ends.fromClient.call(1, "/com.x.Shop/no") + ends.fromClient.request(3, "/com.x.Shop/yes")
        let body = H2.data(3, [UInt8](repeating: 0, count: 100), end: false)
        ends.moveAll()
        // Both ways are in the middle of a frame.
        let head = ends.fromServer.head(3)
        if kind & 1 != 0 {
            ends.upQueue = Array(body.prefix(50))
            ends.downQueue = Array(head.prefix(12))
            ends.moveAll()
            ends.upQueue = Array(body.dropFirst(50))
            ends.downQueue = Array(head.dropFirst(12))
        }
        let bad = H2.headers(kind < 2 || kind > 3 ? 5 : 3, [0xff, 0xff, 0x7f], end: false)
        if kind == 4 || kind == 5 {
            ends.upQueue += H2.frame(1, 0, 5, [0x88]) + H2.frame(6, 0, 0, [UInt8](repeating: 1, count: 8))
        } else if kind < 2 {
            ends.upQueue += bad
        } else {
            ends.downQueue += bad
        }
        ends.upQueue += ends.fromClient.request(5, "/com.x.Shop/yes")
        let before = ends.upQueue.count
        while !ends.upQueue.isEmpty || !ends.downQueue.isEmpty {
            ends.moveUp(7)
            ends.moveDown(5)
        }
        ends.downQueue = H2.update(0, 1)
        ends.upQueue = H2.update(0, 1)
        ends.moveAll()
        #expect(before > 0 && ends.client.goAways == [9] && ends.server.goAways == [0], "\(kind)")
        let faults = ends.client.faults.filter { !$0.hasPrefix("block of 3: ") }
        #expect((faults + ends.server.faults).isEmpty, "\(faults) \(ends.server.faults)")
        #expect(ends.client.isWhole && ends.server.isWhole && ends.isClosed)
        #expect(ends.server.streams.count == 1 || [2, 3].contains(kind))
        #expect(ends.governed.bench.snapshot.decodeErrors.reduce(0) { $0 + $1.count } == 1)
        #expect(ends.governed.session.inFlight == 0)
    }

    @Test("a client that never ends what was refused costs bounded memory, and its later requests pass")
    func abandonedRequests() {
        let ends = GovernedHTTP2()
        ends.greet()
        ends.moveAll()
        var id: UInt32 = 1
        for _ in 0..<200 {
            for _ in 0..<100 {
                ends.client.open(id)
                ends.upQueue += ends.fromClient.request(id, "/com.x.Shop/no")
                id += 2
            }
            ends.moveAll()
        }
        // What comes late for a stream that was forgotten is withheld, too.
        ends.upQueue = H2.data(1, [1, 2, 3], end: true) + H2.reset(3, 8) + H2.update(5, 1)
        ends.client.sendWindow -= 3
        ends.client.open(id)
        ends.upQueue += ends.fromClient.call(id, "/com.x.Shop/yes")
        ends.moveAll()
        #expect(ends.client.faults.isEmpty && ends.server.faults.isEmpty, "\(ends.server.faults)")
        #expect(ends.server.streams.count == 1 && ends.server.streams[id]?.isEnded == true)
        #expect(ends.governed.bench.snapshot.report("no")?.results.first?.count == 20_000)
    }

    @Test("a block too large to be held passes unjudged, unless blocks are written anew", arguments: [false, true])
    func largeBlock(isRewriting: Bool) {
        let ends = GovernedHTTP2()
        ends.greet()
        ends.moveAll()
        for id: UInt32 in [1, 3, 5] { ends.client.open(id) }
        if isRewriting { ends.upQueue = ends.fromClient.call(1, "/com.x.Shop/no") }
        let large = (0..<63).map { ("x\($0)", String(repeating: "y", count: isRewriting ? 1100 : 960)) }
        ends.upQueue += ends.fromClient.call(3, "/com.x.Shop/no", large)
        ends.upQueue += ends.fromClient.call(5, "/com.x.Shop/no")
        while !ends.upQueue.isEmpty { ends.moveUp(1000) }
        #expect(ends.server.faults.isEmpty && ends.client.faults.isEmpty, "\(ends.server.faults)")
        if isRewriting {
            #expect(ends.server.streams.isEmpty && ends.server.goAways == [0] && ends.client.goAways == [9])
        } else {
            #expect(ends.server.streams.keys.sorted() == [3] && ends.governed.bench.snapshot.verdictsPartial > 0)
            #expect(ends.client.streams[5]?.fields["grpc-status"] == "8")
        }
    }

    @Test("who begins to decide in the middle of a block does not decide about that one")
    func decidingBegins() {
        let bytes = H2.preface + H2.settings()
        var probe = HTTP2Speaker()
        let request = probe.request(1, "/com.x.Shop/no", piece: 20)
        for cut in 1..<request.count {
            let ends = GovernedHTTP2()
            let governor = ends.governed.bench.inspector.rules
            ends.governed.bench.inspector.rules = nil
            for id: UInt32 in [1, 3] { ends.client.open(id) }
            ends.client.sent(tableSize: nil)
            ends.server.sent(tableSize: nil)
            ends.upQueue = bytes
            ends.downQueue = H2.settings() + H2.ack
            ends.moveAll()
            let first = ends.fromClient.request(1, "/com.x.Shop/no", piece: 20)
            ends.upQueue = Array(first[..<cut])
            ends.moveAll()
            ends.governed.bench.inspector.rules = governor
            ends.upQueue = Array(first[cut...]) + H2.data(1, H2.message([1]), end: true)
            ends.upQueue += ends.fromClient.call(3, "/com.x.Shop/no")
            while !ends.upQueue.isEmpty { ends.moveUp(11) }
            #expect(ends.server.faults.isEmpty && ends.client.faults.isEmpty, "\(cut): \(ends.server.faults)")
            #expect(ends.server.streams.keys.sorted() == [1] && ends.server.streams[1]?.isEnded == true, "\(cut)")
            #expect(ends.client.streams[3]?.fields["grpc-status"] == "8", "\(cut)")
        }
    }
}
