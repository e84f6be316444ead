import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct ResyncTests {
    private let garbage: [[UInt8]] = [
        Array("ls\r\n".utf8), Array("dubbo>".utf8), [0x03], [0x0a], [0xda], [0xda, 0xda], [0xda, 0xbc], [0xbb],
        hex("ff f4 ff fd 06"), [UInt8](repeating: 0xda, count: 40), [UInt8](repeating: 0x00, count: 5000),
        // Headers that no peer writes: a request with a status, a two-way reply, serialization 0, status 21.
        hex("dabb c2 14 0000000000000001 00000001"), hex("dabb 42 14 0000000000000001 00000001"),
        hex("dabb c0 00 0000000000000001 00000001"), hex("dabb 02 15 0000000000000001 00000001"),
        hex("dabb c2 00 0000000000000001 7fffffff"), hex("00 dabb 02 15 0000000000000001 ffffffff"),
        hex("00 dabb c2 14"), hex("00 dabb c2 14 0000 dabb"),
    ]

    @Test("garbage between frames is skipped and counted to the byte, in any pieces", arguments: Watching.allCases)
    func betweenFrames(watching: Watching) {
        var random = SeededRandom(seed: 21)
        for garbage in garbage where !beginsLikeFrame(garbage) {
            let stream = Frames.request() + garbage + Frames.request(id: 2) + garbage + garbage + Frames.heartbeat()
            for round in 0..<40 {
                let bench = Bench(watching)
                let session = bench.open()
                for piece in round == 0 ? [stream] : pieces(of: stream, round: round, &random) {
                    bench.up(session, piece)
                }
                #expect(
                    session.inFlight == 2 && bench.snapshot.events(.provider) == [.heartbeat: 1],
                    "\(hexText(garbage))"
                )
                #expect(bench.uninspected == ["resync": UInt64(3 * garbage.count)], "\(hexText(garbage))")
                #expect(bench.decodeErrors == ["magic": 2])
            }
        }
    }

    /// Such garbage, where a frame is due, is one.
    private func beginsLikeFrame(_ garbage: [UInt8]) -> Bool { garbage.starts(with: [0xda, 0xbb]) }

    /// Single bytes in the second round, random pieces later.
    private func pieces(of bytes: [UInt8], round: Int, _ random: inout SeededRandom) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = round == 1 ? 1 : Int.random(in: 1...60, using: &random)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }

    @Test("garbage that looks like a header is no frame once the beginning is lost")
    func implausibleHeaders() {
        var random = SeededRandom(seed: 22)
        for garbage in garbage where beginsLikeFrame(garbage) {
            let stream = Frames.request() + [0x00] + garbage + Frames.request(id: 2)
            for round in 0..<30 {
                let bench = Bench()
                let session = bench.open()
                for piece in round == 0 ? [stream] : pieces(of: stream, round: round, &random) {
                    bench.up(session, piece)
                }
                #expect(session.inFlight == 2 && bench.uninspected == ["resync": UInt64(garbage.count + 1)])
                #expect(bench.decodeErrors == ["magic": 1])
            }
        }
    }

    @Test("garbage at the end of a direction is counted to the byte")
    func atTheEnd() {
        for garbage in garbage where !beginsLikeFrame(garbage) {
            for count in [garbage.count, 1] {
                let bench = Bench()
                let session = bench.open()
                bench.up(session, Frames.request())
                for start in stride(from: 0, to: garbage.count, by: count) {
                    bench.up(session, Array(garbage[start..<min(start + count, garbage.count)]))
                }
                bench.plan.removeAll()
                bench.inspector.ended(session, .toUpstream, now: 3000, plan: &bench.plan)
                #expect(bench.plan.forwardsAll && bench.plan.endsAtBoundary)
                bench.down(session, Frames.reply())
                bench.inspector.close(session, now: 4000)
                #expect(bench.uninspected == ["resync": UInt64(garbage.count)], "\(hexText(garbage))")
                #expect(bench.counts() == ["com.x.Svc.hello ok OK 1"])
            }
        }
    }

    @Test(
        "an impossible length makes the session blind: its calls are lost, every byte behind is counted",
        arguments: Watching.allCases
    )
    func badLength(watching: Watching) {
        let bad = hex("dabb c2 00 0000000000000001 80000000")
        let (request, reply) = (Frames.request(), Frames.reply("a longer text"))
        for length in [16, 1, 5, 15] {
            let bench = Bench(watching)
            let session = bench.open()
            bench.up(session, request)
            bench.down(session, Array(reply.prefix(20)))
            for start in stride(from: 0, to: 16, by: length) {
                bench.up(session, Array(bad[start..<min(16, start + length)]))
            }
            bench.up(session, [1, 2, 3] + request)
            bench.down(session, Array(reply.dropFirst(20)))
            #expect(bench.counts() == ["com.x.Svc.hello lost  1"] && session.inFlight == 0)
            #expect(bench.decodeErrors == ["length": 1])
            let blind = 16 + 3 + request.count + reply.count - 20
            #expect(bench.uninspected == ["blind": UInt64(blind)], "\(length)")
            bench.inspector.close(session, now: 9)
            #expect(bench.snapshot.connections(.dubbo)?.open == 0 && bench.snapshot.connections(.dubbo)?.total == 1)
        }
    }

    @Test("a frame's reader is given back once when the connection goes blind behind it")
    func readersAfterBlindness() {
        let bench = Bench()
        let bad = hex("dabb c2 00 0000000000000001 80000000")
        let request = Frames.request()
        for _ in 0..<3 {
            let session = bench.open()
            bench.up(session, Array(request[..<50]))
            bench.up(session, request[50...] + bad)
            bench.inspector.close(session, now: 9)
        }
        // Many split frames at once must not get into each other's way.
        let sessions = (0..<20).map { _ in bench.open() }
        func numbered(_ number: Int) -> [UInt8] {
            Frames.request(interface: "com.x.S\(number)", method: "m\(number)", attachments: [("group", "g\(number)")])
        }
        for (number, session) in sessions.enumerated() { bench.up(session, Array(numbered(number)[..<(30 + number)])) }
        for (number, session) in sessions.enumerated() { bench.up(session, Array(numbered(number)[(30 + number)...])) }
        for (number, session) in sessions.enumerated() {
            bench.down(session, Frames.reply())
            let operation = bench.snapshot.report("m\(number)")?.operation
            #expect(operation?.interface == "com.x.S\(number)" && operation?.group == "g\(number)")
        }
        #expect(bench.decodeErrors == ["length": 3])
    }

    @Test("a session that was overrun only counts bytes")
    func overran() {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Frames.request())
        bench.inspector.overran(session, now: 100)
        bench.up(session, Frames.request(id: 2))
        #expect(bench.counts() == ["com.x.Svc.hello lost  1"])
        #expect(bench.uninspected == ["blind": UInt64(Frames.request(id: 2).count)])
    }

    @Test("a hundred thousand pieces of garbage behind good frames cost nothing but being counted", arguments: 0..<3)
    func seededGarbage(round: Int) {
        var random = SeededRandom(seed: 23 + UInt64(round))
        let bench = Bench(Watching.allCases[round])
        var calls = 0
        for _ in 0..<350 {
            let session = bench.open()
            bench.up(session, Frames.request())
            calls += 1
            for _ in 0..<100 {
                var bytes = (0..<Int.random(in: 1...30, using: &random)).map { _ in
                    UInt8(truncatingIfNeeded: random.next())
                }
                // Now and then something that begins like a frame, or is one.
                if bytes[0] & 7 == 0 { bytes.insert(contentsOf: [0xda, 0xbb], at: bytes.count / 2) }
                if bytes[0] & 31 == 1 { bytes += Frames.heartbeat() }
                bench.give(session, bytes, bytes[0] & 64 == 0 ? .toUpstream : .toDownstream, 5000)
            }
            bench.inspector.close(session, now: 6000)
        }
        #expect(bench.inspector.callsInFlight == 0 && (bench.snapshot.report("hello")?.calls ?? 0) == UInt64(calls))
    }
}

@Suite struct HoleTests {
    private let request = Frames.request(attachments: [("group", "g")])

    @Test("a hole inside a body loses what it holds, not the frame", arguments: Watching.allCases)
    func insideBody(watching: Watching) {
        for (from, to) in [(60, 70), (16, 20), (17, request.count), (16, request.count), (60, request.count)] {
            let bench = Bench(watching)
            let session = bench.open()
            bench.up(session, Array(request[..<from]))
            bench.inspector.missed(session, count: UInt64(to - from), going: .toUpstream, now: 1500)
            if to < request.count { bench.up(session, Array(request[to...])) }
            bench.up(session, Frames.request(id: 2))
            #expect(session.inFlight == 2, "\(from) \(to)")
            bench.down(session, Frames.reply() + Frames.reply(id: 2))
            // The names are known if the hole lies behind them.
            let expected =
                from == 60
                ? ["com.x.Svc.hello ok OK 2"] : ["com.x.Svc.hello ok OK 1", "unknown. ok OK 1"]
            let total = bench.counts().joined(separator: " ")
            #expect(
                bench.counts() == expected || from != 60 && total.contains("hello ok OK 1"),
                "\(from) \(to) \(total)"
            )
            #expect(bench.uninspected == ["gap": UInt64(to - from)] && bench.decodeErrors.isEmpty)
        }
    }

    @Test("a hole over a frame's end: the frame counts, the next is found again")
    func acrossFrames() {
        let stream = request + Frames.request(id: 2) + Frames.request(id: 3)
        let bench = Bench()
        let session = bench.open()
        let (from, to) = (60, request.count + 30)
        bench.up(session, Array(stream[..<from]))
        bench.inspector.missed(session, count: UInt64(to - from), going: .toUpstream, now: 1500)
        bench.up(session, Array(stream[to...]))
        #expect(session.inFlight == 2)
        bench.down(session, Frames.reply(id: 1) + Frames.reply(id: 3))
        #expect(bench.counts().reduce(0) { $0 + (Int($1.split(separator: " ").last ?? "0") ?? 0) } == 2)
        let skipped = request.count + Frames.request(id: 2).count - to
        #expect(
            bench.uninspected == ["gap": UInt64(to - from), "resync": UInt64(skipped)] && bench.decodeErrors.isEmpty
        )
    }

    @Test("a hole inside a header, and one between frames")
    func atHeaders() {
        for from in [0, 5, 15] {
            let bench = Bench()
            let session = bench.open()
            bench.up(session, Frames.heartbeat() + request[..<from])
            bench.inspector.missed(session, count: UInt64(request.count - from), going: .toUpstream, now: 1500)
            bench.up(session, Frames.request(id: 3))
            #expect(session.inFlight == 1, "\(from)")
            var expected = ["gap": UInt64(request.count - from)]
            if from > 0 { expected["resync"] = UInt64(from) }
            #expect(bench.uninspected == expected)
        }
    }

    @Test("a hole at the very beginning leaves the protocol to be found")
    func atTheBeginning() {
        let bench = Bench()
        let session = bench.open()
        bench.inspector.missed(session, count: 100, going: .toUpstream, now: 1000)
        bench.up(session, Array(request.dropFirst(30)) + Frames.request(id: 2))
        bench.down(session, Frames.reply(id: 2))
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 1"])
        #expect(bench.uninspected == ["gap": 100, "resync": UInt64(request.count - 30)])
        #expect(bench.snapshot.connections(.dubbo)?.open == 1)
    }

    @Test("a reply with a hole answers by its header; of an exception what was seen is told")
    func replies() {
        for watching in Watching.allCases {
            let bench = Bench(watching)
            let session = bench.open()
            for id in 1...4 { bench.up(session, Frames.request(id: UInt64(id))) }
            let reply = Frames.exception(id: 1)
            bench.down(session, Array(reply[..<64]))
            bench.inspector.missed(session, count: UInt64(reply.count - 64), going: .toDownstream, now: 2500)
            let failure = Frames.failure(id: 2, status: 70, "a longer text")
            bench.down(session, Array(failure[..<16]))
            bench.inspector.missed(session, count: UInt64(failure.count - 16), going: .toDownstream, now: 2500)
            bench.down(session, Array(failure[..<16]))
            bench.inspector.missed(session, count: 3, going: .toDownstream, now: 2500)
            bench.down(session, Array(failure[19...]) + Frames.reply(id: 3))
            #expect(
                bench.counts() == [
                    "com.x.Svc.hello business_error OK 1", "com.x.Svc.hello ok OK 1",
                    "com.x.Svc.hello server_error SERVICE_ERROR 1",
                ]
            )
            #expect(bench.snapshot.report("hello")?.exceptions.map(\.className) == ["com.x.Oops"])
        }
    }
}
