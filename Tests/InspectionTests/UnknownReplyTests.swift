import Calls
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
}
