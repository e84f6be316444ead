import Calls
import Hessian
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct CallTableTests {
    private let second: UInt64 = 1_000_000_000
    private let millisecond: UInt64 = 1_000_000

    @Test("calls of a connection that ends go unanswered", arguments: Watching.allCases)
    func unanswered(watching: Watching) {
        let bench = Bench(watching)
        let (one, two) = (bench.open(), bench.open())
        bench.up(one, Frames.request(id: 1) + Frames.request(id: 2), now: 10)
        bench.down(one, Frames.request(id: 1, method: "callback"))
        bench.up(two, Frames.request(id: 1), now: 10)
        bench.inspector.close(one, now: 500)
        #expect(bench.counts() == ["com.x.Svc.hello unanswered  2"])
        #expect(bench.counts(side: .consumer) == ["com.x.Svc.callback unanswered  1"])
        #expect(bench.inspector.callsInFlight == 1 && two.inFlight == 1)
        #expect(bench.snapshot.report("hello")?.duration.count == 0)
        bench.down(two, Frames.reply())
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 1", "com.x.Svc.hello unanswered  2"])
        if watching != .nothing {
            #expect(
                bench.calls.all.filter { $0.call.outcome == .unanswered }.map(\.call.durationNanoseconds).contains(490)
            )
        }
        // The number of the ended connection is given to a new one, which has none of its calls.
        let three = bench.open()
        bench.down(three, Frames.reply())
        #expect(bench.counts().count == 2)
    }

    @Test("calls past their deadline when their connection ends have timed out, though no tick has passed")
    func endsPastDeadline() {
        let bench = Bench(.calls)
        let session = bench.open()
        bench.up(session, Frames.request(id: 1, attachments: [("timeout", "200")]), now: second)
        bench.up(session, Frames.request(id: 2, attachments: [("timeout", "300")]), now: second)
        bench.inspector.close(session, now: second + 250 * millisecond)
        #expect(bench.counts() == ["com.x.Svc.hello timeout  1", "com.x.Svc.hello unanswered  1"])
        #expect(bench.calls.all.map(\.call.durationNanoseconds).sorted() == [200 * millisecond, 250 * millisecond])
    }

    @Test(
        "a call is given up after its own deadline, or the default one",
        arguments: [
            ([("timeout", "5000")], 5000), ([("_TO", "300")], 300), ([("_to", "300")], 300), ([], 60_000),
            ([("timeout", "5000"), ("_TO", "300")], 300), ([("timeout", "300"), ("_TO", "5000")], 300),
            ([("timeout", "0")], 60_000), ([("timeout", "-1")], 60_000), ([("timeout", "soon")], 60_000),
            ([("timeout", "99999999999999999999")], 60_000), ([("timeout", "86400000")], 60_000),
            ([("timeout", "86399999")], 86_399_999), ([("timeout", "100000")], 100_000),
        ] as [([(String, String)], UInt64)]
    )
    func deadlines(attachments: [(String, String)], milliseconds: UInt64) throws {
        for watching in Watching.allCases {
            let bench = Bench(watching)
            let session = bench.open()
            let start = 1_700_000_000 * second
            bench.inspector.tick(now: start)
            bench.up(session, Frames.request(attachments: attachments), now: start)
            let deadline = start + milliseconds * millisecond
            var now = start
            while now < deadline {
                bench.inspector.tick(now: now)
                now += max(milliseconds / 50, 1) * millisecond
            }
            bench.inspector.tick(now: deadline - 1)
            #expect(bench.counts().isEmpty && bench.inspector.callsInFlight == 1)
            bench.inspector.tick(now: deadline + 200 * millisecond)
            #expect(bench.counts() == ["com.x.Svc.hello timeout  1"] && bench.inspector.callsInFlight == 0)
            #expect(session.inFlight == 0 && bench.snapshot.report("hello")?.duration.count == 0)
            // Its reply is late, and counted once.
            bench.down(session, Frames.reply() + Frames.reply(), now: deadline + second)
            #expect(bench.counts() == ["com.x.Svc.hello timeout  1"])
            #expect(bench.snapshot.report("hello")?.lateReplies == 1)
        }
    }

    @Test("a deadline may be a number, in any pieces")
    func numericDeadline() {
        for cut in [nil, 40, 74, 76, 80] as [Int?] {
            let bench = Bench(.nothing)
            let session = bench.open()
            let names = Frames.request(attachments: [])
            let body =
                Array(names[16...].dropLast(2))
                + Frames.hessian { encoder in
                    encoder.beginMap()
                    encoder.string("timeout")
                    encoder.int(300)
                    encoder.string("group")
                    encoder.string("g")
                    encoder.end()
                }
            let request = Frames.frame(0xc2, id: 1, body)
            bench.up(session, Array(request[..<(cut ?? request.count)]), now: 0)
            if let cut { bench.up(session, Array(request[cut...]), now: 0) }
            bench.inspector.tick(now: 299 * millisecond)
            #expect(bench.inspector.callsInFlight == 1)
            bench.inspector.tick(now: 501 * millisecond)
            #expect(
                bench.counts() == ["com.x.Svc.hello timeout  1"]
                    && bench.snapshot.report("hello")?.operation.group == "g"
            )
        }
    }

    @Test("a reply behind the deadline is late even if nobody looked at the clock in between")
    func lateWithoutTick() {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Frames.request(attachments: [("timeout", "1000")]), now: 0)
        bench.up(session, Frames.request(id: 2, attachments: [("timeout", "1000")]), now: 0)
        bench.down(session, Frames.reply(), now: second)
        bench.down(session, Frames.reply(id: 2), now: second + 1)
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 1", "com.x.Svc.hello timeout  1"])
        #expect(bench.snapshot.report("hello")?.lateReplies == 1 && bench.inspector.callsInFlight == 0)
    }

    @Test("only so many given-up calls are remembered", arguments: [0, 1, 5])
    func tombstones(bound: Int) {
        let bench = Bench(limits: Inspector.Limits(maxTombstones: bound))
        let (one, two) = (bench.open(), bench.open())
        for id in 0..<10 {
            let session = id % 2 == 0 ? one : two
            let now = UInt64(id) * 10 * second
            bench.up(session, Frames.request(id: UInt64(id), attachments: [("timeout", "\(100 + id)")]), now: now)
            bench.inspector.tick(now: UInt64(id + 1) * 10 * second)
        }
        #expect(bench.counts() == ["com.x.Svc.hello timeout  10"] && bench.inspector.callsInFlight == 0)
        #expect(bench.snapshot.callTableEntries == UInt64(bound) && !bench.inspector.needsTicks)
        for id in 0..<10 { bench.down(id % 2 == 0 ? one : two, Frames.reply(id: UInt64(id)), now: 200 * second) }
        #expect(bench.snapshot.report("hello")?.lateReplies == UInt64(bound))
        // The gauge follows, though no call is waiting for a tick.
        #expect(bench.inspector.needsTicks == (bound > 0))
        bench.inspector.tick(now: 300 * second)
        #expect(bench.snapshot.callTableEntries == 0)
    }

    @Test("tombstones go with their connection")
    func tombstonesEnd() {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Frames.request(attachments: [("timeout", "10")]), now: 0)
        bench.inspector.tick(now: second)
        bench.inspector.close(session, now: 2 * second)
        bench.inspector.tick(now: 3 * second)
        #expect(bench.snapshot.callTableEntries == 0 && bench.counts() == ["com.x.Svc.hello timeout  1"])
        let next = bench.open()
        bench.down(next, Frames.reply(), now: 4 * second)
        #expect(bench.snapshot.report("hello")?.lateReplies == 0)
    }

    @Test("an id that is used again ends what stood under it", arguments: Watching.allCases)
    func reuse(watching: Watching) {
        let bench = Bench(watching)
        let session = bench.open()
        bench.up(session, Frames.request(method: "first"))
        bench.up(session, Frames.request(method: "second"))
        #expect(session.inFlight == 1 && bench.counts() == ["com.x.Svc.first unanswered  1"])
        bench.down(session, Frames.reply())
        #expect(bench.counts() == ["com.x.Svc.first unanswered  1", "com.x.Svc.second ok OK 1"])
        // Of a call that was given up, the id's new owner gets the reply.
        bench.up(session, Frames.request(method: "third", attachments: [("timeout", "10")]), now: 3000)
        bench.inspector.tick(now: second)
        bench.up(session, Frames.request(method: "fourth"), now: second)
        bench.down(session, Frames.reply(), now: second + 1)
        #expect(
            bench.counts().suffix(1) == ["com.x.Svc.third timeout  1"]
                && bench.counts().contains("com.x.Svc.fourth ok OK 1")
        )
        #expect(bench.snapshot.report("third")?.lateReplies == 0)
    }

    @Test("calls past the table's bound are lost as they begin", arguments: Watching.allCases)
    func bound(watching: Watching) {
        let bench = Bench(watching, limits: Inspector.Limits(maxCalls: 5))
        let session = bench.open()
        bench.up(session, (0..<8).flatMap { Frames.request(id: $0) } + Frames.heartbeat(id: 99))
        #expect(bench.inspector.callsInFlight == 5 && bench.counts() == ["com.x.Svc.hello lost  3"])
        bench.down(session, (0..<8).flatMap { Frames.reply(id: $0) })
        #expect(bench.counts() == ["com.x.Svc.hello lost  3", "com.x.Svc.hello ok OK 5"])
        #expect(bench.snapshot.events(.provider) == [.heartbeat: 1])
        bench.up(session, Frames.request(id: 100))
        #expect(bench.inspector.callsInFlight == 1)
    }

    @Test("many calls over many connections, ended in any way, leave nothing behind")
    func churn() {
        var random = SeededRandom(seed: 11)
        let bench = Bench(.nothing, limits: Inspector.Limits(maxCalls: 3000, maxTombstones: 100))
        var sessions = (0..<20).map { _ in bench.open() }
        var now: UInt64 = 0
        var begun = 0
        for step in 0..<20_000 {
            let at = Int.random(in: 0..<sessions.count, using: &random)
            let id = UInt64.random(in: 0..<200, using: &random)
            now += UInt64.random(in: 0..<20, using: &random) * millisecond
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<55:
                let timeout = Int.random(in: 1..<3000, using: &random)
                bench.up(sessions[at], Frames.request(id: id, attachments: [("timeout", "\(timeout)")]), now: now)
                begun += 1
            case 55..<60: bench.up(sessions[at], Frames.heartbeat(id: id), now: now)
            case 60..<95: bench.down(sessions[at], Frames.reply(id: id), now: now)
            case 95..<98: bench.inspector.tick(now: now)
            default:
                bench.inspector.close(sessions[at], now: now)
                sessions[at] = bench.open()
            }
            guard step % 500 == 0 else { continue }
            let report = bench.snapshot.report("hello")
            #expect(Int(report?.calls ?? 0) + Int(report?.inFlight ?? 0) == begun)
            #expect(Int(report?.inFlight ?? 0) == sessions.reduce(0) { $0 + $1.inFlight })
        }
        for session in sessions { bench.inspector.close(session, now: now) }
        #expect(bench.inspector.callsInFlight == 0 && Int(bench.snapshot.report("hello")?.calls ?? 0) == begun)
        bench.inspector.tick(now: now + 100 * second)
        #expect(bench.snapshot.callTableEntries == 0 && bench.snapshot.report("hello")?.inFlight == 0)
    }
}
