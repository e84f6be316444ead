import Relay
import Synchronization
import TestSupport
import Testing
import Wire

extension RelaySocketTests {
    /// A successor that dies, and processes that report badly or not at all.
    @Suite("Takeover failures", .timeLimit(.minutes(10)))
    struct TakeoverFailureTests {
        /// How far a successor comes before it dies.
        enum Point: CaseIterable {
            case connected
            case asked
            case given
            case ready
            case left
        }

        @Test("A successor that dies at any point of a takeover changes nothing", arguments: Point.allCases)
        func dead(_ point: Point) async throws {
            let offer = try TakeoverProtocolTests.Offer()
            for round in 1...3 {
                try Self.die(at: point, offer)
                try await eventually("it is missed") { offer.failures.count == round }
                #expect(!offer.isTakenOver)
            }
            // The next one takes over.
            #expect(try offer.isWell())
            #expect(offer.failures.count == 3)
        }

        private static func die(at point: Point, _ offer: TakeoverProtocolTests.Offer) throws {
            let peer = try LocalSocket.connect(port: offer.port)
            if point == .connected { return }
            peer.send("weir-takeover 2")
            if point == .asked { return }
            #expect(try peer.receive() == "sockets 1 0\nadmin \(offer.listener.endpoint)")
            #expect(try peer.receive() == "memory 0 0" && peer.receive() == "state 0 end 0 0\n")
            if point == .given { return }
            peer.send("ready")
            if point == .ready { return }
            #expect(try peer.receive() == "bye")
        }

        @Test("A successor that had the name before it died has taken over")
        func named() async throws {
            let offer = try TakeoverProtocolTests.Offer()
            let takeover = try #require(try Takeover.begin(port: offer.port))
            try takeover.finish()
            let server = try TakeoverServer(port: offer.port) { () throws(RelayError) in
                []
            } onEvent: { _ in
            }
            takeover.confirm()
            try await eventually("it is taken over") { offer.isTakenOver }
            #expect(offer.failures == [])
            await server.stop()
        }

        // MARK: Reports

        /// A process that others report to.
        private final class Newest: Sendable {
            let port: UInt16
            let server: TakeoverServer
            let peers: TakeoverPeers
            let events: Events

            final class Events: Sendable {
                private let list = Mutex<[String]>([])
                var all: [String] { list.withLock { $0 } }

                func add(_ event: TakeoverPeers.Event) {
                    let text =
                        switch event {
                        case .came(let process, let isPredecessor): "came \(process) \(isPredecessor)"
                        case .awoke(let process): "awoke \(process)"
                        case .last(let process, let what, let bytes): "last \(process) \(what) \(bytes.count)"
                        case .lines(let process, let number, let bytes): "lines \(process) \(number) \(bytes.count)"
                        case .gone(let process): "gone \(process)"
                        }
                    list.withLock { $0.append(text) }
                }
            }

            init() throws {
                let listener = try TestListener()
                let events = Events()
                port = listener.endpoint.port
                peers = TakeoverPeers { events.add($0) }
                self.events = events
                server = try TakeoverServer(port: port, peers: peers) { () throws(RelayError) in
                    []
                } onEvent: { _ in
                }
            }
        }

        @Test("A process answers what it is asked, at any size, and says its last words before it has gone")
        func answers() async throws {
            let newest = try Newest()
            let reporter = try TakeoverReporter(port: newest.port, process: 0xab) { question in
                (question.what == "size" ? 200 : 404, question.body + question.body)
            }
            try await eventually("it is there") { newest.events.all == ["came 171 true"] }
            for size in [0, 1, 65_535, 65_536, 65_537, 1 << 20, 8 << 20] {
                let answers = await newest.peers.ask(
                    "size",
                    body: [UInt8](repeating: 7, count: size),
                    milliseconds: 60_000
                )
                #expect(answers.map(\.process) == [171] && answers.map(\.status) == [200])
                #expect(answers.map(\.body.count) == [2 * size])
            }
            #expect(await newest.peers.ask(171, what: "what")?.status == 404)
            #expect(await newest.peers.ask(172, what: "size") == nil)
            #expect(reporter.send(lines: [1, 2, 3], of: 9))
            try await eventually("lines") { newest.events.all.contains("lines 171 9 3") }
            await reporter.stop(last: [("state", [1]), ("numbers", [UInt8](repeating: 1, count: 3 << 20))])
            try await eventually("it has gone") { newest.events.all.last == "gone 171" }
            #expect(newest.events.all.suffix(3) == ["last 171 state 1", "last 171 numbers \(3 << 20)", "gone 171"])
            #expect(newest.peers.processes.isEmpty)
            await newest.server.stop()
        }

        @Test("One whose connection ends reports to whoever has the name next, and is no predecessor then")
        func next() async throws {
            let first = try Newest()
            let reporter = try TakeoverReporter(port: first.port, process: 5) { _ in (200, []) }
            try await eventually("it is there") { !first.events.all.isEmpty }
            await first.server.stop()
            first.peers.release()
            let events = Newest.Events()
            let peers = TakeoverPeers { events.add($0) }
            let second = try TakeoverServer(port: first.port, peers: peers) { () throws(RelayError) in
                []
            } onEvent: { _ in
            }
            try await eventually("it is there") { events.all == ["came 5 false"] }
            #expect(await peers.ask("any").count == 1)
            await reporter.stop(last: [])
            await second.stop()
        }

        @Test("One that does not answer is asked nothing more until it says something")
        func silent() async throws {
            let newest = try Newest()
            let peer = try LocalSocket.connect(port: newest.port)
            peer.send("weir-report 1 c")
            try await eventually("it is there") { newest.events.all == ["came 12 false"] }
            #expect(await newest.peers.ask("numbers", milliseconds: 50).isEmpty)
            #expect(newest.peers.processes.map(\.answers) == [false])
            // No question, no waiting.
            for _ in 0..<100 { #expect(await newest.peers.ask("numbers", milliseconds: 60_000).isEmpty) }
            #expect(try peer.receive() == "ask 1 numbers 0 0\n")
            peer.send("answer 1 200 0 0\n")
            try await eventually("it is awake") { newest.events.all.last == "awoke 12" }
            async let answers = newest.peers.ask("numbers", milliseconds: 60_000)
            #expect(try peer.receive() == "ask 2 numbers 0 0\n")
            peer.send("answer 2 200 2 0\nok")
            #expect(await answers.map(\.body) == [Array("ok".utf8)])
            await newest.server.stop()
        }

        @Test(
            "One that breaks the rules is let go",
            arguments: [
                "", "answer", "answer 1 200 0", "answer 1 200 1 0\n", "answer 1 200 0 0\nx",
                "answer 1 200 99999999999 0\nx",
                "answer 1 200 -1 0\n", "answer 1 200 4 5\nx", "answer 1 200 5 1\nx", "ask 1 numbers 0 0\n",
                "answer x 200 0 0\n", "bye", String(repeating: "x", count: 60_000),
            ]
        )
        func rules(_ text: String) async throws {
            let newest = try Newest()
            let peer = try LocalSocket.connect(port: newest.port)
            peer.send("weir-report 1 c")
            try await eventually("it is there") { newest.events.all == ["came 12 false"] }
            peer.send(text)
            try await eventually("it has gone") { newest.events.all == ["came 12 false", "gone 12"] }
            #expect(newest.peers.processes.isEmpty)
            await newest.server.stop()
        }

        @Test(
            "Of what is no report nothing comes",
            arguments: ["weir-report 1 ", "weir-report 1 xyz", "weir-report 2 c"]
        )
        func noReport(_ text: String) async throws {
            let newest = try Newest()
            let peer = try LocalSocket.connect(port: newest.port)
            peer.send(text)
            #expect(try peer.receive() == "refused version")
            #expect(newest.events.all == [])
            await newest.server.stop()
        }

        @Test("So many may report and no more, and one that comes again takes its own place")
        func many() async throws {
            let newest = try Newest()
            var sockets: [LocalSocket] = []
            for number in 0..<TakeoverPeers.maxPeers {
                sockets.append(try LocalSocket.connect(port: newest.port))
                sockets[number].send("weir-report 1 " + String(number + 1, radix: 16))
            }
            try await eventually("all are there") { newest.peers.processes.count == TakeoverPeers.maxPeers }
            let further = try LocalSocket.connect(port: newest.port)
            further.send("weir-report 1 ffff")
            #expect(try further.receive() == "")
            let again = try LocalSocket.connect(port: newest.port)
            again.send("weir-report 1 1")
            #expect(try sockets[0].receive() == "")
            try await eventually("it is there again") { newest.events.all.last == "came 1 false" }
            #expect(newest.peers.processes.count == TakeoverPeers.maxPeers)
            #expect(!newest.events.all.contains("gone 1"))
            await newest.server.stop()
        }
    }
}
