import Calls
import Dubbo
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// Connections that begin with lines of text and go on with frames, as Dubbo's port takes both.
@Suite struct TextFirstTests {
    private static let prompt = Array("com.x.Svc\r\ndubbo>".utf8)

    @Test(
        "text, then frames, cut at every place",
        arguments: ["ls\n", "\r\n", "invoke com.x.Svc.hello(\"grüß\")\r\n", "status -l\r\nls\r\nhelp\n", "x"]
    )
    func everySplit(text: String) {
        let frames = Frames.request(id: 1) + Frames.request(id: 2)
        let bytes = Array(text.utf8) + frames
        let replies = Self.prompt + Frames.reply(id: 1) + Frames.reply(id: 2)
        for cut in 0...bytes.count {
            let bench = Bench(.nothing)
            let session = bench.open()
            bench.up(session, Array(bytes[..<cut]))
            bench.up(session, Array(bytes[cut...]))
            bench.down(session, replies)
            #expect(bench.counts() == ["com.x.Svc.hello ok OK 2"], "cut at \(cut)")
            #expect(session.connectionProtocol == .dubbo)
            #expect(bench.uninspected.values.reduce(0, +) == UInt64(text.utf8.count + Self.prompt.count))
        }
    }

    @Test("a telnet session in between, its answers cut at every place")
    func talk() {
        let answer = Self.prompt + Frames.reply(id: 1)
        for cut in 0...answer.count {
            let bench = Bench(.nothing)
            let session = bench.open()
            bench.up(session, Array("ls\n".utf8))
            bench.down(session, Self.prompt)
            bench.up(session, Array("ls com.x.Svc\n".utf8))
            bench.up(session, Frames.request(id: 1))
            bench.down(session, Array(answer[..<cut]))
            bench.down(session, Array(answer[cut...]))
            #expect(bench.counts() == ["com.x.Svc.hello ok OK 1"], "cut at \(cut)")
        }
    }

    @Test("so many bytes of text are searched, and no more", arguments: [8_192, 8_193])
    func bound(count: Int) {
        for read in [1_000, 10_000] {
            let bench = Bench(.nothing)
            let session = bench.open()
            var rest = (Array(repeating: 0x61, count: count) + Frames.request(id: 1))[...]
            while !rest.isEmpty {
                bench.up(session, Array(rest.prefix(read)))
                rest = rest.dropFirst(read)
            }
            #expect((session.connectionProtocol == .dubbo) == (count == 8_192), "\(read)")
        }
    }

    @Test("what is no text is opaque at once")
    func binary() {
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Array("hello".utf8) + [0, 1, 2])
        bench.up(session, Frames.request(id: 1))
        #expect(session.connectionProtocol == .opaque && session.inFlight == 0)
        #expect(bench.snapshot.connections(.opaque)?.total == 1)
    }

    @Test("text protocols are opaque from their first line, and everything they say is counted")
    func other() {
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Array("*1\r\n$4\r\nPING\r\n".utf8))
        bench.down(session, Array("+PONG\r\n".utf8))
        #expect(session.connectionProtocol == .opaque && bench.uninspected == ["opaque": 21] && !session.isIdle)
        bench.up(session, Array("set\u{da}".utf8))
        bench.inspector.close(session, now: 5000)
        #expect(bench.uninspected == ["opaque": 26])
    }

    @Test("the first frames behind text are judged, cut at every place")
    func judged() throws {
        let frames = (1...3).map { Frames.request(id: $0) }
        let text = Array("ls\r\n".utf8)
        let bytes = text + frames.flatMap { $0 }
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1)])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == text + frames[0], "cut at \(cut)")
            #expect(DubboExchange.split(limited.down)?.frames.map(\.id) == [2, 3], "cut at \(cut)")
        }
    }

    @Test("text between frames hides none from a limit, and what cannot be read behind it is not dropped")
    func between() throws {
        let frames = (1...3).map { Frames.request(id: $0) }
        let text = Array("ls\r\n".utf8)
        let unreadable = Frames.frame(0xc2, id: 9, Array("no names in here".utf8))
        let bytes = frames[0] + text + frames[1] + text + unreadable + text + frames[2]
        for cut in 0...bytes.count {
            let limited = try LimitedBench([.window(1)])
            limited.give(Array(bytes[..<cut]))
            limited.give(Array(bytes[cut...]))
            #expect(limited.up == frames[0] + text + text + unreadable + text, "cut at \(cut)")
            #expect(DubboExchange.split(limited.down)?.frames.map(\.id) == [2, 3], "cut at \(cut)")
        }
    }
}
