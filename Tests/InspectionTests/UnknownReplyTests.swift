import Calls
import Inspection
import Telemetry
import Testing

@Suite
struct UnknownReplyTests {
    @Test("a reply to no call is counted under the unknown operation, once each")
    func unknown() {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Frames.request(id: 1))
        bench.down(session, Frames.reply(id: 2) + Frames.reply(id: 1) + Frames.reply(id: 1))
        let unknown = bench.snapshot.operations.first { $0.operation.interface == "unknown" }
        #expect(unknown?.lateReplies == 2 && unknown?.calls == 0)
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 1"])
    }

    @Test("a reply whose kind was not seen has an unknown outcome, and a duration", arguments: Watching.allCases)
    func hole(watching: Watching) {
        // The hole begins at the kind, which is the body's first byte, or behind it.
        for (reply, start, expected) in [
            (Frames.reply(id: 1), 16, "unknown "), (Frames.exception(id: 1), 16, "unknown "),
            (Frames.reply(id: 1), 17, "ok OK"), (Frames.exception(id: 1), 17, "business_error OK"),
        ] {
            let bench = Bench(watching)
            let session = bench.open()
            bench.up(session, Frames.request(id: 1), now: 1_000)
            bench.down(session, Array(reply[..<start]), now: 1_000_000)
            bench.inspector.missed(session, count: UInt64(reply.count - start), going: .toDownstream, now: 2_000_000)
            #expect(bench.counts() == ["com.x.Svc.hello \(expected) 1"])
            let report = bench.snapshot.report("hello")
            #expect(report?.duration.count == 1 && (start == 17 || report?.errors == 0))
        }
    }

    @Test("so has one that cannot be read; where no kind is known in a serialization, its status says what it can")
    func unreadable() {
        for (flags, body, expected) in [
            (0x02, [0x4e], "unknown "), (0x02, [], "unknown "), (0x06, Array("x\n1\n".utf8), "unknown "),
            (0x17, [0, 0, 0, 9], "unknown "), (0x03, [1, 2, 3], "unknown "), (0x0c, [1, 2, 3], "ok OK"),
        ] as [(UInt8, [UInt8], String)] {
            let bench = Bench(.nothing)
            let session = bench.open()
            bench.up(session, Frames.request(id: 1))
            bench.down(session, Frames.frame(flags, status: 20, id: 1, body))
            #expect(bench.counts() == ["com.x.Svc.hello \(expected) 1"], "\(flags)")
        }
    }
}
