import Calls
import HTTP2
import Inspection
import Policy
import Telemetry
import TestSupport
import Testing

/// What the ends of a connection say, piece by piece, and the processes that see it.
struct MovingConversation {
    var pieces: [(direction: Direction, bytes: [UInt8])]

    init(_ pieces: [(Direction, [UInt8])]) { self.pieces = pieces.map { ($0.0, $0.1) } }

    init(texts: [(Direction, String)]) { pieces = texts.map { ($0.0, Array($0.1.utf8)) } }

    /// What is counted if the connection moves to another process behind so many pieces, both processes together.
    ///
    /// - Returns: The counts and the uninspected bytes; `nil` if the connection could not be moved there.
    func counts(movedAfter place: Int?) throws -> [String: Int]? {
        var (old, new) = (Bench(.calls), Bench(.calls))
        var session = old.open()
        for (number, piece) in pieces.enumerated() {
            if number == place {
                guard let state = old.inspector.state(of: session) else { return nil }
                old.inspector.handOver(session)
                session = try new.inspector.restore(state, side: .provider, connection: Bench.client, now: 1500)
                #expect(old.inspector.callsInFlight == 0)
                swap(&old, &new)
            }
            let now: UInt64 = piece.direction == .toUpstream ? 1000 : 2000
            old.give(session, piece.bytes, piece.direction, now)
        }
        old.inspector.close(session, now: 3000)
        var sums: [String: Int] = [:]
        for bench in [old, new] {
            for line in bench.counts() {
                guard let space = line.lastIndex(of: " ") else { continue }
                sums[String(line[..<space]), default: 0] += Int(line[line.index(after: space)...]) ?? 0
            }
            for (reason, count) in bench.uninspected { sums["uninspected \(reason)", default: 0] += Int(count) }
            let open = bench.snapshot.connections.reduce(0) { $0 + Int($1.open) }
            if open != 0 { sums["open connections", default: 0] += open }
            for connections in bench.snapshot.connections where connections.total > 0 {
                sums["connections \(connections.connectionProtocol.label)", default: 0] += Int(connections.total)
            }
            let inFlight = bench.snapshot.operations.reduce(0) { $0 + Int($1.inFlight) }
            if inFlight != 0 { sums["in flight", default: 0] += inFlight }
        }
        return sums
    }

    /// Moves the connection behind each piece.
    ///
    /// - Returns: The places at which it could be moved; the counts were as without a move everywhere.
    func movablePlaces() throws -> [Int] {
        let expected = try counts(movedAfter: nil)
        var places: [Int] = []
        for place in pieces.indices {
            guard let moved = try counts(movedAfter: place) else { continue }
            #expect(moved == expected, "moved after \(place)")
            places.append(place)
        }
        return places
    }
}

@Suite("Connections that go on in another process")
struct HandoverTests {
    @Test("Dubbo: calls in flight, heartbeats and late replies go along")
    func dubbo() throws {
        let request = Frames.request(id: 1)
        let conversation = MovingConversation([
            (.toUpstream, request), (.toUpstream, Frames.request(id: 2, method: "other")),
            (.toUpstream, Array(Frames.request(id: 3)[..<20])), (.toUpstream, Array(Frames.request(id: 3)[20...])),
            (.toDownstream, Frames.reply(id: 2)), (.toDownstream, Frames.reply(id: 1)),
            (.toUpstream, Frames.request(id: 4, isTwoWay: false)), (.toDownstream, Frames.reply(id: 9)),
        ])
        // Not in the middle of a frame; at the very beginning nothing is known, and nothing needs to be.
        #expect(try conversation.movablePlaces() == [0, 1, 2, 4, 5, 6, 7])
    }

    @Test("HTTP/2: header tables go along, between two calls")
    func http2() throws {
        var (client, server) = (HTTP2Speaker(), HTTP2Speaker())
        let conversation = MovingConversation([
            (.toUpstream, H2.preface + H2.settings([(2, 0)])), (.toDownstream, H2.settings([(3, 100)]) + H2.ack),
            (.toUpstream, H2.ack), (.toUpstream, client.call(1, "/com.x.Shop/buy", [("x-trace", "abc")])),
            (.toDownstream, server.reply(1)), (.toUpstream, client.call(3, "/com.x.Shop/buy", [("x-trace", "abc")])),
            (.toDownstream, server.reply(3, "5")), (.toUpstream, client.call(5)), (.toDownstream, server.reply(5)),
        ])
        // Settings must be acknowledged and no stream open.
        #expect(try conversation.movablePlaces() == [0, 3, 5, 7])
    }

    @Test("HTTP/1 and raw JSON-RPC: between two exchanges")
    func json() throws {
        let body = #"{"jsonrpc":"2.0","method":"sum","id":1}"#
        let reply = #"{"jsonrpc":"2.0","result":3,"id":1}"#
        let head = "POST /math HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n"
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: \(reply.utf8.count)\r\n\r\n"
        let http = MovingConversation(texts: [
            (.toUpstream, head), (.toUpstream, body), (.toDownstream, answer + reply), (.toUpstream, head + body),
        ])
        #expect(try http.movablePlaces() == [0, 3])
        let raw = MovingConversation(texts: [
            (.toUpstream, body + "\n"), (.toDownstream, reply + "\n"), (.toUpstream, body + "\n"),
        ])
        #expect(try raw.movablePlaces() == [0, 2])
    }

    @Test("what is not decoded goes on being counted, and a beginning too short to tell goes along")
    func others() throws {
        let tls = MovingConversation([(.toUpstream, [0x16, 3, 1, 0]), (.toDownstream, [1, 2]), (.toUpstream, [3])])
        #expect(try tls.movablePlaces() == [0, 1, 2])
        let frame = Frames.request()
        let short = MovingConversation([
            (.toUpstream, [frame[0]]), (.toUpstream, Array(frame[1...])), (.toDownstream, Frames.reply()),
        ])
        #expect(try short.movablePlaces() == [0, 1, 2])
    }

    @Test("a drained connection's consumer and what it was told go along")
    func drain() throws {
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Frames.request(id: 1))
        let registry = DrainRegistry()
        bench.inspector.drainGate = DrainGate(registry: registry, operations: bench.registry)
        registry.begin(DrainOrder(target: DrainTarget(interface: ""), now: 0, grace: 10_000, deadline: 50_000))
        bench.inspector.drainsChanged()
        bench.plan.removeAll()
        bench.inspector.signalDrains(session, now: 1000, plan: &bench.plan)
        #expect(session.drainSignals.contains(DrainSignals(.readonly)) && !bench.plan.reply.isEmpty)
        let state = try #require(bench.inspector.state(of: session))
        let other = Bench(.nothing)
        let moved = try other.inspector.restore(state, side: .provider, connection: Bench.client, now: 2000)
        #expect(moved.drainSignals == session.drainSignals && moved.inFlight == 1 && moved.begunCalls == 1)
        #expect(other.inspector.callsInFlight == 1)
    }

    @Test("a call for which the table of the other process has no room is counted as lost")
    func fullTable() throws {
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Frames.request(id: 1) + Frames.request(id: 2))
        let state = try #require(bench.inspector.state(of: session))
        let other = Bench(.nothing, limits: Inspector.Limits(maxCalls: 1))
        let moved = try other.inspector.restore(state, side: .provider, connection: Bench.client, now: 2000)
        #expect(moved.inFlight == 1 && moved.begunCalls == 2)
        #expect(other.counts().count == 1 && other.counts()[0].contains(" lost "))
    }

    @Test("bytes that are none of a state's are refused, or mean some state, and nothing traps")
    func malformed() throws {
        var (client, server) = (HTTP2Speaker(), HTTP2Speaker())
        let http2 = Bench(.nothing)
        let first = http2.open()
        http2.up(first, H2.preface + H2.settings())
        http2.down(first, H2.settings() + H2.ack)
        http2.up(first, H2.ack + client.call(1))
        http2.down(first, server.reply(1))
        let dubbo = Bench(.nothing)
        let second = dubbo.open()
        dubbo.up(second, Frames.request(id: 1))
        let states = [http2.inspector.state(of: first), dubbo.inspector.state(of: second)].compactMap { $0 }
        #expect(states.count == 2)
        var random = SeededRandom(seed: 7)
        for state in states {
            let other = Bench(.nothing)
            func restore(_ bytes: [UInt8]) -> Session? {
                try? other.inspector.restore(bytes, side: .provider, connection: nil, now: 1)
            }
            for count in 0..<state.count { #expect(restore(Array(state[..<count])) == nil) }
            let content = Array(state.dropLast(8))
            var refused = 0
            for _ in 0..<5000 {
                var changed = content
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    changed[Int.random(in: changed.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) { changed.removeLast(Int.random(in: 0...4, using: &random)) }
                guard let session = restore(ReportSeal.sealed(changed)) else {
                    refused += 1
                    continue
                }
                other.plan.removeAll()
                let bytes = H2.settings() + Frames.reply()
                other.inspector.receive(
                    session,
                    bytes: bytes.span.bytes,
                    going: .toDownstream,
                    now: 2,
                    plan: &other.plan
                )
                other.inspector.close(session, now: 3)
            }
            #expect(refused > 100 && other.snapshot.connections.allSatisfy { $0.open == 0 })
        }
    }
}
