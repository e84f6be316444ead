import Calls
import Hessian
import Inspection
import Telemetry
import TestSupport
import Testing

/// What a conversation came to, without anything that depends on how its bytes arrived.
private struct Conversation: Equatable {
    var upLines: [String] = []
    var downLines: [String] = []
    var calls: [String] = []
    var provider: [String] = []
    var consumer: [String] = []
    var uninspected: [String: UInt64] = [:]
    var errors: [String: UInt64] = [:]
    var events: [[PeerEvent: UInt64]] = []
    var inFlight = 0
}

@Suite struct SplitTests {
    /// A message and the direction it goes; a reply follows its request.
    private struct Message {
        var direction: Direction
        var bytes: [UInt8]
    }

    /// A conversation with something of everything.
    private static let script: [Message] = {
        var messages: [Message] = []
        func up(_ bytes: [UInt8]) { messages.append(Message(direction: .toUpstream, bytes: bytes)) }
        func down(_ bytes: [UInt8]) { messages.append(Message(direction: .toDownstream, bytes: bytes)) }
        let attachments = [
            ("path", "com.x.Svc"), ("group", "g"), ("remote.application", "商店"), ("token", "secret"),
            ("traceparent", "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-01"),
        ]
        up(Frames.heartbeat(id: 1))
        down(Frames.heartbeatReply(id: 1, tail: [0x4e]))
        up(Frames.request(id: 2, attachments: attachments))
        up(Frames.request(id: 3, version: nil, method: "$invoke", arguments: { $0.string("real") }))
        down(Frames.exception(id: 3, "com.x.出错", message: "😀", attachments: [("dubbo", "2.0.2")]))
        down(Frames.readonly(id: 4))
        up(Frames.request(id: 5, isTwoWay: false, method: "oneway"))
        down(Frames.reply(id: 2, String(repeating: "r", count: 300), tail: [0x4e]))
        down(Frames.request(id: 2, interface: "com.x.Listener", method: "changed"))
        up(Frames.failure(id: 2, status: 70, String(repeating: "why ", count: 40), tail: [0x4e]))
        up(Array("ls\r\n".utf8))
        up(
            Frames.request(
                id: 6,
                method: "many",
                arguments: { encoder in
                    encoder.beginMap(type: "java.util.TreeMap")
                    encoder.string("group")
                    encoder.string("not this")
                    encoder.end()
                    encoder.beginObject(HessianClass(name: "com.x.Order", fieldNames: ["id", "tags"]))
                    encoder.long(1 << 40)
                    encoder.beginVariableList()
                    encoder.binary([1, 2, 3])
                    encoder.double(0.5)
                    encoder.end()
                },
                attachments: attachments
            )
        )
        down(
            Frames.frame(
                0x02,
                status: 20,
                id: 6,
                [0x94, 0x90] + Frames.map([("closing", "true"), ("a", "b")]) + [0x4e]
            )
        )
        up(Frames.frame(0xc6, id: 7, Array("\"2.0.2\"\n\"a.B\"\n\"1\"\n\"m\"\n\"\"\n{\"group\":\"g\"}\n".utf8)))
        down(Frames.frame(0x06, status: 20, id: 7, Array("2\n".utf8)))
        up(Frames.frame(0xcc, id: 8, [1, 2, 3]))
        down(Frames.frame(0x0c, status: 100, id: 8, [1, 2, 3]))
        up(Frames.frame(0xc2, id: 9, hex("05322e302e32 03612e42 00 016d 00 40 485a")))
        down(Frames.failure(id: 9, status: 40, "bad"))
        down(hex("00 dabb c2 14 0000 dabb"))
        down(Frames.frame(0x02, status: 20, id: 10, []))
        up(Frames.request(id: 11, method: "unanswered"))
        return messages
    }()

    /// Runs the script: every message whole, or in pieces between those of the other direction, but so that messages are
    /// complete in the script's order.
    private func run(_ watching: Watching, _ random: inout SeededRandom, size: Int) -> Conversation {
        let bench = Bench(watching)
        let session = bench.open()
        func give(_ bytes: ArraySlice<UInt8>, _ direction: Direction) {
            var rest = bytes
            while !rest.isEmpty {
                let count = min(size == 1 ? 1 : Int.random(in: 1...size, using: &random), rest.count)
                bench.give(session, Array(rest.prefix(count)), direction, 1000)
                rest = rest.dropFirst(count)
            }
        }
        // The end of the last message, which comes when the front of the next one has been seen.
        var held: (direction: Direction, bytes: ArraySlice<UInt8>)?
        for message in Self.script {
            let tail = size < 10_000 ? Int.random(in: 0..<min(20, message.bytes.count), using: &random) : 0
            if let end = held, end.direction == message.direction || tail == 0 {
                give(end.bytes, end.direction)
                held = nil
            }
            give(message.bytes.dropLast(tail), message.direction)
            if let end = held { give(end.bytes, end.direction) }
            held = tail > 0 ? (message.direction, message.bytes.suffix(tail)) : nil
        }
        if let end = held { give(end.bytes, end.direction) }
        bench.inspector.close(session, now: 2000)
        return conversation(bench)
    }

    private func conversation(_ bench: Bench) -> Conversation {
        let snapshot = bench.snapshot
        return Conversation(
            upLines: bench.lines.filter { $0.contains(#""dir":"c2s""#) },
            downLines: bench.lines.filter { $0.contains(#""dir":"s2c""#) },
            calls: bench.calls.texts,
            provider: snapshot.counts(side: .provider),
            consumer: snapshot.counts(side: .consumer),
            uninspected: snapshot.uninspected,
            errors: snapshot.decodeErrorCounts,
            events: Side.allCases.map { snapshot.events($0) },
            inFlight: bench.inspector.callsInFlight
        )
    }

    @Test("a conversation says the same in whatever pieces it comes", arguments: Watching.allCases)
    func everyChunking(watching: Watching) {
        var random = SeededRandom(seed: 51)
        let whole = run(watching, &random, size: 1 << 20)
        #expect(whole.provider.count == 8 && whole.consumer == ["com.x.Listener.changed server_error SERVICE_ERROR 1"])
        #expect(whole.uninspected == ["resync": 13] && whole.inFlight == 0)
        for round in 0..<150 {
            let split = run(watching, &random, size: round == 0 ? 1 : [3, 16, 40, 200, 1500][round % 5])
            #expect(split == whole, "round \(round)")
            if split != whole { return }
        }
    }

    @Test("each way of a conversation says the same in any two pieces")
    func everyTwoPieces() {
        func conversation(_ bytes: [UInt8], _ direction: Direction, cut: Int) -> Conversation {
            let bench = Bench()
            let session = bench.open()
            bench.give(session, Array(bytes[..<cut]), direction, 1000)
            bench.give(session, Array(bytes[cut...]), direction, 1000)
            bench.inspector.close(session, now: 2000)
            return self.conversation(bench)
        }
        for direction in Direction.allCases {
            let bytes = Self.script.filter { $0.direction == direction }.flatMap(\.bytes)
            let whole = conversation(bytes, direction, cut: 0)
            for cut in 1...bytes.count {
                let split = conversation(bytes, direction, cut: cut)
                #expect(split == whole, "\(direction) \(cut)")
            }
        }
    }

    @Test("the numbers are the same whoever watches")
    func watching() {
        var random = SeededRandom(seed: 52)
        let all = Watching.allCases.map { run($0, &random, size: 1 << 20) }
        for conversation in all {
            #expect(conversation.provider == all[0].provider && conversation.consumer == all[0].consumer)
            #expect(conversation.uninspected == all[0].uninspected && conversation.events == all[0].events)
        }
        #expect(all[1].calls == all[2].calls && !all[1].calls.isEmpty)
    }

    @Test("random conversations of frames with random faults, cut at random")
    func randomConversations() {
        var random = SeededRandom(seed: 53)
        let frames: [[UInt8]] =
            Self.script.map(\.bytes) + [Frames.reply(id: 2), Frames.reply(id: 6), [0xda], [0xbb], [0]]
        for number in 0..<700 {
            var stream: [UInt8] = Frames.heartbeat()
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                var frame = frames[Int.random(in: 0..<frames.count, using: &random)]
                if Int.random(in: 0..<4, using: &random) == 0 {
                    frame[Int.random(in: 0..<frame.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                stream += frame
            }
            func run(_ cuts: [Int]) -> Conversation {
                let bench = Bench(Watching.allCases[number % 3])
                let session = bench.open()
                var start = 0
                for end in cuts + [stream.count] where end > start {
                    bench.up(session, Array(stream[start..<end]))
                    start = end
                }
                bench.inspector.close(session, now: 9)
                return conversation(bench)
            }
            let whole = run([])
            for _ in 0..<4 {
                let cuts = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                    Int.random(in: 1..<stream.count, using: &random)
                }
                let split = run(cuts.sorted())
                #expect(split == whole, "\(number): \(hexText(stream)) at \(cuts.sorted())")
                if split != whole { return }
            }
        }
    }
}
