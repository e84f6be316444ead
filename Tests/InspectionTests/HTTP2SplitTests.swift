import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

/// What a conversation came to, without anything that depends on how its bytes arrived.
private struct Conversation: Equatable {
    var upLines: [String]
    var downLines: [String]
    var calls: [String]
    var counts: [String]
    var streams: [UInt64]
    var uninspected: [String: UInt64]
    var errors: [String: UInt64]
    var inFlight: Int

    init(_ bench: Bench) {
        let snapshot = bench.snapshot
        upLines = bench.lines.filter { $0.contains(#""dir":"c2s""#) }
        downLines = bench.lines.filter { $0.contains(#""dir":"s2c""#) }
        calls = bench.calls.texts
        counts = bench.counts()
        streams = snapshot.operations.flatMap {
            [$0.requestBytes, $0.responseBytes, $0.streamedRequests, $0.streamedResponses, $0.lateReplies]
        }
        uninspected = bench.uninspected
        errors = bench.decodeErrors
        inFlight = bench.inspector.callsInFlight
    }
}

@Suite struct HTTP2SplitTests {
    private struct Message {
        var direction: Direction
        var bytes: [UInt8]
    }

    /// A conversation with something of everything; `tail` is what makes it end.
    private static func script(_ tail: [UInt8] = []) -> [Message] {
        var messages: [Message] = []
        var (client, server) = (HTTP2Speaker(), HTTP2Speaker())
        func up(_ bytes: [UInt8]) { messages.append(Message(direction: .toUpstream, bytes: bytes)) }
        func down(_ bytes: [UInt8]) { messages.append(Message(direction: .toDownstream, bytes: bytes)) }
        up(H2.preface + H2.settings([(1, 100), (4, 70_000)]))
        down(H2.settings([(1, 8192), (5, 1 << 20)]) + H2.ack)
        server.encoder.resize(to: 100)
        up(H2.ack)
        client.encoder.resize(to: 8192)
        let trace = ("traceparent", "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-01")
        up(
            client.call(
                1,
                "/com.x.Shop/buy",
                [("tri-service-version", "1.0"), ("tri-consumer-appname", "shop"), trace]
            )
        )
        up(client.request(3, "/com.x.Shop/$invoke", [("token-bin", "aGFsbG8")], piece: 11))
        up(H2.padded(3, Array(H2.message(H2.generic("real")).prefix(40)), 30, end: false))
        up(H2.data(3, Array(H2.message(H2.generic("real")).dropFirst(40)), end: true))
        down(server.reply(1))
        down(server.head(3, [("tri-exception-code", "0")]) + H2.update(0, 100))
        down(H2.data(3, H2.message(H2.exception("com.x.Boom")), end: false, piece: 9))
        down(server.trailers(3))
        up(client.request(5, "/com.x.Shop/watch", [("long", String(repeating: "l", count: 1200))]))
        up(H2.data(5, H2.message([1]) + H2.message([]) + H2.message([1, 2]), end: true, piece: 7))
        down(server.head(5) + H2.data(5, H2.message([9]), end: false) + server.trailers(5, "4"))
        up(client.call(7) + client.call(9) + H2.reset(7, 8) + H2.frame(2, 0, 9, [0, 0, 0, 0, 1]))
        down(server.head(9, [("grpc-status", "14"), ("grpc-message", "a%20b")], end: true))
        up(client.request(11, "/x", type: "text/plain", end: true) + H2.frame(0x99, 1, 5, [1, 2, 3]))
        down(server.head(11) + H2.data(11, [], end: true))
        up(client.request(13) + H2.data(13, H2.message([1]), end: false))
        down(server.reply(13) + H2.reset(13, 0))
        up(client.call(15) + client.request(17, "/grpc.health.v1.Health/Watch") + client.call(19))
        down(H2.goAway(15) + H2.frame(6, 0, 0, [UInt8](repeating: 3, count: 8)))
        if !tail.isEmpty { up(tail) }
        down(server.reply(15))
        return messages
    }

    /// What a conversation may end in.
    private static let tails: [[UInt8]] = [
        [], H2.frame(0, 8, 13, [9, 1]) + [1, 2, 3], H2.frame(1, 4, 21, [0xff, 0xff]), H2.frame(9, 4, 21, [0x88]),
        H2.frame(1, 0, 21, [0x88]) + H2.update(0, 1), [255, 255, 255, 1, 4, 0, 0, 0, 21, 1],
        H2.settings([(1, 1 << 20)]),
        H2.frame(1, 8, 21, [5, 0x88]), H2.frame(4, 0, 0, [1, 2, 3]),
    ]

    private func run(_ script: [Message], _ watching: Watching, _ random: inout SeededRandom, size: Int) -> Conversation
    {
        let bench = Bench(watching)
        let session = bench.open()
        for message in script {
            var rest = message.bytes[...]
            while !rest.isEmpty {
                let count = min(size == 1 ? 1 : Int.random(in: 1...size, using: &random), rest.count)
                bench.plan.removeAll()
                let bytes = Array(rest.prefix(count))
                bench.inspector.receive(
                    session,
                    bytes: bytes.span.bytes,
                    going: message.direction,
                    now: 1000,
                    plan: &bench.plan
                )
                rest = rest.dropFirst(count)
            }
        }
        bench.inspector.close(session, now: 2000)
        return Conversation(bench)
    }

    @Test("a conversation says the same in whatever pieces it comes", arguments: Watching.allCases, 0..<9)
    func everyChunking(watching: Watching, tail: Int) {
        var random = SeededRandom(seed: 81)
        let script = Self.script(Self.tails[tail])
        let whole = run(script, watching, &random, size: 1 << 20)
        #expect(whole.counts.count >= 6 && whole.inFlight == 0 && whole.calls.isEmpty == (watching == .nothing))
        #expect(whole.errors.isEmpty == [0, 6].contains(tail), "\(whole.errors)")
        for round in 0..<40 {
            let split = run(script, watching, &random, size: round == 0 ? 1 : [3, 16, 40, 200, 1500][round % 5])
            #expect(split == whole, "round \(round)")
            if split != whole { return }
        }
    }

    @Test("each way of a conversation says the same in any two pieces", arguments: Direction.allCases)
    func everyTwoPieces(direction: Direction) {
        let script = Self.script()
        func conversation(cut: Int) -> Conversation {
            let bench = Bench()
            let session = bench.open()
            var start = 0
            for message in script {
                let cut = cut - start
                if message.direction == direction {
                    start += message.bytes.count
                    if cut > 0, cut < message.bytes.count {
                        bench.give(session, Array(message.bytes[..<cut]), direction, 1000)
                        bench.give(session, Array(message.bytes[cut...]), direction, 1000)
                        continue
                    }
                }
                bench.give(session, message.bytes, message.direction, 1000)
            }
            bench.inspector.close(session, now: 2000)
            return Conversation(bench)
        }
        let whole = conversation(cut: 0)
        for cut in 1...script.filter({ $0.direction == direction }).reduce(0, { $0 + $1.bytes.count }) {
            let split = conversation(cut: cut)
            #expect(split == whole, "\(cut)")
            if split != whole { return }
        }
    }

    @Test("the numbers are the same whoever watches")
    func watching() {
        var random = SeededRandom(seed: 82)
        let all = Watching.allCases.map { run(Self.script(), $0, &random, size: 1 << 20) }
        for conversation in all {
            #expect(conversation.counts == all[0].counts && conversation.streams == all[0].streams)
        }
        #expect(all[1].calls == all[2].calls && !all[1].calls.isEmpty)
    }
}
